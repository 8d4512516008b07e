//! "This inbox, as this viewer may see it, now": the inboxes of leadchat over
//! gRPC.
//!
//! | module | what it is for |
//! |---|---|
//! | [`app`] | puts the parts together: configuration in, running server out |
//! | [`callers`] | the texts of `callers`: lists and answers |
//! | [`check`] | `check`: whether it would serve well |
//! | [`config`] | typed settings, from flags and environment |
//! | [`demo`] | the data and the words of `serve --demo` |
//! | [`telemetry`] | destination and format of the logs |
//! | [`metrics`] | the numbers that the program counts |
//! | [`admin`] | the admin server: readiness and metrics |
//! | `clock` | the clocks of this machine |
//! | [`domain`] | inboxes, their viewers and the role rule; knows no framework |
//! | [`store`] | rows of PostgreSQL and SQLite become domain values; the one place that seals |
//! | [`leadchat`] | what Rails derives and how it writes: links, encryption envelopes, avatars, flags |
//! | [`directory`] | the implementation of the port, with a load limit and flags |
//! | [`identity`] | callers, and what each may ask |
//! | [`grpc`] | the only place that knows tonic and the generated code |
//!
//! ARCHITECTURE.md has the dependencies among them.

pub mod admin;
pub mod app;
pub mod callers;
pub mod check;
mod clock;
pub mod config;
pub mod demo;
pub mod directory;
pub mod domain;
pub mod grpc;
pub mod identity;
pub mod leadchat;
pub mod metrics;
pub mod store;
pub mod telemetry;

#[cfg(test)]
mod tests;
