//! Findings about a store: tables, keys, Redis, and servers that cannot be reached.

mod settings;

use super::*;
use crate::support::{canary, cluster::free_port};

/// On encrypted rows, keys that are right, wrong and not there; on plain ones, any.
pub(super) async fn keys_are_tried_on_encrypted_values(backend: Backend) {
    let database = with_rows(backend, golden::ENCRYPTED_ROWS);
    let right = report(checking(&database).with_keys());
    assert_eq!(right["encryption"]["state"], "usable", "{right:#}");
    // Some are damaged; the table says which.
    assert_eq!(problems(&right), [""; 0]);
    assert!(notes(&right).contains(&"VALUES_NOT_OPENED".to_owned()));
    let sample = right["encryption"]["sample"].as_array().unwrap();
    let columns: Vec<_> = sample
        .iter()
        .map(|it| it["column"].as_str().unwrap())
        .collect();
    assert_eq!(
        columns,
        [
            "channel_email.imap_password",
            "channel_email.smtp_password",
            "channel_twilio_sms.auth_token",
            "channel_telegram.bot_token",
        ]
    );
    for column in sample {
        assert!(column["opened"].as_u64() > Some(0), "{column}");
    }

    // Each key by itself.
    for name in ["PRIMARY_KEY", "DETERMINISTIC_KEY"] {
        let name = format!("ACTIVE_RECORD_ENCRYPTION_{name}");
        let wrong = report(checking(&database).with_keys().env(&name, "another"));
        assert_eq!(
            wrong["encryption"]["state"], "not_usable",
            "{name}: {wrong:#}"
        );
        assert_eq!(problems(&wrong), ["KEYS_NOT_USABLE"], "{name}");
    }
    let digest = "ACTIVE_RECORD_ENCRYPTION_HASH_DIGEST_CLASS";
    let wrong = report(checking(&database).with_keys().env(digest, "SHA256"));
    assert_eq!(problems(&wrong), ["KEYS_NOT_USABLE"]);

    let none = report(checking(&database));
    assert_eq!(none["encryption"]["state"], "missing");
    assert_eq!(problems(&none), ["KEYS_NOT_SET"]);
    let opened = none["encryption"]["sample"].as_array().unwrap().iter();
    assert!(opened.map(|it| &it["opened"]).all(|count| *count == 0));

    let plain = with_rows(backend, golden::ROWS);
    for (program, keys_set) in [
        (checking(&plain), false),
        (checking(&plain).with_keys(), true),
    ] {
        let report = report(program);
        let encryption = &report["encryption"];
        assert_eq!(encryption["state"], "nothing_encrypted");
        assert_eq!(encryption["keys_set"], keys_set);
        assert_eq!(problems(&report), [""; 0]);
    }
}

pub(super) async fn each_version_of_the_tables_is_reported(backend: Backend) {
    let database = leadchat_versions::of_the_seed(backend).await;
    database.execute(leadchat_versions::ROWS).await;
    let mut results = Vec::new();
    for version in &VERSIONS {
        version.comes_to(&database, backend).await;
        let report = report(checking(&database));
        assert_eq!(problems(&report), [""; 0], "{}", version.name);
        assert_eq!(report["accounts"]["inboxes"]["total"], 14);
        let left_out = report["tables"]["left_out"]["missing"].as_array().unwrap();
        let is_there = |column: &str| !left_out.contains(&json!(column));
        results.push((
            report["tables"]["as_new_as"].clone(),
            is_there("channel_api.secret"),
            is_there("channel_voice.id"),
            is_there("channel_email.imap_authentication"),
        ));
    }
    assert_eq!(
        results,
        [
            (json!(null), false, true, false),
            (json!("April 2026"), true, true, false),
            (json!("April 2026"), true, false, false),
            (json!("May 2026"), true, false, true),
            (json!("June 2026"), true, false, true),
        ]
    );
}

/// All at once; and all that can be said without is said.
pub(super) async fn missing_requirements_are_named_together(backend: Backend) {
    let database = with_rows(backend, golden::ENCRYPTED_ROWS);
    database
        .execute(
            "ALTER TABLE inboxes RENAME COLUMN timezone TO time_zone;
            ALTER TABLE channel_email RENAME COLUMN imap_password TO imap_secret;
            ALTER TABLE channel_line RENAME TO channel_lines",
        )
        .await;
    let report = report(
        checking(&database)
            .with_keys()
            .env("REDIS_URL", &Redis::golden().url()),
    );
    assert_eq!(
        report["tables"]["missing"],
        json!([
            "channel_email.imap_password",
            "the table channel_line",
            "inboxes.timezone"
        ])
    );
    assert_eq!(problems(&report), ["COLUMNS_MISSING"]);
    assert_eq!(report["accounts"], json!(null));
    assert_eq!(report["redis"]["state"], "answers");
    assert_eq!(report["encryption"]["state"], "usable");
}

