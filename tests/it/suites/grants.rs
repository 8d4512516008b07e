//! A user of the database who may read what is read, and nothing else.

use std::{collections::BTreeSet, process::Output};

use crate::{
    suites::parity,
    support::{
        Database, Program,
        cluster::Cluster,
        database::Backend,
        golden,
        leadchat_versions::{self, VERSIONS},
        redis::Redis,
        reviewed::reviewed,
        viewer,
    },
};

/// Columns that no viewer sees and nothing is derived from.
const NOBODYS: [&str; 19] = [
    "access_tokens.token",
    "agent_bots.outgoing_url",
    "channel_facebook_pages.page_access_token",
    "channel_facebook_pages.user_access_token",
    "channel_instagram.access_token",
    "channel_line.line_channel_secret",
    "channel_line.line_channel_token",
    "channel_sms.provider_config",
    "channel_tiktok.access_token",
    "channel_tiktok.refresh_token",
    "channel_twitter_profiles.twitter_access_token",
    "channel_twitter_profiles.twitter_access_token_secret",
    "channel_voice.additional_attributes",
    "channel_voice.provider_config",
    "installation_configs.serialized_value",
    "users.encrypted_password",
    "users.otp_secret",
    "users.reset_password_token",
    "users.tokens",
];

/// leadchat's own tables on PostgreSQL with the oracle's rows, and a role of no
/// other test.
pub struct Attached {
    pub database: Database,
    pub name: String,
    pub role: String,
}

impl Attached {
    pub fn with(rows: &str) -> Self {
        let database = Database::unique();
        let (cluster, name) = (Cluster::shared(), database.name().to_owned());
        cluster.create_database(&name, Some(leadchat_versions::seed_template()));
        cluster.psql(&name, rows);
        let role = format!("reader_of_{name}");
        Self {
            database,
            name,
            role,
        }
    }

    pub fn psql(&self, sql: &str) -> String {
        Cluster::shared().psql(&self.name, sql)
    }

    fn asked(&self, role: &str) -> Output {
        Program::new(&["grants", "--role", role])
            .env("DATABASE_URL", &self.database.url())
            .output()
    }

    /// The SQL that an operator pipes to psql.
    pub fn sql(&self) -> String {
        let output = self.asked(&self.role);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{said}");
        String::from_utf8(output.stdout).unwrap()
    }

    pub fn granted(self) -> Self {
        self.psql(&self.sql());
        self
    }

    pub fn url(&self) -> String {
        let url = self.database.url();
        url.replace("//postgres@", &format!("//{}@", self.role))
    }

    /// A server that reads as the role.
    pub fn serving(&self) -> Program {
        Program::serving(&self.database).env("DATABASE_URL", &self.url())
    }

    /// Tables and columns that the role may read.
    fn readable(&self) -> BTreeSet<String> {
        let readable = self.psql(&format!(
            "SELECT c.relname || '.' || a.attname
            FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
            WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
                AND a.attnum > 0 AND NOT a.attisdropped
                AND has_column_privilege('{}', c.oid, a.attnum, 'SELECT')",
            self.role
        ));
        readable.lines().map(ToOwned::to_owned).collect()
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        // A role is the whole cluster's. Where it never was, there is nothing to do.
        let role = &self.role;
        self.psql(&format!(
            "SELECT 'DROP OWNED BY {role}; DROP ROLE {role}' FROM pg_roles WHERE rolname = '{role}' \\gexec"
        ));
    }
}

