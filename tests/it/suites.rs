//! The behaviours.

mod both;
mod degradations;
mod disclosure;
mod listing;
mod mistakes;
mod parity;
mod program;
mod readme;
mod server;
mod statements;
mod tidy;
mod visibility;
