//! The layers around the services, each a file. `server` says in which order.

pub mod access_log;
pub mod deadline;
pub mod error_details;
pub mod request_id;
pub mod shutdown;
