//! Descriptors of the services: the files that reflection serves, and all methods.

use std::{collections::BTreeMap, sync::Arc};

use prost::{DecodeError, Message};
use prost_types::{FileDescriptorSet, MethodDescriptorProto};

use super::pb;
use crate::metrics::calls::{CallType, MethodLabels};

/// The file that describes error details, so that grpcurl prints them as text.
/// tonic-types omits the folder in the names of its files.
pub fn error_details() -> Result<FileDescriptorSet, DecodeError> {
    let mut files = FileDescriptorSet::decode(tonic_types::pb::FILE_DESCRIPTOR_SET)?;
    for file in &mut files.file {
        if let Some(name) = file.name.as_mut().filter(|name| !name.contains('/')) {
            name.insert_str(0, "google/rpc/");
        }
        for import in file
            .dependency
            .iter_mut()
            .filter(|import| !import.contains('/'))
        {
            import.insert_str(0, "google/rpc/");
        }
    }
    Ok(files)
}

/// Each method that is served, by its path, standard services included.
pub fn methods() -> Result<BTreeMap<String, MethodLabels>, DecodeError> {
    let mut methods = BTreeMap::new();
    for descriptors in [
        pb::DESCRIPTORS,
        tonic_health::pb::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
    ] {
        for file in FileDescriptorSet::decode(descriptors)?.file {
            for service in &file.service {
                let name: Arc<str> = format!("{}.{}", file.package(), service.name()).into();
                methods.extend(service.method.iter().map(|method| {
                    let labels = MethodLabels {
                        grpc_type: call_type(method),
                        grpc_service: Arc::clone(&name),
                        grpc_method: method.name().into(),
                    };
                    (format!("/{name}/{}", method.name()), labels)
                }));
            }
        }
    }
    Ok(methods)
}

fn call_type(method: &MethodDescriptorProto) -> CallType {
    match (method.client_streaming(), method.server_streaming()) {
        (false, false) => CallType::Unary,
        (true, false) => CallType::ClientStream,
        (false, true) => CallType::ServerStream,
        (true, true) => CallType::BidiStream,
    }
}
