//! How a column is read, and what a value of it becomes.

use secrecy::{ExposeSecret, SecretString};
use sqlx::{Row, postgres::PgRow, sqlite::SqliteRow};

use crate::{
    domain::degradation::{Degradation, DegradationReason},
    leadchat::encryption::Encrypted,
};

/// A column to read.
pub(in crate::store) struct Column {
    /// Its name in the row struct.
    pub name: &'static str,
    pub r#type: Type,
    pub source: Source,
    /// Whether there may be tables without it: it came with a newer leadchat.
    pub optional: bool,
}

/// The type that a column is read as; on PostgreSQL, the type that it is cast to.
#[derive(Clone, Copy)]
pub(in crate::store) enum Type {
    Integer,
    Text,
    /// A text that leadchat may have encrypted.
    Encrypted,
    Boolean,
}

/// The source of a column.
pub(in crate::store) enum Source {
    /// The column of the same name of the table `t`.
    Same,
    Expression(&'static str),
    /// An expression over columns: those of the table `t` by name, those of another table
    /// as `accounts.status`.
    Computed {
        needs: &'static [&'static str],
        postgres: &'static str,
        sqlite: &'static str,
    },
}

impl Column {
    /// The tables and columns that it is read from, where it is one of `table`.
    pub fn needs<'t>(&self, table: &'t str) -> Vec<(&'t str, &'static str)> {
        match self.source {
            Source::Same => vec![(table, self.name)],
            Source::Expression(sql) => {
                let Some((alias, column)) = sql.split_once('.') else {
                    return Vec::new();
                };
                vec![(
                    match alias {
                        "i" => "inboxes",
                        "p" => "portals",
                        "b" => "active_storage_blobs",
                        _ => table,
                    },
                    column,
                )]
            }
            Source::Computed { needs, .. } => needs
                .iter()
                .map(|need| need.split_once('.').unwrap_or((table, *need)))
                .collect(),
        }
    }
}

/// A row struct's columns.
pub(in crate::store) trait Columns {
    const COLUMNS: &'static [Column];
}

/// A field of a row struct.
pub(in crate::store) trait Field: Sized {
    const TYPE: Type;
    const OPTIONAL: bool = false;

    fn postgres(row: &PgRow, column: &str) -> Result<Self, sqlx::Error>;

    fn sqlite(row: &SqliteRow, column: &str) -> Result<Self, sqlx::Error>;
}

/// A value that every row has: its own id, and an id that the statement compared.
impl Field for i64 {
    const TYPE: Type = Type::Integer;

    fn postgres(row: &PgRow, column: &str) -> Result<Self, sqlx::Error> {
        row.try_get(column)
    }

    fn sqlite(row: &SqliteRow, column: &str) -> Result<Self, sqlx::Error> {
        row.try_get(column)
    }
}

/// A column of newer leadchat versions: `None` if the statement omits it, because the
/// tables are older.
impl<F: Field> Field for Option<F> {
    const TYPE: Type = F::TYPE;
    const OPTIONAL: bool = true;

    fn postgres(row: &PgRow, column: &str) -> Result<Self, sqlx::Error> {
        if_there(F::postgres(row, column))
    }

    fn sqlite(row: &SqliteRow, column: &str) -> Result<Self, sqlx::Error> {
        if_there(F::sqlite(row, column))
    }
}

fn if_there<F>(field: Result<F, sqlx::Error>) -> Result<Option<F>, sqlx::Error> {
    match field {
        Ok(field) => Ok(Some(field)),
        Err(sqlx::Error::ColumnNotFound(_)) => Ok(None),
        Err(other) => Err(other),
    }
}

/// The content of a column: a value, NULL, or a value of another type.
///
/// SQLite keeps in any column what is put there: a text among numbers, bytes that are no
/// text. A bad value must neither cost the row nor go unnoticed, so every accessor
/// handles it.
pub(in crate::store) struct Stored<T>(Result<Option<T>, Unreadable>);

/// Something is stored that is no value of its column's type.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct Unreadable;

impl<T> Stored<T> {
    fn found(value: Result<Option<T>, sqlx::Error>) -> Result<Self, sqlx::Error> {
        match value {
            Ok(value) => Ok(Self(Ok(value))),
            Err(sqlx::Error::ColumnDecode { .. }) => Ok(Self(Err(Unreadable))),
            Err(other) => Err(other),
        }
    }

    /// `Ok(None)` is NULL.
    pub fn get(&self) -> Result<Option<&T>, Unreadable> {
        self.0.as_ref().map(Option::as_ref).map_err(|error| *error)
    }

    /// The value of a field derived from this column, NULL included.
    pub fn derive<D>(
        &self,
        field: &str,
        degradations: &mut Vec<Degradation>,
        from: impl FnOnce(Option<&T>) -> D,
    ) -> Option<D> {
        self.noted(field, degradations).ok().map(from)
    }

    /// The value of a field that shows this column.
    pub fn shown(&self, field: &str, degradations: &mut Vec<Degradation>) -> Option<T>
    where
        T: Clone,
    {
        self.noted(field, degradations).ok()?.cloned()
    }

    /// As [`get`](Self::get), noted where it cannot be read.
    pub fn noted(
        &self,
        field: &str,
        degradations: &mut Vec<Degradation>,
    ) -> Result<Option<&T>, Unreadable> {
        self.get().inspect_err(|Unreadable| {
            degradations.push(Degradation::new(field, DegradationReason::SourceUnreadable));
        })
    }
}

impl Stored<String> {
    pub fn text(&self) -> Result<Option<&str>, Unreadable> {
        self.get().map(|text| text.map(String::as_str))
    }
}

impl Stored<SecretString> {
    pub fn text(&self) -> Result<Option<&str>, Unreadable> {
        self.get().map(|text| text.map(ExposeSecret::expose_secret))
    }
}

macro_rules! stored {
    ($($type:ty: $cast:ident),*) => {$(
        impl Field for Stored<$type> {
            const TYPE: Type = Type::$cast;

            fn postgres(row: &PgRow, column: &str) -> Result<Self, sqlx::Error> {
                Self::found(row.try_get(column))
            }

            fn sqlite(row: &SqliteRow, column: &str) -> Result<Self, sqlx::Error> {
                Self::found(row.try_get(column))
            }
        }
    )*};
}

stored!(i64: Integer, bool: Boolean, String: Text);

/// Wiped from memory when dropped.
impl Field for Stored<SecretString> {
    const TYPE: Type = Type::Text;

    fn postgres(row: &PgRow, column: &str) -> Result<Self, sqlx::Error> {
        Stored::<String>::postgres(row, column).map(Stored::into)
    }

    fn sqlite(row: &SqliteRow, column: &str) -> Result<Self, sqlx::Error> {
        Stored::<String>::sqlite(row, column).map(Stored::into)
    }
}

/// A column that leadchat may encrypt. It cannot be cloned, so there is nothing to show
/// of it but what `Decryption` makes of it.
impl Field for Stored<Encrypted> {
    const TYPE: Type = Type::Encrypted;

    fn postgres(row: &PgRow, column: &str) -> Result<Self, sqlx::Error> {
        Stored::<String>::postgres(row, column).map(Stored::into)
    }

    fn sqlite(row: &SqliteRow, column: &str) -> Result<Self, sqlx::Error> {
        Stored::<String>::sqlite(row, column).map(Stored::into)
    }
}

impl Stored<String> {
    fn into<S: From<String>>(self) -> Stored<S> {
        Stored(self.0.map(|text| text.map(S::from)))
    }
}
