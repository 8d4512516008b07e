//! Inboxes, and the rules that decide which viewer may see which part of them.
//!
//! Plain values and the role rule. Knows no tonic, prost, sqlx or Redis, and
//! does no input or output: how values are stored and how they travel is
//! decided elsewhere.

pub mod access;
pub mod account;
pub mod address;
pub mod channel;
pub mod cursor;
pub mod degradation;
pub mod directory;
pub mod fingerprint;
pub mod freshness;
pub mod id;
pub mod inbox;
pub mod json;
pub mod members;
pub mod permit;
pub mod reauthorization;
pub mod schedule;
pub mod secret;
pub mod secret_group;
mod size;
pub mod sorted_map;
pub mod viewer;
pub mod watch_cursor;
