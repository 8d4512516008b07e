//! What is read of the tables: an account, some of its inboxes, the owners of an address,
//! the list of accounts. Each read is one transaction, whose statements are as many for a
//! thousand inboxes as for one. What becomes of the rows is not known here.

pub(super) mod account;
pub(super) mod address;
pub(super) mod inboxes;
pub(super) mod list;
pub(super) mod storable;
pub(super) mod verify;
