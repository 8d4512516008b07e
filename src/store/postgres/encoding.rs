//! How a database encodes texts, and what follows from it.
//!
//! PostgreSQL converts all texts between the encoding of the database and UTF-8, in
//! which this service speaks. One text that cannot be converted fails the whole
//! statement. So stored bytes without an encoding are not converted at all, and what
//! is looked for is first asked whether it can be.

/// The encoding of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Encoding {
    /// Texts come as they are stored, whatever their bytes.
    Utf8,
    /// Nothing is known of the bytes. `PostgreSQL` takes them for UTF-8, and fails where
    /// they are not, unless the client has no encoding either.
    SqlAscii,
    /// Texts are converted, and some letters of Unicode have no equivalent.
    Other,
}

impl Encoding {
    /// By `PostgreSQL`'s name of it.
    pub fn named(name: &str) -> Self {
        match name {
            "UTF8" => Self::Utf8,
            "SQL_ASCII" => Self::SqlAscii,
            _ => Self::Other,
        }
    }

    /// The setting of a transaction for this encoding.
    pub const fn setting(self) -> &'static str {
        match self {
            Self::SqlAscii => "; SET LOCAL client_encoding = SQL_ASCII",
            Self::Utf8 | Self::Other => "",
        }
    }
}
