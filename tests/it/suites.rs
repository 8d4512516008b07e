//! The behaviours.

mod smoke;
