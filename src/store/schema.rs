//! What the tables offer of all that is read.
//!
//! Rails' tables are of some age, and change while this runs. They are looked at
//! when a store is opened, and again when a read meets others: which columns are
//! there, and may be read by this user. What has to be there is named; what may
//! be missing, since it came or went with a newer leadchat, is then left out of
//! the statements.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::{self, Write},
};

use super::{
    Ownership,
    columns::{Column, Columns},
    error::StoreError,
    look_ups,
    patience::Patience,
    rows::{
        self, AccountRow, AccountUserRow, AgentBotInboxRow, AgentBotRow, AvatarRow, InboxMemberRow,
        InboxRow, OfferedRow, ReauthorizationRow, SchemaVersionRow, WorkingHoursRow,
    },
    snapshot::Pool,
    statements::{Dialect, Statement},
};
use crate::{
    domain::{address::AddressKind, channel::ChannelKind},
    leadchat::age::Age,
};

/// What is read of the tables other than the channels'.
const ROWS: [(&str, &[Column]); 9] = [
    ("accounts", AccountRow::COLUMNS),
    ("account_users", AccountUserRow::COLUMNS),
    ("inbox_members", InboxMemberRow::COLUMNS),
    ("agent_bots", AgentBotRow::COLUMNS),
    ("agent_bot_inboxes", AgentBotInboxRow::COLUMNS),
    ("inboxes", InboxRow::COLUMNS),
    ("working_hours", WorkingHoursRow::COLUMNS),
    ("active_storage_attachments", AvatarRow::COLUMNS),
    ("channel_reauthorizations", ReauthorizationRow::COLUMNS),
];

/// What statements compare, join and order by, beside what they read.
const COMPARED: [(&str, &str); 16] = [
    ("account_users", "account_id"),
    ("users", "id"),
    ("agent_bots", "account_id"),
    ("agent_bot_inboxes", "status"),
    ("inboxes", "channel_id"),
    ("inboxes", "channel_type"),
    ("inboxes", "portal_id"),
    ("portals", "id"),
    ("working_hours", "id"),
    ("active_storage_attachments", "id"),
    ("active_storage_attachments", "record_type"),
    ("active_storage_attachments", "name"),
    ("active_storage_attachments", "blob_id"),
    ("active_storage_blobs", "id"),
    ("channel_reauthorizations", "channel_type"),
    ("channel_reauthorizations", "channel_id"),
];

pub(super) type Place = (&'static str, &'static str);

/// All that is wanted of a database: tables and columns, and whether it does
/// without. Known once it is known whose database it is.
pub(super) struct Wanted {
    places: BTreeMap<Place, bool>,
    columns: Statement,
    /// SQLite counts the changes of its schema.
    version: Option<Statement>,
}

/// What a database offers of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Schema {
    offered: BTreeSet<Place>,
    /// The tables, and how many columns each has ever had: `None` where it is not
    /// there. Of SQLite's that is not known.
    pub tables: BTreeMap<&'static str, Option<i64>>,
    /// Those that are not there, or not as a whole.
    pub incomplete: BTreeSet<&'static str>,
    /// What may be missing, and is.
    pub absent: Vec<Absent>,
    /// What must not be missing, and is, in words for an operator.
    pub lacks: Lacks,
    /// SQLite's count of its changes; PostgreSQL has none.
    pub version: i64,
}

/// A column that is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Absent {
    pub table: &'static str,
    pub column: &'static str,
    /// Its number in the table where it is there, and not granted.
    pub number: Option<i64>,
}

/// Tables and columns that nothing works without.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lacks {
    pub missing: Vec<String>,
    pub not_granted: Vec<String>,
    /// Tables whose rows a policy may hide from this user.
    pub row_security: Vec<String>,
}

