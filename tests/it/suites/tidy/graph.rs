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

    /// The files that use each other in a circle, as groups, with the uses that make it.
    /// A use between a module and one within it makes no circle.
    pub fn cycles(&self) -> Vec<(BTreeSet<Path>, Vec<Edge>)> {
        let mut edges = self.edges();
        edges.retain(|edge| !edge.from.starts_with(&edge.to) && !edge.to.starts_with(&edge.from));
        let mut uses = BTreeMap::<&Path, BTreeSet<&Path>>::new();
        for edge in &edges {
            uses.entry(&edge.from).or_default().insert(&edge.to);
        }
        let groups = circles(&uses).into_iter().map(|group| {
            let is_between = |edge: &&Edge| group.contains(&edge.from) && group.contains(&edge.to);
            let between = edges.iter().filter(is_between).cloned().collect();
            (group.into_iter().cloned().collect(), between)
        });
        groups.collect()
    }
}

/// The largest groups in which every module uses every other, by way of others or not.
fn circles<'a>(uses: &BTreeMap<&'a Path, BTreeSet<&'a Path>>) -> BTreeSet<BTreeSet<&'a Path>> {
    let closure = |start: &'a Path| {
        let mut found = BTreeSet::new();
        let mut open = vec![start];
        while let Some(next) = open.pop() {
            for used in uses.get(next).into_iter().flatten() {
                if found.insert(*used) {
                    open.push(used);
                }
            }
        }
        found
    };
    let closures: BTreeMap<_, _> = uses.keys().map(|it| (*it, closure(it))).collect();
    let groups = closures.iter().map(|(module, used)| {
        let uses_it = |it: &&&Path| closures.get(**it).is_some_and(|back| back.contains(module));
        used.iter()
            .filter(uses_it)
            .copied()
            .collect::<BTreeSet<_>>()
    });
    groups.filter(|group| group.len() > 1).collect()
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
    fn cycles_are_found_between_files_and_not_with_the_parent() {
        let graph = graph(&[
            ("store", "use load::read; use plan::Plan; pub struct Store;"),
            (
                "store/load",
                "use super::Store; mod list; pub use list::read;",
            ),
            ("store/load/list", "use crate::store::plan::Plan;"),
            ("store/plan", "use super::load::read;"),
            ("store/sqlite", "use super::plan::Plan;"),
        ]);
        let cycles = graph.cycles();
        assert_eq!(cycles.len(), 1);
        let (group, edges) = cycles.into_iter().next().unwrap();
        let group: Vec<_> = group.iter().map(|path| path.join("::")).collect();
        assert_eq!(group, ["store::load::list", "store::plan"]);
        assert_eq!(
            shown(edges),
            [
                "store::load::list -> store::plan",
                "store::plan -> store::load::list"
            ]
        );
    }
}
