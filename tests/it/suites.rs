//! The behaviours.

mod degradations;
mod disclosure;
mod listing;
mod parity;
mod program;
mod server;
mod statements;
mod visibility;
