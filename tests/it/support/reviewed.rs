//! Files that say what is the case, so that a change of it is seen in review.

use std::{env, fs, path::Path};

/// Compares with a file of `tests/golden`.
pub fn reviewed(file: &str, content: &str) {
    reviewed_at(&format!("tests/golden/{file}"), content);
}

/// Compares with a file of the crate. With ACCEPT=1 in the environment the file is written
/// anew instead.
pub fn reviewed_at(file: &str, content: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let content = format!("{}\n", content.trim_end());
    if env::var_os("ACCEPT").is_some() {
        fs::write(&path, &content).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        content == expected,
        "{file} says otherwise; if this is meant, run again with ACCEPT=1\n{}",
        changed_lines(&expected, &content)
    );
}

fn changed_lines(expected: &str, content: &str) -> String {
    let only = |of: &str, not_of: &str, mark: &str| {
        let known: std::collections::BTreeSet<_> = not_of.lines().collect();
        let lines = of.lines().filter(|line| !known.contains(line));
        lines.fold(String::new(), |text, line| text + mark + " " + line + "\n")
    };
    format!(
        "{}{}",
        only(expected, content, "-"),
        only(content, expected, "+")
    )
}
