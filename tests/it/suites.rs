//! The behaviours.

mod parity;
