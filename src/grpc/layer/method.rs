//! The methods of the inbox service, by their paths.

use crate::{grpc::pb::inbox_service_server::SERVICE_NAME, identity::Method};

/// The method of a path, by its exact text.
pub fn method(path: &str) -> Option<Method> {
    let (service, method) = path.strip_prefix('/')?.split_once('/')?;
    Method::from_name(method).filter(|_| service == SERVICE_NAME)
}
