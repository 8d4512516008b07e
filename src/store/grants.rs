//! The SQL that creates a user with the rights that the service needs.
//!
//! The grants follow from the required columns and the existing tables. A column that no
//! statement names is not granted, so that not even a mistake discloses a hidden token.
//! Nothing is run here; the owner of the tables reviews the SQL first.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    num::NonZeroUsize,
};

use super::{
    error::{StoreError, open::OpenError},
    postgres::{self, PostgresSettings},
    schema::{Missing, probe::Probed},
    snapshot::{Pool, retry::with_retries},
    sql::{Argument, Statement},
};

/// The columns read at start and by `check` alone: the versions of the tables.
const VERSIONS: [(&str, &str); 3] = [
    ("schema_migrations", "version"),
    ("_sqlx_migrations", "version"),
    ("_sqlx_migrations", "success"),
];

/// The SQL to run, with comments. All names are quoted where SQL wants it.
#[derive(Debug)]
pub struct Grants {
    database: String,
    role: String,
    /// The role's name as a text of SQL's.
    role_text: String,
    /// The columns of each table, which is named with its schema.
    tables: BTreeMap<Table, Vec<String>>,
    /// The tables with row-level security.
    secured: BTreeSet<String>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Table {
    schema: String,
    name: String,
}

impl Grants {
    /// For the tables of a database as they are, and a role by its plain name. Reading it
    /// needs no grant.
    pub async fn of(settings: &PostgresSettings, role: &str) -> Result<Self, OpenError> {
        let pool = Pool::Postgres(postgres::connect(settings, NonZeroUsize::MIN).await?);
        let probed = Probed::at(pool).await?;
        probed.refuse_other_schema()?;
        let missing = &probed.schema.missing.missing;
        if !missing.is_empty() {
            return Err(OpenError::SchemaLacks(Missing {
                missing: missing.clone(),
                ..Missing::default()
            }));
        }
        let grants = with_retries(|| Self::found(&probed, role)).await?;
        probed.pool.close().await;
        Ok(grants)
    }

    async fn found(probed: &Probed, role: &str) -> Result<Self, StoreError> {
        let places = probed.probe.required.places().chain(VERSIONS);
        let places: Vec<_> = places
            .map(|(table, column)| format!("('{table}', '{column}')"))
            .collect();
        // Safe: names of ours alone.
        let columns = Statement::of_catalog(&format!(
            "SELECT quote_ident(n.nspname), quote_ident(c.relname), quote_ident(a.attname),
                c.relrowsecurity
            FROM (VALUES {}) AS w(table_name, column_name)
            JOIN pg_catalog.pg_class c ON c.oid = to_regclass(w.table_name)
            JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname = w.column_name
                AND a.attnum > 0 AND NOT a.attisdropped
            ORDER BY c.relname, a.attnum",
            places.join(", ")
        ));
        let columns: Vec<(String, String, String, bool)> = probed.pool.ask(&columns, &[]).await?;
        let names = Statement::of_catalog(
            "SELECT quote_ident(current_database()), quote_ident($1), quote_literal($1)",
        );
        let role = [Argument::Text(role.to_owned())];
        let names = probed.pool.ask(&names, &role).await?.pop();
        let (database, role, role_text) = names
            .ok_or_else(|| StoreError::Unexpected("no row (reading the catalog)".to_owned()))?;

        let mut tables = BTreeMap::<_, Vec<_>>::new();
        let mut secured = BTreeSet::new();
        for (schema, name, column, is_secured) in columns {
            if is_secured {
                secured.insert(format!("{schema}.{name}"));
            }
            let columns = tables.entry(Table { schema, name }).or_default();
            columns.push(column);
        }
        Ok(Self {
            database,
            role,
            role_text,
            tables,
            secured,
        })
    }

    /// The schemas of the tables, each once: tables are sorted.
    fn schemas(&self) -> Vec<&str> {
        let schemas = self.tables.keys().map(|table| table.schema.as_str());
        let mut schemas: Vec<_> = schemas.collect();
        schemas.dedup();
        schemas
    }

