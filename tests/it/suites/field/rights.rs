//! An owner of leadchat's tables who may not give all that a reader needs.

use crate::support::{Database, Program, answers, cluster::Cluster, viewer};

/// Tables of an owner whose database, and schema, are others'.
struct Owned {
    database: Database,
    name: String,
    owner: String,
    reader: String,
}

impl Owned {
    fn new() -> Self {
        let database = Database::unique();
        let name = database.name().to_owned();
        answers::fill(Cluster::shared(), &name);
        let owned = Self {
            owner: format!("owner_of_{name}"),
            reader: format!("reader_of_{name}"),
            database,
            name,
        };
        let (owner, name) = (&owned.owner, &owned.name);
        owned.psql(&format!(
            "CREATE ROLE {owner} LOGIN CREATEROLE;
            GRANT CONNECT ON DATABASE {name} TO {owner}; GRANT USAGE ON SCHEMA public TO {owner};
            SELECT format('ALTER TABLE %I OWNER TO {owner}', relname) FROM pg_class
                WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace \\gexec"
        ));
        owned
    }

    fn psql(&self, sql: &str) -> String {
        Cluster::shared().psql(&self.name, sql)
    }

    /// The rights after the owner has run the SQL of `grants`.
    async fn granted(&self) -> Result<(), String> {
        let output = Program::new(&["grants", "--role", &self.reader])
            .env("DATABASE_URL", &self.database.url())
            .output();
        let sql = String::from_utf8(output.stdout).unwrap();
        let as_owner = format!("SET SESSION AUTHORIZATION {};\n{sql}", self.owner);
        let ran = self.database.try_execute(&as_owner).await;
        ran.map_err(|error| error.to_string())
    }

    fn serving(&self) -> Program {
        let reader = format!("//{}@", self.reader);
        Program::serving_at(&self.database.url().replace("//postgres@", &reader))
    }

    async fn serves(&self) {
        let server = self.serving().start();
        let client = server.client().await;
        assert_eq!(client.all(1, viewer::user(1)).await.len(), 88);
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        let (owner, reader) = (&self.owner, &self.reader);
        // Where a role never was, there is nothing to do.
        self.psql(&format!(
            "REASSIGN OWNED BY {owner} TO postgres;
            SELECT format('DROP OWNED BY %I; DROP ROLE %1$I', rolname) FROM pg_roles
                WHERE rolname IN ('{owner}', '{reader}') \\gexec"
        ));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_right_to_connect_is_named() {
    let owned = Owned::new();
    let Owned { name, reader, .. } = &owned;
    owned.psql(&format!("REVOKE CONNECT ON DATABASE {name} FROM PUBLIC"));
    let grant = format!("GRANT CONNECT ON DATABASE {name} TO {reader}");
    for _ in 0..2 {
        let error = owned.granted().await.unwrap_err();
        assert!(error.contains(&format!("has to run: {grant}")), "{error}");
    }
    let said = owned.serving().refusal();
    assert!(said.contains("GRANT CONNECT ON DATABASE"), "{said}");

    // Rights that could be granted stay, and the message suffices.
    owned.psql(&grant);
    owned.serves().await;
    assert_eq!(owned.granted().await, Ok(()));
    owned.serves().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_missing_rights_are_named() {
    let owned = Owned::new();
    let Owned { name, reader, .. } = &owned;
    // The first table is another's, who lets the owner read it.
    owned.psql(&format!(
        "REVOKE CONNECT ON DATABASE {name} FROM PUBLIC; REVOKE USAGE ON SCHEMA public FROM PUBLIC;
        ALTER TABLE account_users OWNER TO postgres; GRANT SELECT ON account_users TO {}",
        owned.owner
    ));
    let error = owned.granted().await.unwrap_err();
    for grant in [
        format!("GRANT CONNECT ON DATABASE {name} TO {reader}"),
        format!("GRANT USAGE ON SCHEMA public TO {reader}"),
        format!("GRANT SELECT (...) ON public.account_users TO {reader}"),
    ] {
        assert!(error.contains(&grant), "{error}");
    }
    assert!(!error.contains("public.accounts"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_error_where_public_may_connect() {
    let owned = Owned::new();
    assert_eq!(owned.granted().await, Ok(()));
    owned.serves().await;
}
