//! Stored bytes that are no UTF-8: in a database without an encoding, or in a damaged one
//! of UTF-8. Each costs its field and never the call.

use std::collections::BTreeMap;

use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::encodings::ordered;
use crate::{
    suites::{
        degradations::columns::{DERIVED, ELSEWHERE, SHOWN, SHOWN_ROWS, Seen, field},
        finding::{BOT_TOKEN, PLACES, accounts, everywhere, found, rows},
    },
    support::{
        Backend, Database, Program,
        cluster::Cluster,
        pb::{self, find_inboxes_request::Key},
        pgbouncer::PgBouncer,
        program::{KEY_PART, Server},
        schema::{Kind, schema},
        viewer, wire,
    },
};

on_both_databases!(
    damaged_names_logins_and_json_cost_no_call,
    addresses_are_found_beside_damaged_ones,
    a_check_counts_damaged_values,
);

const ADMINISTRATOR: pb::Viewer = viewer::user(1);

/// How a database is known to a server that reads what was damaged. (SQLite has but one
/// way.)
fn encodings(backend: Backend) -> &'static [&'static str] {
    match backend {
        Backend::Postgres => &["SQL_ASCII", "UTF8"],
        Backend::Sqlite => &["UTF8"],
    }
}

/// Declares a database of PostgreSQL's to have an encoding, for sessions that begin from
/// then on. Stored values do not change.
fn declare(database: &Database, encoding: &str) {
    if let Database::Postgres { name } = database {
        Cluster::shared().psql(
            "postgres",
            &format!(
                "UPDATE pg_database SET encoding = pg_char_to_encoding('{encoding}')
                WHERE datname = '{name}'"
            ),
        );
    }
}

/// A database that is served in one encoding, and damaged by a session without any.
struct Damaged {
    database: Database,
    server: Server,
    writer: Option<PgConnection>,
}

impl Damaged {
    async fn serving(database: Database, encoding: &str) -> Self {
        let mut writer = None;
        if database.backend() == Backend::Postgres {
            declare(&database, "SQL_ASCII");
            writer = Some(PgConnection::connect(&database.url()).await.unwrap());
            declare(&database, encoding);
        }
        let server = Program::serving(&database).start();
        Self {
            database,
            server,
            writer,
        }
    }

    async fn execute(&mut self, sql: &str) {
        match &mut self.writer {
            Some(writer) => {
                let sql = AssertSqlSafe(sql.to_owned());
                sqlx::raw_sql(sql).execute(writer).await.unwrap();
            }
            None => self.database.execute(sql).await,
        }
    }
}

/// Bytes as a text of SQL's.
fn text(backend: Backend, bytes: &[u8]) -> String {
    let hex: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let hex = hex.concat();
    match backend {
        Backend::Postgres => format!("convert_from(decode('{hex}', 'hex'), 'SQL_ASCII')"),
        Backend::Sqlite => format!("CAST(x'{hex}' AS TEXT)"),
    }
}

/// As JSON.
fn json(backend: Backend, bytes: &[u8]) -> String {
    match backend {
        Backend::Postgres => format!("CAST({} AS jsonb)", text(backend, bytes)),
        Backend::Sqlite => text(backend, bytes),
    }
}

