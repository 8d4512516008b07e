//! The cost of encrypted secrets and signed addresses. A list of 1,000 email inboxes for
//! their administrator is timed against one with plain secrets.
//!
//! Three accounts of one database, asked in turn, so that whatever slows the
//! machine slows each of them. Prints ratios to the plain one, and how long a
//! start takes with keys and without.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "it measures, and says what it measured"
)]

/// The support of the tests.
#[path = "../tests/it"]
#[expect(
    unused,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "made for tests, which may fail loudly, and use all of it"
)]
mod it {
    pub mod support;
}

use std::{
    fmt::Write,
    time::{Duration, Instant},
};

use leadchat_inbox::leadchat::encryption::{Digest, Encryption, KeyMaterial};
use secrecy::{ExposeSecret, SecretString};

use it::support::{Backend, Client, Database, Program, golden, pb, viewer};

const INBOXES: usize = 1000;
const MEASURE_WINDOW: Duration = Duration::from_secs(20);

/// The content of an account's inboxes; its id is its position.
const ACCOUNTS: [(i64, &str); 3] = [(1, "plain"), (2, "encrypted"), (3, "plain, with a picture")];

#[tokio::main]
async fn main() {
    let keys = keys();
    for backend in [Backend::Sqlite, Backend::Postgres] {
        measure(backend, &keys).await;
    }
}

/// Encrypts with the oracle's primary key, so that equal texts look equal, which
/// is all the same to whoever decrypts it.
fn keys() -> Encryption {
    let keys = golden::encryption().keys;
    let key = |name: &str| SecretString::from(keys.get(name).cloned().unwrap_or_default());
    let began = Instant::now();
    let keys = Encryption::derive(&KeyMaterial {
        primary_key: key("primary_key"),
        deterministic_key: key("primary_key"),
        key_derivation_salt: key("key_derivation_salt"),
        digest: Digest::Sha1,
    });
    println!("two keys are derived in {:.0} ms", milliseconds(began));
    keys
}

async fn measure(backend: Backend, keys: &Encryption) {
    let database = create_database(backend, keys).await;
    let program = || Program::serving(&database).env("RUST_LOG", "warn");
    let began = Instant::now();
    drop(program().start());
    let without_keys = milliseconds(began);
    let began = Instant::now();
    let server = program().with_keys().start();
    let with_keys = milliseconds(began);
    let client = server.client().await;

    let mut durations = ACCOUNTS.map(|_| Vec::new());
    // Once each, so that none is the first.
    for (account, _) in ACCOUNTS {
        list(&client, account).await;
    }
    let end = Instant::now() + MEASURE_WINDOW;
    while Instant::now() < end {
        for ((account, _), durations) in ACCOUNTS.iter().zip(&mut durations) {
            let began = Instant::now();
            list(&client, *account).await;
            durations.push(milliseconds(began));
        }
    }

    println!("{}, {INBOXES} email inboxes a list", backend.name());
    println!("  a start takes {without_keys:.0} ms, with keys {with_keys:.0} ms");
    let floor = durations.first().map_or(f64::NAN, |plain| median(plain));
    for ((_, what), durations) in ACCOUNTS.iter().zip(&durations) {
        let median = median(durations);
        println!(
            "  {what:22} p50 {median:7.2} ms of {:4} lists, {:.2} times the plain one",
            durations.len(),
            median / floor
        );
    }
}

async fn list(client: &Client, account_id: i64) {
    let request = pb::ListInboxesRequest {
        account_id,
        viewer: Some(viewer::user(1)),
        page_size: 1000,
        ..Default::default()
    };
    let listed = client
        .list(request)
        .await
        .map(|answer| answer.message.inboxes);
    let is_whole = listed.is_ok_and(|inboxes| {
        inboxes.len() == INBOXES && inboxes.iter().all(|inbox| inbox.degradations.is_empty())
    });
    assert!(is_whole, "account {account_id} is listed, whole and sound");
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

fn median(durations: &[f64]) -> f64 {
    let mut sorted = durations.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The accounts, which differ in nothing else.
async fn create_database(backend: Backend, keys: &Encryption) -> Database {
    let database = backend.empty();
    let now = "'2026-01-01', '2026-01-01'";
    let user =
        format!("INSERT INTO users (id, name, created_at, updated_at) VALUES (1, 'u', {now})");
    database.execute(&user).await;
    for (account, what) in ACCOUNTS {
        let mut sql = format!(
            "INSERT INTO accounts (id, name, created_at, updated_at) VALUES ({account}, 'a', {now});
            INSERT INTO account_users (account_id, user_id, role, created_at, updated_at)
                VALUES ({account}, 1, 1, {now});"
        );
        let first = usize::try_from(account).unwrap_or_default() * 10_000;
        for id in first..first + INBOXES {
            let secret = |of: &str| {
                let plain = format!("a password of {of} {id}");
                if what != "encrypted" {
                    return plain;
                }
                let envelope = keys.deterministic(&plain.into());
                envelope.map_or_else(String::new, |it| it.expose_secret().to_owned())
            };
            let (imap, smtp) = (secret("imap"), secret("smtp"));
            // Writing to a String cannot fail.
            let _ = write!(
                sql,
                "INSERT INTO channel_email (id, account_id, email, forward_to_email, imap_password,
                    smtp_password, created_at, updated_at)
                    VALUES ({id}, {account}, 'e{id}', 'f{id}', '{imap}', '{smtp}', {now});
                INSERT INTO inboxes (id, account_id, channel_id, channel_type, name, created_at,
                    updated_at) VALUES ({id}, {account}, {id}, 'Channel::Email', 'n{id}', {now});"
            );
            if what.ends_with("picture") {
                let _ = write!(
                    sql,
                    "INSERT INTO active_storage_blobs
                        (id, key, filename, content_type, byte_size, created_at, service_name)
                        VALUES ({id}, 'k{id}', 'a.png', 'image/png', 1, '2026-01-01', 'local');
                    INSERT INTO active_storage_attachments
                        (name, record_type, record_id, blob_id, created_at)
                        VALUES ('avatar', 'Inbox', {id}, {id}, '2026-01-01');"
                );
            }
        }
        database.execute(&format!("BEGIN; {sql} COMMIT;")).await;
    }
    database
}
