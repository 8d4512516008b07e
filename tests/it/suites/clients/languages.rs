//! Each client, built as a package and tried against real servers.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;

use super::{contracts, root, servers::Servers, watches};

const LANGUAGES: [&str; 5] = ["go", "python", "typescript", "java", "ruby"];

/// Languages that are also tried with an old contract.
const WITH_OLD_CONTRACT: [&str; 2] = ["go", "python"];

/// By case and endpoint: what is wrong, or nothing.
pub type Outcomes = BTreeMap<(String, String), Option<String>>;

/// The languages that the environment asks for: all, unless CLIENTS says otherwise.
fn languages() -> Vec<&'static str> {
    let asked = env::var("CLIENTS").unwrap_or_else(|_| LANGUAGES.join(" "));
    let asked: BTreeSet<_> = asked.split_whitespace().collect();
    for language in &asked {
        assert!(
            LANGUAGES.contains(language),
            "there is no client in {language}"
        );
    }
    assert!(!asked.is_empty(), "CLIENTS names no language");
    let languages = LANGUAGES.into_iter();
    languages
        .filter(|language| asked.contains(language))
        .collect()
}

/// The seconds after which a script has failed.
const SCRIPT_TIMEOUT: &str = "600";

/// The exit code of a build that lacks a tool. It says in one line what to install.
const TOOL_MISSING_CODE: i32 = 3;

/// A script of a client.
pub fn script(language: &str, name: &str) -> Command {
    let mut command = Command::new("timeout");
    command
        .args(["--kill-after=5", SCRIPT_TIMEOUT])
        .arg(root().join("clients").join(language).join(name));
    command
}

/// The output of a script; otherwise what it said, which is one line if a tool is missing.
fn output(script: &mut Command) -> Result<String, String> {
    let output = script.output().map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    match output.status.code() {
        Some(0) => Ok(text),
        Some(TOOL_MISSING_CODE) => Err(said),
        code => Err(format!("exit code {code:?}\n{said}{text}")),
    }
}

/// Builds the package of a client.
fn build(language: &str, more: &[(&str, &Path)]) -> Result<(), String> {
    output(script(language, "build").envs(more.iter().copied())).map(drop)
}

/// The lines of a mode, as JSON.
fn lines(
    language: &str,
    mode: &str,
    servers: &Path,
    more: &[(&str, &Path)],
) -> Result<Vec<Value>, String> {
    let mut script = script(language, "conformance");
    let script = script.arg(mode).arg(servers).envs(more.iter().copied());
    let text = output(script)?;
    let parse = |line| serde_json::from_str(line).map_err(|_| format!("it says {line}"));
    text.lines().map(parse).collect()
}

pub fn outcomes(lines: &[Value]) -> Outcomes {
    let text = |line: &Value, key: &str| line[key].as_str().unwrap().to_owned();
    let outcome = |line: &Value| {
        let is_ok = line["ok"].as_bool().unwrap();
        let problem = line["problem"].as_str().unwrap_or("it says no problem");
        let problem = (!is_ok).then(|| problem.to_owned());
        ((text(line, "case"), text(line, "endpoint")), problem)
    };
    lines.iter().map(outcome).collect()
}

/// All that a client has to report: each case at each of its endpoints.
fn expected() -> BTreeSet<(String, String)> {
    let file = fs::read_to_string(root().join("clients/conformance.json")).unwrap();
    let file: Value = serde_json::from_str(&file).unwrap();
    let mut expected = BTreeSet::new();
    for case in file["cases"].as_array().unwrap() {
        let endpoints: &[&str] = if case["bytes"].is_string() || case["status"].is_object() {
            &["-"]
        } else if case["caller"].is_string() {
            &["tls"]
        } else {
            &["plain", "unix"]
        };
        let name = case["name"].as_str().unwrap();
        expected.extend(
            endpoints
                .iter()
                .map(|it| (name.to_owned(), (*it).to_owned())),
        );
    }
    expected
}

/// Calls two replicas, one of which is stopped in the middle. Returns the number of calls.
fn replicas(language: &str, servers: &Servers) -> Result<u64, String> {
    let ([stopped, other], file) = servers.replicas();
    let mut child = script(language, "conformance")
        .arg("replicas")
        .arg(&file)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut line = || lines.next().and_then(Result::ok).unwrap_or_default();
    let ready = line();
    if !ready.contains("\"ready\"") {
        child.wait().unwrap();
        return Err(format!("it is not ready: {ready}"));
    }
    // After the first twenty calls, both have their share.
    let before = [&stopped, &other].map(Servers::answers);
    stopped.signal("TERM");
    let code = stopped.wait();
    let at_end = Servers::answers(&other);
    let last = line();
    child.wait().unwrap();
    let report: Value = serde_json::from_str(&last).map_err(|_| format!("it says {last:?}"))?;
    let after = Servers::answers(&other) - at_end;
    let is_balanced = before.iter().all(|answers| *answers >= 5);
    match (report["failed"].as_u64(), report["calls"].as_u64()) {
        (Some(0), Some(calls)) if is_balanced && code == Some(0) && after > 20 => Ok(calls),
        _ => Err(format!(
            "{report}; answers before the stop: {before:?}, exit code {code:?}, answers of the \
             other replica after it: {after}"
        )),
    }
}

