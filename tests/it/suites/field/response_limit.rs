//! However large stored values are, a response fits into what clients take by default, which is
//! 4 MiB.

mod etags;

use std::collections::BTreeMap;

use prost::Message;

use crate::support::{
    Backend, Client, Database, Program, get_inbox, grpcio::Grpcio, pb,
    pb::find_inboxes_request::Key, program::Server, viewer,
};

on_both_databases!(
    pages_continue_after_an_inbox_with_thousands_of_templates,
    any_row_fits_in_every_answer,
    the_size_of_a_sealed_value_tells_an_agent_nothing,
    the_limit_may_be_raised_and_lowered,
    ids_that_remain_count_too,
);

const MEBIBYTE: usize = 1 << 20;
const DEFAULT: usize = 3 * MEBIBYTE;
const LEAST: usize = MEBIBYTE / 4;

/// A WhatsApp inbox of account 1, with its channel's id and number.
const INBOX: i64 = 233;
const NUMBER: &str = "+15552330000";

const ADMINISTRATOR: pb::Viewer = viewer::user(1);

/// A viewer that sees every inbox, as an agent does.
const AGENT: pb::Viewer = viewer::service();

/// Message templates as they are synchronised, of about 1.4 kB each.
fn templates(count: usize) -> String {
    let text = "Your order is on its way. ".repeat(50);
    let template = |number| {
        format!(
            r#"{{"name": "template_{number}", "language": "en", "status": "APPROVED",
                "components": [{{"type": "BODY", "text": "{text}"}}]}}"#
        )
    };
    let templates: Vec<_> = (0..count).map(template).collect();
    format!("[{}]", templates.join(","))
}

async fn set_templates(database: &Database, count: usize) {
    let sql = format!(
        "UPDATE channel_whatsapp SET message_templates = '{}' WHERE id = {INBOX}",
        templates(count)
    );
    database.execute(&sql).await;
}

fn get(viewer: pb::Viewer) -> pb::GetInboxRequest {
    get_inbox(1, INBOX, viewer)
}

fn list(viewer: pb::Viewer) -> pb::ListInboxesRequest {
    pb::ListInboxesRequest {
        account_id: 1,
        viewer: Some(viewer),
        page_size: 1000,
        ..Default::default()
    }
}

fn batch(viewer: pb::Viewer) -> pb::BatchGetInboxesRequest {
    pb::BatchGetInboxesRequest {
        account_id: 1,
        viewer: Some(viewer),
        inbox_ids: vec![INBOX, 999_999],
        ..Default::default()
    }
}

fn find(viewer: pb::Viewer) -> pb::FindInboxesRequest {
    pb::FindInboxesRequest {
        account_id: Some(1),
        viewer: Some(viewer),
        key: Some(Key::PhoneNumber(NUMBER.to_owned())),
        ..Default::default()
    }
}

/// The fields that are left out of an inbox as too large.
fn left_out(inbox: &pb::Inbox) -> Vec<&str> {
    let too_large = |it: &&pb::Degradation| it.reason() == pb::DegradationReason::TooLarge;
    let left_out = inbox.degradations.iter().filter(too_large);
    left_out.map(|it| it.field.as_str()).collect()
}

fn whatsapp(inbox: &pb::Inbox) -> &pb::WhatsappChannel {
    match inbox.channel.as_ref() {
        Some(pb::inbox::Channel::Whatsapp(channel)) => channel,
        _ => panic!("no WhatsApp"),
    }
}

fn without_etag(mut inbox: pb::Inbox) -> pb::Inbox {
    inbox.etag.clear();
    inbox
}

