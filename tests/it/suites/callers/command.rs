//! `leadchat-inbox callers`: the file of the documents, and answers about its callers.

use std::sync::LazyLock;

use serde_json::Value;

use super::{
    issuers::{KEYS, ask, claims},
    metadata,
    network::{Network, uri},
};
use crate::support::{Backend, Client, Program, pb, viewer};

/// The authorities of the file.
static NETWORK: LazyLock<Network> = LazyLock::new(Network::new);

/// With the files that the documented one names.
fn with_files(program: Program) -> Program {
    let program = KEYS.program(program);
    program
        .with_file("mesh-bundle.pem", &NETWORK.mesh.text())
        .with_file("office-ca.pem", &NETWORK.office.text())
}

/// The file that docs/callers.md shows.
fn documented() -> String {
    let document = include_str!("../../../../docs/callers.md");
    let (_, rest) = document.split_once("```toml\n").unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

/// The exit code, and all that was printed.
fn run(text: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let program = with_files(Program::new(&["callers"]))
        .with_callers(text)
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
    assert_eq!(document["callers"].as_array().unwrap().len(), 4);
    assert_eq!(document["callers"][2]["rules"][0]["secrets"][0], "smtp");
}

#[test]
fn questions_are_answered_with_the_rules_that_decide() {
    for (question, code, answer) in [
        (
            "--caller sender-eu --method GetInbox --account 150",
            0,
            "yes, by callers.toml:66 \"mail goes out\"; administrator-only fields: smtp",
        ),
        (
            "--caller webhooks --method GetInbox --account 7 --as user:3",
            1,
            "no: it may call FindInboxes only (callers.toml:52)",
        ),
        (
            "--caller sender-eu --method GetInbox --account 200",
            1,
            "no: its rules are about accounts 100-199, 4711 (callers.toml:66)",
        ),
        (
            "--caller sender-eu --method GetInbox --account 100 --as user:1",
            1,
            "no: it may ask as itself (callers.toml:66)",
        ),
        (
            "--caller webhooks --method FindInboxes --detail full",
            1,
            "no: it may ask for basic detail only (callers.toml:52)",
        ),
        (
            "--caller webhooks --method FindInboxes --detail basic",
            0,
            "yes, by callers.toml:52 \"events find their inbox\"; administrator-only fields: none",
        ),
        (
            "--caller dashboard --method GetInbox --account 1 --as user:1",
            1,
            "no: it needs the token of this user (callers.toml:35)",
        ),
        (
            "--caller dashboard --method GetInbox --account 1 --as user:1 --with-token",
            0,
            "yes, by callers.toml:35 \"users look at their inboxes\"; administrator-only fields: \
             signing, imap, smtp, twilio, whatsapp",
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
        .replace("\"GetInbox\", \"ListInboxes\"]", "\"GetInbx\"]")
        .replace("4711", "x");
    let (code, said) = run(&text, &[]);
    assert_eq!(code, Some(2));
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines.len(), 2, "{said}");
    assert!(
        lines[0].contains("callers.toml:69:24: caller \"sender-eu\": accounts: \"x\""),
        "{said}"
    );
    assert!(lines[1].contains("did you mean GetInbox?"), "{said}");
}

/// The four callers of the document, each with its credentials, over TLS: the server decides
/// as the command does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_answers_as_the_command_says() {
    let database = Backend::Sqlite.golden();
    let text = documented()
        .replace("https://tokens.leadchat.internal", "https://tokens.example")
        .replace("https://login.leadchat.example", "https://login.example");
    let program = with_files(NETWORK.program(&database, &text));
    let server = program.start();
    let id = |path: &str| uri(&format!("spiffe://leadchat.internal/ns/{path}"));
    let of_mesh = |name: &str, path: &str| NETWORK.mesh.certificate_with(name, &id(path));
    let on_call = "subjectAltName = DNS:on-call.office.leadchat.example";
    let on_call = NETWORK.office.certificate_with("on-call", on_call);
    let token = format!("Bearer {}", KEYS.eddsa.token(&claims("sender-eu")));
    let viewer_token = KEYS.login.token(&super::issuers::user_claims(1));
    let viewer_token = format!("Bearer {viewer_token}");
    let client = |certificate| NETWORK.client(&server, Some(&certificate));
    let callers = [
        (
            "dashboard",
            client(of_mesh("dashboard", "web/sa/dashboard")),
            None,
        ),
        (
            "webhooks",
            client(of_mesh("webhooks", "edge/sa/webhooks")),
            None,
        ),
        (
            "sender-eu",
            client(of_mesh("sender", "send/sa/eu")),
            Some(&token),
        ),
        ("on-call", client(on_call), None),
    ];
    let mut permitted = 0;
    for (name, client, token) in callers {
        for (account, asker, arguments) in [
            (100, viewer::service(), "--account 100"),
            (99, viewer::service(), "--account 99"),
            (4711, viewer::service(), "--account 4711"),
            (1, viewer::user(1), "--account 1 --as user:1"),
            (1, viewer::user(1), "--account 1 --as user:1 --with-token"),
            (7, viewer::bot(5), "--account 7 --as bot:5"),
        ] {
            let question = format!("--caller {name} --method GetInbox {arguments} --json");
            let (code, document) = run(&text, &question.split(' ').collect::<Vec<_>>());
            let document: Value = serde_json::from_str(&document).unwrap();
            let token = token.into_iter();
            let mut headers: Vec<_> = token.map(|it| ("authorization", it.as_str())).collect();
            if arguments.ends_with("--with-token") {
                headers.push(("viewer-authorization", viewer_token.as_str()));
            }
            let refused = refusal(&client, &headers, account, asker).await;
            assert_eq!(code, Some(i32::from(refused.is_some())), "{question}");
            permitted += i32::from(refused.is_none());
            if let Some(needs) = refused {
                assert_eq!(document["needs"], needs.as_str(), "{question}");
            }
        }
    }
    assert_eq!(permitted, 6);
}

/// The missing part of a question about an account that may not be there.
async fn refusal(
    client: &Client,
    headers: &[(&'static str, &str)],
    account: i64,
    viewer: pb::Viewer,
) -> Option<String> {
    let status = ask(client, headers, account, viewer).await.err()?;
    let is_refused = crate::support::reason(&status) == "CALLER_NOT_PERMITTED";
    is_refused.then(|| metadata(&status)["needs"].clone())
}

/// A token comes from standard input, and is in no output.
#[test]
fn a_token_is_read_from_standard_input() {
    use std::{
        io::Write,
        process::{Command, Stdio},
    };

    let folder = tempfile::tempdir().unwrap();
    let text = documented().replace("https://tokens.leadchat.internal", "https://tokens.example");
    let files = [
        ("callers.toml", text),
        ("mesh-bundle.pem", NETWORK.mesh.text()),
        ("office-ca.pem", NETWORK.office.text()),
        ("jobs.jwks", crate::support::tokens::jwks(&KEYS.of_jobs())),
        ("login.jwks", crate::support::tokens::jwks(&[&KEYS.login])),
    ];
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let ask = |token: &str, source: &str| {
        let mut child = Command::new(env!("CARGO_BIN_EXE_leadchat-inbox"))
            .args([
                "callers",
                "--callers",
                "callers.toml",
                "--token-from",
                source,
            ])
            .current_dir(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        writeln!(input, "{token}").unwrap();
        drop(input);
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(!said.contains(token), "{said}");
        (output.status.code(), said)
    };
    let signed = KEYS.rs256.token(&claims("webhooks-of-none"));
    let (code, said) = ask(&signed, "-");
    assert_eq!(code, Some(1));
    assert!(
        said.contains("no caller is jobs:webhooks-of-none"),
        "{said}"
    );
    // One that needs a certificate, too.
    let (code, said) = ask(&KEYS.rs256.token(&claims("sender-eu")), "-");
    assert_eq!(code, Some(1));
    assert!(
        said.contains(
            "it is that of \"sender-eu\", which needs a certificate or a user id beside it"
        ),
        "{said}"
    );
    let (code, said) = ask("a.b.c", "-");
    assert_eq!(code, Some(1));
    assert!(said.contains("it has not the form of a token"), "{said}");
    let (code, said) = ask("a.b.c", "token");
    assert_eq!(code, Some(2));
    assert!(said.contains("--token-from: must be -"), "{said}");
}

/// `check` has the mistakes of the file as problems.
#[test]
fn a_check_reports_the_file() {
    let database = Backend::Sqlite.golden();
    let check = |text: &str| {
        let program = Program::new(&["check", "--json"]).env("DATABASE_URL", &database.url());
        let program = with_files(program);
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
        (0, vec!["CALLERS_NOTED".to_owned(); 2], 4.into())
    );
    let (problems, notes, _) = check(&documented().replace("version = 1", "version = 1\nx = 1"));
    assert_eq!(
        (problems, notes.len()),
        (vec!["CALLERS_INVALID".to_owned()], 0)
    );
}
