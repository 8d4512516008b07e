//! PostgreSQL over TLS: certificates are verified where that is asked for, and what
//! is wrong with one is said in one line.

use crate::support::{
    Database, Program, answers,
    authority::{Authority, Certificate},
    cluster::{Cluster, Setup},
    program::Server,
    viewer,
};

const NAME: &str = "leadchat";

/// A server that speaks TLS to some, and must to others.
fn with_tls(server: &Certificate, authority: &str, hba: Vec<&str>) -> Cluster {
    let cluster = Cluster::with(&Setup {
        lines: vec![
            "ssl = on",
            "ssl_cert_file = 'CERTIFICATE'",
            "ssl_key_file = 'KEY'",
            "ssl_ca_file = 'AUTHORITY'",
        ],
        hba,
        files: vec![
            ("CERTIFICATE", &server.text),
            ("KEY", &server.key),
            ("AUTHORITY", authority),
        ],
        ..Setup::default()
    });
    answers::fill(&cluster, NAME);
    cluster
}

/// For the tests' own errands, and for all others.
fn hba<'a>(others: &[&'a str]) -> Vec<&'a str> {
    [&["host all postgres 127.0.0.1/32 trust"], others].concat()
}

fn url(cluster: &Cluster, user: &str, parameters: &str) -> String {
    let url = cluster.url(NAME).replace("postgres@", &format!("{user}@"));
    format!("{url}?{parameters}")
}

/// Of a refused start, which names its setting and tells no password.
fn refusal(program: Program) -> String {
    let said = program.refusal();
    assert!(
        said.contains("DATABASE_URL") && !said.contains("hunter2"),
        "{said}"
    );
    said
}

async fn serves(server: &Server) {
    let client = server.client().await;
    assert_eq!(client.all(1, viewer::user(1)).await.len(), 88);
}

