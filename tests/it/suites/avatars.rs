//! Pictures have the addresses that Active Storage would give them. (Suite `parity`
//! covers the rows of the oracle.)

use std::{collections::BTreeMap, fmt::Write};

use serde::Deserialize;

use crate::support::{Backend, Client, Database, Program, pb, viewer};

on_both_databases!(
    ids_and_names_of_any_form_have_addresses,
    settings_missing_for_an_address_are_named,
    statements_read_the_first_attachment_of_an_inbox,
);

const HOST: &str = "https://chat.example.test/rails/active_storage/representations/redirect/";

#[derive(Deserialize)]
struct Observed {
    signed_id_by_blob_id: BTreeMap<String, Signed>,
    variation_by_format: BTreeMap<String, Signed>,
    filename_escape: BTreeMap<String, Escaped>,
    filename_whole: BTreeMap<String, Escaped>,
}

#[derive(Deserialize)]
struct Signed {
    signed: String,
}

#[derive(Deserialize)]
struct Escaped {
    url_tail: String,
}

fn observed() -> Observed {
    serde_json::from_str(include_str!("../../golden/avatars.json")).unwrap()
}

/// A blob: id, file name, content type. Attached to an inbox as its picture.
async fn attach(database: &Database, inbox: i64, (id, name, content_type): (i64, &str, &str)) {
    let name = name.replace('\'', "''");
    database
        .execute(&format!(
            "INSERT INTO active_storage_blobs
                (id, key, filename, content_type, byte_size, created_at, service_name)
                VALUES ({id}, 'key {id}', '{name}', '{content_type}', 1, '2026-01-01', 'local');
            INSERT INTO active_storage_attachments (name, record_type, record_id, blob_id, created_at)
                VALUES ('avatar', 'Inbox', {inbox}, {id}, '2026-01-01')"
        ))
        .await;
}

async fn ids_and_names_of_any_form_have_addresses(backend: Backend) {
    let database = backend.golden();
    database
        .execute("DELETE FROM active_storage_attachments; DELETE FROM active_storage_blobs")
        .await;
    let Observed {
        signed_id_by_blob_id,
        variation_by_format,
        filename_escape,
        filename_whole,
    } = observed();
    let mut inboxes = database
        .numbers("SELECT id FROM inboxes ORDER BY id")
        .await
        .into_iter();
    let mut expected = BTreeMap::new();
    let as_jpg = &variation_by_format["\"jpg\""].signed;
    for (id, Signed { signed }) in &signed_id_by_blob_id {
        let inbox = inboxes.next().unwrap();
        let blob = (id.parse().unwrap(), "a.png", "image/jpeg");
        attach(&database, inbox, blob).await;
        expected.insert(inbox, format!("{HOST}{signed}/{as_jpg}/a.png"));
    }
    let escaped = filename_escape.into_iter();
    let escaped = escaped.map(|(character, end)| (format!("a{character}b.png"), end));
    for ((name, Escaped { url_tail }), id) in escaped.chain(filename_whole).zip(1000..) {
        let inbox = inboxes.next().unwrap();
        attach(&database, inbox, (id, &name, "image/webp")).await;
        expected.insert(inbox, url_tail);
    }
    assert!(expected.len() >= 85);

    let server = Program::serving(&database).start();
    let client = server.client().await;
    let as_png = &variation_by_format[":png"].signed;
    let mut compared = 0;
    for account in [1, 2, 3] {
        for inbox in client.all(account, viewer::service()).await {
            let Some(expected) = expected.get(&inbox.id) else {
                assert_eq!(inbox.avatar_url.as_deref(), Some(""), "inbox {}", inbox.id);
                continue;
            };
            let address = inbox.avatar_url.unwrap();
            if expected.starts_with(HOST) {
                assert_eq!(address, *expected);
            } else {
                let end = format!("/{as_png}/{expected}");
                assert!(
                    address.starts_with(HOST) && address.ends_with(&end),
                    "{address}"
                );
            }
            compared += 1;
        }
    }
    assert_eq!(compared, expected.len());
}

async fn settings_missing_for_an_address_are_named(backend: Backend) {
    let database = backend.golden();
    attach(&database, 142, (5000, "a.png", "image/png")).await;
    attach(&database, 143, (5001, "a.svg", "image/svg+xml")).await;
    for (missing, reason) in [
        ("SECRET_KEY_BASE", "SIGNING_KEY_NOT_CONFIGURED"),
        ("FRONTEND_URL", "FRONTEND_URL_NOT_CONFIGURED"),
    ] {
        let server = Program::serving(&database).without_env(missing).start();
        let client = server.client().await;
        for detail in [pb::InboxDetail::Basic, pb::InboxDetail::Full] {
            let inbox = look(&client, 142, detail).await;
            assert_eq!(inbox.avatar_url, None, "{missing}");
            let noted: Vec<_> = inbox
                .degradations
                .iter()
                .map(|noted| (noted.field.as_str(), noted.reason().as_str_name()))
                .collect();
            let reason = format!("DEGRADATION_REASON_{reason}");
            assert_eq!(noted, [("avatar_url", reason.as_str())], "{missing}");
            // Inboxes without an avatar need neither.
            let inbox = look(&client, 143, detail).await;
            assert_eq!(inbox.avatar_url.as_deref(), Some(""), "{missing}");
            assert!(inbox.degradations.is_empty(), "{missing}");
        }
    }
    // White space is no key to Rails.
    let server = Program::serving(&database)
        .env("SECRET_KEY_BASE", " \t")
        .start();
    let inbox = look(&server.client().await, 142, pb::InboxDetail::Basic).await;
    assert_eq!(inbox.avatar_url, None);
    // A host is one even without a name.
    let server = Program::serving(&database).env("FRONTEND_URL", "").start();
    let inbox = look(&server.client().await, 142, pb::InboxDetail::Basic).await;
    assert!(inbox.avatar_url.unwrap().starts_with("http:///rails/"));
}

async fn statements_read_the_first_attachment_of_an_inbox(backend: Backend) {
    let database = backend.golden();
    attach(&database, 142, (5000, "first.png", "image/png")).await;
    attach(&database, 142, (5001, "second.png", "image/png")).await;
    let mut others = String::new();
    for (name, record_type) in [("avatar", "User"), ("logo", "Inbox"), ("Avatar", "Inbox")] {
        write!(
            others,
            "INSERT INTO active_storage_attachments (name, record_type, record_id, blob_id, created_at)
                VALUES ('{name}', '{record_type}', 143, 5000, '2026-01-01');"
        )
        .unwrap();
    }
    database.execute(&others).await;
    let server = Program::serving(&database).start();
    let client = server.client().await;
    let inbox = look(&client, 142, pb::InboxDetail::Basic).await;
    assert!(inbox.avatar_url.unwrap().ends_with("/first.png"));
    let inbox = look(&client, 143, pb::InboxDetail::Basic).await;
    assert_eq!(inbox.avatar_url.as_deref(), Some(""));
}

async fn look(client: &Client, inbox_id: i64, detail: pb::InboxDetail) -> pb::Inbox {
    let request = pb::GetInboxRequest {
        account_id: 1,
        inbox_id,
        viewer: Some(viewer::service()),
        detail: detail.into(),
        ..Default::default()
    };
    client.get(request).await.unwrap().message.inbox.unwrap()
}
