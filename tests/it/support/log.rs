//! Complaints in a server's log: reads that failed, warnings and errors.
//!
//! On a busy machine sqlx warns of slow statements, and reads meet the time limits of docs/limits.md.
//! The service promises neither that no statement is slow nor that no read is late, but that a late
//! read was attempted as often as it may be.

use std::{collections::BTreeSet, fs, path::Path};

/// A read that its caller is told of as failed.
const FAILED: &str = "read failed";

/// A call that has its answer.
const ANSWERED: &str = "answered";

/// A read that is attempted again.
pub const RETRYING: &str = "retrying a read";

/// Why a read that was late failed, and how often it was attempted again before.
const LATE: [(&str, usize); 6] = [
    // A table was locked: for half a second each time.
    ("code 55P03", 2),
    // The server was silent within a transaction for a second.
    ("code 25P03", 1),
    ("no response within the time-out", 1),
    // The time of a statement, and that of a read.
    ("code 57014", 0),
    ("a read takes too long", 0),
    // The time until a connection is open.
    ("no connection within the time allowed", 0),
];

/// Warnings of sqlx that a statement or a connection was slow, and that of a server without
/// a callers file, as most tests start one.
const EXPECTED: [&str; 3] = [
    "there is no callers file",
    "sqlx::query: slow statement: ",
    "acquired connection, but time to acquire exceeded slow threshold",
];

/// Warnings and errors, but for those that say nothing about the server's work.
pub fn complaints(log: &str) -> Vec<&str> {
    let is_complaint = |line: &&str| match line.split_whitespace().nth(1) {
        Some("WARN") => !EXPECTED.iter().any(|known| line.contains(known)),
        level => level == Some("ERROR"),
    };
    log.lines().filter(is_complaint).collect()
}

/// Reads that failed, but for those that were late.
pub fn failed_reads(log: &str) -> Vec<&str> {
    let failed = log.lines().filter(|line| line.contains(FAILED));
    failed.filter(|line| !is_late(log, line)).collect()
}

/// How many reads failed since they were late.
pub fn late_reads(log: &str) -> usize {
    let failed = log.lines().filter(|line| line.contains(FAILED));
    failed.filter(|line| is_late(log, line)).count()
}

/// How many calls were answered well whose read was attempted again.
pub fn answered_anew(log: &str) -> usize {
    let ids = |has: &dyn Fn(&str) -> bool| -> BTreeSet<&str> {
        log.lines()
            .filter(|line| has(line))
            .map(request_id)
            .collect()
    };
    let answered_text = format!(": {ANSWERED} ");
    let begun = ids(&|line| line.contains(RETRYING));
    let answered = ids(&|line| line.contains(&answered_text) && line.contains(" code=OK "));
    begun.intersection(&answered).count()
}

/// Whether a read failed by a limit of time, after as many attempts as it has.
fn is_late(log: &str, failed: &str) -> bool {
    let call = request_id(failed);
    let attempts = log
        .lines()
        .filter(|line| line.contains(RETRYING) && request_id(line) == call)
        .count();
    LATE.iter()
        .any(|(cause, least)| failed.contains(cause) && attempts >= *least)
}

fn request_id(line: &str) -> &str {
    let (_, id) = line.split_once("request_id=").unwrap_or_default();
    id.split(['}', ' ', ':']).next().unwrap_or_default()
}

/// A text that the service no longer logs would excuse no late read, or forbid nothing.
#[test]
fn texts_are_those_of_the_service() {
    let causes = LATE.map(|(cause, _)| cause);
    let texts = [FAILED, ANSWERED, RETRYING].into_iter().chain(causes);
    let sources = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    for text in texts {
        // Codes are those of PostgreSQL.
        let literal = match text.strip_prefix("code ") {
            Some(_) => "format!(\"code {code}\")".to_owned(),
            None => format!("\"{text}\""),
        };
        assert!(
            sources.contains(&literal),
            "the service does not log {literal}"
        );
    }
}

/// All sources in a folder.
fn sources(folder: &Path) -> String {
    let paths = fs::read_dir(folder).unwrap().map(|it| it.unwrap().path());
    let texts = paths.map(|path| {
        if path.is_dir() {
            sources(&path)
        } else {
            fs::read_to_string(path).unwrap()
        }
    });
    texts.collect()
}
