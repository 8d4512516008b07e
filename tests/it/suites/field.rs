//! Situations that were met in the field.

mod connections;
