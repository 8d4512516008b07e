//! Between messages and domain values: requests in, which may fail, and inboxes
//! out, which may not.

pub mod channel;
pub mod enums;
pub mod explain;
pub mod inbox;
pub mod json;
pub mod request;
pub mod violations;
