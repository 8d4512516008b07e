//! JSON values as `google.protobuf.Value`.

use prost_types::{ListValue, Struct, Value, value::Kind};

use crate::domain::json::Json;

impl From<&Json> for Kind {
    fn from(json: &Json) -> Self {
        match json {
            Json::Null => Self::NullValue(0),
            Json::Bool(value) => Self::BoolValue(*value),
            Json::Number(number) => Self::NumberValue(*number),
            Json::String(text) => Self::StringValue(text.to_string()),
            Json::Array(elements) => Self::ListValue(ListValue {
                values: elements.iter().map(to_value).collect(),
            }),
            Json::Object(entries) => Self::StructValue(Struct {
                fields: entries
                    .iter()
                    .map(|(key, entry)| (key.to_owned(), to_value(entry)))
                    .collect(),
            }),
        }
    }
}

pub fn to_value(json: &Json) -> Value {
    Value {
        kind: Some(json.into()),
    }
}

#[cfg(test)]
mod tests {
    mod fuzz;
}
