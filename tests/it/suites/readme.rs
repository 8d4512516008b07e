//! The documents are true: what they tell a reader to type works, and answers
//! as they show.

mod call;
mod console;
mod shown;

use std::{collections::BTreeSet, fs, path::Path};

use regex::Regex;

use crate::support::Program;
use call::call;
use console::{steps, words};
use shown::{differences, printed};

/// A document or another file of the crate.
fn read(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

fn demo(listen: &str) -> Program {
    Program::new(&["serve", "--demo", "--listen", listen])
}

/// All that the demo prints, with the address that documents show.
fn introduction() -> String {
    let server = demo("127.0.0.1:0").start();
    let address = server.address.clone();
    let version = env!("CARGO_PKG_VERSION");
    let (_, printed) = server.stop("TERM");
    format!("leadchat-inbox {version} is listening on {address}\n{printed}")
        .replace(&address, "127.0.0.1:50051")
}

#[test]
fn the_tour_answers_as_written() {
    let server = demo("127.0.0.1:0").start();
    let steps = steps(&read("README.md"));
    let mut calls = 0;
    for step in &steps {
        if step.command.first().unwrap() == "cargo" {
            assert_eq!(step.text, "cargo run --release -- serve --demo");
            let introduction = introduction();
            let (shown, _) = step.output.split_once("…\n").unwrap();
            assert!(introduction.starts_with(shown), "{introduction}\n{shown}");
            continue;
        }
        let came = call(&step.command, &server.address);
        let differences = differences(&printed(&step.output), &came);
        assert!(
            differences.is_empty(),
            "$ {}\n{}\n{came:#}",
            step.text,
            differences.join("\n")
        );
        calls += 1;
    }
    assert!(calls >= 9, "no more than {calls} calls were found");
}

/// The lines of a text that call the service, without what they begin with.
fn calls_in(text: &str) -> Vec<&str> {
    text.lines()
        .map(|line| line.trim_start_matches(['/', ' ']))
        .filter(|line| line.starts_with("grpcurl "))
        .collect()
}

/// Fails unless every line gets an answer that says a role.
fn all_answer(lines: &[&str], address: &str) {
    for line in lines {
        let answer = call(&words(line).unwrap(), address);
        assert!(answer["disclosedAs"].is_string(), "{line}\n{answer:#}");
    }
}

#[test]
fn the_lines_that_the_demo_prints_work() {
    let introduction = introduction();
    let lines = calls_in(&introduction);
    assert_eq!(lines.len(), 4, "{introduction}");
    all_answer(&lines, &demo("127.0.0.1:0").start().address);
}

#[test]
fn the_lines_that_the_demo_prints_for_a_socket_work() {
    let folder = tempfile::tempdir().unwrap();
    let listen = format!("unix:{}", folder.path().join("socket").display());
    let (_, introduction) = demo(&listen).start().stop("TERM");
    let server = demo(&listen).start();
    let lines = calls_in(&introduction);
    assert_eq!(lines.len(), 4, "{introduction}");
    all_answer(&lines, &server.address);
}

/// The contract promises a line per RPC.
#[test]
fn the_lines_in_the_contract_work() {
    let contract = read("proto/leadchat/inbox/v1/inbox_service.proto");
    let lines = calls_in(&contract);
    let methods = Regex::new(r"(?m)^  rpc ([A-Za-z]+)\(").unwrap();
    for method in methods.captures_iter(&contract) {
        let end = format!("/{}", &method[1]);
        assert!(
            lines.iter().any(|line| line.ends_with(&end)),
            "{end} has no line"
        );
    }
    all_answer(&lines, &demo("127.0.0.1:0").start().address);
}

#[test]
fn the_settings_are_those_of_the_help() {
    let help = Program::new(&["serve", "--help"]).output().stdout;
    let help = String::from_utf8(help).unwrap();
    let readme = read("README.md");
    let (_, section) = readme.split_once("\n## Settings\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    // A row begins with its flag, its variable and its default.
    let table: Vec<_> = section
        .lines()
        .filter(|line| line.starts_with('|'))
        .map(|row| row.splitn(5, '|').take(4).collect::<String>())
        .collect();
    let table = table.join("\n");

    let found = |pattern: &str, text: &str| -> BTreeSet<String> {
        let pattern = Regex::new(pattern).unwrap();
        let matches = pattern.captures_iter(text);
        matches.map(|found| found[1].to_owned()).collect()
    };
    let mut flags = found(r"(?m)^ +(?:-[a-z], )?(--[a-z-]+)", &help);
    assert!(flags.remove("--help"));
    assert_eq!(found(r"`(--[a-z-]+)`", &table), flags);

    let variable = r"([A-Z]+(?:_[A-Z]+)+)";
    assert_eq!(found(variable, &table), found(variable, &help));

    for default in found(r"\[default: (?:the file )?([^\]]+)\]", &help) {
        assert!(table.contains(&format!("`{default}`")), "{default}");
    }
}

/// Relative links, and paths between backticks.
#[test]
fn the_files_that_documents_name_are_there() {
    let link = Regex::new(r"\]\(([^)#:]+)\)").unwrap();
    let path =
        Regex::new(r"`((?:src|tests|proto|migrations|scripts)/[A-Za-z0-9_./-]*|[A-Z]+\.md)`")
            .unwrap();
    for document in [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
    ] {
        let text = read(document);
        for named in link.captures_iter(&text).chain(path.captures_iter(&text)) {
            let there = Path::new(env!("CARGO_MANIFEST_DIR")).join(&named[1]);
            assert!(there.exists(), "{document} names {}", &named[1]);
        }
    }
}
