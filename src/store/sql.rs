//! Statements and their arguments.
//!
//! A statement is made of constants alone. How it is run is not known here.

pub(super) mod account_list;
pub(super) mod address_lookup;
pub(super) mod plan;
mod plan_check;
pub(super) mod select;

use std::sync::Arc;

use secrecy::SecretString;

/// A database's dialect of SQL.
#[derive(Clone, Copy)]
pub(super) enum Dialect {
    Postgres,
    Sqlite,
}

/// A statement, and the table that it is about, for the log.
#[derive(Clone)]
pub(super) struct Statement {
    pub sql: Arc<str>,
    pub table: Arc<str>,
    /// A bit for each table that it names.
    pub tables: i64,
}

impl Statement {
    /// About no table that is served.
    pub fn of_catalog(sql: &str) -> Self {
        Self {
            sql: sql.into(),
            table: "the catalog".into(),
            tables: 0,
        }
    }
}

/// A value bound to a statement.
#[derive(Clone)]
pub(super) enum Argument {
    Id(i64),
    Ids(Vec<i64>),
    Text(String),
    Texts(Vec<SecretString>),
}

impl Dialect {
    /// Whether a column holds one of the values in a list that is bound.
    pub fn is_among(self, column: &str, list: &str) -> String {
        match self {
            Self::Postgres => format!("{column} = ANY({list})"),
            Self::Sqlite => format!("{column} IN (SELECT value FROM json_each({list}))"),
        }
    }
}
