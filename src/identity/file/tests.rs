//! Callers files, right and wrong.

use super::*;
use crate::identity::credential::Identity;

const GOOD: &str = r#"version = 1

[[caller]]
name = "webhooks"
uids = [1001, 1002]

[[caller.may]]
why        = "events find their inbox"
methods    = ["FindInboxes"]
accounts   = ["*"]
everywhere = true
as         = { itself = true }

[[caller]]
name  = "sender"
uids  = [1003]

[[caller.may]]
methods  = ["GetInbox", "BatchGetInboxes"]
accounts = ["100-199", "4711"]
as       = { itself = true, bots = [3, 4] }
detail   = "full"
secrets  = ["smtp"]

[caller.limits]
calls_per_second = 50
concurrent_calls = 8

[[caller]]
name  = "people"
local = true

[[caller.may]]
methods  = ["GetInbox"]
accounts = ["1"]
as       = { users = "any", bots = "any" }
"#;

/// Beside the file, there is no other.
fn parse(text: &str) -> Result<CallersFile, Problems> {
    let surroundings = Surroundings {
        folder: Path::new(""),
        read: &|_| Err("cannot be read: entity not found".to_owned()),
        now: SystemTime::UNIX_EPOCH,
    };
    CallersFile::parse("c.toml", text, &surroundings)
}

fn problems(text: &str) -> Vec<String> {
    match parse(text) {
        Ok(file) => panic!("{file:?}"),
        Err(problems) => problems.0.iter().map(ToString::to_string).collect(),
    }
}

/// The problems once the first text is replaced by the second.
fn problems_with(original: &str, changed: &str) -> Vec<String> {
    assert_eq!(GOOD.matches(original).count(), 1, "{original}");
    problems(&GOOD.replace(original, changed))
}

#[test]
fn a_file_is_read() {
    let file = parse(GOOD).unwrap();
    let names: Vec<_> = file.entries.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["webhooks", "sender", "people"]);
    let [webhooks, sender, people] = &file.entries[..] else {
        panic!()
    };
    assert_eq!(
        webhooks.identities,
        [Identity::Uid(1001), Identity::Uid(1002)]
    );
    assert!(webhooks.rules[0].everywhere && people.is_local);
    assert_eq!((webhooks.rules[0].line, sender.rules[0].line), (7, 18));
    assert_eq!(sender.limits().concurrent_calls, Some(8));
    let rate = sender.limits().rate.unwrap();
    assert_eq!((rate.calls_per_second.get(), rate.burst.get()), (50, 50));
    assert_eq!(people.limits(), Limits::default());
    let notes: Vec<_> = file.notes.iter().map(ToString::to_string).collect();
    assert_eq!(
        notes,
        [
            "c.toml:31:9: caller \"people\": local = true: every process of this machine may call as \
             this caller",
            "c.toml:36:12: caller \"people\": as.users = \"any\": it may ask as any of them",
            "c.toml:36:12: caller \"people\": as.bots = \"any\": it may ask as any of them",
        ]
    );
}

