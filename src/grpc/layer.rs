//! The layers around the services, one a file. `server` has their order.

pub mod access_log;
pub mod admission;
pub mod count;
pub mod deadline;
pub mod error_details;
mod held_response;
pub mod identify;
mod method;
pub mod request_id;
pub mod shutdown;
mod trace_context;