impl Wanted {
    pub fn new(dialect: Dialect, ownership: Ownership) -> Self {
        let mut places = BTreeMap::new();
        let mut want = |place, is_optional| {
            let known = places.entry(place).or_insert(is_optional);
            *known &= is_optional;
        };
        let channels = ChannelKind::ALL.map(rows::channel_table);
        for (table, columns) in ROWS.into_iter().chain(channels) {
            for column in columns {
                let is_optional = column.optional || is_optional(table);
                for place in column.needs(table) {
                    want(place, is_optional);
                }
            }
        }
        for (table, column) in COMPARED {
            want((table, column), false);
        }
        for kind in AddressKind::ALL {
            for (channel, column) in look_ups::columns(kind) {
                let (table, _) = rows::channel_table(*channel);
                want((table, *column), is_optional(table));
            }
        }
        if ownership == Ownership::Attached {
            places.retain(|(table, _), _| *table != "channel_reauthorizations");
        }

        let tables: BTreeSet<_> = places.keys().map(|(table, _)| *table).collect();
        let (columns, version) = match dialect {
            Dialect::Postgres => (on_postgres(places.keys()), None),
            Dialect::Sqlite => (on_sqlite(&tables), Some(SQLITE_VERSION)),
        };
        Self {
            columns: Statement::of_catalog(&columns),
            version: version.map(Statement::of_catalog),
            places,
        }
    }

    /// All of it, by table.
    pub fn places(&self) -> impl Iterator<Item = Place> {
        self.places.keys().copied()
    }

    /// Looks at the tables as they are.
    pub async fn look_at(&self, pool: &Pool) -> Result<Schema, StoreError> {
        let patience = Patience::endless();
        let mut connection = pool.acquire(&patience).await?;
        let mut snapshot = connection.begin(&patience).await?;
        let mut version = 0;
        if let Some(statement) = &self.version {
            let rows: Vec<SchemaVersionRow> = snapshot.fetch(statement, &[]).await?;
            version = rows.first().map_or(0, |row| row.version);
        }
        let rows: Vec<OfferedRow> = snapshot.fetch(&self.columns, &[]).await?;
        snapshot.close().await?;
        Ok(self.compare(rows.iter().filter_map(Found::read), version))
    }

    fn compare<'a>(&self, found: impl Iterator<Item = Found<'a>>, version: i64) -> Schema {
        let tables = self.places.keys().map(|(table, _)| (*table, None));
        let mut tables: BTreeMap<_, _> = tables.collect();
        let mut columns = BTreeMap::new();
        let mut secured = BTreeSet::new();
        for found in found {
            if let Some(count) = tables.get_mut(found.table) {
                *count = Some(found.column_count);
            }
            if found.is_secured {
                secured.insert(found.table.to_owned());
            }
            if let Some(number) = found.number {
                columns.insert((found.table, found.column), (number, found.is_granted));
            }
        }
        let mut schema = Schema {
            offered: BTreeSet::new(),
            tables,
            incomplete: BTreeSet::new(),
            absent: Vec::new(),
            lacks: Lacks {
                row_security: secured.into_iter().collect(),
                ..Lacks::default()
            },
            version,
        };
        for ((table, column), is_optional) in &self.places {
            let Lacks {
                missing,
                not_granted,
                row_security: _,
            } = &mut schema.lacks;
            let there = columns.get(&(*table, *column));
            if !matches!(there, Some((_, true))) {
                schema.incomplete.insert(table);
            }
            match (there, is_optional) {
                (Some((_, true)), _) => _ = schema.offered.insert((*table, *column)),
                (there, true) => schema.absent.push(Absent {
                    table,
                    column,
                    number: there.map(|(number, _)| *number),
                }),
                (Some(_), false) => not_granted.push(format!("{table}.{column}")),
                (None, false) if schema.tables.get(table).is_some_and(Option::is_some) => {
                    missing.push(format!("{table}.{column}"));
                }
                (None, false) => {
                    let name = format!("the table {table}");
                    if !missing.contains(&name) {
                        missing.push(name);
                    }
                }
            }
        }
        schema
    }
}

/// What a look found of a column.
struct Found<'a> {
    table: &'a str,
    column: &'a str,
    column_count: i64,
    /// `None` where it is not there.
    number: Option<i64>,
    is_granted: bool,
    is_secured: bool,
}

impl<'a> Found<'a> {
    fn read(row: &'a OfferedRow) -> Option<Self> {
        Some(Self {
            table: row.table_name.text().ok()??,
            column: row.column_name.text().ok()??,
            column_count: *row.column_count.get().ok()??,
            number: row.number.get().ok()?.copied(),
            is_granted: matches!(row.granted.get(), Ok(Some(true))),
            is_secured: matches!(row.secured.get(), Ok(Some(true))),
        })
    }
}

