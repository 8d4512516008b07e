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

/// A metric of a row, and its labels as Rust has them.
#[derive(Debug)]
struct Metric {
    quoted: Regex,
    labels: Vec<String>,
}

impl Metric {
    fn all(cell: &str) -> Vec<Self> {
        let quoted = Regex::new(r"`(leadchat_inbox_[a-z_]+)(?:\{([^`]*)\})?`").unwrap();
        let label = Regex::new(r#"([a-z_]+)=("[a-z_]+")"#).unwrap();
        let metrics = quoted.captures_iter(cell).map(|found| {
            let labels = found.get(2).map_or("", |it| it.as_str());
            let labels = label.captures_iter(labels);
            Self {
                quoted: Regex::new(&format!("\"{}(_bucket|_count|_sum)?\"", &found[1])).unwrap(),
                labels: labels
                    .map(|it| format!("(\"{}\", {})", &it[1], &it[2]))
                    .collect(),
            }
        });
        metrics.collect()
    }

    fn is_asked(&self, code: &str) -> bool {
        let has = |label: &String| code.contains(label);
        self.quoted.is_match(code) && self.labels.iter().all(has)
    }
}

/// The functions and constants at the top of files, by their names.
fn items<'t>(texts: &[&'t str]) -> BTreeMap<&'t str, &'t str> {
    let begin = Regex::new(r"(?m)^(?:pub )?(?:async )?(fn|const) (\w+)").unwrap();
    let item = |text: &'t str, found: &regex::Captures<'t>| {
        let end = if &found[1] == "fn" { "\n}\n" } else { ";\n" };
        let rest = &text[found.get(0).unwrap().start()..];
        let (item, _) = rest.split_once(end).unwrap();
        (found.get(2).unwrap().as_str(), item)
    };
    let found = |text: &&'t str| {
        let text = *text;
        let found: Vec<_> = begin.captures_iter(text).collect();
        found.into_iter().map(move |it| item(text, &it))
    };
    texts.iter().flat_map(found).collect()
}

/// A test, and whatever of its file and of `caller.rs` it uses.
fn code_of(test: &str, text: &str) -> String {
    let word = Regex::new(r"\w+").unwrap();
    let mut items = items(&[include_str!("caller.rs"), text]);
    let mut code = String::new();
    let mut open = vec![items.remove(test).unwrap()];
    while let Some(item) = open.pop() {
        code += item;
        open.extend(
            word.find_iter(item)
                .filter_map(|it| items.remove(it.as_str())),
        );
    }
    code
}

#[test]
fn the_table_names_the_tests_of_the_faults() {
    let rows = rows();
    assert!(rows.len() > 15, "{}", rows.len());
    let texts = tests();
    let mut named = BTreeSet::new();
    for row in rows {
        assert_eq!(row.len(), 6, "{row:?}");
        assert!(row.iter().all(|cell| !cell.is_empty()), "{row:?}");
        let tests = names(&row[5]);
        assert!(!tests.is_empty(), "{row:?}");
        // Each metric of a row is asked for by one of its tests, and each test asks for one.
        let metrics = Metric::all(&row[4]);
        let codes = tests.iter().map(|test| {
            let text = texts.get(test).unwrap_or_else(|| panic!("no test {test}"));
            (test, code_of(test, text))
        });
        let codes: Vec<_> = codes.collect();
        for metric in &metrics {
            let is_asked = codes.iter().any(|(_, code)| metric.is_asked(code));
            assert!(is_asked, "{tests:?} do not ask for {metric:?}");
        }
        for (test, code) in codes {
            let asks = metrics.iter().any(|metric| metric.is_asked(&code));
            assert!(asks || metrics.is_empty(), "{test} asks for no metric");
        }
        named.extend(tests);
    }
    assert_eq!(named, texts.into_keys().collect());
}
