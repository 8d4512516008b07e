//! `leadchat-inbox callers`: the file of the documents, and answers about its callers.

use std::sync::LazyLock;

use serde_json::Value;

use super::metadata;
use crate::support::{Backend, Program, authority::Authority, viewer};

/// The authority of the file.
static AUTHORITY: LazyLock<Authority> = LazyLock::new(Authority::new);

/// The file that docs/callers.md shows.
fn documented() -> String {
    let document = include_str!("../../../../docs/callers.md");
    let (_, rest) = document.split_once("```toml\n").unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

/// The exit code, and all that was printed.
fn run(text: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let program = Program::new(&["callers"])
        .with_callers(text)
        .with_file("mesh-bundle.pem", &AUTHORITY.text())
        .args(arguments.iter().copied());
    let folder = format!("{}/", program.folder().display());
    let output = program.output();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8(said).unwrap().replace(&folder, "");
    (output.status.code(), said.trim_end().to_owned())
}

#[test]
fn the_file_of_the_documents_is_well() {
    let (code, said) = run(&documented(), &[]);
    assert_eq!(code, Some(0), "{said}");
    crate::support::reviewed::reviewed("callers.txt", &said);
    let (_, document) = run(&documented(), &["--json"]);
    let document: Value = serde_json::from_str(&document).unwrap();
    assert_eq!(document["callers"].as_array().unwrap().len(), 3);
    assert_eq!(document["callers"][1]["rules"][0]["secrets"][0], "smtp");
}

#[test]
fn questions_are_answered_with_the_rules_that_decide() {
    for (question, code, answer) in [
        (
            "--caller sender-eu --method GetInbox --account 150",
            0,
            "yes, by callers.toml:26 \"mail goes out\"; administrator-only fields: smtp",
        ),
        (
            "--caller webhooks --method GetInbox --account 7 --as user:3",
            1,
            "no: it may call FindInboxes only (callers.toml:14)",
        ),
        (
            "--caller sender-eu --method GetInbox --account 200",
            1,
            "no: its rules are about accounts 100-199, 4711 (callers.toml:26)",
        ),
        (
            "--caller sender-eu --method GetInbox --account 100 --as user:1",
            1,
            "no: it may ask as itself (callers.toml:26)",
        ),
        (
            "--caller webhooks --method FindInboxes --detail full",
            1,
            "no: it may ask for basic detail only (callers.toml:14)",
        ),
        (
            "--caller webhooks --method FindInboxes --detail basic",
            0,
            "yes, by callers.toml:14 \"events find their inbox\"; administrator-only fields: none",
        ),
        (
            "--caller nobody --method GetInbox --account 1",
            2,
            "leadchat-inbox: callers.toml: there is no caller \"nobody\"",
        ),
    ] {
        let arguments: Vec<_> = question.split(' ').collect();
        let said = run(&documented(), &arguments);
        assert_eq!(said, (Some(code), answer.to_owned()), "{question}");
        if code < 2 {
            let (_, document) = run(&documented(), &[&arguments[..], &["--json"]].concat());
            let document: Value = serde_json::from_str(&document).unwrap();
            assert_eq!(document["permitted"], code == 0);
        }
    }
}

#[test]
fn mistakes_are_listed_with_their_lines() {
    let text = documented()
        .replace("GetInbox\", \"List", "GetInbx\", \"List")
        .replace("4711", "x");
    let (code, said) = run(&text, &[]);
    assert_eq!(code, Some(2));
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines.len(), 2, "{said}");
    assert!(
        lines[0].contains("callers.toml:29:24: caller \"sender-eu\": accounts: \"x\""),
        "{said}"
    );
    assert!(lines[1].contains("did you mean GetInbox?"), "{said}");
}

/// The command and the server decide alike.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_answers_as_the_command_says() {
    let database = Backend::Sqlite.golden();
    let text = documented().replace("1002, 1003", &super::uid().to_string());
    let program = Program::caching(&database).with_file("mesh-bundle.pem", &AUTHORITY.text());
    let server = super::on_socket_with(program, &text);
    let client = server.client().await;
    let asks = [
        (100, viewer::service(), "--account 100"),
        (99, viewer::service(), "--account 99"),
        (4711, viewer::service(), "--account 4711"),
        (100, viewer::user(5), "--account 100 --as user:5"),
        (100, viewer::bot(5), "--account 100 --as bot:5"),
    ];
    for (account, asker, arguments) in asks {
        let question = format!("--caller sender-eu --method GetInbox {arguments} --json");
        let (code, document) = run(&text, &question.split(' ').collect::<Vec<_>>());
        let document: Value = serde_json::from_str(&document).unwrap();
        let status = super::get(&client, account, asker).await.unwrap_err();
        let refused = crate::support::reason(&status) == "CALLER_NOT_PERMITTED";
        assert_eq!(code, Some(i32::from(refused)), "{arguments}");
        if refused {
            assert_eq!(document["needs"], metadata(&status)["needs"].as_str());
        }
    }
}

/// `check` has the mistakes of the file as problems.
#[test]
fn a_check_reports_the_file() {
    let database = Backend::Sqlite.golden();
    let check = |text: &str| {
        let program = Program::new(&["check", "--json"]).env("DATABASE_URL", &database.url());
        let program = program.with_file("mesh-bundle.pem", &AUTHORITY.text());
        let output = program.with_callers(text).output();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let codes = |key: &str| -> Vec<String> {
            let findings = report[key].as_array().unwrap().iter();
            let codes = findings.map(|it| it["code"].as_str().unwrap().to_owned());
            codes.filter(|code| code.starts_with("CALLERS")).collect()
        };
        let count = report["settings"]["callers"]["count"].clone();
        (codes("problems"), codes("notes"), count)
    };
    let (problems, notes, count) = check(&documented());
    assert_eq!(
        (problems.len(), notes, count),
        (0, vec!["CALLERS_NOTED".to_owned(); 3], 3.into())
    );
    let (problems, notes, _) = check(&documented().replace("version = 1", "version = 1\nx = 1"));
    assert_eq!(
        (problems, notes.len()),
        (vec!["CALLERS_INVALID".to_owned()], 0)
    );
}