/// A text of the good file, its replacement, and the mistake with its line and column.
const MISTAKES: &[(&str, &str, &str)] = &[
    (
        "[\"*\"]",
        "[\"*\", \"x\"]",
        "10:15: caller \"webhooks\": accounts: \"*\" stands alone",
    ),
    (
        "{ users = \"any\", bots = \"any\" }",
        "[\"any\", \"none\", true]",
        "29:1: caller \"people\": a caller, a rule, as and limits are tables: write their keys",
    ),
    (
        "[1003]",
        "[4294967295]",
        "16:10: caller \"sender\": uids: 4294967295 stands for users that have no name: anybody",
    ),
    (
        "version = 1",
        "version = 2",
        "1:11: version: this program reads version 1",
    ),
    (
        "version = 1",
        "",
        "1:1: version is missing; write version = 1",
    ),
    (
        "version = 1",
        "version = 1\ncalers = 1",
        "2:1: there is no key \"calers\"; did you mean caller?",
    ),
    (
        "name = \"webhooks\"",
        "name = \"Web\"",
        "4:8: caller \"Web\": a name has 1 to 40 of the letters a-z, digits and -",
    ),
    (
        "name  = \"sender\"",
        "name  = \"webhooks\"",
        "15:9: caller \"webhooks\": this name is taken above",
    ),
    (
        "[1003]",
        "[1002]",
        "16:10: caller \"sender\": uids: uid:1002 is one of \"webhooks\" already",
    ),
    (
        "[1003]",
        "[65534]",
        "16:10: caller \"sender\": uids: 65534 stands for users that have no name: anybody",
    ),
    (
        "[1003]",
        "[]",
        "14:1: caller \"sender\": nothing identifies it; set uids, spiffe or dns, or local = true",
    ),
    (
        "uids  = [1003]",
        "spiffe = [\"spiffe://a/b\"]",
        "16:11: caller \"sender\": spiffe: no [[authority]] has trust_domain = \"a\"",
    ),
    (
        "uids  = [1003]",
        "spiffe = [\"spiffe://a\"]",
        "16:11: caller \"sender\": spiffe: is a trust domain, and has no path",
    ),
    (
        "uids  = [1003]",
        "spiffe = [\"https://a/b\"]",
        "16:11: caller \"sender\": spiffe: is no SPIFFE ID: scheme is missing or invalid",
    ),
    (
        "uids  = [1003]",
        "dns = [\"*.example\"]",
        "16:8: caller \"sender\": dns: is no name of DNS; wildcards are none",
    ),
    (
        "uids  = [1003]",
        "dns = [\"a.example\"]",
        "16:8: caller \"sender\": dns: there is no [[authority]] without a trust_domain",
    ),
    (
        "version = 1",
        "version = 1\n[[authority]]\nname = \"a\"\nfile = \"a.pem\"",
        "4:8: file: \"a.pem\" cannot be read: entity not found",
    ),
    (
        "version = 1",
        "version = 1\n[[authority]]\nname = \"a\"\nfile = \"a.pem\"\ntrust_domain = \"A\"",
        "5:16: trust_domain: write the name alone, in lower case",
    ),
    (
        "version = 1",
        "version = 1\n[authority]\nname = \"a\"",
        "2:1: authority: write [[authority]], one for each",
    ),
    (
        "[1003]",
        "[-1]",
        "16:10: caller \"sender\": invalid value: integer `-1`, expected u32",
    ),
    (
        "[1003]",
        "[1003]\nlocal = true",
        "32:9: caller \"people\": local: \"sender\" is local already",
    ),
    (
        "uids  = [1003]",
        "user = 1",
        "16:1: caller \"sender\": unknown field `user`, expected one of `name`, `uids`, `spiffe`, `dns`, `local`, `may`, `limits`",
    ),
    (
        "\"GetInbox\", \"Batch",
        "\"GetInboxs\", \"Batch",
        "19:13: caller \"sender\": methods: there is no method \"GetInboxs\"; did you mean GetInbox?",
    ),
    (
        "[\"FindInboxes\"]",
        "[]",
        "9:14: caller \"webhooks\": methods: name at least one",
    ),
    (
        "\"100-199\"",
        "\"199-100\"",
        "20:13: caller \"sender\": accounts: \"199-100\" runs backwards",
    ),
    (
        "\"4711\"",
        "\"x\"",
        "20:24: caller \"sender\": accounts: \"x\" is no id, such as \"7\", no range, such as \"1-99\", and not \"*\"",
    ),
    (
        "[\"1\"]",
        "[]",
        "35:12: caller \"people\": accounts: write ids, ranges or \"*\"",
    ),
    (
        "{ itself = true }",
        "{}",
        "12:14: caller \"webhooks\": as: allows no viewer",
    ),
    (
        "{ itself = true }",
        "{ users = \"any\" }",
        "11:14: caller \"webhooks\": everywhere: a search of all accounts is made as itself; write as = { itself = true }",
    ),
    (
        "{ users = \"any\", ",
        "{ users = \"all\", ",
        "36:22: caller \"people\": as.users: \"all\" is neither \"none\" nor \"any\"",
    ),
    (
        "bots = [3, 4]",
        "bots = [0]",
        "21:37: caller \"sender\": as.bots: an id is 1 or more",
    ),
    (
        "bots = [3, 4]",
        "bots = 3",
        "21:36: caller \"sender\": invalid type: integer `3`, expected \"none\", \"any\" or a list of ids",
    ),
    (
        "detail   = \"full\"",
        "detail   = \"ful\"",
        "22:12: caller \"sender\": detail: \"ful\" is neither \"basic\" nor \"full\"; did you mean full?",
    ),
    (
        "detail   = \"full\"",
        "",
        "23:12: caller \"sender\": secrets: are never in detail = \"basic\"; write detail = \"full\"",
    ),
    (
        "[\"smtp\"]",
        "[\"stmp\"]",
        "23:13: caller \"sender\": secrets: there is no group \"stmp\"; did you mean smtp?",
    ),
    (
        "[\"FindInboxes\"]",
        "[\"GetInbox\"]",
        "11:14: caller \"webhooks\": everywhere: is about FindInboxes alone",
    ),
    (
        "calls_per_second = 50",
        "calls_per_second = 0",
        "26:20: caller \"sender\": invalid value: integer `0`, expected a nonzero u32",
    ),
    (
        "calls_per_second = 50",
        "burst = 5",
        "26:9: caller \"sender\": burst: needs calls_per_second beside it",
    ),
    (
        "concurrent_calls = 8",
        "concurrent_calls = 0",
        "27:20: caller \"sender\": concurrent_calls: must be 1 or more",
    ),
    (
        "local = true",
        "local = true\nlocal = true",
        "32:1: duplicate key",
    ),
    (
        "version = 1",
        "version = ",
        "1:11: string values must be quoted, expected literal string",
    ),
];

