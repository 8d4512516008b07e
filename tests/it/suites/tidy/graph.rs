//! Which modules use which, and the cycles among them.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    paths::{Path, Paths},
    sources::{Source, sources},
};

/// The `use` graph between the files of the library, unit tests excepted.
pub struct Graph {
    /// The modules that have a file, without the root of the library.
    modules: BTreeSet<Path>,
    paths: BTreeMap<Path, Paths>,
}

/// A use of one module by another, for a message.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Edge {
    pub from: Path,
    pub to: Path,
}

impl Graph {
    pub fn of_library() -> Self {
        let mut sources = sources();
        sources.retain(|source| !source.is_unit_tests() && source.module() != "lib");
        Self::of(&sources)
    }

    fn of(sources: &[Source]) -> Self {
        let path = |source: &Source| source.module().split('/').map(str::to_owned).collect();
        let modules: BTreeSet<Path> = sources.iter().map(path).collect();
        let paths = sources.iter().map(|source| {
            let module = path(source);
            (
                module.clone(),
                Paths::of(source.tokens(), &module, &modules),
            )
        });
        Self {
            paths: paths.collect(),
            modules,
        }
    }

    /// The modules directly within this one.
    pub fn children(&self, parent: &[String]) -> BTreeSet<String> {
        let below = self.modules.iter().filter_map(|it| it.strip_prefix(parent));
        below.filter_map(|rest| rest.first().cloned()).collect()
    }

    /// The modules that have modules within them, the root of the library included.
    pub fn parents(&self) -> BTreeSet<Path> {
        let parents = self.modules.iter().filter_map(|it| it.split_last());
        parents.map(|(_, parent)| parent.to_vec()).collect()
    }

    /// The uses between files. An item counts where it is defined, not where it is
    /// exported again.
    pub fn edges(&self) -> BTreeSet<Edge> {
        let mut edges = BTreeSet::new();
        for (from, paths) in &self.paths {
            let targets = paths
                .named
                .iter()
                .filter_map(|path| self.defining_module(path, 0));
            let others = targets.filter(|to| to != from);
            edges.extend(others.map(|to| Edge {
                from: from.clone(),
                to,
            }));
        }
        edges
    }

    /// The file that defines what the path names.
    fn defining_module(&self, path: &[String], depth: usize) -> Option<Path> {
        assert!(depth < 20, "{path:?} is exported in a circle");
        let lengths = (1..=path.len()).rev();
        let prefixes = lengths.map(|length| path.split_at(length));
        let (module, rest) = prefixes
            .into_iter()
            .find(|(module, _)| self.modules.contains(*module))?;
        let Some((item, rest)) = rest.split_first() else {
            return Some(module.to_vec());
        };
        let paths = self.paths.get(module)?;
        let imports = paths.imports.get(module);
        match imports.and_then(|imports| imports.get(item)) {
            Some(import) if import != path => {
                self.defining_module(&[import, rest].concat(), depth + 1)
            }
            _ => Some(module.to_vec()),
        }
    }

    /// The modules within `parent` that use each other in a circle, as groups, with the
    /// uses that make them. A module counts with all that is within it.
    pub fn cycles(&self, parent: &[String]) -> Vec<(Vec<String>, Vec<Edge>)> {
        let edges = self.edges();
        let within = |path: &Path| path.strip_prefix(parent).and_then(<[_]>::first).cloned();
        let mut uses = BTreeMap::<String, BTreeSet<String>>::new();
        for edge in &edges {
            if let (Some(from), Some(to)) = (within(&edge.from), within(&edge.to)) {
                uses.entry(from).or_default().insert(to);
            }
        }
        let groups = circles(&uses).into_iter().map(|group| {
            let is_in = |path: &Path| within(path).is_some_and(|it| group.contains(&it));
            let between = edges.iter().filter(|edge| {
                is_in(&edge.from) && is_in(&edge.to) && within(&edge.from) != within(&edge.to)
            });
            (group.clone(), between.cloned().collect())
        });
        groups.collect()
    }
}

/// The largest groups in which everyone reaches everyone else.
fn circles(uses: &BTreeMap<String, BTreeSet<String>>) -> Vec<Vec<String>> {
    let closure = |start: &String| {
        let mut found = BTreeSet::new();
        let mut open = vec![start];
        while let Some(next) = open.pop() {
            for used in uses.get(next).into_iter().flatten() {
                if found.insert(used) {
                    open.push(used);
                }
            }
        }
        found
    };
    let closures: BTreeMap<_, _> = uses.keys().map(|it| (it, closure(it))).collect();
    let mut groups = BTreeSet::new();
    for (module, used) in &closures {
        let group = used
            .iter()
            .filter(|it| closures.get(*it).is_some_and(|back| back.contains(*module)))
            .map(|it| (*it).clone());
        let group: Vec<_> = group.collect();
        if group.len() > 1 {
            groups.insert(group);
        }
    }
    groups.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(files: &[(&str, &str)]) -> Graph {
        let sources = files.iter().map(|(file, text)| Source {
            file: format!("src/{file}.rs"),
            text: (*text).to_owned(),
        });
        Graph::of(&sources.collect::<Vec<_>>())
    }

    fn shown(edges: impl IntoIterator<Item = Edge>) -> Vec<String> {
        let edges = edges.into_iter();
        edges
            .map(|edge| format!("{} -> {}", edge.from.join("::"), edge.to.join("::")))
            .collect()
    }

    #[test]
    fn exported_items_count_where_they_are_defined() {
        let graph = graph(&[
            ("store", "mod plan; pub use plan::Plan; pub struct Store;"),
            ("store/plan", "pub struct Plan;"),
            ("store/load", "use super::{Plan, Store}; use crate::store;"),
        ]);
        assert_eq!(
            shown(graph.edges()),
            [
                "store -> store::plan",
                "store::load -> store",
                "store::load -> store::plan"
            ]
        );
    }

    #[test]
    fn cycles_are_found_within_a_folder_and_not_with_the_parent() {
        let graph = graph(&[
            ("store", "use load::read; use plan::Plan; pub struct Store;"),
            ("store/load", "use super::Store; mod list;"),
            ("store/load/list", "use crate::store::plan::Plan;"),
            ("store/plan", "use super::load::read;"),
            ("store/sqlite", "use super::plan::Plan;"),
        ]);
        let store = ["store".to_owned()];
        let cycles = graph.cycles(&store);
        assert_eq!(cycles.len(), 1);
        let (group, edges) = cycles.into_iter().next().unwrap();
        assert_eq!(group, ["load", "plan"]);
        assert_eq!(
            shown(edges),
            [
                "store::load::list -> store::plan",
                "store::plan -> store::load"
            ]
        );
        assert!(graph.cycles(&[]).is_empty());
    }
}
