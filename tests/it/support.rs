//! Support for tests: databases, the program, and its clients.

pub mod account;
pub mod answers;
pub mod authority;
pub mod canary;
pub mod client;
pub mod cluster;
pub mod collector;
pub mod connection;
pub mod database;
pub mod dice;
pub mod disk;
pub mod golden;
pub mod grpcio;
pub mod leadchat_versions;
pub mod log;
mod memory;
pub mod pgbouncer;
pub mod plain;
pub mod program;
pub mod proxy;
pub mod questions;
pub mod redis;
pub mod reviewed;
pub mod schema;
pub mod scrape;
pub mod sessions;
pub mod soak;
pub mod store;
pub mod tls;
pub mod tokens;
pub mod tools;
pub mod wall_clock;
pub mod watch;
pub mod wire;

/// The codec that the generated services name.
mod codec {
    pub use tonic_prost::ProstCodec as SizedCodec;
}

/// The generated messages, as any client has them.
#[allow(
    clippy::all,
    clippy::pedantic,
    clippy::restriction,
    clippy::allow_attributes,
    reason = "generated code keeps no rules of ours"
)]
pub mod pb {
    tonic::include_proto!("leadchat.inbox.v1");
}

pub use client::{Client, get_as_user, get_inbox, reason, viewer};
pub use database::{Backend, Database};
pub use program::Program;

/// Makes each function of the list a test on PostgreSQL and one on SQLite. A
/// slow one has `#[ignore = "slow: make test-slow"]` before it.
macro_rules! on_both_databases {
    ($($(#[$attribute:meta])* $test:ident),* $(,)?) => {
        mod postgres {
            $($(#[$attribute])*
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test($crate::support::Backend::Postgres).await;
            })*
        }

        mod sqlite {
            $($(#[$attribute])*
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test($crate::support::Backend::Sqlite).await;
            })*
        }
    };
}
