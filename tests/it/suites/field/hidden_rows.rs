//! Rows hidden without an error. Row-level security is refused or an error, never a
//! smaller answer. For views and replicated tables, a check reports that it cannot know.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tonic::Code;

use crate::{
    suites::{
        finding::{everywhere, found},
        grants::Attached,
    },
    support::{
        Backend, Client, Program,
        cluster::{Cluster, Setup},
        golden,
        pb::{self, find_inboxes_request::Key},
        pgbouncer::PgBouncer,
        program::{KEY_PART, WAIT_TIMEOUT, eventually},
        schema::TABLES,
        viewer,
    },
};

on_both_databases!(a_check_says_of_views_what_it_cannot_know);

/// The output of a check, and its exit code.
fn report(url: &str) -> (Option<i32>, Value) {
    let output = Program::new(&["check", "--json"])
        .env("DATABASE_URL", url)
        .env("FRONTEND_URL", "https://chat.example.test")
        .env("SECRET_KEY_BASE", &KEY_PART.repeat(8))
        .output();
    let report = serde_json::from_slice(&output.stdout).unwrap();
    (output.status.code(), report)
}

fn codes(report: &Value, of: &str) -> Vec<String> {
    let findings = report[of].as_array().unwrap().iter();
    let codes = findings.map(|finding| finding["code"].as_str().unwrap().to_owned());
    codes.collect()
}

fn row_security(tables: &[&str], state: &str) -> String {
    let alter = |table: &&str| format!("ALTER TABLE {table} {state} ROW LEVEL SECURITY;");
    tables.iter().map(alter).collect()
}

/// leadchat's tables that are read.
fn read_tables() -> Vec<&'static str> {
    let tables = TABLES.into_iter();
    let mut tables: Vec<_> = tables
        .filter(|table| *table != "channel_reauthorizations")
        .collect();
    tables.sort_unstable();
    tables
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_security_is_refused_at_the_start_and_by_a_check() {
    let attached = Attached::with(golden::ENCRYPTED_ROWS).granted();
    let (code, _) = report(&attached.url());
    assert_eq!(code, Some(1), "the keys are not set");
    let all = read_tables();
    assert!(!attached.sql().contains("BYPASSRLS"));
    for tables in [&["channel_email", "inboxes"], &all[..]] {
        attached.psql(&row_security(tables, "ENABLE"));
        // The SQL of `grants` says what else it takes.
        let sql = attached.sql();
        assert!(
            sql.contains(&format!("public.{}", tables.join(", public."))),
            "{sql}"
        );
        assert!(
            sql.contains(&format!("-- ALTER ROLE {} BYPASSRLS;", attached.role)),
            "{sql}"
        );
        let (code, report) = report(&attached.url());
        assert_eq!(code, Some(1));
        assert_eq!(report["tables"]["row_security"], json!(tables));
        assert!(codes(&report, "problems").contains(&"ROW_SECURITY_ACTIVE".to_owned()));
        let not_reported = codes(&report, "problems");
        assert!(
            !not_reported.contains(&"KEYS_UNKNOWN".to_owned()),
            "{report:#}"
        );
        assert_eq!(report["accounts"], json!(null));
        let refusal = attached.serving().refusal();
        assert!(refusal.contains("row-level security"), "{refusal}");
        for table in tables {
            assert!(refusal.contains(table), "{table}: {refusal}");
        }
    }
    // The same holds if the table of the version cannot be read as a whole, or has a
    // policy.
    attached.psql(
        "ALTER TABLE schema_migrations ENABLE ROW LEVEL SECURITY;
        CREATE POLICY all_of_it ON accounts USING (true)",
    );
    let (_, secured) = report(&attached.url());
    assert_eq!(secured["tables"]["row_security"], json!(all));
    assert_eq!(secured["tables"]["rails_version"], json!(null));

    // The owner is not concerned, nor is a role that is let pass.
    let (_, of_owner) = report(&attached.database.url());
    assert_eq!(of_owner["tables"]["row_security"], json!([]));
    attached.psql(&format!("ALTER ROLE {} BYPASSRLS", attached.role));
    let (_, passed) = report(&attached.url());
    assert_eq!(passed["tables"]["row_security"], json!([]));
    assert_eq!(passed["accounts"]["inboxes"]["total"], 122);
    let server = attached.serving().start();
    let client = server.client().await;
    assert_eq!(client.all(1, viewer::user(1)).await.len(), 88);
}