/// Every text and every JSON column of every table that is read. (On SQLite, the suite
/// `degradations` does the same, with more than bytes.)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_byte_costs_its_field_in_every_column() {
    for encoding in encodings(Backend::Postgres) {
        let database = Backend::Postgres.golden();
        database.execute(SHOWN_ROWS).await;
        let schema = schema(&database, Backend::Postgres).await;
        let contract: BTreeMap<_, _> = wire::paths().into_iter().collect();
        let mut database = Damaged::serving(database, encoding).await;
        let client = database.server.client().await;
        let mut tried = 0;
        for (table, columns) in &schema {
            let shown = SHOWN.iter().find(|(of, ..)| of == table);
            let (within, inbox, row) = match shown {
                Some((_, within, inbox, row)) => (*within, *inbox, (*row).to_owned()),
                None if *table == "channel_reauthorizations" => continue,
                None => ("", 1, format!("id = (SELECT min(id) FROM {table})")),
            };
            database
                .execute(&format!(
                    "CREATE TABLE saved AS SELECT * FROM {table} WHERE {row}"
                ))
                .await;
            for column in columns {
                let name = column.name.as_str();
                let damaged = match column.kind {
                    Kind::Text { .. } => text(Backend::Postgres, b"a\xe9"),
                    Kind::Json => json(Backend::Postgres, b"[\"\xff\"]"),
                    _ => continue,
                };
                let derived = DERIVED
                    .iter()
                    .filter(|(of, column, _)| (*of, *column) == (*table, name))
                    // SQL evaluates these, whatever the bytes are.
                    .filter(|_| name != "provider_config" || *table == "channel_whatsapp");
                let fields: BTreeMap<_, _> = shown
                    .map(|_| field(within, name))
                    .into_iter()
                    .filter(|field| !ELSEWHERE.contains(&field.as_str()))
                    .chain(derived.map(|(.., field)| (*field).to_owned()))
                    .filter_map(|field| contract.get_key_value(&field))
                    .collect();
                let what = format!("{encoding}: {table}.{name}");
                let set = |value: &str| format!("UPDATE {table} SET {name} = {value} WHERE {row}");
                let before = Seen::look(&client, inbox).await;
                database.execute(&set(&damaged)).await;
                if fields.is_empty() {
                    // Nobody is shown it; and nobody misses an inbox.
                    assert_eq!(client.all(1, ADMINISTRATOR).await.len(), 88, "{what}");
                } else {
                    let after = Seen::look(&client, inbox).await;
                    after.lacks(&before, name, &fields, &["SOURCE_UNREADABLE"], &what);
                }
                let stored = format!("(SELECT {name} FROM saved)");
                database.execute(&set(&stored)).await;
                tried += 1;
            }
            database.execute("DROP TABLE saved").await;
        }
        assert!(tried > 90, "{tried}");
    }
}

async fn damaged_names_logins_and_json_cost_no_call(backend: Backend) {
    for encoding in encodings(backend) {
        let database = backend.golden();
        let mut database = Damaged::serving(database, encoding).await;
        let client = database.server.client().await;
        let before = client.all(1, ADMINISTRATOR).await;
        let name = text(backend, b"Zebra caf\xe9");
        let login = text(backend, b"\xe9");
        let config = json(backend, b"{\"message\": \"\xe9\"}");
        database
            .execute(&format!(
                "UPDATE inboxes SET name = {name}, csat_config = {config} WHERE id = 2;
                UPDATE channel_email SET imap_login = {login} WHERE id = 162"
            ))
            .await;
        let after = client.all(1, ADMINISTRATOR).await;
        assert_eq!(after.len(), before.len());
        for (inbox, fields) in [
            (2, vec!["csat_config", "name"]),
            (162, vec!["email.imap.login"]),
        ] {
            let find = |all: &[pb::Inbox]| all.iter().find(|it| it.id == inbox).cloned().unwrap();
            let noted = |all: &[pb::Inbox]| -> Vec<_> {
                let noted = find(all).degradations.into_iter();
                noted.map(|it| (it.field.clone(), it.reason())).collect()
            };
            let (old, new) = (noted(&before), noted(&after));
            let mut new: Vec<_> = new.into_iter().filter(|it| !old.contains(it)).collect();
            new.sort();
            let reason = pb::DegradationReason::SourceUnreadable;
            let expected: Vec<_> = fields.iter().map(|it| ((*it).to_owned(), reason)).collect();
            assert!(new == expected, "{encoding}: {inbox}");
        }
        let whole = |inbox: &&pb::Inbox| ![2, 162].contains(&inbox.id);
        let unchanged = |all: &[pb::Inbox]| -> BTreeMap<_, _> {
            let all = all.iter().filter(whole);
            all.map(|inbox| (inbox.id, inbox.clone())).collect()
        };
        assert!(unchanged(&before) == unchanged(&after), "{encoding}");

        let batch = pb::BatchGetInboxesRequest {
            account_id: 1,
            viewer: Some(ADMINISTRATOR),
            inbox_ids: vec![2, 1, 162],
            ..Default::default()
        };
        let batch = client.batch(batch).await.unwrap().message;
        assert_eq!(batch.inboxes.len(), 3);
        // Of a name that cannot be read, no beginning is known.
        let prefix = pb::ListInboxesRequest {
            account_id: 1,
            viewer: Some(ADMINISTRATOR),
            name_prefix: "zebra".to_owned(),
            ..Default::default()
        };
        let listed = client.list(prefix).await.unwrap().message.inboxes;
        let listed: Vec<_> = listed.iter().map(|inbox| inbox.id).collect();
        assert!(listed.contains(&1) && !listed.contains(&2), "{listed:?}");
    }
}

