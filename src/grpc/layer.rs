//! The layers around the services, one a file. `server` has their order.

pub mod access_log;
pub mod deadline;
pub mod error_details;
pub mod identify;
pub mod request_id;
pub mod shutdown;
