//! Mistakes that must not compile.
//!
//! That nothing sealed reaches an agent is left to the compiler, not to care. So each way
//! around it is tried as a patch of a copy of this crate. The compiler has to refuse it
//! with the one expected error.
//!
//! The patches are unified diffs without line numbers, so that they outlast changes
//! around them. The text that a patch removes or extends has to occur exactly once.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    path::Path,
    process::Command,
};

use serde_json::Value;
use tempfile::TempDir;

const MISTAKES: [(&str, &str); 12] = [
    ("E0308", include_str!("mistakes/view_forgotten.patch")),
    ("E0308", include_str!("mistakes/seal_left_on.patch")),
    ("E0308", include_str!("mistakes/state_not_revealed.patch")),
    ("E0603", include_str!("mistakes/proof_forged.patch")),
    ("E0061", include_str!("mistakes/permit_forgotten.patch")),
    ("E0451", include_str!("mistakes/permit_made_by_hand.patch")),
    ("E0107", include_str!("mistakes/group_forgotten.patch")),
    (
        "E0308",
        include_str!("mistakes/proof_of_another_group.patch"),
    ),
    ("E0027", include_str!("mistakes/field_not_placed.patch")),
    (
        "E0603",
        include_str!("mistakes/message_named_outside.patch"),
    ),
    ("E0277", include_str!("mistakes/secret_not_decrypted.patch")),
    ("E0308", include_str!("mistakes/disclosure_forgotten.patch")),
];

/// The inputs of a build, beside the library.
const AROUND: [&str; 5] = [
    "Cargo.toml",
    "Cargo.lock",
    "build.rs",
    "proto",
    "migrations",
];

/// In one test: there is one copy, and one check at a time has both cores.
#[ignore = "slow: make test-slow"]
#[test]
fn do_not_compile() {
    let original = Path::new(env!("CARGO_MANIFEST_DIR"));
    // The copy is always in the same place; a second run waits for the first.
    let alone = File::open(original.join("Cargo.toml")).unwrap();
    alone.lock().unwrap();
    let copy = folder();
    for part in AROUND {
        copy_all(&original.join(part), &copy.path().join(part));
    }

    let check_with = |patch| {
        copy_all(&original.join("src"), &copy.path().join("src"));
        apply(patch, copy.path());
        check(copy.path())
    };
    let (errors, said) = check_with("");
    assert_eq!(errors, None, "without any mistake:\n{said}");
    for (error, patch) in MISTAKES {
        let (errors, said) = check_with(patch);
        let expected = BTreeSet::from([error.to_owned()]);
        assert_eq!(errors, Some(expected), "{patch}\n{said}");
    }
}

/// A folder for the copy, gone when dropped. Its path is part of what cargo
/// knows the copy by: under a new one each time, it would keep what it built
/// for each.
fn folder() -> TempDir {
    let parent = env!("CARGO_TARGET_TMPDIR");
    let _ = fs::remove_dir_all(Path::new(parent).join("mistakes"));
    tempfile::Builder::new()
        .prefix("mistakes")
        .rand_bytes(0)
        .tempdir_in(parent)
        .unwrap()
}

fn copy_all(from: &Path, to: &Path) {
    if from.is_file() {
        // Not fs::copy: the copy counts as changed by when it was written.
        fs::write(to, fs::read(from).unwrap()).unwrap();
        return;
    }
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let name = entry.unwrap().file_name();
        copy_all(&from.join(&name), &to.join(&name));
    }
}

fn apply(patch: &str, folder: &Path) {
    for change in patch.split("\n--- ").skip(1) {
        let mut hunks = change.split("\n@@\n");
        let (_, file) = hunks.next().unwrap().split_once("\n+++ b/").unwrap();
        let file = folder.join(file);
        let mut text = fs::read_to_string(&file).unwrap();
        for hunk in hunks {
            let before = lines(hunk, " -");
            let found = text.matches(&before).count();
            assert_eq!(found, 1, "in {}:\n{before}", file.display());
            text = text.replace(&before, &lines(hunk, " +"));
        }
        fs::write(&file, text).unwrap();
    }
}

/// The lines of a hunk that bear one of these marks.
fn lines(hunk: &str, marks: &str) -> String {
    hunk.lines()
        .filter_map(|line| line.split_at_checked(1))
        .filter(|(mark, _)| marks.contains(mark))
        .flat_map(|(_, line)| [line, "\n"])
        .collect()
}

/// The codes of the compiler's errors, if it does not accept the library, and
/// all that was said.
fn check(folder: &Path) -> (Option<BTreeSet<String>>, String) {
    let output = Command::new(env!("CARGO"))
        .args(["check", "--lib", "--offline", "--locked"])
        .arg("--message-format=json")
        // There are none, but asking for them turns on the features that tests
        // need of dependencies: those that clippy has checked already will do.
        .arg("--examples")
        .current_dir(folder)
        // Shared with this crate, for the sake of the dependencies.
        .env("CARGO_TARGET_DIR", folder.join("../.."))
        .output()
        .unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let mut said = String::from_utf8(output.stderr).unwrap();
    let mut errors = BTreeSet::new();
    for line in stdout.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let message = &line["message"];
        said.push_str(message["rendered"].as_str().unwrap_or_default());
        // The last one has no place and counts the others.
        if message["level"] == "error" && message["spans"] != Value::Array(Vec::new()) {
            errors.insert(
                message["code"]["code"]
                    .as_str()
                    .unwrap_or("none")
                    .to_owned(),
            );
        }
    }
    ((!output.status.success()).then_some(errors), said)
}
