//! The existing tables and columns, compared with the required ones.
//!
//! Rails' tables are of some age, and change while this runs. They are probed when a
//! store is opened, and again when a read finds a changed schema: existing columns, and
//! those this user may read. Missing required columns are errors. Optional columns, which
//! some leadchat versions lack, are omitted from the statements.

pub(super) mod columns;
mod computed;
pub(super) mod probe;
pub(super) mod rows;
pub(super) mod table_schemas;
pub(super) mod tables;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use strum::IntoEnumIterator;

use super::Ownership;
use crate::{
    domain::{address::AddressKind, channel::ChannelKind},
    leadchat::features::Features,
};
use columns::Column;
use tables::{PREDICATE_COLUMNS, TABLES_READ, address_columns, channel_table, is_optional_table};

pub(super) type ColumnName = (&'static str, &'static str);

/// The tables and columns that statements name, each with whether it is optional.
/// Depends on the ownership.
pub(super) struct Required {
    places: BTreeMap<ColumnName, bool>,
}

/// The available part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Schema {
    available: BTreeSet<ColumnName>,
    /// The tables, and how many columns each has ever had: `None` where it is not
    /// there. Of SQLite's that is not known.
    pub tables: BTreeMap<&'static str, Option<i64>>,
    /// Those that are not there, or not as a whole.
    pub incomplete: BTreeSet<&'static str>,
    /// Optional columns that are missing.
    pub omitted: Vec<Omitted>,
    /// The reasons why the tables cannot be served.
    pub missing: Missing,
    /// SQLite's count of its changes; PostgreSQL has none.
    pub version: i64,
}

/// A column that is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Omitted {
    pub table: &'static str,
    pub column: &'static str,
    /// Its number in the table where it is there, and not granted.
    pub number: Option<i64>,
}

/// Tables and columns that nothing works without.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Missing {
    pub missing: Vec<String>,
    pub not_granted: Vec<String>,
    /// Tables whose rows a policy may hide from this user.
    pub row_security: Vec<String>,
}

impl Required {
    pub fn new(ownership: Ownership) -> Self {
        let mut places = BTreeMap::new();
        let mut require = |place, is_optional| {
            let known = places.entry(place).or_insert(is_optional);
            *known &= is_optional;
        };
        let channels = ChannelKind::iter().map(channel_table);
        for (table, columns) in TABLES_READ.into_iter().chain(channels) {
            for column in columns {
                let is_optional = column.optional || is_optional_table(table);
                for place in column.needs(table) {
                    require(place, is_optional);
                }
            }
        }
        for (table, column) in PREDICATE_COLUMNS {
            require((table, column), false);
        }
        for kind in AddressKind::iter() {
            for (channel, column) in address_columns(kind) {
                let (table, _) = channel_table(*channel);
                require((table, *column), is_optional_table(table));
            }
        }
        if ownership == Ownership::Attached {
            places.retain(|(table, _), _| *table != "channel_reauthorizations");
        }
        Self { places }
    }

    /// All of it, by table.
    pub fn places(&self) -> impl Iterator<Item = ColumnName> {
        self.places.keys().copied()
    }

    pub fn compare<'a>(&self, found: impl Iterator<Item = Found<'a>>, version: i64) -> Schema {
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
            available: BTreeSet::new(),
            tables,
            incomplete: BTreeSet::new(),
            omitted: Vec::new(),
            missing: Missing {
                row_security: secured.into_iter().collect(),
                ..Missing::default()
            },
            version,
        };
        for ((table, column), is_optional) in &self.places {
            let Missing {
                missing,
                not_granted,
                row_security: _,
            } = &mut schema.missing;
            let there = columns.get(&(*table, *column));
            if !matches!(there, Some((_, true))) {
                schema.incomplete.insert(table);
            }
            match (there, is_optional) {
                (Some((_, true)), _) => _ = schema.available.insert((*table, *column)),
                (there, true) => schema.omitted.push(Omitted {
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

/// The probed state of a column.
pub(super) struct Found<'a> {
    pub table: &'a str,
    pub column: &'a str,
    pub column_count: i64,
    /// `None` where it is not there.
    pub number: Option<i64>,
    pub is_granted: bool,
    pub is_secured: bool,
}

impl Schema {
    pub fn has_column(&self, table: &str, column: &str) -> bool {
        self.available.contains(&(table, column))
    }

    /// Whether a column is to be read: one that must be there is, come what may.
    pub fn has(&self, column: &Column, table: &str) -> bool {
        !column.optional
            || column
                .needs(table)
                .into_iter()
                .all(|(table, column)| self.has_column(table, column))
    }

    /// Whether the channels of a kind have their table.
    pub fn has_channels(&self, kind: ChannelKind) -> bool {
        let (table, _) = channel_table(kind);
        !is_optional_table(table) || !self.omitted.iter().any(|omitted| omitted.table == table)
    }

    /// A column without a grant shows the version, too.
    pub fn features(&self) -> Features {
        Features::detect(|column| {
            let (table, column) = column.split_once('.').unwrap_or_default();
            let is_hidden = |omitted: &Omitted| {
                (omitted.table, omitted.column) == (table, column) && omitted.number.is_some()
            };
            self.has_column(table, column) || self.omitted.iter().any(is_hidden)
        })
    }

    /// Missing optional columns, for the log.
    pub fn omitted_names(&self) -> String {
        let names = self.omitted.iter();
        let names = names.map(|omitted| format!("{}.{}", omitted.table, omitted.column));
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
impl fmt::Display for Missing {
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
        if missing.is_empty() && !not_granted.is_empty() {
            f.write_str("; `leadchat-inbox grants` prints the SQL of all rights")?;
        }
        Ok(())
    }
}

impl Missing {
    pub const fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.not_granted.is_empty() && self.row_security.is_empty()
    }
}

#[cfg(test)]
mod tests;
