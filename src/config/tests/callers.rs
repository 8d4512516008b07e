//! The callers file, and questions about it.

use super::*;

#[test]
fn a_callers_file_takes_the_place_of_the_local_role() {
    let set = |arguments: &[&str], variables: &[(&str, &str)]| {
        format!("{:?}", serve_settings(arguments, variables).callers)
    };
    let variable = [("CALLERS_FILE", "variable.toml")];
    assert_eq!(set(&[], &variable), r#"File("variable.toml")"#);
    assert_eq!(
        set(&["--callers", "flag.toml"], &variable),
        r#"File("flag.toml")"#
    );
    for (arguments, variables) in [
        (vec![], [("CALLERS_FILE", "")]),
        (vec!["--callers", ""], variable),
    ] {
        let said = rejection(&arguments, &variables);
        assert!(said.contains("is empty"), "{said}");
    }
    let role = ["--local-role", "administrator"];
    assert_eq!(set(&role, &[]), "BuiltIn(Administrator)");
    let both = rejection(&role, &variable);
    assert!(both.starts_with("--local-role: is for a server without a callers file"));
}

#[test]
fn a_question_about_a_caller_is_whole() {
    let read = |arguments: &[&str]| {
        let all = [&["callers", "--callers", "c.toml"], arguments].concat();
        match read_settings(&all, &[]) {
            Ok(settings) => format!("{:?}", settings.task),
            Err(error) => error.to_string(),
        }
    };
    assert!(read(&[]).contains("question: None"));
    let about = ["--caller", "c", "--method"];
    let asked = |rest: &[&str]| read(&[&about, rest].concat());
    let whole = asked(&["GetInbox", "--account", "7", "--as", "user:3"]);
    for part in ["GetInbox", "AccountId(7)", "User(UserId(3))", "Full"] {
        assert!(whole.contains(part), "{whole}");
    }
    let bot = asked(&[
        "GetInbox",
        "--account",
        "7",
        "--as",
        "bot:3",
        "--detail",
        "basic",
    ]);
    assert!(
        bot.contains("AgentBot(AgentBotId(3))") && bot.contains("Basic"),
        "{bot}"
    );
    assert!(asked(&["FindInboxes"]).contains("Search"));
    assert!(asked(&["FindInboxes", "--account", "7"]).contains("Service"));
    for (rest, setting) in [
        (vec!["GetInbox"], "--account: is not set"),
        (
            vec!["FindInboxes", "--as", "user:1"],
            "--account: is not set",
        ),
        (
            vec!["GetInboxes", "--account", "1"],
            "--method: is no method",
        ),
        (
            vec!["GetInbox", "--account", "0"],
            "--account: must be an id",
        ),
        (
            vec!["GetInbox", "--account", "1", "--as", "me"],
            "--as: must be",
        ),
        (
            vec!["GetInbox", "--account", "1", "--as", "user:x"],
            "--as: must be",
        ),
    ] {
        let said = asked(&rest);
        assert!(said.starts_with(setting), "{said}");
    }
    let without_file = read_settings(&["callers"], &[]).unwrap_err();
    assert!(
        without_file
            .to_string()
            .starts_with("--callers: is not set")
    );
}