async fn addresses_are_found_beside_damaged_ones(backend: Backend) {
    for encoding in encodings(backend) {
        let database = backend.golden();
        accounts(&database, [77]).await;
        let both = "email, forward_to_email";
        let rows_of_mail = [
            (7701, 77, "Email", both, "'support@example.com', 'f1'"),
            (7702, 77, "Email", both, "'supp-', 'f2'"),
            (7703, 77, "Email", both, "'ÜNDER@x', 'f3'"),
        ];
        rows(&database, backend, &rows_of_mail).await;
        let places: Vec<_> = PLACES.into_iter().chain([BOT_TOKEN]).collect();
        let mut stored = Vec::new();
        for (_, class, table, column) in &places {
            let of_place = format!(
                "SELECT i.id AS id, t.{column} AS text FROM {table} t
                JOIN inboxes i ON i.channel_id = t.id AND i.channel_type = 'Channel::{class}'
                WHERE trim(t.{column}) <> '' AND i.account_id IN (1, 2) ORDER BY i.id"
            );
            stored.push(database.pairs(&of_place).await);
        }
        let mut database = Damaged::serving(database, encoding).await;
        let client = database.server.client().await;
        let mut searched = 0;
        for ((key, _, table, column), stored) in places.into_iter().zip(stored) {
            let value = text(backend, b"a\xe9");
            let row = format!("id = (SELECT min(id) FROM {table} WHERE {column} IS NOT NULL)");
            database
                .execute(&format!(
                    "UPDATE {table} SET {column} = {value} WHERE {row}"
                ))
                .await;
            for (id, text) in stored.iter().skip(1) {
                let ids = found(&client, everywhere(key(text.clone()))).await;
                assert!(ids.contains(id), "{encoding}: {table}.{column}");
                searched += 1;
            }
            for nothing in ["a", "aé", "b", "a\u{10348}"] {
                let ids = found(&client, everywhere(key(nothing.to_owned()))).await;
                assert_eq!(ids, [0; 0], "{encoding}: {table}.{column}");
            }
        }
        assert!(searched > 40, "{searched}");

        // Whatever lies next to it in the order of the addresses.
        let value = text(backend, b"supp\xe9");
        database
            .execute(&format!(
                "UPDATE channel_email SET email = {value} WHERE id = 7702"
            ))
            .await;
        for (text, inboxes) in [
            ("SUPPORT@example.com", vec![7701]),
            ("suppz@example.com", vec![]),
            ("supp", vec![]),
            ("suppé", vec![]),
            ("ünder@X", vec![7703]),
        ] {
            let ids = found(&client, everywhere(Key::Email(text.to_owned()))).await;
            assert_eq!(ids, inboxes, "{encoding}: {text}");
        }
    }
}

