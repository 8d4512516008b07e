//! Rules of CONTRIBUTING that no compiler checks.
//!
//! Code that needs care, such as the opening of sealed values, stays in modules small
//! enough to be read. Comments may name anything.

mod dependencies;
mod graph;
mod names;
mod paths;
mod prose;
mod sentences;
mod sources;

use sources::{all_sources, regex, sources};

/// Patterns that only some modules may contain, and the reason. Unit tests may too.
const ONLY_IN: [(&str, &[&str], &str); 20] = [
    (
        r"\b(tonic|prost|tower|tower_http|hyper|hyper_util)\b|\bh2::|\b(tonic|prost)_",
        &["grpc"],
        "what an inbox is does not depend on how it is sent",
    ),
    (
        r"\baxum\b",
        &["grpc", "admin"],
        "what is answered over HTTP is in two places",
    ),
    (
        r"\bprometheus_client\b",
        &["metrics"],
        "the names of metrics are in one place",
    ),
    (
        r"\bopentelemetry\b|\bopentelemetry_|\btracing_opentelemetry\b",
        &["telemetry/traces", "grpc/layer/trace_context"],
        "traces begin in one place and are sent from another",
    ),
    (
        r"\b(x509_cert|spiffe)::",
        &["identity"],
        "callers are identified in one place",
    ),
    (
        r"\btokio_rustls::",
        &["grpc/listener", "grpc/probe"],
        "connections come from one place",
    ),
    (
        r"\bsqlx\b|^\s*use redis\b|\bredis::([A-Z]|aio\b|cmd\b|io\b)",
        &["store"],
        "what an inbox is does not depend on where it is kept",
    ),
    (
        r"\bDirectReader\b",
        &["app", "directory"],
        "others ask an InboxDirectory, whichever it is",
    ),
    (
        r"::seal\b",
        &["store", "domain/secret"],
        "what is stored is sealed where it is read, before anyone else has it",
    ),
    (
        r"\bFlagKey::new\b",
        &["store"],
        "a view tells the state of a channel by its key, which may be sealed",
    ),
    (
        r"\bAdminProof\b",
        &["domain/access", "domain/secret"],
        "the role rule is one page, and proofs stay on it",
    ),
    (
        r"\bpermit_check\b",
        &["identity", "check/accounts"],
        "its permit discloses everything, and check sends nothing",
    ),
    (
        r"\bPolicy::built_in\b",
        &["identity", "app/callers"],
        "its caller may ask everything",
    ),
    (
        r"\b(Search)?Permit::grant\b",
        &["identity/policy", "domain/permit"],
        "what a caller may ask is decided in one place",
    ),
    (
        r"\.open\(|AdminOnly::open\b",
        &["domain/access"],
        "what is sealed opens for a view, by reveal",
    ),
    (
        r"(\.|::)reveal\b",
        &["grpc/wire", "domain/access"],
        "what is sealed is opened to go into a message and for nothing else",
    ),
    (
        r"\bexpose_secret\b",
        &[
            "store",
            "leadchat",
            "grpc/wire",
            "grpc/etag",
            "domain/secret",
            "domain/address/digest",
        ],
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

/// Lines that a file of the library has at most.
const MAX_FILE_LINES: usize = 400;

#[test]
fn patterns_stay_in_their_modules() {
    let sources = sources();
    let mut breaches = Vec::new();
    for (pattern, modules, reason) in ONLY_IN {
        let (inside, outside): (Vec<_>, Vec<_>) = sources
            .iter()
            .filter(|source| !source.is_unit_tests())
            .partition(|source| modules.iter().any(|it| source.is_of(it)));
        for module in modules {
            let exists = inside.iter().any(|source| source.is_of(module));
            assert!(exists, "{module} is no module");
        }
        // A pattern without a match watches nothing, for instance after a renaming.
        let regex = regex(pattern);
        let is_met = inside.iter().any(|source| !source.find(&regex).is_empty());
        assert!(is_met, "{pattern} is not even in {modules:?}");
        for breach in outside.iter().flat_map(|source| source.find(&regex)) {
            breaches.push(format!("{breach}\n  is for {modules:?} only: {reason}"));
        }
    }
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}

/// A file says what it is for, is short enough to be read in one go, and is named after
/// its module.
#[test]
fn files_are_easy_to_read() {
    let mut breaches = Vec::new();
    for source in all_sources() {
        let (file, lines) = (&source.file, source.text.lines().count());
        // A benchmark is one program, read from its top.
        if lines > MAX_FILE_LINES && !file.starts_with("benches/") {
            breaches.push(format!(
                "{file} has {lines} lines, more than {MAX_FILE_LINES}"
            ));
        }
        if !source.text.starts_with("//! ") {
            breaches.push(format!("{file} does not say what it is for"));
        }
        if file.ends_with("/mod.rs") {
            breaches.push(format!("{file} would be one of many named mod.rs"));
        }
    }
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}