/// How many of the server's connections are encrypted, and how many are not.
fn encrypted(cluster: &Cluster) -> String {
    let sql = "SELECT count(*) FILTER (WHERE s.ssl), count(*) FILTER (WHERE NOT s.ssl)
        FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid)
        WHERE a.application_name = 'leadchat-inbox'";
    let counted = cluster.psql(NAME, sql);
    let (with, without) = counted.trim().split_once('|').unwrap();
    assert_ne!((with, without), ("0", "0"));
    if without == "0" { "all" } else { "not all" }.to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_are_verified_when_asked_for() {
    let (authority, other) = (Authority::new(), Authority::new());
    let server = authority.certificate("server", "IP:127.0.0.1");
    let cluster = with_tls(
        &server,
        &authority.text(),
        hba(&["hostssl all all all trust"]),
    );
    let at = |parameters: &str| url(&cluster, "postgres", parameters);

    // By the URL, by variables, and by a variable under a URL that says more.
    let named = format!("sslrootcert={}", authority.file());
    for program in [
        Program::serving_at(&at(&format!("sslmode=verify-full&{named}"))),
        Program::serving_at(&at(&format!("sslmode=verify-ca&{named}"))),
        Program::serving_at(&at(""))
            .env("PGSSLMODE", "verify-full")
            .env("PGSSLROOTCERT", &authority.file()),
        Program::serving_at(&at("sslmode=verify-full")).env("PGSSLROOTCERT", &authority.text()),
        Program::serving_at("")
            .without_env("DATABASE_URL")
            .env("POSTGRES_HOST", "127.0.0.1")
            .env("POSTGRES_PORT", &cluster.port.to_string())
            .env("POSTGRES_DATABASE", NAME)
            .env("POSTGRES_USERNAME", "postgres")
            .env("PGSSLMODE", "verify-full")
            .env("PGSSLROOTCERT", &authority.file()),
    ] {
        let server = program.start();
        serves(&server).await;
        assert_eq!(encrypted(&cluster), "all");
    }

    let secret =
        |parameters: &str| Program::serving_at(&url(&cluster, "postgres:hunter2", parameters));
    let foreign = format!("sslrootcert={}", other.file());
    for mode in ["verify-full", "verify-ca", "require"] {
        // As libpq has it, and Rails: who names an authority with `require` wants it asked.
        let said = refusal(secret(&format!("sslmode={mode}&{foreign}")));
        assert!(said.contains("authority that is not trusted"), "{said}");
    }
    let said = refusal(secret("sslmode=verify-full"));
    assert!(said.contains("authority that is not trusted"), "{said}");
    let said = refusal(secret("sslmode=verify-full&sslrootcert=/nowhere.pem"));
    assert!(
        said.contains("the file of sslrootcert cannot be read"),
        "{said}"
    );

    // With TLS alone, nothing is verified.
    let server = Program::serving_at(&at("sslmode=require")).start();
    serves(&server).await;
    assert_eq!(encrypted(&cluster), "all");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_of_another_host_is_refused() {
    let authority = Authority::new();
    let server = authority.certificate("server", "DNS:elsewhere.example");
    let cluster = with_tls(&server, &authority.text(), hba(&[]));
    let at = |mode: &str| {
        let parameters = format!("sslmode={mode}&sslrootcert={}", authority.file());
        Program::serving_at(&url(&cluster, "postgres:hunter2", &parameters))
    };
    let said = refusal(at("verify-full"));
    assert!(said.contains("another host"), "{said}");
    serves(&at("verify-ca").start()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_tls_is_refused_where_tls_is_asked_for() {
    let cluster = Cluster::shared();
    let database = Database::unique();
    let name = database.name();
    answers::fill(cluster, name);
    for mode in ["require", "verify-ca", "verify-full"] {
        let url = database.url().replace("postgres@", "postgres:hunter2@");
        let said = refusal(Program::serving_at(&format!("{url}?sslmode={mode}")));
        assert!(said.contains("offers no TLS"), "{said}");
    }
    serves(&Program::serving_at(&format!("{}?sslmode=prefer", database.url())).start()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_may_ask_for_tls_and_for_a_certificate() {
    let (authority, other) = (Authority::new(), Authority::new());
    let server = authority.certificate("server", "IP:127.0.0.1");
    let cluster = with_tls(
        &server,
        &authority.text(),
        hba(&[
            "hostssl all encrypted 127.0.0.1/32 trust",
            "hostssl all certified 127.0.0.1/32 cert",
        ]),
    );
    cluster.psql(
        NAME,
        "CREATE ROLE encrypted SUPERUSER LOGIN; CREATE ROLE certified SUPERUSER LOGIN",
    );
    let at = |user: &str, parameters: &str| {
        let user = format!("{user}:hunter2");
        let parameters = format!("sslrootcert={}&{parameters}", authority.file());
        Program::serving_at(&url(&cluster, &user, &parameters))
    };
    let said = refusal(at("encrypted", "sslmode=disable"));
    assert!(
        said.contains("pg_hba.conf") && said.contains("sslmode"),
        "{said}"
    );
    serves(&at("encrypted", "sslmode=verify-full").start()).await;

    let said = refusal(at("certified", "sslmode=verify-full"));
    assert!(said.contains("certificate (sslcert, sslkey)"), "{said}");
    let with = |certificate: &Certificate| {
        format!(
            "sslmode=verify-full&sslcert={}&sslkey={}",
            certificate.file, certificate.key_file
        )
    };
    let mine = authority.certificate("certified", "DNS:me");
    let server = at("certified", &with(&mine)).start();
    serves(&server).await;
    assert_eq!(encrypted(&cluster), "all");
    // That of another user, and one from elsewhere.
    let said = refusal(at(
        "certified",
        &with(&authority.certificate("encrypted", "DNS:me")),
    ));
    assert!(said.contains("certificate"), "{said}");
    let said = refusal(at(
        "certified",
        &with(&other.certificate("certified", "DNS:me")),
    ));
    assert!(said.contains("certificate"), "{said}");
    let said = refusal(at("certified", "sslmode=verify-full&sslcert=/nowhere.pem"));
    assert!(
        said.contains("the file of sslcert cannot be read"),
        "{said}"
    );
}
