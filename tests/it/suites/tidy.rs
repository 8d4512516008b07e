//! Rules of the house that no compiler checks.
//!
//! They keep what has to be watched, such as who opens what is sealed, in places
//! small enough to be read. Comments may name what they like.

use std::{
    fs,
    path::{Path, PathBuf},
};

use regex::{Regex, RegexBuilder};

/// What is used or done in some modules only. Unit tests are free to.
const ONLY_IN: [(&str, &[&str], &str); 11] = [
    (
        r"\b(tonic|prost|hyper|hyper_util|h2)\b|\b(tonic|prost)_",
        &["grpc"],
        "what an inbox is does not depend on how it is sent",
    ),
    (
        r"\bsqlx\b|\bredis::(\{|[A-Z]|aio\b|cmd\b|io\b)",
        &["store"],
        "what an inbox is does not depend on where it is kept",
    ),
    (
        r"\bStoreDirectory\b",
        &["app", "directory"],
        "others ask an InboxDirectory, whichever it is",
    ),
    (
        r"::seal\b",
        &["store"],
        "what is stored is sealed where it is read, before anyone else has it",
    ),
    (
        r"\bAdminProof\b",
        &["domain/access", "domain/secret"],
        "the role rule is one page, and proofs stay on it",
    ),
    (
        r"\.open\(|AdminOnly::open\b",
        &["domain/access"],
        "what is sealed opens for a view, by reveal",
    ),
    (
        r"(\.|::)reveal\b",
        &["grpc/wire"],
        "what is sealed is opened to go into a message and for nothing else",
    ),
    (
        r"\bexpose_secret\b",
        &["store", "leadchat", "grpc/wire", "grpc/etag"],
        "elsewhere a secret is passed on unread",
    ),
    (
        r"\bStatus::[a-z]|\bwith_error_details",
        &["grpc/status"],
        "no error reaches a caller in words that nobody chose for it",
    ),
    (
        r"\benv::",
        &["main"],
        "settings come from one place, so that a test can choose them",
    ),
    (
        r"\b(SELECT|INSERT INTO|UPDATE|DELETE FROM|CREATE TABLE)\b",
        &["store", "demo"],
        "what is asked of a database can be reviewed in one place",
    ),
];

/// Modules that a module must not know.
const KNOWS_NOT: [(&str, &[&str], &str); 5] = [
    (
        "domain",
        &[
            "app", "check", "config", "demo", "grpc", "identity", "leadchat", "store",
        ],
        "everything depends on the domain, and it on nothing",
    ),
    (
        "leadchat",
        &[
            "app", "check", "config", "demo", "grpc", "identity", "store",
        ],
        "what Rails derives and how it writes holds for any store",
    ),
    (
        "store",
        &["app", "check", "config", "demo", "grpc", "identity"],
        "a store does not know who asks it",
    ),
    (
        "grpc",
        &["app", "check", "config", "demo", "store"],
        "inboxes are asked for through InboxDirectory",
    ),
    (
        "check",
        &["app", "config", "demo", "directory", "grpc", "identity"],
        "it reads as the service does, and tells nobody what it read",
    ),
];

/// Lines that a file has at most.
const LONGEST: usize = 400;
const LONGEST_UNIT_TESTS: usize = 500;

/// Columns that a line of prose has at most.
const WIDEST: usize = 100;

#[test]
fn things_stay_in_their_place() {
    let sources = sources();
    let mut breaches = Vec::new();
    for (what, places, why) in ONLY_IN {
        let (inside, outside): (Vec<_>, Vec<_>) = sources
            .iter()
            .filter(|source| !source.is_unit_tests())
            .partition(|source| places.iter().any(|place| source.is_of(place)));
        for place in places {
            let there = inside.iter().any(|source| source.is_of(place));
            assert!(there, "{place} is no module");
        }
        // Under a new name it would go on unwatched.
        let regex = regex(what);
        let found = inside.iter().any(|source| !source.find(&regex).is_empty());
        assert!(found, "{what} is not even in {places:?}");
        for breach in outside.iter().flat_map(|source| source.find(&regex)) {
            breaches.push(format!("{breach}\n  is for {places:?} only: {why}"));
        }
    }
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}

#[test]
fn dependencies_point_one_way() {
    let sources = sources();
    let mut breaches = Vec::new();
    for (place, strangers, why) in KNOWS_NOT {
        for module in strangers.iter().chain([&place]) {
            let there = sources.iter().any(|source| source.is_of(module));
            assert!(there, "{module} is no module");
        }
        let strangers = strangers.join("|");
        let named = regex(&format!(r"\b({strangers})::|\bcrate::({strangers})\b"));
        for source in sources.iter().filter(|source| source.is_of(place)) {
            for breach in source.find(&named) {
                breaches.push(format!("{breach}\n  is not for {place} to know: {why}"));
            }
        }
    }
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}

