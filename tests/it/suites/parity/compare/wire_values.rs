//! Values on the wire, in the form that the view has.

use prost_reflect::{DynamicMessage, Kind, Value as Wire};
use serde_json::{Map, Value, json};

use super::super::table::As;
use super::FullName;
use crate::support::wire::{self};

/// The value of a field, in the view's form.
pub(super) fn read(inbox: &DynamicMessage, path: &str, form: As) -> Value {
    let (field, value) = wire::at(inbox, path).unwrap();
    let name = |value: &Wire| {
        let Kind::Enum(kind) = field.kind() else {
            panic!("{path}")
        };
        let prefix = constant_case(kind.name());
        let value = kind.get_value(value.as_enum_number().unwrap()).unwrap();
        value
            .name()
            .strip_prefix(&format!("{prefix}_"))
            .expect(path)
            .to_lowercase()
    };
    match form {
        As::Value => plain(&value),
        As::Name => match &value {
            Wire::List(values) => values.iter().map(name).collect(),
            value => json!(name(value)),
        },
        As::Required => match name(&value).as_str() {
            "required" => json!(true),
            "not_required" => json!(false),
            other => json!(other),
        },
    }
}

pub(super) fn constant_case(name: &str) -> String {
    let mut constant = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !constant.is_empty() {
            constant.push('_');
        }
        constant.push(letter.to_ascii_uppercase());
    }
    constant
}

/// A value as JSON. A message of ours is an object of its fields, with what
/// stands in `unrecognized` among them.
pub(super) fn plain(value: &Wire) -> Value {
    match value {
        Wire::Message(message)
            if message
                .descriptor_full_name()
                .starts_with("google.protobuf.") =>
        {
            serde_json::to_value(message).unwrap()
        }
        Wire::Message(message) => object(message),
        Wire::List(elements) => elements.iter().map(plain).collect(),
        Wire::String(text) => json!(text),
        Wire::Bool(value) => json!(value),
        Wire::I32(number) => json!(number),
        Wire::I64(number) => json!(number),
        other => panic!("{other:?}"),
    }
}

pub(super) fn object(message: &DynamicMessage) -> Value {
    use prost_reflect::ReflectMessage;

    let descriptor = message.descriptor();
    let is_json = descriptor.get_field_by_name("unrecognized").is_some();
    let mut object = Map::new();
    for field in descriptor
        .fields()
        .filter(|field| field.name() != "unrecognized")
    {
        let value = message.get_field(&field);
        if message.has_field(&field) {
            object.insert(field.name().to_owned(), plain(&value));
        } else if !is_json {
            // A row: NULL is null, and what is never NULL may be empty.
            let absent = if field.supports_presence() {
                Value::Null
            } else {
                plain(&value)
            };
            object.insert(field.name().to_owned(), absent);
        }
    }
    match message
        .get_field_by_name("unrecognized")
        .filter(|_| is_json && message.has_field_by_name("unrecognized"))
    {
        None => Value::Object(object),
        Some(rest) => match plain(&rest) {
            Value::Object(rest) => {
                object.extend(rest);
                Value::Object(object)
            }
            whole => whole,
        },
    }
}
