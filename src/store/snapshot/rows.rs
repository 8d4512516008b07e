//! Rows as a database sent them: compared by their bytes, and decoded where they are needed.

use std::sync::Arc;

use sqlx::{
    Decode, FromRow, Row as _, Sqlite, TypeInfo, ValueRef,
    postgres::{PgRow, PgValueRef},
    sqlite::{SqliteRow, SqliteValueRef},
};

use crate::store::{
    error::StoreError,
    fingerprint::{Encoder, Value},
    schema::columns::Field,
};

/// The rows that a statement found, in order.
pub(in crate::store) struct Rows {
    table: Arc<str>,
    sent: SentRows,
}

pub(in crate::store) enum SentRows {
    Postgres(Vec<PgRow>),
    Sqlite(Vec<SqliteRow>),
}

/// One of them.
#[derive(Clone, Copy)]
pub(in crate::store) struct RowRef<'r> {
    table: &'r str,
    sent: SentRow<'r>,
}

#[derive(Clone, Copy)]
enum SentRow<'r> {
    Postgres(&'r PgRow),
    Sqlite(&'r SqliteRow),
}

/// A row of either database.
pub(in crate::store) trait Row:
    for<'r> FromRow<'r, PgRow> + for<'r> FromRow<'r, SqliteRow>
{
}

impl<R> Row for R where R: for<'r> FromRow<'r, PgRow> + for<'r> FromRow<'r, SqliteRow> {}

impl Rows {
    pub fn new(table: Arc<str>, sent: SentRows) -> Self {
        Self { table, sent }
    }

    pub fn iter(&self) -> impl Iterator<Item = RowRef<'_>> {
        let (postgres, sqlite) = match &self.sent {
            SentRows::Postgres(rows) => (rows.as_slice(), [].as_slice()),
            SentRows::Sqlite(rows) => ([].as_slice(), rows.as_slice()),
        };
        let sent = postgres.iter().map(SentRow::Postgres);
        sent.chain(sqlite.iter().map(SentRow::Sqlite))
            .map(|sent| RowRef {
                table: &self.table,
                sent,
            })
    }

    pub fn decode<R: Row>(&self) -> Result<Vec<R>, StoreError> {
        self.iter().map(RowRef::decode).collect()
    }
}

impl<'r> RowRef<'r> {
    pub fn decode<R: Row>(self) -> Result<R, StoreError> {
        self.read(match self.sent {
            SentRow::Postgres(row) => R::from_row(row),
            SentRow::Sqlite(row) => R::from_row(row),
        })
    }

    /// One column of it.
    pub fn field<F: Field>(self, column: &str) -> Result<F, StoreError> {
        self.read(match self.sent {
            SentRow::Postgres(row) => F::postgres(row, column),
            SentRow::Sqlite(row) => F::sqlite(row, column),
        })
    }

    /// One column of it, where that is a text.
    pub fn text(self, column: &str) -> Option<&'r str> {
        match self.sent {
            SentRow::Postgres(row) => row.try_get(column).ok().flatten(),
            SentRow::Sqlite(row) => row.try_get(column).ok().flatten(),
        }
    }

    /// The number in its first column, by which row structs begin.
    pub fn key(self) -> Result<i64, StoreError> {
        self.read(match self.sent {
            SentRow::Postgres(row) => row.try_get(0),
            SentRow::Sqlite(row) => row.try_get(0),
        })
    }

    /// Adds all of its columns.
    pub fn encode(self, encoder: &mut Encoder) -> Result<(), StoreError> {
        self.read(match self.sent {
            SentRow::Postgres(row) => encode_postgres(row, encoder),
            SentRow::Sqlite(row) => encode_sqlite(row, encoder),
        })
    }

    fn read<T>(self, read: Result<T, sqlx::Error>) -> Result<T, StoreError> {
        read.map_err(|error| StoreError::reading(self.table, &error).into_final())
    }
}

fn encode_postgres(row: &PgRow, encoder: &mut Encoder) -> Result<(), sqlx::Error> {
    let columns = row.len();
    encoder.begin_row(columns);
    for index in 0..columns {
        let value: PgValueRef<'_> = row.try_get_raw(index)?;
        // Every column is cast, so its type is that of the plan.
        encoder.value(if value.is_null() {
            Value::Null
        } else {
            Value::Bytes(value.as_bytes().map_err(sqlx::Error::Decode)?)
        });
    }
    Ok(())
}

/// Each value has a type of its own. An integer and a text are told apart that look alike.
fn encode_sqlite(row: &SqliteRow, encoder: &mut Encoder) -> Result<(), sqlx::Error> {
    let columns = row.len();
    encoder.begin_row(columns);
    for index in 0..columns {
        let value: SqliteValueRef<'_> = row.try_get_raw(index)?;
        if value.is_null() {
            encoder.value(Value::Null);
            continue;
        }
        let r#type = value.type_info();
        let value = match r#type.name() {
            "INTEGER" => decode(value).map(Value::Integer),
            "REAL" => decode(value).map(Value::Real),
            "TEXT" => decode(value).map(Value::Text),
            _ => decode(value).map(Value::Bytes),
        };
        encoder.value(value?);
    }
    Ok(())
}

fn decode<'r, T: Decode<'r, Sqlite>>(value: SqliteValueRef<'r>) -> Result<T, sqlx::Error> {
    T::decode(value).map_err(sqlx::Error::Decode)
}
