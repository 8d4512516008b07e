//! `DATABASE_URL` is laid over leadchat's `POSTGRES_*` variables, as Rails does it.

use crate::support::{
    Program, answers,
    canary::PASSWORD,
    cluster::{Cluster, Setup, free_port},
    viewer,
};

pub const NAME: &str = "leadchat";

/// A server whose users need their passwords, of which `rails` is one.
pub fn with_passwords() -> Cluster {
    let cluster = Cluster::with(&Setup {
        hba: vec![
            "host all postgres 127.0.0.1/32 trust",
            "host all all 127.0.0.1/32 scram-sha-256",
        ],
        ..Setup::default()
    });
    answers::fill(&cluster, NAME);
    cluster.psql(
        NAME,
        &format!("CREATE ROLE rails SUPERUSER LOGIN PASSWORD '{PASSWORD}'"),
    );
    cluster
}

/// Each part is in the URL, where it counts, or in its variable.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_part_comes_from_the_url_or_its_variable() {
    let cluster = with_passwords();
    let (port, closed) = (cluster.port.to_string(), free_port().to_string());
    // The variable, what is right, and what would be refused.
    let parts = [
        ("POSTGRES_HOST", "127.0.0.1", "nowhere.invalid"),
        ("POSTGRES_PORT", &port, &closed),
        ("POSTGRES_DATABASE", NAME, "another"),
        ("POSTGRES_USERNAME", "rails", "somebody"),
        ("POSTGRES_PASSWORD", PASSWORD, "wrong"),
    ];
    for choice in 0_usize..32 {
        let in_url = |part: usize| choice & (1 << part) != 0;
        let written = |part: usize, before: &str| {
            let text = format!("{before}{}", parts[part].1);
            if in_url(part) { text } else { String::new() }
        };
        let (user, password) = (written(3, ""), written(4, ":"));
        let (host, port, database) = (written(0, ""), written(1, ":"), written(2, "/"));
        let address = format!("postgres://{user}{password}@{host}{port}{database}");
        let keys = ["host", "port", "database", "username", "password"];
        let query = (0..5).filter(|part| in_url(*part));
        let query = query.map(|part| format!("{}={}", keys[part], parts[part].1));
        let query = query.collect::<Vec<_>>().join("&");
        let url = match choice.count_ones() % 2 {
            0 => address,
            _ => format!("postgres:///?{query}"),
        };
        let mut program = Program::new(&["grants"]).env("DATABASE_URL", &url);
        for (part, (variable, right, wrong)) in parts.into_iter().enumerate() {
            program = program.env(variable, if in_url(part) { wrong } else { right });
        }
        let output = program.output();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{url}: {said}");
    }

    // The smallest that was met: the password is in its variable, all else in the URL.
    let url = format!("postgres://rails@127.0.0.1:{port}/{NAME}");
    let server = Program::serving_at(&url)
        .env("POSTGRES_PASSWORD", PASSWORD)
        .start();
    let client = server.client().await;
    assert_eq!(client.all(1, viewer::user(1)).await.len(), 88);
    let refused = Program::serving_at(&url).refusal();
    assert!(refused.contains("the user or the password"), "{refused}");
}