#[test]
fn mistakes_have_a_place() {
    let mut wrong = Vec::new();
    for (original, changed, problem) in MISTAKES {
        let expected = format!("c.toml:{problem}");
        let found = problems_with(original, changed);
        if !found.contains(&expected) {
            wrong.push((expected, found));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let nothing = problems("version = 1\n");
    assert_eq!(
        nothing,
        ["c.toml:1:1: there is no [[caller]], so nobody could call"]
    );
    let idle = problems("version = 1\n[[caller]]\nname = \"é\"\nuids = [1]\n");
    assert_eq!(idle.len(), 2);
    let large = "#".repeat(MAX_FILE_BYTES + 1);
    assert_eq!(problems(&large), ["c.toml:1:1: is larger than 256 KiB"]);
}

#[test]
fn all_mistakes_are_reported_in_order() {
    let text = GOOD
        .replace("version = 1", "version = 3")
        .replace("[1003]", "[1001]")
        .replace("\"4711\"", "\"-\"")
        .replace("local = true", "local = 1");
    let lines: Vec<_> = problems(&text);
    let places: Vec<_> = lines
        .iter()
        .map(|it| it.split(':').nth(1).unwrap())
        .collect();
    assert_eq!(places, ["1", "16", "20", "31"], "{lines:#?}");

    let many = (0..40).map(|_| "[[caller]]\nname = \"N\"\n");
    assert_eq!(problems(&many.collect::<String>()).len(), 16);
}

#[test]
fn searches_of_one_caller_have_equal_secrets() {
    let search = |secrets: &str| {
        format!(
            "[[caller.may]]\nmethods = [\"FindInboxes\"]\naccounts = [\"*\"]\neverywhere = true\n\
             as = {{ itself = true }}\ndetail = \"full\"\nsecrets = [{secrets}]\n"
        )
    };
    let file = |first: &str, second: &str| {
        let head = "version = 1\n[[caller]]\nname = \"a\"\nuids = [1]\n";
        format!("{head}{}{}", search(first), search(second))
    };
    assert_eq!(
        problems(&file("", "\"smtp\"")),
        [
            "c.toml:12:1: caller \"a\": secrets: must be those of line 5: rules with everywhere \
             have the same secrets"
        ]
    );
    let covered = parse(&file("", "")).unwrap();
    let notes: Vec<_> = covered.notes.iter().map(ToString::to_string).collect();
    assert_eq!(
        notes,
        ["c.toml:12:1: caller \"a\": line 5 allows all of this rule"]
    );
}

mod fuzz {
    use super::*;
    use crate::tests::{damaged_one_of, for_all};

    /// Any text is read or refused, with places in the text.
    #[test]
    fn a_damaged_file_is_read_or_refused() {
        for_all(500, damaged_one_of(&[GOOD]), |text| {
            let lines = text.matches('\n').count() + 1;
            match parse(&text) {
                Ok(file) => assert!(!file.entries.is_empty()),
                Err(problems) => {
                    assert!((1..=16).contains(&problems.0.len()));
                    for problem in problems.0 {
                        assert!((1..=lines).contains(&problem.line), "{problem}");
                        assert!(!problem.text.contains('\n'), "{problem}");
                    }
                }
            }
        });
    }
}
