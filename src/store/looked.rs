//! A look at a database before it is served: whose tables these are, and what they
//! offer. Nothing is refused here for what they lack.

use super::{
    Ownership,
    encoding::Encoding,
    error::{OpenError, StoreError},
    look_ups::Order,
    migrations, postgres,
    retries::retried,
    schema::{Schema, Wanted},
    snapshot::Pool,
    statements::{Dialect, Statement},
    table_schemas::{self, TABLES, TableSchema},
};

/// A database whose tables were looked at.
pub(super) struct Looked {
    pub pool: Pool,
    pub dialect: Dialect,
    pub order: Order,
    pub ownership: Ownership,
    pub wanted: Wanted,
    pub schema: Schema,
    /// All schemas with such tables, also outside the search path.
    pub table_schemas: Vec<TableSchema>,
}

impl Looked {
    /// Whatever is passing does not end it.
    pub async fn at(mut pool: Pool) -> Result<Self, StoreError> {
        if let Pool::Postgres(_) = pool {
            let encoding = retried(|| encoding(&pool)).await?;
            if let Pool::Postgres(connections) = &mut pool {
                connections.encoding = encoding;
            }
        }
        let (dialect, ownership, order) = match &pool {
            Pool::Postgres(_) => (
                Dialect::Postgres,
                retried(|| migrations::ownership(&pool)).await?,
                retried(|| order(&pool)).await?,
            ),
            Pool::Sqlite(_) => (Dialect::Sqlite, Ownership::Own, Order::Bytes),
        };
        let wanted = Wanted::new(dialect, ownership);
        let schema = retried(|| wanted.look_at(&pool)).await?;
        let table_schemas = retried(|| TableSchema::all(&pool)).await?;
        Ok(Self {
            pool,
            dialect,
            order,
            ownership,
            wanted,
            schema,
            table_schemas,
        })
    }

    /// The refusal to hold a database without our migrations for empty; `None` if it is.
    pub fn not_empty(&self) -> Option<OpenError> {
        table_schemas::not_empty(&self.table_schemas)
    }

    /// Refuses to go on without tables that are in a schema outside the search path.
    pub fn refuse_other_schema(&self) -> Result<(), OpenError> {
        let is_missing = |table: &&str| matches!(self.schema.tables.get(table), Some(None));
        if !TABLES.iter().any(is_missing) {
            return Ok(());
        }
        let refusal = table_schemas::elsewhere(&self.table_schemas, |schema| schema.has_tables);
        refusal.map_or(Ok(()), Err)
    }
}

/// How PostgreSQL encodes texts.
async fn encoding(pool: &Pool) -> Result<Encoding, StoreError> {
    let encoding = Statement::of_catalog(postgres::ENCODING);
    let rows: Vec<(String,)> = pool.ask(&encoding, &[]).await?;
    Ok(rows
        .first()
        .map_or(Encoding::Utf8, |(name,)| Encoding::named(name)))
}

/// How PostgreSQL orders texts, which depends on its locale.
async fn order(pool: &Pool) -> Result<Order, StoreError> {
    let rows = pool
        .ask(&Statement::of_catalog(postgres::ORDER), &[])
        .await?;
    Ok(match rows.first() {
        Some((false, _)) => Order::Bytes,
        Some((true, true)) => Order::Dictionary,
        Some((true, false)) | None => Order::Otherwise,
    })
}
