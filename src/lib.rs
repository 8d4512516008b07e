//! "This inbox, as this viewer may see it, now": the inboxes of leadchat over
//! gRPC.
//!
//! | module | what it is for |
//! |---|---|
//! | [`app`] | puts the parts together: configuration in, running server out |
//! | [`check`] | `check`: whether it would serve well |
//! | [`config`] | typed settings, from flags and environment |
//! | [`demo`] | the data and the words of `serve --demo` |
//! | [`telemetry`] | where logs go |
//! | [`domain`] | what an inbox is and who may see what of it; knows no framework |
//! | [`store`] | rows of PostgreSQL and SQLite become domain values; the one place that seals |
//! | [`leadchat`] | what Rails derives and how it writes: links, encryption envelopes, avatars, flags |
//! | [`directory`] | answers for inboxes from a store |
//! | [`identity`] | who calls, and what a caller may do |
//! | [`grpc`] | the only place that knows tonic and the generated code |
//!
//! Dependencies point one way: `main → app → {grpc, directory, identity, check}`,
//! `{directory, check} → store → {leadchat, domain}`, and all of them to `domain`.

pub mod app;
pub mod check;
pub mod config;
pub mod demo;
pub mod directory;
pub mod domain;
pub mod grpc;
pub mod identity;
pub mod leadchat;
pub mod store;
pub mod telemetry;

#[cfg(test)]
mod tests;
