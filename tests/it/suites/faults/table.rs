//! The table of faults in `docs/operations.md` names each test of this suite, and no other.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

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

/// The slow tests of the suite, with the texts of their files.
fn tests() -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/suites/faults");
    let begin =
        Regex::new("\n#\\[ignore = \"slow: make test-slow\"\\]\n[^\n]*\nasync fn (\\w+)\\(\\) \\{")
            .unwrap();
    let mut tests = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        let found: Vec<_> = begin
            .captures_iter(&text)
            .map(|it| it[1].to_owned())
            .collect();
        assert_eq!(found.len(), text.matches("\n#[ignore = ").count());
        tests.extend(found.into_iter().map(|name| (name, text.clone())));
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
    let (texts, shared) = (tests(), include_str!("caller.rs"));
    let mut named = BTreeSet::new();
    for row in rows {
        assert_eq!(row.len(), 6, "{row:?}");
        assert!(row.iter().all(|cell| !cell.is_empty()), "{row:?}");
        let tests = names(&row[5]);
        assert!(!tests.is_empty(), "{row:?}");
        // A metric of a row is asked for beside each of its tests.
        let metrics = names(&row[4]).into_iter();
        for metric in metrics.filter(|name| name.starts_with("leadchat_inbox_")) {
            for test in &tests {
                let text = texts.get(test).unwrap_or_else(|| panic!("no test {test}"));
                let is_asked = [text, shared].iter().any(|it| it.contains(&metric));
                assert!(is_asked, "{test} does not ask for {metric}");
            }
        }
        named.extend(tests);
    }
    assert_eq!(named, texts.into_keys().collect());
}
