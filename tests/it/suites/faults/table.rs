//! The table of faults in `docs/operations.md` names each test of this suite, and no other.

use std::{collections::BTreeSet, fs, path::Path};

use regex::Regex;

/// The rows of the table, without its head.
fn rows() -> Vec<Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operations.md");
    let document = fs::read_to_string(path).unwrap();
    let (_, section) = document.split_once("\n## Faults\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let lines = section.lines().filter(|line| line.starts_with("| "));
    let rows = lines.map(|line| {
        let cells = line.trim_matches('|').split('|');
        cells.map(|cell| cell.trim().to_owned()).collect()
    });
    rows.skip(1).collect()
}

/// The slow tests of the suite, with their texts.
fn tests() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/suites/faults");
    let begin = Regex::new(
        "(?s)\n#\\[ignore = \"slow: make test-slow\"\\]\n[^\n]*\nasync fn (\\w+)\\(\\) \\{(.*?)\n\\}",
    )
    .unwrap();
    let mut tests = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        let found = begin.captures_iter(&text);
        let found: Vec<_> = found
            .map(|it| (it[1].to_owned(), it[2].to_owned()))
            .collect();
        assert_eq!(found.len(), text.matches("\n#[ignore = ").count());
        tests.extend(found);
    }
    tests
}

/// The names between backticks.
fn names(cell: &str) -> Vec<String> {
    let quoted = Regex::new("`([a-z_]+)[^`]*`").unwrap();
    let found = quoted.captures_iter(cell);
    found.map(|name| name[1].to_owned()).collect()
}

#[test]
fn the_table_names_the_tests_of_the_faults() {
    let rows = rows();
    assert!(rows.len() > 15, "{}", rows.len());
    let mut named = BTreeSet::new();
    for row in rows {
        assert_eq!(row.len(), 5, "{row:?}");
        assert!(row.iter().all(|cell| !cell.is_empty()), "{row:?}");
        let tests = names(&row[4]);
        assert!(!tests.is_empty(), "{row:?}");
        named.extend(tests);
    }
    let tests: BTreeSet<_> = tests().into_iter().map(|(name, _)| name).collect();
    assert_eq!(named, tests);
}
