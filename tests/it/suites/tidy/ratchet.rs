//! Exceptions that may only become fewer.

use std::{collections::BTreeMap, fmt::Write};

/// Breaches of a rule, by file.
pub type Breaches = BTreeMap<String, Vec<String>>;

/// Fails when a file has another number of breaches than its exception says, which is
/// none for a file that is not listed.
pub fn check(rule: &str, breaches: &Breaches, exceptions: &[(&str, usize)]) {
    let exceptions: BTreeMap<_, _> = exceptions.iter().copied().collect();
    let mut message = String::new();
    for (file, found) in breaches {
        let allowed = exceptions.get(file.as_str()).copied().unwrap_or(0);
        if found.len() > allowed {
            let count = found.len();
            writeln!(message, "{file}: {count} breaches, {allowed} allowed").unwrap();
            for breach in found {
                writeln!(message, "  {breach}").unwrap();
            }
        }
    }
    for (file, allowed) in &exceptions {
        let count = breaches.get(*file).map_or(0, Vec::len);
        if count < *allowed {
            writeln!(
                message,
                "{file}: lower the exception from {allowed} to {count}"
            )
            .unwrap();
        }
    }
    if !message.is_empty() {
        let table = breaches.iter().fold(String::new(), |table, (file, found)| {
            table + &format!("    ({file:?}, {}),\n", found.len())
        });
        panic!("{rule}\n{message}all breaches, as a table of exceptions:\n{table}");
    }
}