/// An owner is concerned where it is forced to be.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_under_row_security_is_refused_too() {
    let attached = Attached::with(golden::ROWS).granted();
    let role = &attached.role;
    attached.psql(&format!("ALTER TABLE inboxes OWNER TO {role}"));
    attached.psql(&row_security(&["inboxes"], "ENABLE"));
    assert_eq!(report(&attached.url()).0, Some(0));
    attached.psql(&row_security(&["inboxes"], "FORCE"));
    let refusal = attached.serving().refusal();
    assert!(refusal.contains("inboxes"), "{refusal}");
}

/// All that is said, or the code of a refusal.
async fn said(client: &Client) -> Vec<Result<Vec<u8>, Code>> {
    let mut said = Vec::new();
    for viewer in [
        viewer::user(1),
        viewer::user(2),
        viewer::bot(1),
        viewer::service(),
    ] {
        let list = pb::ListInboxesRequest {
            account_id: 1,
            viewer: Some(viewer),
            page_size: 1000,
            ..Default::default()
        };
        said.push(client.list(list).await.map(|it| it.content()));
        let batch = pb::BatchGetInboxesRequest {
            account_id: 1,
            viewer: Some(viewer),
            inbox_ids: vec![1, 2, 101, 142, 165, 191],
            ..Default::default()
        };
        said.push(client.batch(batch).await.map(|it| it.content()));
    }
    for key in [
        Key::PhoneNumber("+15552410000".to_owned()),
        Key::Email("nobody@example.test".to_owned()),
        Key::TelegramBotToken("none".to_owned()),
    ] {
        said.push(client.find(everywhere(key)).await.map(|it| it.content()));
    }
    said.into_iter()
        .map(|answer| answer.map_err(|status| status.code()))
        .collect()
}

/// On each table in turn, under a server that has read all of them before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_later_policy_is_an_error_and_not_fewer_rows() {
    let attached = Attached::with(golden::ROWS).granted();
    let server = attached.serving().start();
    let client = server.client().await;
    let before = said(&client).await;
    assert!(before.iter().all(Result::is_ok));
    for table in read_tables() {
        // Whether it hides all rows, some, or none.
        attached.psql(&format!(
            "CREATE POLICY part ON {table} USING (id % 2 = 0);
            {}",
            row_security(&[table], "ENABLE")
        ));
        let during = said(&client).await;
        let mut refused = 0;
        for (before, during) in before.iter().zip(&during) {
            match during {
                Err(code) => {
                    assert_eq!(*code, Code::Internal, "{table}");
                    refused += 1;
                }
                Ok(_) => assert!(before == during, "{table}: another answer"),
            }
        }
        assert!(refused > 0, "{table} is read by none of these");
        eventually("the log names the table", || {
            let log = server.log();
            let mut reported = log
                .lines()
                .filter(|line| line.contains("row-level security"));
            reported.any(|line| line.contains("ERROR") && line.contains(table))
        })
        .await;
        attached.psql(&format!(
            "DROP POLICY part ON {table};
            {}",
            row_security(&[table], "DISABLE")
        ));
    }
    assert!(said(&client).await == before, "it is over");
}

/// Nothing but the transaction is told, whoever has the session next.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_security_is_seen_through_pgbouncer() {
    let attached = Attached::with(golden::ROWS).granted();
    let cluster = Cluster::shared();
    let user = format!(
        "reading = host=127.0.0.1 port={} user={} dbname={}",
        cluster.port, attached.role, attached.name
    );
    let pgbouncer = PgBouncer::before(cluster, 2, &["[databases]", &user]);
    let program = || Program::serving_at(&pgbouncer.url("reading")).arg("--pgbouncer");
    let server = program().start();
    let client = server.client().await;
    assert_eq!(client.all(1, viewer::user(1)).await.len(), 88);
    attached.psql(&row_security(&["inboxes"], "ENABLE"));
    let list = pb::ListInboxesRequest {
        account_id: 1,
        viewer: Some(viewer::user(1)),
        ..Default::default()
    };
    let refused = client.list(list).await.unwrap_err();
    assert_eq!(refused.code(), Code::Internal);
    // Others share the sessions, and go on as they want.
    let other = cluster.psql_at(
        pgbouncer.port,
        "reading",
        "SHOW row_security; SELECT count(id) FROM inboxes",
    );
    assert_eq!(other.trim(), "on\n0");
    let refusal = program().refusal();
    assert!(refusal.contains("inboxes"), "{refusal}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_security_is_seen_on_a_standby() {
    let primary = Cluster::with(&Setup {
        lines: vec!["synchronous_commit = local"],
        ..Setup::default()
    });
    primary.create_database("leadchat", None);
    for sql in [
        include_str!("../../../golden/leadchat_tables.sql"),
        golden::ROWS,
        "CREATE ROLE reader LOGIN; GRANT pg_read_all_data TO reader",
    ] {
        primary.psql("leadchat", sql);
    }
    let standby = Cluster::with(&Setup {
        replica_of: Some(primary.port),
        ..Setup::default()
    });
    let url = standby.url("leadchat").replace("//postgres@", "//reader@");
    let server = Program::serving_at(&url).start();
    let client = server.client().await;
    let key = || Key::PhoneNumber("+15550000000".to_owned());
    assert_eq!(found(&client, everywhere(key())).await, [0; 0]);
    primary.psql("leadchat", &row_security(&["channel_sms"], "ENABLE"));
    let mut answer = client.find(everywhere(key())).await;
    let end = Instant::now() + WAIT_TIMEOUT;
    while answer.is_ok() && Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(20)).await;
        answer = client.find(everywhere(key())).await;
    }
    assert_eq!(answer.unwrap_err().code(), Code::Internal);
    let refusal = Program::serving_at(&url).refusal();
    assert!(refusal.contains("channel_sms"), "{refusal}");
}

