//! Descriptors of the services: the files that reflection serves, and the paths of all
//! methods.

use std::collections::BTreeSet;

use prost::{DecodeError, Message};
use prost_types::FileDescriptorSet;

use super::pb;

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

/// The path of each method that is served, standard services included.
pub fn method_paths() -> Result<BTreeSet<String>, DecodeError> {
    let mut paths = BTreeSet::new();
    for descriptors in [
        pb::DESCRIPTORS,
        tonic_health::pb::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
    ] {
        for file in FileDescriptorSet::decode(descriptors)?.file {
            for service in &file.service {
                let path = format!("/{}.{}", file.package(), service.name());
                let methods = service.method.iter();
                paths.extend(methods.map(|method| format!("{path}/{}", method.name())));
            }
        }
    }
    Ok(paths)
}
