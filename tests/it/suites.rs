//! The behaviours.

mod ages;
mod avatars;
mod both;
mod degradations;
mod disclosure;
mod encryption;
mod finding;
mod limits;
mod listing;
mod logs;
mod metadata;
mod migrations;
mod mistakes;
mod odd_rows;
mod parity;
mod patience;
mod program;
mod readme;
mod reasons;
mod reauthorization;
mod schema_changes;
mod server;
mod statements;
mod tags;
mod tidy;
mod visibility;