/// It says what it is for, is short enough to be read in one go, and is named
/// after its module.
#[test]
fn files_are_easy_to_read() {
    let mut breaches = Vec::new();
    for source in sources() {
        let most = if source.is_unit_tests() {
            LONGEST_UNIT_TESTS
        } else {
            LONGEST
        };
        let (file, lines) = (source.file(), source.text.lines().count());
        if lines > most {
            breaches.push(format!("{file} has {lines} lines, more than {most}"));
        }
        if !source.text.starts_with("//! ") {
            breaches.push(format!("{file} does not say what it is for"));
        }
    }
    for file in ["src", "tests"].into_iter().flat_map(rust_files) {
        if file.ends_with("mod.rs") {
            let file = file.display();
            breaches.push(format!("{file} would be one of many named mod.rs"));
        }
    }
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}

/// Tables and blocks of code are as wide as they have to be, and so are headings and
/// what has no blank to be broken at, such as a link.
#[test]
fn prose_is_easy_to_read() {
    let mut breaches = Vec::new();
    let mut lines = 0;
    for file in documents() {
        let text = fs::read_to_string(crate_folder().join(&file)).unwrap();
        let file = file.display();
        let mut is_code = false;
        for (number, line) in (1..).zip(text.lines()) {
            let start = line.trim_start();
            let is_fence = start.starts_with("```");
            is_code ^= is_fence;
            if is_code || is_fence || start.starts_with(['|', '#']) || !can_be_broken(line) {
                continue;
            }
            lines += 1;
            let columns = line.chars().count();
            if columns > WIDEST {
                breaches.push(format!(
                    "{file}:{number} has {columns} columns, more than {WIDEST}"
                ));
            }
        }
        assert!(!is_code, "{file} has a block of code without an end");
    }
    // Of documents that are not found, nothing would be wrong.
    assert!(lines > 500, "{lines}");
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}

/// Whether a line has more than one word, beside what makes it an entry of a list.
fn can_be_broken(line: &str) -> bool {
    let is_number = |word: &str| word.parse::<u32>().is_ok();
    let is_marker = |word: &&str| {
        matches!(*word, "*" | "-" | ">") || word.strip_suffix('.').is_some_and(is_number)
    };
    let words = line.split_whitespace().skip_while(is_marker);
    words.count() > 1
}

struct Source {
    /// The module's path: `grpc/wire/inbox`.
    module: String,
    text: String,
}

impl Source {
    /// Whether this is the module, or one within it.
    fn is_of(&self, module: &str) -> bool {
        let rest = self.module.strip_prefix(module);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    fn is_unit_tests(&self) -> bool {
        self.module.split('/').any(|part| part == "tests")
    }

    fn file(&self) -> String {
        format!("src/{}.rs", self.module)
    }

    /// Where code, not comments, says this.
    fn find(&self, what: &Regex) -> Vec<String> {
        let lines = (1..).zip(self.text.lines());
        lines
            .filter(|(_, line)| !line.trim_start().starts_with("//") && what.is_match(line))
            .map(|(number, line)| format!("{}:{number}: {}", self.file(), line.trim()))
            .collect()
    }
}

fn regex(what: &str) -> Regex {
    // ASCII alone, which the tables for all else need not be built in for.
    RegexBuilder::new(what).unicode(false).build().unwrap()
}

fn sources() -> Vec<Source> {
    let files = rust_files("src").into_iter();
    files
        .map(|file| Source {
            text: fs::read_to_string(crate_folder().join(&file)).unwrap(),
            module: file
                .with_extension("")
                .strip_prefix("src")
                .unwrap()
                .display()
                .to_string(),
        })
        .collect()
}

/// All under a folder of this crate, ordered.
fn rust_files(folder: &str) -> Vec<PathBuf> {
    files(Path::new(folder), "rs")
}

/// What is written for people: the documents of the crate, and those in its folders.
fn documents() -> Vec<PathBuf> {
    let beside = fs::read_dir(crate_folder()).unwrap();
    let beside = beside.map(|entry| PathBuf::from(entry.unwrap().file_name()));
    let mut documents: Vec<_> = beside.filter(|file| is_named(file, "md")).collect();
    documents.sort();
    for folder in ["docs", "migrations", "tests"] {
        documents.extend(files(Path::new(folder), "md"));
    }
    documents
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(crate_folder().join(folder)).unwrap() {
        let entry = entry.unwrap();
        let path = folder.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&path, extension));
        } else if is_named(&path, extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn is_named(file: &Path, extension: &str) -> bool {
    file.extension().is_some_and(|it| it == extension)
}

fn crate_folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