/// Also where what the keys are tried on is damaged.
async fn a_check_counts_damaged_values(backend: Backend) {
    for encoding in encodings(backend) {
        let database = backend.golden_encrypted();
        declare(&database, "SQL_ASCII");
        let name = text(backend, b"\xe9");
        let envelope = text(backend, b" {\"p\": \"\xe9");
        database
            .execute(&format!(
                "UPDATE inboxes SET name = {name} WHERE id = 2;
                UPDATE channel_email SET imap_password = {envelope} WHERE id = 162"
            ))
            .await;
        declare(&database, encoding);
        let output = Program::new(&["check", "--json"])
            .env("DATABASE_URL", &database.url())
            .env("FRONTEND_URL", "https://chat.example.test")
            .env("SECRET_KEY_BASE", &KEY_PART.repeat(8))
            .with_keys()
            .output();
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{report:#}");
        assert_eq!(report["encryption"]["state"], "usable");
        let degradations = report["accounts"]["inboxes"]["degradations"]
            .as_array()
            .unwrap();
        for field in ["name", "email.imap.password"] {
            let is_it = |it: &&serde_json::Value| {
                it["field"] == field && it["reason"] == "SOURCE_UNREADABLE"
            };
            let counted = degradations.iter().filter(is_it);
            let values: u64 = counted.map(|it| it["values"].as_u64().unwrap()).sum();
            assert_eq!(values, 1, "{encoding}, {field}: {degradations:#?}");
        }
    }
}

/// PostgreSQL is told for each transaction how its bytes are meant, and other clients of
/// the same session are not concerned.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_bytes_come_through_pgbouncer() {
    let database = Backend::Postgres.golden();
    let name = database.name();
    declare(&database, "SQL_ASCII");
    let damaged = text(Backend::Postgres, b"\xe9");
    database
        .execute(&format!("UPDATE inboxes SET name = {damaged} WHERE id = 2"))
        .await;
    let cluster = Cluster::shared();
    let pgbouncer = PgBouncer::before(cluster, 1, &[]);
    let server = Program::serving_at(&pgbouncer.url(name))
        .arg("--pgbouncer")
        .start();
    let client = server.client().await;
    for _ in 0..3 {
        assert_eq!(client.all(1, ADMINISTRATOR).await.len(), 88);
        let other = "SHOW client_encoding; SELECT 'é' || name FROM inboxes WHERE id = 1";
        let said = cluster.psql_at(pgbouncer.port, name, other);
        assert_eq!(said.trim(), "UTF8\néZebra");
    }
}

/// Where texts are ordered as in a dictionary, by ICU.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mail_is_found_beside_damaged_mail_in_a_dictionarys_order() {
    let database = ordered("UTF8", "LOCALE_PROVIDER icu ICU_LOCALE 'en-US'");
    accounts(&database, [1]).await;
    let both = "email, forward_to_email";
    let mail = [
        (1, 1, "Email", both, "'support@example.com', 'f1'"),
        (2, 1, "Email", both, "'supp-', 'f2'"),
    ];
    rows(&database, Backend::Postgres, &mail).await;
    // ICU knows no bytes without an encoding.
    declare(&database, "LATIN1");
    database
        .execute("UPDATE channel_email SET email = 'supp' || chr(233) WHERE id = 2")
        .await;
    declare(&database, "UTF8");
    database.execute("REINDEX TABLE channel_email").await;
    let server = Program::serving(&database).start();
    let client = server.client().await;
    for (text, inboxes) in [
        ("SUPPORT@example.com", vec![1]),
        ("suppz", vec![]),
        ("suppé", vec![]),
    ] {
        let ids = found(&client, everywhere(Key::Email(text.to_owned()))).await;
        assert_eq!(ids, inboxes, "{text}");
    }
    let inboxes = client.all(1, viewer::service()).await;
    assert_eq!(inboxes.len(), 2);
}
