//! Dependencies between modules: as ARCHITECTURE.md lists them, and without cycles.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use super::{graph::Graph, sources::read};

/// Files that may use each other in a circle.
const CYCLE_EXCEPTIONS: &[&[&str]] = &[
    // The seal and the values that it seals: access makes the proof that secret takes.
    &[
        "domain::access",
        "domain::account",
        "domain::channel",
        "domain::inbox",
        "domain::secret",
    ],
];

#[test]
fn dependencies_are_those_that_architecture_lists() {
    let graph = Graph::of_library();
    let mut used = BTreeMap::<String, BTreeSet<String>>::new();
    for module in graph.children(&[]) {
        used.insert(module, BTreeSet::new());
    }
    for edge in graph.edges() {
        let (from, to) = (&edge.from[0], &edge.to[0]);
        if from != to {
            used.entry(from.clone()).or_default().insert(to.clone());
        }
    }
    let listed = listed_dependencies(&read(Path::new("ARCHITECTURE.md")));
    let mut breaches = Vec::new();
    for (module, uses) in &used {
        let Some(may_use) = listed.get(module) else {
            breaches.push(format!("{module} is not in the table"));
            continue;
        };
        for other in uses.difference(may_use) {
            breaches.push(format!(
                "{module} uses {other}, which the table does not list"
            ));
        }
        for other in may_use.difference(uses) {
            breaches.push(format!(
                "{module} does not use {other}, which the table lists"
            ));
        }
    }
    for module in listed.keys().filter(|it| !used.contains_key(*it)) {
        breaches.push(format!("{module} is in the table and is no module"));
    }
    assert!(
        breaches.is_empty(),
        "ARCHITECTURE.md: {}",
        breaches.join("\n")
    );
}

#[test]
fn files_do_not_use_each_other_in_circles() {
    let graph = Graph::of_library();
    assert!(graph.edges().len() > 200, "{}", graph.edges().len());
    let exceptions: BTreeSet<_> = CYCLE_EXCEPTIONS.iter().copied().collect();
    let mut met = BTreeSet::new();
    let mut breaches = Vec::new();
    for (group, edges) in graph.cycles() {
        let group: Vec<_> = group.iter().map(|path| path.join("::")).collect();
        if let Some(exception) = exceptions.iter().find(|it| ***it == group) {
            met.insert(*exception);
            continue;
        }
        breaches.push(format!("&{group:?},"));
        for edge in edges {
            let (from, to) = (edge.from.join("::"), edge.to.join("::"));
            breaches.push(format!("    {from} uses {to}"));
        }
    }
    assert!(breaches.is_empty(), "cycles:\n{}", breaches.join("\n"));
    let unmet: Vec<_> = exceptions.difference(&met).collect();
    assert!(unmet.is_empty(), "no cycles any more: {unmet:?}");
}

/// The table under the heading `## Dependencies`.
fn listed_dependencies(text: &str) -> BTreeMap<String, BTreeSet<String>> {
    let lines = text.lines().skip_while(|line| *line != "## Dependencies");
    let section = lines.skip(1).take_while(|line| !line.starts_with("## "));
    let mut listed = BTreeMap::new();
    for row in section.filter(|line| line.starts_with('|')) {
        let mut cells = row.trim_matches('|').split('|').map(values_in_backticks);
        let (Some(modules), Some(may_use)) = (cells.next(), cells.next()) else {
            continue;
        };
        for module in modules {
            listed.insert(module, may_use.clone());
        }
    }
    assert!(!listed.is_empty(), "there is no table of dependencies");
    listed
}

fn values_in_backticks(cell: &str) -> BTreeSet<String> {
    let parts = cell.split('`').skip(1).step_by(2);
    parts.map(str::to_owned).collect()
}

#[test]
fn tables_of_dependencies_are_read() {
    let listed = listed_dependencies(
        "# A\n\n## Dependencies\n\n| module | may use |\n|---|---|\n\
         | `app` | `grpc`, `store` |\n| `domain` | nothing |\n\n## B\n\n| `c` | `d` |\n",
    );
    let listed: Vec<_> = listed.into_iter().collect();
    let set = |names: &[&str]| names.iter().map(|it| (*it).to_owned()).collect();
    assert_eq!(
        listed,
        [
            ("app".to_owned(), set(&["grpc", "store"])),
            ("domain".to_owned(), set(&[])),
        ]
    );
}
