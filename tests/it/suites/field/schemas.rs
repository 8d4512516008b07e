//! leadchat's tables in a schema of their own. They are found by Rails' settings, and a
//! database with hidden tables never counts as empty.

use serde_json::Value;

use crate::support::{
    Backend, Database, Program, cluster::Cluster, golden, pgbouncer::PgBouncer, viewer,
};

const TABLES: &str = include_str!("../../../golden/leadchat_tables.sql");

/// The message of each command about tables in another schema.
const ELSEWHERE: &str = "tables in the schema \"chatwoot\", outside the search path";

/// A database, and what SQL has made in it.
fn with(sql: &[&str]) -> Database {
    let database = Database::unique();
    let cluster = Cluster::shared();
    cluster.create_database(database.name(), None);
    cluster.psql(database.name(), &sql.join(";\n"));
    database
}

/// Rails' database, with its tables in the schema `chatwoot`.
fn in_schema() -> Database {
    let begin = "CREATE SCHEMA chatwoot; SET search_path TO chatwoot";
    with(&[begin, TABLES, golden::ROWS])
}

fn psql(database: &Database, sql: &str) -> String {
    Cluster::shared().psql(database.name(), sql)
}

fn program(command: &str, url: &str) -> Program {
    Program::new(&[command]).env("DATABASE_URL", url)
}

/// All commands refuse, `check` in its report, and none makes a table.
fn all_refuse(database: &Database, url: &str, says: &str) {
    let tables = "SELECT count(*) FROM pg_class WHERE relkind = 'r'";
    let before = psql(database, tables);
    for command in ["migrate", "serve", "grants"] {
        let said = program(command, url).refusal();
        let is_refused = said.contains("DATABASE_URL") && said.contains(says);
        assert!(is_refused, "{command}: {said}");
        assert!(!said.contains("create them with"), "{command}: {said}");
    }
    let report = check(program("check", url));
    assert_eq!(
        report["problems"][0]["code"], "STORE_UNUSABLE",
        "{report:#}"
    );
    let said = report["problems"][0]["text"].as_str().unwrap();
    assert!(said.contains(says), "{said}");
    assert_eq!(psql(database, tables), before);
}

fn check(program: Program) -> Value {
    let output = program.arg("--json").output();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let is_well = report["serves_well"].as_bool().unwrap();
    assert_eq!(output.status.code(), Some(i32::from(!is_well)));
    report
}

