//! Reads of the tables: an account, some of its inboxes, the owners of an address, the
//! list of accounts. Each read is one transaction, whose statements are as many for a
//! thousand inboxes as for one. This module does not know how rows are assembled.

pub(super) mod account;
pub(super) mod address;
pub(super) mod inboxes;
pub(super) mod list;
pub(super) mod storable;
pub(super) mod verify;

use super::schema::{columns::Stored, rows::AccountRow};

/// `accounts.status`: 1 is suspended; every other number is an active account's.
fn is_suspended(row: &AccountRow) -> bool {
    number(&row.status) == Some(1)
}

/// A number that decides about rights. An unreadable one gives no right, and no field
/// shows it.
fn number(stored: &Stored<i64>) -> Option<i64> {
    stored.get().ok().flatten().copied()
}
