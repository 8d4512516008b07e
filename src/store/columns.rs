//! How a column is read: what it is cast to, and what a value of it becomes.

use secrecy::SecretString;
use sqlx::{Row, postgres::PgRow, sqlite::SqliteRow};

/// A column to read.
pub(super) struct Column {
    /// Its name in the row struct.
    pub name: &'static str,
    pub r#type: Type,
    /// Whether a row cannot do without it.
    pub required: bool,
    pub source: Source,
}

/// What a column is cast to.
#[derive(Clone, Copy)]
pub(super) enum Type {
    Integer,
    Text,
    Boolean,
}

/// What a column is read from.
pub(super) enum Source {
    /// The column of the same name of the table `t`.
    Same,
    Expression(&'static str),
    PerDialect {
        postgres: &'static str,
        sqlite: &'static str,
    },
}

/// A row struct's columns.
pub(super) trait Columns {
    const COLUMNS: &'static [Column];
}

/// A type that a value can be read as.
pub(super) trait Readable: Sized {
    const TYPE: Type;

    fn postgres(row: &PgRow, column: &str) -> Result<Option<Self>, sqlx::Error>;

    fn sqlite(row: &SqliteRow, column: &str) -> Result<Option<Self>, sqlx::Error>;
}

macro_rules! readable {
    ($($type:ty: $cast:ident),*) => {$(
        impl Readable for $type {
            const TYPE: Type = Type::$cast;

            fn postgres(row: &PgRow, column: &str) -> Result<Option<Self>, sqlx::Error> {
                row.try_get(column)
            }

            fn sqlite(row: &SqliteRow, column: &str) -> Result<Option<Self>, sqlx::Error> {
                row.try_get(column)
            }
        }
    )*};
}

readable!(i64: Integer, bool: Boolean);

impl Readable for String {
    const TYPE: Type = Type::Text;

    fn postgres(row: &PgRow, column: &str) -> Result<Option<Self>, sqlx::Error> {
        row.try_get(column)
    }

    /// SQLite keeps in a text whatever bytes it is given. One that is not UTF-8
    /// is shown with U+FFFD where it is not; it must not cost the row.
    fn sqlite(row: &SqliteRow, column: &str) -> Result<Option<Self>, sqlx::Error> {
        let bytes: Option<&[u8]> = row.try_get_unchecked(column)?;
        Ok(bytes.map(|bytes| Self::from_utf8_lossy(bytes).into_owned()))
    }
}

/// Wiped from memory when dropped.
impl Readable for SecretString {
    const TYPE: Type = Type::Text;

    fn postgres(row: &PgRow, column: &str) -> Result<Option<Self>, sqlx::Error> {
        String::postgres(row, column).map(|text| text.map(Into::into))
    }

    fn sqlite(row: &SqliteRow, column: &str) -> Result<Option<Self>, sqlx::Error> {
        String::sqlite(row, column).map(|text| text.map(Into::into))
    }
}

/// A field of a row struct: a type that can be read, or an `Option` of one.
pub(super) trait Field: Sized {
    type Value: Readable;

    const REQUIRED: bool;

    fn from_value(value: Option<Self::Value>, column: &str) -> Result<Self, sqlx::Error>;
}

impl<T: Readable> Field for Option<T> {
    type Value = T;

    const REQUIRED: bool = false;

    fn from_value(value: Option<T>, _: &str) -> Result<Self, sqlx::Error> {
        Ok(value)
    }
}

macro_rules! required {
    ($($type:ty),*) => {$(
        impl Field for $type {
            type Value = Self;

            const REQUIRED: bool = true;

            fn from_value(value: Option<Self>, column: &str) -> Result<Self, sqlx::Error> {
                value.ok_or_else(|| sqlx::Error::ColumnDecode {
                    index: column.to_owned(),
                    source: "NULL".into(),
                })
            }
        }
    )*};
}

required!(i64, String);
