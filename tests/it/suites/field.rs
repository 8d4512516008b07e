//! Situations that people met in the field with systems like this one.

mod certificates;
mod clients;
mod connections;
mod damaged_bytes;
mod deleted_users;
mod encodings;
mod hidden_rows;
mod hosts;
mod ordinary_load;
pub mod parts;
mod redis_refusals;
mod response_limit;
mod rights;
mod schemas;
mod whatsapp_numbers;
