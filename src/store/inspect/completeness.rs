//! Which tables may hold a part of leadchat's rows without saying so, for a check alone.
//!
//! Views, foreign tables and replicated tables show the rows that their owners chose.
//! Whether that is all of it cannot be known. References to missing rows can be counted.

use std::collections::BTreeSet;

use serde::Serialize;
use strum::IntoEnumIterator;

use super::Inspection;
use crate::{
    domain::channel::ChannelKind,
    store::{
        error::StoreError,
        schema::{rows::NumberRow, tables},
        snapshot::retry::with_retries,
        sql::{Dialect, Statement},
    },
};

/// A table that may hold a part of its rows.
#[derive(Debug, Serialize)]
pub struct PartialTable {
    pub table: String,
    /// `view`, `materialized_view`, `foreign_table`, `replicated`, or `being_copied`
    /// where the first copy of what is replicated has not ended.
    pub kind: String,
}

/// Rows that refer to rows that are not there.
#[derive(Debug, Serialize)]
pub struct Dangling {
    /// The table and column that refers.
    pub reference: String,
    /// `None` where they could not be counted in time.
    pub rows: Option<u64>,
}

/// A reference between tables, and its condition on rows.
const REFERENCES: [(&str, &str, &str, &str); 9] = [
    ("account_users", "account_id", "accounts", "true"),
    ("account_users", "user_id", "users", "true"),
    ("inboxes", "account_id", "accounts", "true"),
    ("inboxes", "portal_id", "portals", "true"),
    ("inbox_members", "inbox_id", "inboxes", "true"),
    ("agent_bot_inboxes", "inbox_id", "inboxes", "true"),
    ("agent_bot_inboxes", "agent_bot_id", "agent_bots", "true"),
    ("working_hours", "inbox_id", "inboxes", "true"),
    (
        "active_storage_attachments",
        "blob_id",
        "active_storage_blobs",
        "t.record_type = 'Inbox' AND t.name = 'avatar'",
    ),
];

impl Inspection {
    pub async fn partial_tables(&self) -> Result<Vec<PartialTable>, StoreError> {
        let tables: BTreeSet<_> = self
            .probed
            .probe
            .required
            .places()
            .map(|(table, _)| table)
            .collect();
        let sql = match self.probed.dialect {
            Dialect::Postgres => on_postgres(&tables),
            Dialect::Sqlite => on_sqlite(&tables),
        };
        let statement = Statement::of_catalog(&sql);
        let rows = with_retries(|| self.probed.pool.ask(&statement, &[])).await?;
        let tables = rows.into_iter();
        Ok(tables
            .map(|(table, kind)| PartialTable { table, kind })
            .collect())
    }

    /// Where rows refer to tables that may be partial, and to no row there.
    pub async fn dangling(&self, partial: &[PartialTable]) -> Vec<Dangling> {
        let is_partial = |table: &str| partial.iter().any(|it| it.table == table);
        let channels = ChannelKind::iter().map(|kind| {
            let (table, _) = tables::channel_table(kind);
            let condition = format!("t.channel_type = '{}'", kind.class_name());
            ("inboxes", "channel_id", table, condition)
        });
        let others = REFERENCES.map(|(table, column, parent, condition)| {
            (table, column, parent, condition.to_owned())
        });
        let mut dangling = Vec::new();
        for (table, column, parent, condition) in others.into_iter().chain(channels) {
            if !is_partial(parent) {
                continue;
            }
            let statement = Statement::of_catalog(&format!(
                "SELECT CAST(count(*) AS bigint) AS number FROM {table} t
                WHERE {condition} AND t.{column} IS NOT NULL
                    AND NOT EXISTS (SELECT 1 FROM {parent} p WHERE p.id = t.{column})"
            ));
            let rows: Result<Vec<NumberRow>, _> =
                with_retries(|| self.probed.pool.ask(&statement, &[])).await;
            let count = rows.ok().and_then(|rows| {
                let number = *rows.first()?.number.get().ok()??;
                u64::try_from(number).ok()
            });
            if count != Some(0) {
                dangling.push(Dangling {
                    reference: format!("{table}.{column}"),
                    rows: count,
                });
            }
        }
        dangling
    }
}

fn on_postgres(tables: &BTreeSet<&str>) -> String {
    let tables: Vec<_> = tables.iter().map(|table| format!("('{table}')")).collect();
    format!(
        "SELECT w.table_name, CASE c.relkind
                WHEN 'v' THEN 'view'
                WHEN 'm' THEN 'materialized_view'
                WHEN 'f' THEN 'foreign_table'
                ELSE CASE WHEN s.is_copied THEN 'replicated' ELSE 'being_copied' END
            END
        FROM (VALUES {}) AS w(table_name)
        JOIN pg_catalog.pg_class c ON c.oid = to_regclass(w.table_name)
        CROSS JOIN LATERAL (SELECT bool_and(r.srsubstate = 'r') AS is_copied
            FROM pg_catalog.pg_subscription_rel r WHERE r.srrelid = c.oid) s
        WHERE c.relkind IN ('v', 'm', 'f') OR s.is_copied IS NOT NULL
        ORDER BY w.table_name",
        tables.join(", ")
    )
}

fn on_sqlite(tables: &BTreeSet<&str>) -> String {
    let tables: Vec<_> = tables.iter().map(|table| format!("'{table}'")).collect();
    format!(
        "SELECT name, type FROM sqlite_master WHERE type = 'view' AND name IN ({})
        ORDER BY name",
        tables.join(", ")
    )
}
