//! Whether keys open what leadchat encrypted, tried on a few rows.
//!
//! Only texts that may be envelopes are read, and only the success of decryption is
//! reported.

use strum::IntoEnumIterator;

use crate::{
    domain::{address::AddressKind, channel::ChannelKind},
    leadchat::encryption::{DETERMINISTIC, Encryption, NON_DETERMINISTIC},
    store::{
        error::StoreError,
        schema::{
            columns::{Column, Type},
            probe::Probed,
            rows::SampleRow,
            tables,
        },
        snapshot::retry::with_retries,
        sql::{Dialect, select::Target},
    },
};

/// How many rows of a column are tried.
const MAX_SAMPLED_ROWS: usize = 20;

/// The results for the newest envelopes in a column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sampled {
    pub table: &'static str,
    pub column: &'static str,
    /// Whether it is of the columns with a key of their own.
    pub is_deterministic: bool,
    pub opened: u64,
    pub not_opened: u64,
}

impl Probed {
    /// Tries the decrypted columns, and the searched one: nothing else shows whether its
    /// key is right.
    pub async fn sample(&self, encryption: &Encryption) -> Result<Vec<Sampled>, StoreError> {
        let mut sampled = Vec::new();
        for (table, column) in NON_DETERMINISTIC.into_iter().chain(DETERMINISTIC) {
            let is_whole = !self
                .schema
                .missing
                .row_security
                .iter()
                .any(|it| it == table);
            if is_used(table, column) && self.schema.has_column(table, column) && is_whole {
                let sample = with_retries(|| self.sample_of(table, column, encryption));
                sampled.push(sample.await?);
            }
        }
        Ok(sampled)
    }

    async fn sample_of(
        &self,
        table: &'static str,
        column: &'static str,
        encryption: &Encryption,
    ) -> Result<Sampled, StoreError> {
        let target = Target {
            dialect: self.dialect,
            schema: &self.schema,
            probe_number: 0,
        };
        // Where not all that is stored need be letters, PostgreSQL cannot trim.
        let (text, is_object) = match self.dialect {
            Dialect::Postgres => {
                let text = format!("CAST(t.{column} AS text)");
                let is_object = format!("{text} ~ '^ *[{{]'");
                (text, is_object)
            }
            Dialect::Sqlite => (
                format!("t.{column}"),
                format!("ltrim(t.{column}) LIKE '{{%'"),
            ),
        };
        let statement = target.statement(
            table,
            &format!(
                "SELECT {text} AS sample FROM {table} t WHERE {is_object} \
                 ORDER BY t.id DESC LIMIT {MAX_SAMPLED_ROWS}"
            ),
        );
        let rows: Vec<SampleRow> = self.pool.ask(&statement, &[]).await?;
        let is_deterministic = DETERMINISTIC.contains(&(table, column));
        let mut sampled = Sampled {
            table,
            column,
            is_deterministic,
            ..Sampled::default()
        };
        let stored = rows.iter().filter_map(|row| row.sample.get().ok()?);
        for opens in stored.filter_map(|stored| encryption.can_decrypt(stored, is_deterministic)) {
            if opens {
                sampled.opened += 1;
            } else {
                sampled.not_opened += 1;
            }
        }
        Ok(sampled)
    }
}

/// Whether the service decrypts a column, or looks for what is in it.
fn is_used(table: &str, column: &str) -> bool {
    let is_decrypted = |it: &Column| it.name == column && matches!(it.r#type, Type::Encrypted);
    let is_read = ChannelKind::iter().any(|kind| {
        let (of, columns) = tables::channel_table(kind);
        of == table && columns.iter().any(is_decrypted)
    });
    let is_compared = AddressKind::iter().any(|kind| {
        let mut columns = tables::address_columns(kind).iter();
        columns.any(|(kind, it)| tables::channel_table(*kind).0 == table && *it == column)
    });
    is_read || is_compared
}