/// Neither on a database that may not be written, nor otherwise.
pub(super) async fn a_check_changes_nothing(backend: Backend) {
    let database = with_rows(backend, golden::ENCRYPTED_ROWS);
    let content = async || match &database {
        Database::Postgres { name } => {
            Cluster::shared().psql(
                "postgres",
                &format!("ALTER DATABASE {name} SET default_transaction_read_only = on"),
            );
            let changes = "SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) AS found
                FROM pg_stat_user_tables";
            database.texts(changes).await.concat().into_bytes()
        }
        Database::Sqlite { .. } => {
            fs::read(database.url().trim_start_matches("sqlite://")).unwrap()
        }
    };
    let before = content().await;
    let report = report(checking(&database).with_keys());
    assert_eq!(problems(&report), [""; 0]);
    assert_eq!(report["store"]["read_only"], backend == Backend::Postgres);
    assert!(before == content().await);
    if let Database::Sqlite { folder } = &database {
        assert_eq!(fs::read_dir(folder).unwrap().count(), 1);
    }
}

/// A user without all grants. Required columns are named; columns of newer leadchat
/// versions are omitted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn missing_grants_are_named_together() {
    let database = with_rows(Backend::Postgres, golden::ROWS);
    for version in &VERSIONS {
        version.comes_to(&database, Backend::Postgres).await;
    }
    let name = database.name();
    let cluster = Cluster::shared();
    cluster.psql(
        name,
        &format!(
            "CREATE ROLE of_{name} LOGIN;
            GRANT SELECT ON ALL TABLES IN SCHEMA public TO of_{name};
            REVOKE SELECT ON schema_migrations, portals, channel_api FROM of_{name};
            GRANT SELECT (id, name) ON portals TO of_{name};
            GRANT SELECT (id, identifier, webhook_url, hmac_token, hmac_mandatory,
                additional_attributes) ON channel_api TO of_{name}"
        ),
    );
    let url = database.url().replace("postgres@", &format!("of_{name}@"));
    let checking = || checking(&database).env("DATABASE_URL", &url);
    let refused = report(checking());
    assert_eq!(refused["tables"]["not_granted"], json!(["portals.slug"]));
    assert_eq!(refused["tables"]["missing"], json!([]));
    assert_eq!(problems(&refused), ["COLUMNS_NOT_GRANTED"]);
    assert_eq!(refused["store"]["user"], format!("of_{name}"));
    // It is not needed.
    assert_eq!(refused["tables"]["rails_version"], json!(null));

    cluster.psql(
        name,
        &format!("GRANT SELECT (slug) ON portals TO of_{name}"),
    );
    let served = report(checking());
    assert_eq!(problems(&served), [""; 0]);
    assert_eq!(
        served["tables"]["left_out"]["not_granted"],
        json!(["channel_api.secret"])
    );
    assert!(notes(&served).contains(&"OPTIONAL_COLUMNS_NOT_GRANTED".to_owned()));
    assert_eq!(served["accounts"]["inboxes"]["total"], 122);
    cluster.psql(
        name,
        &format!("DROP OWNED BY of_{name}; DROP ROLE of_{name}"),
    );
}

#[test]
fn redis_answers_or_is_reported_as_unavailable() {
    let database = Backend::Sqlite.golden();
    let with = |url: &str| report(checking(&database).env("REDIS_URL", url));
    let redis = Redis::start(&[&format!("requirepass {}", canary::REDIS_PASSWORD)]);
    let url = |password: &str| format!("redis://:{password}@127.0.0.1:{}/1", redis.port);

    let answers = with(&url(canary::REDIS_PASSWORD));
    assert_eq!(answers["redis"]["state"], "answers", "{answers:#}");
    assert_eq!(
        answers["redis"]["place"],
        format!("127.0.0.1:{}/1", redis.port)
    );
    assert_eq!(problems(&answers), [""; 0]);

    let away = format!("redis://127.0.0.1:{}", free_port());
    for (url, reason) in [
        (url(canary::PASSWORD), "it refuses the user or the password"),
        (redis.url(), "it answers NOAUTH"),
        (away, "connection refused"),
    ] {
        let report = with(&url);
        assert_eq!(report["redis"]["state"], "away");
        assert_eq!(report["redis"]["reason"], reason);
        assert_eq!(problems(&report), ["REDIS_AWAY"]);
        // The rest is told all the same.
        assert_eq!(report["accounts"]["inboxes"]["total"], 122);
    }
}

/// An own SQLite store is brought up to date by `serve`. As long as only optional
/// columns are missing it is read as it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_own_store_is_reported() {
    let sqlite = Backend::Sqlite.golden();
    leadchat_versions::take_back(&sqlite).await;
    sqlite
        .execute("DELETE FROM _sqlx_migrations WHERE version > 2")
        .await;
    let older = report(checking(&sqlite));
    assert_eq!(older["tables"]["migration"], 2);
    assert!(older["tables"]["newest_migration"].as_i64() > Some(2));
    assert_eq!(problems(&older), [""; 0]);
    assert!(notes(&older).contains(&"TABLES_OLD".to_owned()));
    assert_eq!(older["accounts"]["inboxes"]["total"], 122);

    sqlite
        .execute(
            "DROP TABLE channel_reauthorizations; DELETE FROM _sqlx_migrations WHERE version > 1",
        )
        .await;
    let oldest = report(checking(&sqlite));
    assert_eq!(problems(&oldest), ["TABLES_OLD", "COLUMNS_MISSING"]);
    assert_eq!(
        oldest["tables"]["missing"],
        json!(["the table channel_reauthorizations"])
    );

    // The same on PostgreSQL takes `migrate`.
    let postgres = Backend::Postgres.golden();
    postgres
        .execute("DELETE FROM _sqlx_migrations WHERE version > 2")
        .await;
    assert_eq!(problems(&report(checking(&postgres))), ["TABLES_OLD"]);
}
