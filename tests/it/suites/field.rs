//! Situations that people met in the field with systems like this one.

mod clients;
mod connections;
mod damaged_bytes;
mod encodings;
mod hidden_rows;
mod redis_refusals;
mod response_limit;
mod whatsapp_numbers;
