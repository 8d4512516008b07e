//! The directory that is served: the implementation of the port, and its decorator.
//!
//! [`DirectDirectory`] reads the store for every answer, and a read waits for a permit
//! ([`LoadLimit`]). [`FlagsDirectory`] adds the flags that Rails keeps in Redis. This
//! module knows no visibility rules.

mod direct;
mod flags;
mod load_limit;

use crate::{
    domain::{directory::InboxDirectory, freshness::Clock},
    store::{RedisFlags, Store},
};
use direct::DirectDirectory;
use flags::FlagsDirectory;
pub use load_limit::LoadLimit;

/// The directory that is served.
pub fn directory(
    store: Store,
    load_limit: LoadLimit,
    flags: RedisFlags,
    clock: Clock,
) -> impl InboxDirectory {
    FlagsDirectory::new(DirectDirectory::new(store, load_limit, clock), flags)
}
