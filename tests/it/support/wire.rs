//! Messages looked at through their descriptors, as reflection serves them.

use std::sync::LazyLock;

use prost::Message;
use prost_reflect::{
    DescriptorPool, DynamicMessage, ExtensionDescriptor, FieldDescriptor, Kind, MessageDescriptor,
    ReflectMessage, Value,
};

use super::pb;

pub static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    let bytes = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
    DescriptorPool::decode(bytes.as_slice()).unwrap()
});

/// The names of the service's methods.
pub fn methods() -> Vec<String> {
    let service = POOL
        .get_service_by_name("leadchat.inbox.v1.InboxService")
        .unwrap();
    let methods = service.methods();
    methods.map(|method| method.name().to_owned()).collect()
}

pub fn message(name: &str) -> MessageDescriptor {
    POOL.get_message_by_name(&format!("leadchat.inbox.v1.{name}"))
        .unwrap()
}

pub fn visibility_option() -> ExtensionDescriptor {
    POOL.get_extension_by_name("leadchat.inbox.v1.visibility")
        .unwrap()
}

/// The visibility of a field: `EVERY_VIEWER`, `ADMINISTRATOR`, or `UNSPECIFIED`.
pub fn visibility(field: &FieldDescriptor) -> String {
    let options = field.options();
    let number = options
        .get_extension(&visibility_option())
        .as_enum_number()
        .unwrap();
    let visibility = POOL
        .get_enum_by_name("leadchat.inbox.v1.Visibility")
        .unwrap();
    let name = visibility.get_value(number).unwrap().name().to_owned();
    name.strip_prefix("VISIBILITY_").unwrap().to_owned()
}

/// The group of secrets of a field, or `UNSPECIFIED`.
pub fn secret_group(field: &FieldDescriptor) -> String {
    let option = POOL.get_extension_by_name("leadchat.inbox.v1.secret_group");
    let options = field.options();
    let number = options.get_extension(&option.unwrap()).as_enum_number();
    let groups = POOL.get_enum_by_name("leadchat.inbox.v1.SecretGroup");
    let name = groups.unwrap().get_value(number.unwrap()).unwrap();
    let name = name.name().strip_prefix("SECRET_GROUP_").unwrap();
    name.to_owned()
}

/// Whether a field is marked as not fit for a log.
pub fn is_redacted(field: &FieldDescriptor) -> bool {
    field
        .options()
        .get_field_by_name("debug_redact")
        .unwrap()
        .as_bool()
        .unwrap()
}

/// Every field path of our messages below `Inbox`: `email.imap.password`.
pub fn paths() -> Vec<(String, FieldDescriptor)> {
    let mut paths = Vec::new();
    collect("", &message("Inbox"), &mut paths);
    paths
}

fn collect(prefix: &str, message: &MessageDescriptor, paths: &mut Vec<(String, FieldDescriptor)>) {
    for field in message.fields() {
        let path = format!("{prefix}{}", field.name());
        paths.push((path.clone(), field.clone()));
        if let Some(inner) = ours(&field) {
            collect(&format!("{path}."), &inner, paths);
        }
    }
}

/// The message of a field, if it is one of ours.
pub fn ours(field: &FieldDescriptor) -> Option<MessageDescriptor> {
    match field.kind() {
        Kind::Message(message) if message.package_name() == "leadchat.inbox.v1" => Some(message),
        _ => None,
    }
}

/// The inbox in a `GetInboxResponse`, by its bytes.
pub fn inbox(response: &[u8]) -> DynamicMessage {
    let response = DynamicMessage::decode(message("GetInboxResponse"), response).unwrap();
    response
        .get_field_by_name("inbox")
        .unwrap()
        .as_message()
        .unwrap()
        .clone()
}

/// An inbox seen through its descriptors.
pub fn dynamic(inbox: &pb::Inbox) -> DynamicMessage {
    DynamicMessage::decode(message("Inbox"), inbox.encode_to_vec().as_slice()).unwrap()
}

/// The paths at which a message says something.
pub fn present(message: &DynamicMessage) -> Vec<String> {
    let mut paths = Vec::new();
    fill("", message, &mut paths);
    paths.sort();
    paths.dedup();
    paths
}

fn fill(prefix: &str, message: &DynamicMessage, paths: &mut Vec<String>) {
    for (field, value) in message.fields() {
        let path = format!("{prefix}{}", field.name());
        paths.push(path.clone());
        let inner = format!("{path}.");
        match value {
            Value::Message(message) if ours(&field).is_some() => fill(&inner, message, paths),
            Value::List(elements) => {
                for element in elements {
                    if let (Value::Message(message), true) = (element, ours(&field).is_some()) {
                        fill(&inner, message, paths);
                    }
                }
            }
            _ => {}
        }
    }
}

/// The value at a path, if it is there.
pub fn at(message: &DynamicMessage, path: &str) -> Option<(FieldDescriptor, Value)> {
    let (first, rest) = path
        .split_once('.')
        .map_or((path, None), |(a, b)| (a, Some(b)));
    let field = message.descriptor().get_field_by_name(first).expect(path);
    if field.supports_presence() && !message.has_field(&field) {
        return None;
    }
    let value = message.get_field(&field).into_owned();
    match rest {
        None => Some((field, value)),
        Some(rest) => at(value.as_message().unwrap(), rest),
    }
}
