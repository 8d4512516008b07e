//! Every PostgreSQL that leadchat may run on gives the same answers.

use std::{path::PathBuf, time::Instant};

use crate::support::{
    Program,
    answers::{self, Answers, answers, assert_same},
    cluster::{Cluster, Setup},
    get_as_user,
    log::failed_reads,
    pb,
    tools::unpacked,
    viewer,
};

const NAME: &str = "leadchat";

/// Beside the one that the other tests run on. Of 13 and 14 there are no programs
/// for other processors.
const OTHERS: &[u32] = if cfg!(target_arch = "x86_64") {
    &[13, 14, 16, 17, 18]
} else {
    &[16, 17, 18]
};

#[ignore = "slow: make test-slow"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_version_gives_the_same_answers() {
    let shared = Cluster::shared();
    answers::fill(shared, "versions");
    let those = Of::see(shared, "versions").await;
    for &version in OTHERS {
        let began = Instant::now();
        let unpacked = unpacked(&format!("postgresql/{version}"));
        let Some(unpacked) = unpacked else {
            panic!("the tests need a PostgreSQL {version}: make tools");
        };
        let programs: PathBuf = unpacked.folder.join("native/bin");
        let cluster = Cluster::with(&Setup {
            programs: Some(programs),
            ..Setup::default()
        });
        let is = cluster.psql("postgres", "SHOW server_version_num");
        assert_eq!(is.trim()[..2], version.to_string(), "{is}");
        answers::fill(&cluster, NAME);
        let started = began.elapsed();
        let these = Of::see(&cluster, NAME).await;
        assert_same(&those.answers, &these.answers);
        assert_eq!(those.statements, these.statements, "{version}");
        own_store(&cluster).await;
        println!(
            "PostgreSQL {version}: {} answers, byte for byte; {} statements for an inbox, {} for \
             a list; {started:?} to set it up, {:?} in all",
            these.answers.len(),
            these.statements.0,
            these.statements.1,
            began.elapsed()
        );
    }
}

/// The observations of a version.
struct Of {
    answers: Answers,
    /// For an inbox, and for a list.
    statements: (u64, u64),
}

impl Of {
    async fn see(cluster: &Cluster, database: &str) -> Self {
        let program = Program::serving_at(&cluster.url(database));
        let server = program.with_admin().start();
        let client = server.client().await;
        let seen = answers(&client).await;
        let get = get_as_user(1, 1, 1);
        let list = pb::ListInboxesRequest {
            account_id: 1,
            viewer: Some(viewer::user(1)),
            ..Default::default()
        };
        let before = server.statements().await;
        client.get(get).await.unwrap();
        let between = server.statements().await;
        client.list(list.clone()).await.unwrap();
        let statements = (between - before, server.statements().await - between);

        // Changes that Rails makes while the service runs.
        let shows = async |secret: Option<&str>| {
            let inboxes = client.all(1, viewer::user(1)).await;
            assert_eq!(inboxes.len(), 88);
            let secrets = inboxes.iter().filter_map(|inbox| match &inbox.channel {
                Some(pb::inbox::Channel::Api(api)) => Some(api.secret.as_deref()),
                _ => None,
            });
            let secrets: Vec<_> = secrets.collect();
            assert!(!secrets.is_empty() && secrets.iter().all(|it| *it == secret));
        };
        for (change, secret) in [
            ("SELECT 1", None),
            (
                "ALTER TABLE channel_api ADD COLUMN secret varchar DEFAULT 'signs'",
                Some("signs"),
            ),
            (
                "ALTER TABLE inboxes ALTER COLUMN id TYPE bigint",
                Some("signs"),
            ),
            ("DROP TABLE channel_voice", Some("signs")),
            ("ALTER TABLE channel_api DROP COLUMN secret", None),
        ] {
            cluster.psql(database, change);
            shows(secret).await;
        }
        assert_eq!(failed_reads(&server.log()), [""; 0]);
        Self {
            answers: seen,
            statements,
        }
    }
}

/// Our own tables are made and served, and made only once.
async fn own_store(cluster: &Cluster) {
    cluster.create_database("own", None);
    for _ in 0..2 {
        let migrated = Program::new(&["migrate"])
            .env("DATABASE_URL", &cluster.url("own"))
            .output();
        assert!(migrated.status.success());
    }
    let server = Program::serving_at(&cluster.url("own")).start();
    let request = pb::ListInboxesRequest {
        account_id: 1,
        viewer: Some(viewer::service()),
        ..Default::default()
    };
    let status = server.client().await.list(request).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::PermissionDenied);
}
