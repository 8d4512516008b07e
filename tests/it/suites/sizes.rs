//! An account knows how many bytes it takes, so that a cache can have a limit.

use std::fmt::Write;

use allocation_counter::measure;

use crate::support::{Backend, Client, Program, account::account, pb, store, viewer};

on_both_databases!(an_account_knows_its_size);

/// How far a size may be from that which the allocator counts, in percent.
const MAX_ERROR_PERCENT: usize = 15;

/// Beside the oracle's rows: numbers with as many templates as leadchat reads at a time.
async fn an_account_knows_its_size(backend: Backend) {
    let templates = account(backend, 20).await;
    templates.execute(&whatsapp_templates(backend)).await;
    for (name, database) in [
        ("golden", backend.golden()),
        ("golden, encrypted", backend.golden_encrypted()),
        ("templates", templates),
    ] {
        let store = store::open(&database).await;
        let program = Program::serving(&database).with_keys();
        let server = program.env("RUST_LOG", "warn").start();
        let client = server.client().await;
        for id in database.numbers("SELECT id FROM accounts").await {
            // On the heap as a whole.
            let account = Box::new(store::read(&store, id, None).await);
            let size = account.size();
            let freed = measure(|| drop(account)).bytes_current;
            let allocated = usize::try_from(-freed).unwrap();
            let (count, encoded) = encoded(&client, id).await;
            println!("{name} {id}: {count} inboxes, {size} bytes, {encoded} as a message");
            let error = size.abs_diff(allocated) * 100;
            assert!(
                error <= allocated * MAX_ERROR_PERCENT,
                "{name} {id}: {size} bytes for {allocated}"
            );
        }
    }
}

/// How many inboxes an account has, and the bytes of the message that lists them.
async fn encoded(client: &Client, account_id: i64) -> (usize, usize) {
    let request = pb::ListInboxesRequest {
        account_id,
        viewer: Some(viewer::service()),
        page_size: 1000,
        detail: pb::InboxDetail::Full.into(),
        ..Default::default()
    };
    // A suspended account lists none.
    let answer = client.list(request).await.ok();
    answer.map_or((0, 0), |answer| {
        (answer.message.inboxes.len(), answer.bytes.len())
    })
}

/// Forty message templates of each WhatsApp number.
fn whatsapp_templates(backend: Backend) -> String {
    let mut templates = String::from("[");
    for index in 0..40 {
        let comma = if index == 0 { "" } else { "," };
        write!(
            templates,
            r#"{comma}{{"id": "10{index}", "name": "order_{index}", "language": "en_US", "status": "APPROVED",
            "category": "UTILITY", "components": [
                {{"type": "BODY", "text": "Hello {{{{1}}}}, your order {{{{2}}}} has left the shop.",
                  "example": {{"body_text": [["Ada", "1815"]]}}}},
                {{"type": "BUTTONS", "buttons": [{{"type": "URL", "text": "Track", "url": "https://shop.example.test/{{{{1}}}}"}}]}}
            ]}}"#
        )
        .unwrap();
    }
    templates.push(']');
    let cast = match backend {
        Backend::Postgres => "::jsonb",
        Backend::Sqlite => "",
    };
    format!("UPDATE channel_whatsapp SET message_templates = '{templates}'{cast}")
}
