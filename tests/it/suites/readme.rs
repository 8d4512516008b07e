//! The documents are true: their commands work, and print the shown output.

pub mod call;
pub mod console;
pub mod shown;

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::Path,
    thread,
};

use regex::Regex;
use serde_json::Value;

use crate::support::Program;
use call::{call, run, watch};
use console::{Step, steps, words};
use shown::{is_as_shown, updated};

/// The start of the demo; further arguments may follow.
const START: &str = "cargo run --release -- serve --demo";

/// The document that the suite `attach` runs, in a shell and on leadchat's own tables.
const IN_A_SHELL: &str = "docs/attach.md";

const FREE_PORT: &str = "127.0.0.1:0";

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A document or another file of the crate.
fn read(file: &str) -> String {
    fs::read_to_string(folder().join(file)).unwrap()
}

/// The documents of the crate, and those in `docs`.
fn documents() -> Vec<String> {
    let names = |inside: &str| {
        fs::read_dir(folder().join(inside))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
            .map(|path| format!("{inside}{}", path.file_name().unwrap().display()))
            .collect::<Vec<_>>()
    };
    let documents = ["", "docs/", "docs/internals/"].map(names).concat();
    assert!(documents.len() >= 15, "{documents:?}");
    documents
}

fn demo(listen: &str) -> Program {
    Program::new(&["serve", "--demo", "--listen", listen])
}

/// A demo with further arguments.
fn demo_with(more: &str) -> Program {
    let more = more.split_whitespace();
    more.fold(demo(FREE_PORT), Program::arg)
}

/// All that a demo prints, with the address that documents show.
fn introduction(demo: Program) -> String {
    let server = demo.start();
    let address = server.address.clone();
    let version = env!("CARGO_PKG_VERSION");
    let (_, printed) = server.stop("TERM");
    format!("leadchat-inbox {version} is listening on {address}\n{printed}")
        .replace(&address, "127.0.0.1:50051")
}

#[test]
fn documents_show_the_real_output() {
    let calls: BTreeMap<_, _> = thread::scope(|scope| {
        let documents = documents().into_iter();
        let tried = documents.filter(|document| document != IN_A_SHELL);
        let tried = tried.map(|document| {
            scope.spawn(move || {
                let calls = try_out(&document);
                (document, calls)
            })
        });
        let tried: Vec<_> = tried.collect();
        tried.into_iter().map(|it| it.join().unwrap()).collect()
    });
    for (document, least) in [
        ("README.md", 2),
        ("docs/tour.md", 14),
        ("docs/cookbook.md", 11),
        ("docs/errors.md", 4),
    ] {
        assert!(calls[document] >= least, "found no more: {calls:?}");
    }
}

/// Runs the commands of a document, and returns the number of calls. The demo runs
/// already for a document that does not start it.
fn try_out(document: &str) -> usize {
    let text = read(document);
    let steps = steps(&text);
    let typed = text.lines().filter(|line| line.starts_with("$ ")).count();
    assert_eq!(steps.len(), typed, "{document}: a command in no console");
    let mut server = None;
    let mut calls = 0;
    for step in steps {
        if let Some(more) = step.text.strip_prefix(START) {
            hold_against(document, &step, &introduction(demo_with(more)));
            server = Some(demo_with(more).start());
            continue;
        }
        let server = server.get_or_insert_with(|| demo(FREE_PORT).start());
        hold_against(document, &step, &call(&step.command, &server.address));
        calls += 1;
    }
    calls
}

/// Compares the shown output of a command with the one that came. With ACCEPT=1 in
/// the environment a document that shows another is changed instead.
fn hold_against(document: &str, step: &Step, came: &str) {
    if is_as_shown(&step.output, came) {
        return;
    }
    let updated = updated(&step.output, came);
    let typed = format!("$ {}\n", step.text);
    assert!(
        env::var_os("ACCEPT").is_some(),
        "{document} shows another output; if this is meant, run again with ACCEPT=1\n{typed}{updated}"
    );
    let text = read(document);
    let text = text.replacen(&(typed.clone() + &step.output), &(typed + &updated), 1);
    fs::write(folder().join(document), text).unwrap();
}

/// The lines of a text that call the service, without what they begin with.
fn calls_in(text: &str) -> Vec<&str> {
    text.lines()
        .map(|line| line.trim_start_matches(['/', ' ']))
        .filter(|line| line.starts_with("grpcurl "))
        .collect()
}

/// Fails unless every line gets an answer that says a role, or explains one.
fn all_answer(lines: &[&str], address: &str) {
    for line in lines {
        if line.ends_with("/WatchInboxes") {
            // A watch ends with its time, which is an error.
            let printed = watch(&words(line).unwrap(), address);
            assert!(printed.contains("\"synced\""), "{line}\n{printed}");
            continue;
        }
        let printed = call(&words(line).unwrap(), address);
        let answer: Value = serde_json::from_str(&printed).expect(&printed);
        let is_answer = answer["disclosedAs"].is_string() || answer["permitted"] == true;
        assert!(is_answer, "{line}\n{printed}");
    }
}

