//! Runs the calls that documents show, with the grpcurl that `make tools` builds.

use std::{path::Path, process::Command};

use regex::Regex;

/// The address in the documents.
const DOCUMENTED_ADDRESS: &str = "127.0.0.1:50051";

/// The output of a grpcurl command on a terminal: of one that fails, the error. The
/// command is sent to the server at an address, in place of the documented one.
pub fn call(command: &[String], address: &str) -> String {
    let Some((program, arguments)) = command.split_first() else {
        panic!("an empty command");
    };
    assert_eq!(program, "grpcurl", "not known how to run: {command:?}");
    let documented = Regex::new(r"^(?:localhost|127\.0\.0\.1):50051$").unwrap();
    let arguments = arguments
        .iter()
        .map(|argument| documented.replace(argument, address).into_owned());
    run("target/tools/grpcurl", arguments).replace(address, DOCUMENTED_ADDRESS)
}

/// The output of a watch. It ends with the time that its line gives it, which is an error.
pub fn watch(command: &[String], address: &str) -> String {
    let (printed, error) = call(command, address)
        .split_once("ERROR:")
        .map(|(printed, error)| (printed.to_owned(), error.to_owned()))
        .unwrap_or_default();
    assert!(error.contains("DeadlineExceeded"), "{error}");
    printed
}

/// The output of a tool.
pub fn run(tool: &str, arguments: impl Iterator<Item = String>) -> String {
    let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join(tool);
    let output = Command::new(&tool).args(arguments).output();
    let output = output.unwrap_or_else(|error| {
        panic!("{}: {error}; run `make tools`", tool.display());
    });
    let [printed, error] = [output.stdout, output.stderr].map(|it| String::from_utf8(it).unwrap());
    assert_eq!(output.status.success(), error.is_empty(), "{error}");
    printed + &error
}
