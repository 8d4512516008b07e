//! The only place that knows tonic and the generated code.
//!
//! Requests come in through `wire::request`, inboxes go out through
//! `wire::inbox::to_inbox`, and every error becomes a `Status` in `status`. Inboxes
//! are asked for through the `InboxDirectory` trait; stores are not known here.

mod codec;
mod descriptors;
mod disclosure;
mod etag;
mod inbox_service;
mod layer;
mod line_limit;
mod listener;
mod page_token;
mod probe;
mod refusal_log;
mod response_limit;
mod server;
mod status;
mod watch;
mod wire;

pub use disclosure::AuditSink;
pub use etag::EtagKey;
pub use layer::access_log::AccessLog;
pub use listener::{Listener, RESERVED_CONNECTIONS};
pub use probe::{ProbeError, ProbeTarget, probe};
pub use response_limit::ResponseLimit;
pub use server::{MAX_CONNECTIONS, ServeError, ServerSettings, ServerTimeouts, serve};

/// Log targets of libraries that may quote a request. Lines of h2 have paths and metadata that it
/// cannot read, those of tonic time-outs, and those of rustls messages of handshakes.
pub const UNLOGGED_TARGETS: [&str; 3] = ["h2", "tonic::transport::service::grpc_timeout", "rustls"];

/// The generated code. Private: nothing outside this module can name a message.
#[expect(
    clippy::all,
    clippy::pedantic,
    clippy::restriction,
    reason = "generated code keeps no rules of ours"
)]
mod pb {
    tonic::include_proto!("leadchat.inbox.v1");

    /// As protox wrote it, with the visibility options that prost drops.
    pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
}