/// With a contract that lacks the newest kind and the newest fields, every inbox is read, and
/// that of the newest kind says its class.
fn reads_with_an_old_contract(language: &str, servers: &Path) -> Result<(), String> {
    let contract = contracts::old();
    let out = root().join(format!("target/clients/{language}-old"));
    let more = [("PROTO", contract.path()), ("OUT", out.as_path())];
    build(language, &more)?;
    let inboxes = lines(language, "old", servers, &more)?;
    let tiktok = inboxes
        .iter()
        .find(|it| it["channel_type"] == "Channel::Tiktok");
    let Some(tiktok) = tiktok else {
        return Err(format!("there is no inbox of the newest kind: {inboxes:?}"));
    };
    let names_its_class =
        tiktok["channel_kind"] == 6 && tiktok["channel"].is_null() && tiktok["name"].is_string();
    let others = inboxes
        .iter()
        .filter(|it| it["channel"].is_string())
        .count();
    if names_its_class && inboxes.len() == 13 && others == 12 {
        Ok(())
    } else {
        Err(format!("{inboxes:?}"))
    }
}

/// The committed code is what the generator makes.
fn has_current_code() -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let mut generate = script("go", "generate");
    output(generate.arg(root().join("proto")).arg(folder.path()))?;
    let mut compare = Command::new("diff");
    let committed = root().join("clients/go/inboxpb");
    let difference = output(compare.arg("-r").arg(committed).arg(folder.path()));
    difference
        .map(drop)
        .map_err(|difference| format!("run clients/go/generate: {difference}"))
}

/// A table of languages and cases.
fn print(of_languages: &BTreeMap<&str, Outcomes>) {
    let cases: BTreeSet<_> = of_languages.values().flat_map(BTreeMap::keys).collect();
    print!("\n{:<52}", "case, endpoint");
    for language in of_languages.keys() {
        print!("{language:>12}");
    }
    println!();
    for case in cases {
        print!("{:<52}", format!("{}, {}", case.0, case.1));
        for outcomes in of_languages.values() {
            let mark = match outcomes.get(case) {
                Some(None) => "ok",
                Some(Some(_)) => "WRONG",
                None => "-",
            };
            print!("{mark:>12}");
        }
        println!();
    }
}

/// Builds the client in a language, and tries all of it.
fn try_client(language: &str, servers: &Servers) -> Result<Outcomes, String> {
    build(language, &[])?;
    let (_replicas, file) = servers.replicas();
    let mut of_client = outcomes(&lines(language, "cases", &file, &[])?);
    for case in expected() {
        let not_tried = Some("it was not tried".to_owned());
        of_client.entry(case).or_insert(not_tried);
    }
    let idioms = outcomes(&lines(language, "idioms", &file, &[])?);
    assert!(!idioms.is_empty(), "{language} has no idioms");
    let idioms = idioms.into_iter();
    of_client.extend(
        idioms
            .map(|((name, _), outcome)| ((format!("idiom/{name}"), language.to_owned()), outcome)),
    );
    let mut add = |name: &str, outcome: Result<(), String>| {
        of_client.insert((name.to_owned(), "-".to_owned()), outcome.err());
    };
    let calls = replicas(language, servers);
    if let Ok(calls) = calls {
        println!("{language}: {calls} calls of two replicas, one of which stopped: none failed");
    }
    add("replicas", calls.map(drop));
    if WITH_OLD_CONTRACT.contains(&language) {
        add("old-contract", reads_with_an_old_contract(language, &file));
    }
    if language == "go" {
        add("committed-code", has_current_code());
    }
    of_client.extend(watches::try_caches(language, servers));
    Ok(of_client)
}

#[ignore = "make clients"]
#[test]
fn clients_conform() {
    let servers = Servers::start();
    let mut of_languages = BTreeMap::new();
    let mut problems = Vec::new();
    for language in languages() {
        match try_client(language, &servers) {
            Ok(outcomes) => {
                let wrong = outcomes
                    .iter()
                    .filter_map(|(case, outcome)| Some((case, outcome.as_ref()?)));
                problems.extend(wrong.map(|((case, endpoint), problem)| {
                    format!("{language}: {case} ({endpoint}): {problem}")
                }));
                of_languages.insert(language, outcomes);
            }
            Err(problem) => problems.push(format!("{language}: {}", problem.trim())),
        }
    }
    print(&of_languages);
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