async fn a_check_says_of_views_what_it_cannot_know(backend: Backend) {
    let database = backend.golden();
    let (_, whole) = report(&database.url());
    assert_eq!(whole["tables"]["partial"], json!([]));
    assert!(!codes(&whole, "notes").contains(&"ROWS_NOT_KNOWN".to_owned()));
    let lost = database
        .numbers("SELECT id FROM inboxes WHERE account_id = 2")
        .await
        .len();
    assert!(lost > 1);
    let barrier = match backend {
        Backend::Postgres => "WITH (security_barrier)",
        Backend::Sqlite => "",
    };
    database
        .execute(&format!(
            "ALTER TABLE accounts RENAME TO all_accounts;
            CREATE VIEW accounts {barrier} AS SELECT * FROM all_accounts WHERE id <> 2"
        ))
        .await;
    let (code, partial) = report(&database.url());
    assert_eq!(code, Some(0), "{partial:#}");
    assert_eq!(
        partial["tables"]["partial"],
        json!([{"table": "accounts", "kind": "view"}])
    );
    let dangling = partial["tables"]["dangling"].as_array().unwrap();
    assert!(
        dangling.contains(&json!({"reference": "inboxes.account_id", "rows": lost})),
        "{dangling:?}"
    );
    assert!(codes(&partial, "notes").contains(&"ROWS_NOT_KNOWN".to_owned()));
}

/// Rows and tables that a publication leaves out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_reports_unknown_policies_of_replicated_tables() {
    let cluster = Cluster::with(&Setup {
        lines: vec!["wal_level = logical"],
        ..Setup::default()
    });
    for name in ["rails", "copy"] {
        cluster.create_database(name, None);
        cluster.psql(name, include_str!("../../../golden/leadchat_tables.sql"));
    }
    cluster.psql("rails", golden::ROWS);
    let others: Vec<_> = read_tables()
        .into_iter()
        .filter(|table| *table != "inboxes")
        .collect();
    cluster.psql(
        "rails",
        &format!(
            "CREATE PUBLICATION part FOR TABLE inboxes WHERE (id <> 1), {};
            SELECT pg_create_logical_replication_slot('part', 'pgoutput')",
            others.join(", ")
        ),
    );
    cluster.psql(
        "copy",
        &format!(
            "CREATE SUBSCRIPTION part CONNECTION 'host=127.0.0.1 port={} user=postgres dbname=rails'
            PUBLICATION part WITH (create_slot = false)",
            cluster.port
        ),
    );
    let copied = || {
        let left = "SELECT count(*) FROM pg_subscription_rel WHERE srsubstate <> 'r'";
        cluster.psql("copy", left).trim() == "0"
    };
    tokio::task::block_in_place(|| {
        for _ in 0..500 {
            if copied() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("not copied");
    });
    let (_, report) = report(&cluster.url("copy"));
    let partial = report["tables"]["partial"].as_array().unwrap();
    assert_eq!(partial.len(), read_tables().len());
    assert!(partial.contains(&json!({"table": "inboxes", "kind": "replicated"})));
    let dangling = report["tables"]["dangling"].as_array().unwrap();
    let hours = dangling
        .iter()
        .find(|it| it["reference"] == "working_hours.inbox_id");
    assert!(hours.unwrap()["rows"].as_u64() > Some(0), "{dangling:?}");
    assert!(codes(&report, "notes").contains(&"ROWS_NOT_KNOWN".to_owned()));
    // Dropped with its slot, so that the cluster can stop.
    cluster.psql("copy", "DROP SUBSCRIPTION part");
}
