//! Reads of the tables: an account, some of its inboxes, the owners of an address, the
//! list of accounts. Each read is one transaction, whose statements are as many for a
//! thousand inboxes as for one. This module does not know how rows are assembled.

pub(super) mod account;
pub(super) mod address;
pub(super) mod inboxes;
pub(super) mod list;
pub(super) mod storable;
pub(super) mod verify;