/// That a server reads the tables, and `grants` names their schema.
async fn is_served(program: impl Fn(&[&str]) -> Program) {
    let server = program(&["serve", "--listen", "127.0.0.1:0"]).start();
    let client = server.client().await;
    assert_eq!(client.all(1, viewer::user(1)).await.len(), 88);
    let report = check(program(&["check"]).env("FRONTEND_URL", "https://h"));
    assert_eq!(report["accounts"]["inboxes"]["total"], 122, "{report:#}");
    assert_eq!(report["serves_well"], true, "{report:#}");
    let output = program(&["grants"]).output();
    let granted = String::from_utf8(output.stdout).unwrap();
    assert!(
        granted.contains("GRANT USAGE ON SCHEMA chatwoot TO"),
        "{granted}"
    );
    // They are Rails' there, too.
    let said = program(&["migrate"]).refusal();
    assert!(said.contains("this database is Rails'"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_search_path_is_that_of_rails() {
    let database = in_schema();
    for (parameters, variable, value) in [
        ("schema_search_path=chatwoot", "", ""),
        ("schema_search_path=%22$user%22,%20CHATWOOT,public", "", ""),
        ("options=-csearch_path%3Dchatwoot", "", ""),
        ("", "POSTGRES_SCHEMA", "chatwoot,public"),
        ("", "PGOPTIONS", "-c search_path=chatwoot"),
        // That of the URL counts.
        ("schema_search_path=chatwoot", "POSTGRES_SCHEMA", "public"),
    ] {
        let url = format!("{}?{parameters}", database.url());
        is_served(|arguments| {
            let program = Program::new(arguments).env("DATABASE_URL", &url);
            if variable.is_empty() {
                program
            } else {
                program.env(variable, value)
            }
        })
        .await;
    }
}

/// Where no session keeps it, each transaction begins with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_search_path_goes_through_pgbouncer() {
    let database = in_schema();
    let pgbouncer = PgBouncer::before(Cluster::shared(), 2, &[]);
    let url = pgbouncer.url(database.name()) + "?schema_search_path=chatwoot";
    let server = Program::serving_at(&url).arg("--pgbouncer").start();
    let client = server.client().await;
    for _ in 0..3 {
        assert_eq!(client.all(1, viewer::user(1)).await.len(), 88);
    }
    // It is nobody else's.
    let path = "SELECT DISTINCT current_setting('search_path')";
    let others = Cluster::shared().psql_at(pgbouncer.port, database.name(), path);
    assert_eq!(others.trim(), "\"$user\", public");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_of_another_schema_are_never_ignored() {
    // Rails' tables; an own store's; Rails' mark before there are tables.
    let own = in_schema();
    psql(&own, "DROP TABLE chatwoot.ar_internal_metadata");
    let marked =
        with(&["CREATE SCHEMA chatwoot; CREATE TABLE chatwoot.ar_internal_metadata (key text)"]);
    for database in [in_schema(), own] {
        all_refuse(&database, &database.url(), ELSEWHERE);
    }
    for command in ["migrate", "serve"] {
        let said = program(command, &marked.url()).refusal();
        assert!(said.contains(ELSEWHERE), "{command}: {said}");
    }

    // Another Rails' database lies before it.
    let beside = in_schema();
    psql(
        &beside,
        "CREATE TABLE public.ar_internal_metadata (key text)",
    );
    for command in ["serve", "grants"] {
        let said = program(command, &beside.url()).refusal();
        assert!(said.contains(ELSEWHERE), "{command}: {said}");
    }
    let report = check(program("check", &beside.url()));
    let said = report["problems"][0]["text"].as_str().unwrap();
    assert!(said.contains(ELSEWHERE), "{said}");
}

/// A schema that the user may not use is not in the search path, whatever that says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_of_a_schema_without_usage_are_never_ignored() {
    let database = in_schema();
    let role = format!("stranger_of_{}", database.name());
    psql(&database, &format!("CREATE ROLE {role} LOGIN"));
    let url = database.url().replace("//postgres@", &format!("//{role}@"));
    all_refuse(
        &database,
        &format!("{url}?schema_search_path=chatwoot"),
        ELSEWHERE,
    );
    psql(&database, &format!("DROP ROLE {role}"));
}

/// As a replica has them that was not sent all of Rails' tables.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_without_rails_metadata_are_never_ignored() {
    let database = with(&[TABLES, "DROP TABLE ar_internal_metadata"]);
    let says = "the schema \"public\" of this database has leadchat's tables, but not Rails'";
    for command in ["migrate", "serve"] {
        let said = program(command, &database.url()).refusal();
        assert!(said.contains(says), "{command}: {said}");
    }
    let report = check(program("check", &database.url()));
    let said = report["problems"][0]["text"].as_str().unwrap();
    assert!(said.contains(says), "{said}");
}

/// Tables that an older version made in Rails' database by mistake.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_store_beside_rails_tables_is_a_problem() {
    let database = Backend::Postgres.empty();
    psql(
        &database,
        &format!("CREATE SCHEMA chatwoot; SET search_path TO chatwoot; {TABLES}"),
    );
    let report = check(program("check", &database.url()));
    let problem = &report["problems"][0];
    assert_eq!(problem["code"], "NO_ACCOUNTS", "{report:#}");
    assert!(
        problem["text"]
            .as_str()
            .unwrap()
            .contains("other schemas of the database: chatwoot")
    );
    assert_eq!(
        report["tables"]["other_schemas"],
        serde_json::json!(["chatwoot"])
    );
    let said = program("migrate", &database.url()).refusal();
    assert!(said.contains(ELSEWHERE), "{said}");
}

/// Others' tables are no obstacle, and an own store may have a schema of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_own_store_is_made_in_its_search_path() {
    let database = with(&[
        "CREATE SCHEMA others; CREATE TABLE others.accounts (id integer)",
        "CREATE TABLE others.users (id integer)",
    ]);
    let migrate = || program("migrate", &database.url()).env("POSTGRES_SCHEMA", "inboxes");
    let said = migrate().refusal();
    assert!(said.contains("no schema of the search path"), "{said}");
    psql(&database, "CREATE SCHEMA inboxes");
    for _ in 0..2 {
        assert!(migrate().output().status.success());
    }
    let made = "SELECT count(*) FROM pg_class
        WHERE relkind = 'r' AND relnamespace = 'inboxes'::regnamespace";
    assert_eq!(psql(&database, made).trim(), "26");
    let server = Program::serving(&database).env("POSTGRES_SCHEMA", "inboxes");
    server.start();
    // Without its name, this is no empty database either.
    let said = program("migrate", &database.url()).refusal();
    assert!(said.contains("tables in the schema \"inboxes\""), "{said}");
}