impl Schema {
    pub fn offers(&self, table: &str, column: &str) -> bool {
        self.offered.contains(&(table, column))
    }

    /// Whether a column is to be read: one that must be there is, come what may.
    pub fn has(&self, column: &Column, table: &str) -> bool {
        !column.optional
            || column
                .needs(table)
                .into_iter()
                .all(|(table, column)| self.offers(table, column))
    }

    /// Whether the channels of a kind have their table.
    pub fn has_channels(&self, kind: ChannelKind) -> bool {
        let (table, _) = rows::channel_table(kind);
        !is_optional(table) || !self.absent.iter().any(|absent| absent.table == table)
    }

    /// A column that is there and not granted tells, too.
    pub fn age(&self) -> Age {
        Age::told_by(|column| {
            let (table, column) = column.split_once('.').unwrap_or_default();
            let is_hidden = |absent: &Absent| {
                (absent.table, absent.column) == (table, column) && absent.number.is_some()
            };
            self.offers(table, column) || self.absent.iter().any(is_hidden)
        })
    }

    /// What may be missing, and is, for the log.
    pub fn left_out(&self) -> String {
        let names = self.absent.iter();
        let names = names.map(|absent| format!("{}.{}", absent.table, absent.column));
        names.collect::<Vec<_>>().join(", ")
    }

    /// A bit for each table that a statement names.
    pub fn tables_in(&self, sql: &str) -> i64 {
        let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        let names: BTreeSet<_> = sql.split(|letter| !is_part(letter)).collect();
        let bits = (0..).map(|index: u32| 1 << index);
        let tables = self.tables.keys().zip(bits);
        tables
            .filter(|(table, _)| names.contains(*table))
            .fold(0, |all, (_, bit)| all | bit)
    }
}

/// As an operator reads it.
impl fmt::Display for Lacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            missing,
            not_granted,
            row_security,
        } = self;
        let all = [
            ("missing", missing),
            ("not granted to this user", not_granted),
            (
                "under row-level security, which may hide rows from this user (BYPASSRLS lifts \
                 it)",
                row_security,
            ),
        ];
        let mut separator = "";
        for (what, places) in all.iter().filter(|(_, places)| !places.is_empty()) {
            write!(f, "{separator}{what}: {}", places.join(", "))?;
            separator = "; ";
        }
        Ok(())
    }
}

impl Lacks {
    pub const fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.not_granted.is_empty() && self.row_security.is_empty()
    }
}

/// Newer leadchats have no table of voice channels.
fn is_optional(table: &str) -> bool {
    table == rows::channel_table(ChannelKind::Voice).0
}

fn on_postgres<'a>(places: impl Iterator<Item = &'a Place>) -> String {
    let mut values = String::new();
    for (table, column) in places {
        // Writing to a text cannot fail.
        let _ = write!(values, ", ('{table}', '{column}')");
    }
    format!(
        "SELECT w.table_name, w.column_name, CAST(c.relnatts AS bigint) AS column_count,
            CAST(a.attnum AS bigint) AS number,
            has_column_privilege(a.attrelid, a.attnum, 'SELECT') AS granted,
            row_security_active(c.oid) AS secured
        FROM (VALUES {}) AS w(table_name, column_name)
        JOIN pg_catalog.pg_class c ON c.oid = to_regclass(w.table_name)
        LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
            AND a.attname = w.column_name AND a.attnum > 0 AND NOT a.attisdropped",
        values.trim_start_matches(", ")
    )
}

fn on_sqlite(tables: &BTreeSet<&str>) -> String {
    let of_each: Vec<_> = tables
        .iter()
        .map(|table| {
            format!(
                "SELECT '{table}' AS table_name, name AS column_name, 0 AS column_count,
                    cid AS number, true AS granted, false AS secured
                FROM pragma_table_info('{table}')"
            )
        })
        .collect();
    of_each.join(" UNION ALL ")
}

const SQLITE_VERSION: &str = "SELECT schema_version AS version FROM pragma_schema_version";

#[cfg(test)]
mod tests;
