//! Callers files, right and wrong.

use super::*;
use crate::identity::credential::Identity;
use crate::identity::limiter::Limits;
use mistakes::MISTAKES;

mod mistakes;

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
        last_good: &LastGoodFiles::default(),
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