/// The columns that SQL grants.
fn granted_by(sql: &str) -> BTreeSet<String> {
    let grant = regex::Regex::new(r"GRANT SELECT \(([^)]*)\)\s+ON \w+\.(\w+) TO").unwrap();
    let grants = grant.captures_iter(sql);
    let columns = grants.flat_map(|grant| {
        let (_, [columns, table]) = grant.extract();
        let columns = columns.split(", ");
        columns.map(move |column| format!("{table}.{column}"))
    });
    columns.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_reader_of_tables_of_leadchat_is_as_reviewed() {
    let attached = Attached::with("");
    let sql = attached.sql().replace(&attached.role, "leadchat_inbox");
    let sql = sql.replace(&attached.name, "leadchat");
    reviewed("grants.sql", &sql);
}

/// Not a column more, and no other right.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_reader_may_do_what_the_sql_says_and_nothing_else() {
    let attached = Attached::with("").granted();
    let readable = attached.readable();
    assert!(readable.len() > 120, "{}", readable.len());
    assert_eq!(readable, granted_by(&attached.sql()));
    let columns = attached.psql(
        "SELECT table_name || '.' || column_name FROM information_schema.columns
        WHERE table_schema = 'public'",
    );
    let columns: BTreeSet<_> = columns.lines().collect();
    for nobodys in NOBODYS {
        assert!(columns.contains(nobodys), "{nobodys} is not there");
        assert!(!readable.contains(nobodys), "{nobodys}");
    }

    let role = &attached.role;
    let may_write = attached.psql(&format!(
        "SELECT count(*) FROM pg_class WHERE relkind IN ('r', 'S', 'v')
            AND relnamespace = 'public'::regnamespace
            AND (has_table_privilege('{role}', oid, 'INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER')
                OR has_any_column_privilege('{role}', oid, 'INSERT, UPDATE, REFERENCES'))"
    ));
    assert_eq!(may_write.trim(), "0");
    let attributes = attached.psql(&format!(
        "SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls
        FROM pg_roles WHERE rolname = '{role}'"
    ));
    assert_eq!(attributes.trim(), "f|f|f|f|f");
}

/// The whole of parity, on leadchat's own tables.
mod parity_as_the_reader {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn full_environment() {
        let attached = Attached::with(golden::ROWS).granted();
        parity::parity("full", &attached.database, |_| {
            attached.serving().env("REDIS_URL", &Redis::golden().url())
        })
        .await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn environment_without_mail_domain() {
        let attached = Attached::with(golden::ROWS).granted();
        parity::parity("nomail", &attached.database, |_| {
            let serving = attached.serving();
            serving
                .env("REDIS_URL", &Redis::golden().url())
                .without_env("MAILER_INBOUND_EMAIL_DOMAIN")
        })
        .await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn environment_with_encrypted_rows() {
        let attached = Attached::with(golden::ENCRYPTED_ROWS).granted();
        parity::parity("enc", &attached.database, |_| {
            let serving = attached.serving();
            serving.env("REDIS_URL", &Redis::golden().url()).with_keys()
        })
        .await;
    }
}

/// Every statement there is was allowed when the server started; and what newer
/// leadchats have is granted when the SQL is made and run again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_is_read_once_granted() {
    let attached = Attached::with(leadchat_versions::ROWS).granted();
    let owner = Program::serving(&attached.database).start();
    let owner = owner.client().await;
    let reader = attached.serving().start();
    let client = reader.client().await;
    for version in &VERSIONS {
        version
            .comes_to(&attached.database, Backend::Postgres)
            .await;
        // Columns without a grant are omitted, and affect no other.
        let meanwhile = client.all(1, viewer::user(1)).await;
        attached.psql(&attached.sql());
        let (seen, all) = (
            client.all(1, viewer::user(1)).await,
            owner.all(1, viewer::user(1)).await,
        );
        assert_eq!(meanwhile.len(), all.len(), "{}", version.name);
        assert!(seen == all, "{}", version.name);
        let fresh = attached.serving().start();
        assert!(fresh.client().await.all(1, viewer::user(1)).await == all);
    }
}

/// Run again, it also takes away what is more than that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sql_may_be_run_again() {
    let attached = Attached::with("").granted();
    let readable = attached.readable();
    attached.psql(&format!(
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO {}",
        attached.role
    ));
    assert!(attached.readable().len() > readable.len());
    attached.psql(&attached.sql());
    assert_eq!(attached.readable(), readable);
}

/// Taking from Rails' own role what it has would stop Rails, and from another
/// reader what that one reads.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_role_is_not_changed() {
    let attached = Attached::with("");
    let role = &attached.role;
    attached.psql(&format!(
        "CREATE ROLE {role}; GRANT SELECT ON users TO {role}; GRANT UPDATE (name) ON accounts TO {role}"
    ));
    let rights = format!(
        "SELECT has_table_privilege('{role}', 'users', 'SELECT'),
            has_column_privilege('{role}', 'accounts', 'name', 'UPDATE')"
    );
    let sql = attached.sql();
    let error = attached.database.try_execute(&sql).await.unwrap_err();
    assert!(error.to_string().contains("was not made by"), "{error}");
    assert_eq!(attached.psql(&rights).trim(), "t|t");
    // Until somebody says whose it is.
    attached.psql(&format!("COMMENT ON ROLE {role} IS 'leadchat-inbox'"));
    attached.psql(&sql);
    assert_eq!(attached.psql(&rights).trim(), "f|f");
    assert_eq!(attached.readable(), granted_by(&sql));
}

