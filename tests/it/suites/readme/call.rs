//! Runs the calls that documents show: with grpcurl where it is installed, and
//! otherwise with buf, which `make tools` installs.

use std::{
    io::ErrorKind,
    path::Path,
    process::{Command, Output},
};

use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};
use prost_reflect::{DescriptorPool, DynamicMessage};
use regex::Regex;
use serde_json::{Value, json};

use super::shown::printed;

const BUF: &str = "target/tools/node_modules/.bin/buf";

/// Runs a command against the server at an address, and gives the answer or the
/// parts of the error, as [`printed`] does.
pub fn call(command: &[String], address: &str) -> Value {
    let documented = Regex::new(r"(?:localhost|127\.0\.0\.1):[0-9]+").unwrap();
    let words: Vec<_> = command
        .iter()
        .map(|word| documented.replace(word, address).into_owned())
        .collect();
    match words.split_first() {
        Some((program, arguments)) if program == "grpcurl" => match run("grpcurl", arguments) {
            Some(output) if output.status.success() => printed(&text(output.stdout)),
            Some(output) => printed(&text(output.stderr)),
            None => buf(&translated(arguments)),
        },
        Some((program, arguments)) if program == BUF => buf(arguments),
        _ => panic!("how is this run? {command:?}"),
    }
}

/// The output of a program; `None` where there is no such program.
fn run(program: &str, arguments: &[String]) -> Option<Output> {
    match Command::new(program).args(arguments).output() {
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        output => Some(output.unwrap()),
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

/// grpcurl's arguments as buf takes them.
fn translated(arguments: &[String]) -> Vec<String> {
    let mut options = ["curl", "--protocol", "grpc", "--http2-prior-knowledge"]
        .map(str::to_owned)
        .to_vec();
    let mut socket = false;
    let mut positional = Vec::new();
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "-plaintext" => {}
            "-unix" => socket = true,
            "-d" => options.extend(["-d".to_owned(), words.next().unwrap().clone()]),
            option if option.starts_with('-') => panic!("what is {option} in buf?"),
            word => positional.push(word),
        }
    }
    let [target, method] = positional.as_slice() else {
        panic!("an address and a method, not {positional:?}");
    };
    if socket {
        options.extend(["--unix-socket".to_owned(), (*target).to_owned()]);
        options.push(format!("http://localhost/{method}"));
    } else {
        options.push(format!("http://{target}/{method}"));
    }
    options
}

fn buf(arguments: &[String]) -> Value {
    let buf = Path::new(env!("CARGO_MANIFEST_DIR")).join(BUF);
    let output = run(buf.to_str().unwrap(), arguments)
        .expect("neither grpcurl nor buf is installed: run `make tools`");
    if output.status.success() {
        printed(&text(output.stdout))
    } else {
        error(&text(output.stderr))
    }
}

/// An error that buf prints, as grpcurl shows it: with its details decoded.
fn error(printed: &str) -> Value {
    let error: Value = serde_json::from_str(printed).expect(printed);
    let types = DescriptorPool::decode(tonic_types::pb::FILE_DESCRIPTOR_SET).unwrap();
    let details = error["details"].as_array().unwrap().iter().map(|detail| {
        let name = detail["type"].as_str().unwrap();
        let value = detail["value"].as_str().unwrap();
        let bytes = BASE64_STANDARD_NO_PAD.decode(value).unwrap();
        let r#type = types.get_message_by_name(name).expect(name);
        let message = DynamicMessage::decode(r#type, bytes.as_slice()).unwrap();
        let mut detail = serde_json::to_value(&message).unwrap();
        detail["@type"] = json!(format!("type.googleapis.com/{name}"));
        detail
    });
    json!({
        "Code": camel_case(error["code"].as_str().unwrap()),
        "Message": error["message"],
        "Details": details.collect::<Vec<_>>(),
    })
}

/// `not_found` as `NotFound`.
pub fn camel_case(code: &str) -> String {
    code.split('_')
        .map(|word| word[..1].to_uppercase() + &word[1..])
        .collect()
}