    /// A statement that collects the rights that the role does not have.
    fn lacking(&self) -> String {
        let Self {
            database,
            role,
            role_text,
            tables,
            secured: _,
        } = self;
        let list = |names: Vec<String>| {
            let names: Vec<_> = names.iter().map(|name| text(name)).collect();
            names.join(", ")
        };
        let schemas = self.schemas().into_iter().map(ToOwned::to_owned);
        let schemas = list(schemas.collect());
        let names = tables.keys();
        let names = names.map(|Table { schema, name }| format!("{schema}.{name}"));
        let names = list(names.collect());
        let (database, to_role) = (
            text(&format!("CONNECT ON DATABASE {database}")),
            text(&format!(" TO {role}")),
        );
        // One statement grants all columns of a table.
        format!(
            "  SELECT string_agg('GRANT ' || what || {to_role}, '; ') INTO lacking FROM (
    SELECT {database} AS what
      WHERE NOT has_database_privilege({role_text}, current_database(), 'CONNECT')
    UNION ALL
    SELECT 'USAGE ON SCHEMA ' || name FROM unnest(ARRAY[{schemas}]) name
      WHERE NOT has_schema_privilege({role_text}, to_regnamespace(name), 'USAGE')
    UNION ALL
    SELECT 'SELECT (...) ON ' || name
      FROM unnest(ARRAY[{names}]) name
      WHERE NOT has_any_column_privilege({role_text}, name, 'SELECT')) all_of_it;"
        )
    }
}

/// A literal of SQL.
fn text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// By which a role is known as one that this SQL has made.
const MARK: &str = "leadchat-inbox";

impl fmt::Display for Grants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            database,
            role,
            role_text,
            tables,
            secured,
        } = self;
        let lacking = self.lacking();
        // No name may end the text that it stands in.
        let mut tag = "make_role".to_owned();
        while role_text.contains(&tag) || lacking.contains(&tag) {
            tag.push('_');
        }
        write!(
            f,
            "\
-- What leadchat-inbox {version} reads, for a role of its own.
-- To be run by the owner of the tables, who needs CREATEROLE to make the role, and again after an
-- upgrade of leadchat or of leadchat-inbox.
BEGIN;

DO ${tag}$
DECLARE
  held regclass;
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {role_text}) THEN
    CREATE ROLE {role} LOGIN;
    COMMENT ON ROLE {role} IS '{MARK}';
    ALTER ROLE {role} SET default_transaction_read_only = on;
  ELSIF (SELECT shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = {role_text})
    IS DISTINCT FROM '{MARK}'
  THEN
    -- What follows would take away what it has for other purposes.
    RAISE EXCEPTION 'the role % was not made by `leadchat-inbox grants`', {role_text}
      USING HINT = 'If only leadchat-inbox uses it: COMMENT ON ROLE ... IS ''{MARK}''';
  END IF;

  -- What it may read already is granted anew below, as far as it is still read.
  FOR held IN
    SELECT c.oid FROM pg_class c
    WHERE pg_has_role(c.relowner, 'USAGE') AND EXISTS (
      SELECT FROM aclexplode(c.relacl) acl JOIN pg_roles ON acl.grantee = pg_roles.oid
        WHERE rolname = {role_text}
      UNION ALL
      SELECT FROM pg_attribute a, aclexplode(a.attacl) acl JOIN pg_roles ON acl.grantee = pg_roles.oid
        WHERE a.attrelid = c.oid AND rolname = {role_text})
  LOOP
    EXECUTE format('REVOKE ALL ON TABLE %s FROM %I', held, {role_text});
  END LOOP;
END
${tag}$;

GRANT CONNECT ON DATABASE {database} TO {role};
",
            version = env!("CARGO_PKG_VERSION"),
        )?;
        for schema in self.schemas() {
            writeln!(f, "GRANT USAGE ON SCHEMA {schema} TO {role};")?;
        }
        for (Table { schema, name }, columns) in tables {
            let columns = columns.join(", ");
            write!(
                f,
                "GRANT SELECT ({columns})\n  ON {schema}.{name} TO {role};\n"
            )?;
        }
        if !secured.is_empty() {
            let secured: Vec<_> = secured.iter().map(String::as_str).collect();
            write!(
                f,
                "
-- These tables have row-level security, which would hide rows from the role without an error, so
-- that it is refused as it is: {}.
-- A superuser lets it pass:
-- ALTER ROLE {role} BYPASSRLS;
",
                secured.join(", ")
            )?;
        }
        write!(
            f,
            "
COMMIT;

-- PostgreSQL only warns if a GRANT gives nothing, such as CONNECT by an owner of the tables who does
-- not own the database. Here this is an error; the rights that were given stay.
DO ${tag}$
DECLARE
  lacking text;
BEGIN
{lacking}
  IF lacking IS NOT NULL THEN
    RAISE EXCEPTION '% could not grant all rights; the owner of the object has to run: %', current_user, lacking;
  END IF;
END
${tag}$;

-- Its password: \\password {role}
-- To undo all of it:
--   GRANT {role} TO CURRENT_USER; DROP OWNED BY {role}; DROP ROLE {role};
"
        )
    }
}