/// An owner of the tables with CREATEROLE needs not be a superuser, and can undo
/// everything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_makes_it_and_undoes_it() {
    let attached = Attached::with("");
    let (name, role) = (&attached.name, &attached.role);
    let owner = format!("owner_of_{name}");
    attached.psql(&format!(
        "CREATE ROLE {owner} LOGIN CREATEROLE; ALTER DATABASE {name} OWNER TO {owner};
        SELECT format('ALTER TABLE %I OWNER TO {owner}', relname) FROM pg_class
            WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace \\gexec"
    ));
    attached.psql(&format!("ALTER SCHEMA public OWNER TO {owner}"));
    // Tables of extensions and other users in the schema do not matter.
    attached.psql(
        "CREATE TABLE of_others (id integer); CREATE VIEW view_of_others AS SELECT * FROM of_others",
    );
    let sql = attached.sql();
    let as_owner = format!("SET SESSION AUTHORIZATION {owner};\n");
    for _ in 0..2 {
        attached.psql(&format!("{as_owner}{sql}"));
        assert_eq!(attached.readable(), granted_by(&sql));
    }
    let undo = sql.lines().last().unwrap().trim_start_matches("--");
    assert!(undo.contains("DROP ROLE"), "{undo}");
    attached.psql(&format!("{as_owner}{undo}"));
    let left = format!("SELECT count(*) FROM pg_roles WHERE rolname = '{role}'");
    assert_eq!(attached.psql(&left).trim(), "0");
    attached.psql("DROP TABLE of_others CASCADE");
    attached.psql(&format!(
        "REASSIGN OWNED BY {owner} TO postgres; DROP OWNED BY {owner}; DROP ROLE {owner}"
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_name_is_quoted() {
    let mut attached = Attached::with(leadchat_versions::ROWS);
    let name = attached.name.clone();
    for odd in [
        format!("Leser \"{name}\"; DROP TABLE accounts; --'"),
        format!("{name}$make_role$;COMMIT;DROP TABLE accounts;--"),
    ] {
        let output = attached.asked(&odd);
        assert_eq!(output.status.code(), Some(0));
        let sql = String::from_utf8(output.stdout).unwrap();
        attached.psql(&sql);
        attached.psql(&sql);
        let count = format!(
            "SELECT count(*) FROM pg_roles WHERE rolname = '{}'",
            odd.replace('\'', "''")
        );
        assert_eq!(attached.psql(&count).trim(), "1");
        assert_eq!(attached.psql("SELECT count(*) FROM accounts").trim(), "2");
        let undo = sql.lines().last().unwrap().trim_start_matches("--");
        attached.psql(undo);
        assert_eq!(attached.psql(&count).trim(), "0");
    }
    attached.role = format!("reader_of_{name}");
}

/// Tables may be in any schema that is looked through.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_of_another_schema_are_granted() {
    let attached = Attached::with("");
    attached.psql("ALTER SCHEMA public RENAME TO \"lead chat\"");
    let name = &attached.name;
    attached.psql(&format!(
        "ALTER DATABASE {name} SET search_path = \"lead chat\""
    ));
    attached.psql(&attached.sql());
    attached.serving().start();
}

#[test]
fn tables_that_are_not_of_leadchat_are_named() {
    let attached = Attached::with("DROP TABLE channel_sms; ALTER TABLE inboxes DROP COLUMN name");
    let output = attached.asked("reader");
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("missing: the table channel_sms, inboxes.name"),
        "{said}"
    );
}

/// An own store has readers, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_own_store_is_read_by_its_reader() {
    let database = Backend::Postgres.golden();
    let name = database.name().to_owned();
    let role = format!("reader_of_{name}");
    let attached = Attached {
        database,
        name,
        role,
    }
    .granted();
    let server = attached.serving().start();
    let listed = server.client().await.all(1, viewer::user(1)).await;
    assert!(listed.len() > 10);
}
