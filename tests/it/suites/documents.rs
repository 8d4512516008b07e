//! Documents that are made from the contract and from the tables of the tests. With ACCEPT=1 they
//! are written anew.

use std::fmt::Write;

use prost_reflect::{
    Cardinality, EnumDescriptor, FieldDescriptor, FileDescriptor, Kind, MessageDescriptor,
    ServiceDescriptor, prost_types::source_code_info::Location,
};

use super::parity::table::{As, KEYS, WITHOUT_KEY};
use crate::support::{reviewed::reviewed_at, wire};

/// The files of the contract, in the order in which a caller reads them.
const FILES: [&str; 4] = ["inbox_service", "inbox", "channel", "visibility"];

#[test]
fn the_api_is_documented() {
    let mut text = String::from(
        "# The API\n\n\
         A test makes this page from the descriptors of the contract, the package `leadchat.inbox.v1` in\n\
         [proto](../proto). [errors.md](errors.md) has the reasons of errors, [limits.md](limits.md) the\n\
         limits.\n\n\
         An `optional` field distinguishes absent from empty. A field for *administrators* is absent for\n\
         all other viewers, and where the caller may not pass on its *group* of secrets.\n",
    );
    for name in FILES {
        let file = wire::POOL.get_file_by_name(&format!("leadchat/inbox/v1/{name}.proto"));
        add_file(&mut text, &file.unwrap());
    }
    reviewed_at("docs/api.md", &text);
}

fn add_file(text: &mut String, file: &FileDescriptor) {
    for service in file.services() {
        add_service(text, &service);
    }
    for message in file.messages() {
        add_message(text, &message);
    }
    for enumeration in file.enums() {
        add_enum(text, &enumeration);
    }
}

fn add_service(text: &mut String, service: &ServiceDescriptor) {
    let file = service.parent_file();
    heading(text, service.name(), &comment(&file, service.path()));
    text.push_str("| RPC | request | response | meaning |\n|---|---|---|---|\n");
    for method in service.methods() {
        let (request, response) = (method.input(), method.output());
        let (request, response) = (link(request.name()), link(response.name()));
        let meaning = cell(&comment(&file, method.path()));
        let name = method.name();
        writeln!(text, "| `{name}` | {request} | {response} | {meaning} |").unwrap();
    }
}

fn add_message(text: &mut String, message: &MessageDescriptor) {
    let file = message.parent_file();
    heading(text, message.name(), &comment(&file, message.path()));
    if message.fields().next().is_none() {
        text.push_str("It has no fields.\n");
        return;
    }
    let is_disclosed = message
        .fields()
        .any(|field| wire::visibility(&field) != "UNSPECIFIED");
    text.push_str("| field | number | type | ");
    text.push_str(if is_disclosed {
        "seen by | group | "
    } else {
        ""
    });
    text.push_str("meaning |\n|---|---|---|");
    text.push_str(if is_disclosed { "---|---|" } else { "" });
    text.push_str("---|\n");
    for field in message.fields() {
        write!(
            text,
            "| `{}` | {} | {} | ",
            field.name(),
            field.number(),
            type_of(&field)
        )
        .unwrap();
        if is_disclosed {
            write!(text, "{} | {} | ", seen_by(&field), group(&field)).unwrap();
        }
        let mut meaning = comment(&file, field.path());
        if let Some(oneof) = real_oneof(&field) {
            meaning = format!("One of `{oneof}`. {meaning}");
        }
        writeln!(text, "{} |", cell(&meaning)).unwrap();
    }
}

fn add_enum(text: &mut String, enumeration: &EnumDescriptor) {
    let file = enumeration.parent_file();
    heading(
        text,
        enumeration.name(),
        &comment(&file, enumeration.path()),
    );
    text.push_str("| value | number | meaning |\n|---|---|---|\n");
    for value in enumeration.values() {
        let meaning = cell(&comment(&file, value.path()));
        writeln!(
            text,
            "| `{}` | {} | {meaning} |",
            value.name(),
            value.number()
        )
        .unwrap();
    }
}

fn heading(text: &mut String, name: &str, comment: &str) {
    write!(text, "\n## {name}\n\n").unwrap();
    if !comment.is_empty() {
        let lines = textwrap::fill(comment, 100);
        write!(text, "{lines}\n\n").unwrap();
    }
}

