//! Fingerprints of rows: two inboxes are alike if their rows are.
//!
//! No other rows give the same bytes to digest. Each text has its length before it, NULL
//! differs from an empty text, and a missing column from NULL. The bytes hold secrets, so
//! they are wiped, and no digest is printed.

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::domain::fingerprint::Fingerprint;

/// Rows of one inbox, as bytes.
pub(super) struct Encoder {
    bytes: Zeroizing<Vec<u8>>,
}

/// The bytes before any row: the number of the probe.
const PREFIX_LEN: usize = size_of::<u64>();

/// A value of a column.
#[derive(Clone, Copy, PartialEq)]
#[cfg_attr(test, derive(Debug))]
pub(super) enum Value<'v> {
    Null,
    Integer(i64),
    Real(f64),
    Text(&'v [u8]),
    Bytes(&'v [u8]),
}

impl Encoder {
    /// In a store, the number of the probe stands for the columns that are read and for
    /// the features of leadchat.
    pub fn new(probe_number: u64) -> Self {
        const CAPACITY: usize = 16 << 10;
        let mut bytes = Vec::with_capacity(CAPACITY);
        bytes.extend(probe_number.to_be_bytes());
        Self {
            bytes: Zeroizing::new(bytes),
        }
    }

    /// Rows of a table follow.
    pub fn begin_table(&mut self, rows: usize) {
        self.count(rows);
    }

    /// As many values follow.
    pub fn begin_row(&mut self, columns: usize) {
        self.count(columns);
    }

    pub fn value(&mut self, value: Value<'_>) {
        match value {
            Value::Null => {
                self.reserve(1);
                self.bytes.push(0);
            }
            Value::Integer(number) => self.fixed(1, number.to_be_bytes()),
            Value::Real(number) => self.fixed(2, number.to_bits().to_be_bytes()),
            Value::Text(text) => self.sized(3, text),
            Value::Bytes(bytes) => self.sized(4, bytes),
        }
    }

    fn fixed(&mut self, tag: u8, bytes: [u8; 8]) {
        self.reserve(1 + bytes.len());
        self.bytes.push(tag);
        self.bytes.extend(bytes);
    }

    fn sized(&mut self, tag: u8, bytes: &[u8]) {
        self.reserve(1 + size_of::<u64>() + bytes.len());
        self.bytes.push(tag);
        self.count(bytes.len());
        self.bytes.extend(bytes);
    }

    fn count(&mut self, count: usize) {
        self.reserve(size_of::<u64>());
        self.bytes.extend((count as u64).to_be_bytes());
    }

    /// The fingerprint of the rows since the last one.
    pub fn finish(&mut self) -> Fingerprint {
        let digest: [u8; 32] = Sha256::digest(&*self.bytes).into();
        self.bytes.truncate(PREFIX_LEN);
        Fingerprint(*digest.first_chunk().unwrap_or(&[0; 16]))
    }

    /// Makes room for as many bytes. Bytes that are left behind are wiped.
    fn reserve(&mut self, count: usize) {
        let needed = self.bytes.len() + count;
        if needed > self.bytes.capacity() {
            let mut larger = Vec::with_capacity(2 * needed);
            larger.extend_from_slice(&self.bytes);
            self.bytes = Zeroizing::new(larger);
        }
    }
}

#[cfg(test)]
mod tests;