/// The inbox by each of the four methods, none of whose responses is larger than this.
async fn by_every_method(client: &Client, viewer: pb::Viewer, limit: usize) -> Vec<pb::Inbox> {
    let got = client.get(get(viewer)).await.unwrap();
    let batched = client.batch(batch(viewer)).await.unwrap();
    let found = client.find(find(viewer)).await.unwrap();
    let mut inboxes = vec![got.message.inbox.unwrap()];
    inboxes.extend(batched.message.inboxes);
    inboxes.extend(found.message.inboxes);
    let mut sizes = vec![got.bytes.len(), batched.bytes.len(), found.bytes.len()];
    let mut request = list(viewer);
    loop {
        let page = client.list(request.clone()).await.unwrap();
        sizes.push(page.bytes.len());
        let listed = page.message.inboxes.into_iter();
        inboxes.extend(listed.filter(|inbox| inbox.id == INBOX));
        request.page_token = page.message.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    assert_eq!(inboxes.len(), 4);
    assert!(sizes.iter().all(|size| *size <= limit), "{sizes:?}");
    inboxes
}

/// As a client sees it whose limit is its library's own.
async fn pages_continue_after_an_inbox_with_thousands_of_templates(backend: Backend) {
    let database = backend.golden();
    let before = {
        let server = Program::serving(&database).start();
        server
            .client()
            .await
            .get(get(ADMINISTRATOR))
            .await
            .unwrap()
            .message
            .inbox
            .unwrap()
    };
    set_templates(&database, 3000).await;
    let server = Program::serving(&database).start();
    let client = Grpcio::default();
    let address = &server.address;

    let mut request = list(ADMINISTRATOR);
    let mut walked = BTreeMap::new();
    loop {
        let page: pb::ListInboxesResponse = client.call(address, "ListInboxes", &request).unwrap();
        assert!(!page.inboxes.is_empty());
        walked.extend(page.inboxes.into_iter().map(|inbox| (inbox.id, inbox)));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    assert_eq!(walked.len(), 88);
    let others = walked.values().filter(|inbox| inbox.id != INBOX);
    assert!(others.into_iter().all(|inbox| left_out(inbox).is_empty()));

    let viewer = ADMINISTRATOR;
    let got: pb::GetInboxResponse = client.call(address, "GetInbox", &get(viewer)).unwrap();
    let batched: pb::BatchGetInboxesResponse = client
        .call(address, "BatchGetInboxes", &batch(viewer))
        .unwrap();
    let found: pb::FindInboxesResponse =
        client.call(address, "FindInboxes", &find(viewer)).unwrap();
    // All but the templates is as it was.
    let mut expected = without_etag(before);
    expected.degradations.push(pb::Degradation {
        field: "whatsapp.message_templates".to_owned(),
        reason: pb::DegradationReason::TooLarge.into(),
    });
    if let Some(pb::inbox::Channel::Whatsapp(channel)) = &mut expected.channel {
        channel.message_templates = None;
    }
    let came = [got.inbox.unwrap(), walked.remove(&INBOX).unwrap()];
    let came = came.into_iter().chain(batched.inboxes).chain(found.inboxes);
    let came: Vec<_> = came.collect();
    assert_eq!(came.len(), 4);
    for inbox in came {
        assert!(without_etag(inbox) == expected);
    }
}

/// Long texts, long lists and large JSON: whatever a table may hold.
async fn any_row_fits_in_every_answer(backend: Backend) {
    const LARGE: [&str; 9] = [
        "greeting_message",
        "csat_config.message",
        "csat_config.unrecognized",
        "out_of_office_message",
        "working_hours",
        "business_name",
        "whatsapp.provider",
        "whatsapp.message_templates",
        "whatsapp.provider_config",
    ];
    let database = backend.golden();
    // More than the least limit, each.
    let long = |letter: &str| letter.repeat(300_000);
    let json = format!(r#"{{"message": "{}", "more": "{}"}}"#, long("m"), long("n"));
    let sql = format!(
        "UPDATE inboxes SET greeting_message = '{greeting}', out_of_office_message = '{absence}',
            business_name = '{business}', csat_config = '{json}' WHERE id = {INBOX};
        UPDATE channel_whatsapp SET provider = '{provider}', provider_config = '{json}'
            WHERE id = {INBOX};
        INSERT INTO working_hours (inbox_id, account_id, day_of_week, open_hour, open_minutes,
                close_hour, close_minutes, created_at, updated_at)
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 6000)
            SELECT {INBOX}, 1, -1, -1, -1, -1, -1, '2026-01-01', '2026-01-01' FROM n",
        greeting = "g".repeat(5 * MEBIBYTE),
        absence = long("a"),
        business = long("b"),
        provider = long("p"),
    );
    database.execute(&sql).await;
    set_templates(&database, 250).await;
    let least = format!("{LEAST}");
    for (program, limit) in [
        (Program::serving(&database), DEFAULT),
        (
            Program::serving(&database).env("MAX_RESPONSE_BYTES", &least),
            LEAST,
        ),
    ] {
        let server = program.start();
        let client = server.client().await;
        for viewer in [ADMINISTRATOR, AGENT] {
            let inboxes = by_every_method(&client, viewer, limit).await;
            assert!(inboxes.iter().all(|inbox| *inbox == inboxes[0]));
            assert_eq!(whatsapp(&inboxes[0]).phone_number(), NUMBER);
            let left_out = left_out(&inboxes[0]);
            // The last is sealed.
            let large = match (limit, viewer) {
                (DEFAULT, _) => &LARGE[..1],
                (_, AGENT) => &LARGE[..8],
                _ => &LARGE,
            };
            assert_eq!(left_out, large);
        }
    }
}

fn with_least_limit(database: &Database) -> Server {
    Program::serving(database)
        .arg("--max-response-bytes")
        .arg("256KiB")
        .start()
}

/// The fields for an agent nearly fill a response. The further fields for an
/// administrator do not fit.
async fn the_size_of_a_sealed_value_tells_an_agent_nothing(backend: Backend) {
    let database = backend.golden();
    set_templates(&database, 170).await;
    let server = with_least_limit(&database);
    let client = server.client().await;
    let all = async |viewer| {
        let got = client.get(get(viewer)).await.unwrap();
        let listed = client.list(list(viewer)).await.unwrap();
        let (got_content, listed) = (got.content(), listed.content());
        (got.message.inbox.unwrap(), got_content, listed)
    };
    let (_, got, listed) = all(AGENT).await;
    assert!(got.len() > 230_000, "{}", got.len());
    for (bytes, to_administrator) in [
        (1, vec![]),
        (60_000, vec!["whatsapp.message_templates"]),
        (500_000, vec!["whatsapp.provider_config"]),
    ] {
        let secret = "s".repeat(bytes);
        let sql = format!(
            "UPDATE channel_whatsapp SET provider_config = '{{\"api_key\": \"{secret}\"}}'
                WHERE id = {INBOX}"
        );
        database.execute(&sql).await;
        let (inbox, got_now, listed_now) = all(AGENT).await;
        assert_eq!(left_out(&inbox), [""; 0]);
        assert!(got_now == got && listed_now == listed, "{bytes}");
        let (inbox, ..) = all(ADMINISTRATOR).await;
        assert_eq!(left_out(&inbox), to_administrator);
    }
}

async fn the_limit_may_be_raised_and_lowered(backend: Backend) {
    let database = backend.golden();
    set_templates(&database, 3000).await;
    for (limit, whole) in [("4MiB", false), ("8MiB", true), ("256KiB", false)] {
        let server = Program::serving(&database)
            .arg("--max-response-bytes")
            .arg(limit)
            // The flag counts before it.
            .env("MAX_RESPONSE_BYTES", "3 MiB")
            .start();
        let client = server.client().await;
        let bytes: usize = limit[..1].parse().unwrap();
        let bytes = if limit == "256KiB" {
            LEAST
        } else {
            bytes * MEBIBYTE
        };
        let inboxes = by_every_method(&client, ADMINISTRATOR, bytes).await;
        for inbox in inboxes {
            assert_eq!(left_out(&inbox).is_empty(), whole, "{limit}");
            assert_eq!(whatsapp(&inbox).message_templates.is_some(), whole);
        }
    }
}

/// Three thousand inboxes of one channel, most of which an answer can only name.
async fn ids_that_remain_count_too(backend: Backend) {
    let database = backend.golden();
    let many = format!(
        "INSERT INTO inboxes (id, account_id, channel_id, channel_type, name, created_at, updated_at)
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
            SELECT 1000000 + i, 1, {INBOX}, 'Channel::Whatsapp', 'n' || i, '2026-01-01', '2026-01-01'
            FROM n"
    );
    database.execute(&many).await;
    let server = with_least_limit(&database);
    let client = server.client().await;
    let found = client.find(find(ADMINISTRATOR)).await.unwrap();
    assert!(found.bytes.len() <= LEAST, "{}", found.bytes.len());
    assert_eq!(found.bytes.len(), found.message.encoded_len());
    let pb::FindInboxesResponse {
        inboxes, remaining, ..
    } = found.message;
    assert!(inboxes.len() > 100 && remaining.len() > 1000);
    let ids = inboxes.iter().map(|inbox| inbox.id);
    let ids: Vec<_> = ids.chain(remaining.iter().map(|it| it.inbox_id)).collect();
    let expected: Vec<_> = [INBOX].into_iter().chain(1_000_001..=1_002_000).collect();
    assert_eq!(ids, expected);
}