/// `buf curl` has its own implementations of gRPC and reflection. It shows that clients
/// other than grpcurl need no copy of the contract, too. A health check is the plainest
/// call that needs both.
#[test]
fn buf_curl_works_too() {
    let server = demo(FREE_PORT).start();
    let url = format!("http://{}/grpc.health.v1.Health/Check", server.address);
    let printed = run(
        "target/tools/node_modules/.bin/buf",
        [
            "curl",
            "--protocol",
            "grpc",
            "--http2-prior-knowledge",
            "-d",
            r#"{"service": "leadchat.inbox.v1.InboxService"}"#,
            &url,
        ]
        .map(str::to_owned)
        .into_iter(),
    );
    assert!(
        is_as_shown("{\n  \"status\": \"SERVING\"\n}\n", &printed),
        "{printed}"
    );
}

#[test]
fn the_lines_that_the_demo_prints_work() {
    let introduction = introduction(demo(FREE_PORT));
    let lines = calls_in(&introduction);
    assert_eq!(lines.len(), 5, "{introduction}");
    all_answer(&lines, &demo(FREE_PORT).start().address);
}

#[test]
fn the_lines_that_the_demo_prints_for_a_socket_work() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("a socket");
    let listen = format!("unix:{}", socket.display());
    let (_, introduction) = demo(&listen).start().stop("TERM");
    let server = demo(&listen).start();
    let lines = calls_in(&introduction);
    assert_eq!(lines.len(), 5, "{introduction}");
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
    all_answer(&lines, &demo(FREE_PORT).start().address);
}

#[test]
fn the_settings_are_those_of_the_help() {
    let help = Program::new(&["serve", "--help"]).output().stdout;
    let help = String::from_utf8(help).unwrap();
    let document = read("docs/settings.md");
    let (_, section) = document.split_once("\n## Settings\n").unwrap();
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
    let mut variables = found(variable, &help);
    // A state of the health service.
    assert!(variables.remove("NOT_SERVING"));
    assert_eq!(found(variable, &table), variables);

    for default in found(r"\[default: (?:the file )?([^\]]+)\]", &help) {
        assert!(table.contains(&default), "{default}");
    }
}

/// `NOT_FOUND` as `NotFound`.
fn camel_case(code: &str) -> String {
    code.split('_')
        .map(|word| word[..1].to_owned() + &word[1..].to_lowercase())
        .collect()
}

/// The table of errors is that of the contract, and of what was provoked.
#[test]
fn the_table_of_errors_is_that_of_the_contract() {
    let document = read("docs/errors.md");
    let rows: Vec<_> = document
        .lines()
        .filter_map(|line| {
            let cells: Vec<_> = line.split('|').map(str::trim).collect();
            let reason = cells.get(1)?.strip_prefix('`')?.strip_suffix('`')?;
            let again = *cells.get(3)? == "yes, later";
            let row = (reason.to_owned(), (*cells.get(2)?).to_owned(), again);
            Regex::new("^[A-Z_]+$")
                .unwrap()
                .is_match(reason)
                .then_some(row)
        })
        .collect();

    // A reason's comment begins with its code.
    let contract = read("proto/leadchat/inbox/v1/inbox_service.proto");
    let reason = Regex::new(r"((?:  // .*\n)+)  ERROR_REASON_([A-Z_]+) = [1-9][0-9]*;\n").unwrap();
    let listed: Vec<_> = reason
        .captures_iter(&contract)
        .map(|found| {
            let comment = found[1].replace("\n  //", "");
            let code = comment.trim_start_matches([' ', '/']).split('.').next();
            let again = comment.contains("Try again after `RetryInfo`");
            (found[2].to_owned(), code.unwrap().to_owned(), again)
        })
        .collect();
    assert!(listed.len() >= 13, "{listed:?}");
    assert_eq!(rows, listed);

    let provoked = read("tests/golden/errors.txt");
    let provoked: BTreeSet<_> = provoked
        .lines()
        .map(|line| line.split_once(": ").unwrap().0)
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    let rows: BTreeSet<_> = rows
        .iter()
        .map(|(reason, code, _)| format!("{reason} {}", camel_case(code)))
        .collect();
    assert_eq!(rows, provoked);
}

/// Relative links, and paths between backticks.
#[test]
fn the_files_that_documents_name_are_there() {
    let link = Regex::new(r"\]\(([^)#:]+)(?:#[^)]*)?\)").unwrap();
    let path =
        Regex::new(r"`((?:src|tests|proto|migrations|scripts|docs)/[A-Za-z0-9_./-]*|[A-Z]+\.md)`")
            .unwrap();
    for document in documents() {
        let text = read(&document);
        let beside = Path::new(&document).parent().unwrap();
        let linked = link
            .captures_iter(&text)
            .map(|named| beside.join(&named[1]));
        let named = path.captures_iter(&text).map(|named| (&named[1]).into());
        for file in linked.chain(named) {
            let there = folder().join(&file);
            assert!(there.exists(), "{document} names {}", file.display());
        }
    }
}