/// The comment before a part of a file, in one line.
fn comment(file: &FileDescriptor, path: &[i32]) -> String {
    let locations = file.file_descriptor_proto().source_code_info.as_ref();
    let locations = locations
        .map(|info| info.location.as_slice())
        .unwrap_or_default();
    let is_here = |location: &&Location| location.path == path;
    let comment = locations
        .iter()
        .find(is_here)
        .map(Location::leading_comments);
    let comment = comment.unwrap_or_default();
    comment.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn link(message: &str) -> String {
    format!("[`{message}`](#{})", message.to_lowercase())
}

fn type_of(field: &FieldDescriptor) -> String {
    let kind = match field.kind() {
        Kind::Message(message) if message.package_name() == "leadchat.inbox.v1" => {
            link(message.name())
        }
        Kind::Enum(of) if of.package_name() == "leadchat.inbox.v1" => link(of.name()),
        Kind::Message(message) => format!("`{}`", message.full_name()),
        Kind::Enum(of) => format!("`{}`", of.full_name()),
        scalar => format!("`{scalar:?}`"),
    };
    let is_optional = field.field_descriptor_proto().proto3_optional();
    match field.cardinality() {
        Cardinality::Repeated => format!("repeated {kind}"),
        _ if is_optional => format!("optional {kind}"),
        _ => kind,
    }
}

/// The name of a oneof that the contract writes.
fn real_oneof(field: &FieldDescriptor) -> Option<String> {
    let oneof = field
        .containing_oneof()
        .filter(|oneof| !oneof.is_synthetic())?;
    Some(oneof.name().to_owned())
}

fn seen_by(field: &FieldDescriptor) -> &'static str {
    match wire::visibility(field).as_str() {
        "ADMINISTRATOR" => "administrators",
        "EVERY_VIEWER" => "every viewer",
        _ => "-",
    }
}

fn group(field: &FieldDescriptor) -> String {
    match wire::secret_group(field).as_str() {
        "UNSPECIFIED" => "-".to_owned(),
        group => format!("`{}`", group.to_lowercase()),
    }
}

#[test]
fn every_key_of_the_rails_json_is_documented() {
    let mut text = String::from(
        "# From the JSON of Rails\n\n\
         leadchat renders an inbox as JSON. This page says where each of its keys is in\n\
         [`Inbox`](api.md#inbox). A test makes it from the table by which the responses are compared with\n\
         leadchat's own view, so no key is missing.\n\n\
         These rules hold for all of them:\n\n\
         * A key that is null in JSON is an absent field. Empty texts and lists stay empty.\n\
         * A key that leadchat renders for administrators only is absent for all other viewers. It is also\n\
\x20 absent where the rules of the caller withhold its group.\n\
         * A key with several rows has one for each kind of channel.\n\
         * Ids are `int64`. A JSON library that reads numbers as doubles is wrong beyond 2^53.\n\n\
         | key | field | how | seen by | group |\n|---|---|---|---|---|\n",
    );
    let paths = wire::paths();
    let mut keys: Vec<_> = KEYS.iter().collect();
    keys.sort_by_key(|(key, ..)| *key);
    for (key, fields, form) in keys {
        for field in *fields {
            let (_, descriptor) = paths.iter().find(|(path, _)| path == field).unwrap();
            let how = how(*form, descriptor);
            let (seen_by, group) = (seen_by(descriptor), group(descriptor));
            writeln!(
                text,
                "| `{key}` | `{field}` | {how} | {seen_by} | {group} |"
            )
            .unwrap();
        }
    }
    text.push_str("\nThese fields have no key: ");
    let without = WITHOUT_KEY.map(|field| format!("`{field}`"));
    text.push_str(&without.join(", "));
    text.push_str(".\n");
    reviewed_at("docs/from-rails.md", &text);
}

/// How a field has the value of a key.
fn how(form: As, field: &FieldDescriptor) -> String {
    match (form, field.kind()) {
        (As::Name, Kind::Enum(of)) => {
            let values = of.values().skip(1);
            let values: Vec<_> = values.map(|value| format!("`{}`", value.name())).collect();
            format!("an enum: {}", values.join(", "))
        }
        (As::Required, _) => "`REAUTHORIZATION_REQUIRED` for true, `REAUTHORIZATION_NOT_REQUIRED` \
                              for false; `REAUTHORIZATION_UNKNOWN` has no counterpart"
            .to_owned(),
        _ => "the same value".to_owned(),
    }
}
