//! The paths that a module names: those of `use` declarations and of expressions.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// The path of a module or an item, from the root of the crate.
pub type Path = Vec<String>;

/// The names and paths of a file, in full: from the root of the crate.
#[derive(Debug, Default)]
pub struct Paths {
    /// Names that `use` declarations bring into each module, with what they stand for.
    /// An inline module has an entry of its own.
    pub imports: BTreeMap<Path, BTreeMap<String, Path>>,
    /// Every path of the crate that is named, `use` declarations included.
    pub named: BTreeSet<Path>,
}

/// Names under which the crate itself is known.
const CRATE_NAMES: [&str; 2] = ["crate", "leadchat_inbox"];

impl Paths {
    /// Reads the tokens of a module's file. `modules` says which modules there are.
    pub fn of(tokens: TokenStream, module: &Path, modules: &BTreeSet<Path>) -> Self {
        let mut reader = Reader {
            modules,
            paths: Self::default(),
            expressions: Vec::new(),
        };
        reader.read(tokens, module);
        let Reader {
            mut paths,
            expressions,
            ..
        } = reader;
        // Imports are known only when the file has been read to its end.
        for (module, segments) in expressions {
            let imported = paths.imports.get(&module);
            let imported = imported.and_then(|imports| imports.get(&segments[0]));
            let path = match imported {
                Some(path) => Some([path, &segments[1..]].concat()),
                None => absolute(&segments, &module, modules),
            };
            paths.named.extend(path);
        }
        paths
    }
}

struct Reader<'a> {
    modules: &'a BTreeSet<Path>,
    paths: Paths,
    /// Paths of expressions and types, with the module that they stand in.
    expressions: Vec<(Path, Path)>,
}

impl Reader<'_> {
    fn read(&mut self, tokens: TokenStream, module: &Path) {
        let tokens: Vec<_> = tokens.into_iter().collect();
        let mut rest = &tokens[..];
        let mut continues_path = false;
        while let [token, after @ ..] = rest {
            rest = after;
            match token {
                TokenTree::Group(group) => self.read(group.stream(), module),
                TokenTree::Ident(word) if word == "use" && !is_punct(after.first(), '<') => {
                    let end = after.iter().position(|it| is_punct(Some(it), ';'));
                    let (tree, after) = after.split_at(end.unwrap_or(after.len()));
                    self.read_use(tree, &[], module);
                    rest = after;
                }
                TokenTree::Ident(word) if word == "mod" => {
                    if let [TokenTree::Ident(name), TokenTree::Group(body), after @ ..] = after {
                        if name != "tests" {
                            let inner = [&module[..], &[name.to_string()]].concat();
                            self.read(body.stream(), &inner);
                        }
                        rest = after;
                    }
                }
                TokenTree::Ident(first) if !continues_path => {
                    let mut segments = vec![first.to_string()];
                    while let [a, b, TokenTree::Ident(next), after @ ..] = rest
                        && is_colons(a, b)
                    {
                        segments.push(next.to_string());
                        rest = after;
                    }
                    if segments.len() > 1 || is_separator(rest) {
                        self.expressions.push((module.clone(), segments));
                    }
                }
                TokenTree::Ident(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
            // A method or a field follows a dot.
            continues_path = is_punct(Some(token), '.');
        }
    }

    /// Reads one tree of a `use` declaration, of which `prefix` was read before.
    fn read_use(&mut self, tree: &[TokenTree], prefix: &[String], module: &Path) {
        let mut path = prefix.to_vec();
        let mut rest = tree;
        loop {
            match rest {
                [TokenTree::Ident(segment), a, b, after @ ..] if is_colons(a, b) => {
                    path.push(segment.to_string());
                    rest = after;
                }
                [TokenTree::Group(group), ..] if group.delimiter() == Delimiter::Brace => {
                    let trees: Vec<_> = group.stream().into_iter().collect();
                    for tree in trees.split(|it| is_punct(Some(it), ',')) {
                        self.read_use(tree, &path, module);
                    }
                    return;
                }
                [star, ..] if is_punct(Some(star), '*') => {
                    if let Some(path) = absolute(&path, module, self.modules) {
                        self.paths.named.insert(path);
                    }
                    return;
                }
                [TokenTree::Ident(name), alias @ ..] => {
                    // Within braces, `self` is the module before them.
                    if name != "self" || prefix.is_empty() {
                        path.push(name.to_string());
                    }
                    let alias = match alias {
                        [_, TokenTree::Ident(alias)] => Some(alias.to_string()),
                        _ => path.last().cloned(),
                    };
                    let resolved = absolute(&path, module, self.modules);
                    if let (Some(name), Some(path)) = (alias, resolved) {
                        self.paths.named.insert(path.clone());
                        let imports = self.paths.imports.entry(module.clone()).or_default();
                        imports.insert(name, path);
                    }
                    return;
                }
                // The colons of `::other_crate`, or nothing after the last comma.
                _ => return,
            }
        }
    }
}

/// The path from the root of the crate; `None` for a path into another crate.
fn absolute(path: &[String], module: &Path, modules: &BTreeSet<Path>) -> Option<Path> {
    let (first, rest) = path.split_first()?;
    if CRATE_NAMES.contains(&first.as_str()) {
        return Some(rest.to_vec());
    }
    if first == "self" {
        return Some([module, rest].concat());
    }
    if first == "super" {
        let (_, parent) = module.split_last()?;
        let parent = parent.to_vec();
        return match rest.first() {
            Some(next) if next == "super" => absolute(rest, &parent, modules),
            _ => Some([&parent, rest].concat()),
        };
    }
    let child = [&module[..], std::slice::from_ref(first)].concat();
    modules.contains(&child).then(|| [module, path].concat())
}

fn is_separator(rest: &[TokenTree]) -> bool {
    matches!(rest, [a, b, ..] if is_colons(a, b))
}

fn is_colons(first: &TokenTree, second: &TokenTree) -> bool {
    is_punct(Some(first), ':') && is_punct(Some(second), ':')
}

fn is_punct(token: Option<&TokenTree>, expected: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The paths that a text in the module `store::load` names.
    fn named(text: &str) -> Vec<String> {
        let modules = [
            "store",
            "store::load",
            "store::load::list",
            "store::plan",
            "domain",
        ];
        let modules = modules.into_iter().map(path).collect();
        let tokens = text.parse().unwrap();
        let paths = Paths::of(tokens, &path("store::load"), &modules);
        paths.named.iter().map(|path| path.join("::")).collect()
    }

    fn path(text: &str) -> Path {
        text.split("::").map(str::to_owned).collect()
    }

    #[test]
    fn uses_are_resolved() {
        for (text, expected) in [
            ("use crate::domain::Inbox;", &["domain::Inbox"][..]),
            ("use leadchat_inbox::domain::Inbox;", &["domain::Inbox"]),
            (
                "pub(super) use super::plan::Plan as P;",
                &["store::plan::Plan"],
            ),
            ("use super::super::domain;", &["domain"]),
            ("use self::list::Page;", &["store::load::list::Page"]),
            ("use list::Page;", &["store::load::list::Page"]),
            ("use list::{self};", &["store::load::list"]),
            (
                "use super::{Store, plan::{self, Plan}};",
                &["store::Store", "store::plan", "store::plan::Plan"],
            ),
            (
                "use crate::{domain, store::{self as s},};",
                &["domain", "store"],
            ),
            ("use super::plan::*;", &["store::plan"]),
            (
                "use std::fmt; use ::sqlx::Row; use sqlx::{self, Pool};",
                &[],
            ),
            ("fn f<'a>() -> impl Sized + use<'a> {}", &[]),
            ("fn f() { use super::plan::Plan; }", &["store::plan::Plan"]),
            (
                "mod inner { use super::super::plan::Plan; }",
                &["store::plan::Plan"],
            ),
            (
                "#[cfg(test)] mod tests { use super::super::plan::Plan; }",
                &[],
            ),
        ] {
            assert_eq!(named(text), expected, "{text}");
        }
    }

    #[test]
    fn paths_of_expressions_are_resolved() {
        for (text, expected) in [
            ("fn f(p: &super::plan::Plan) {}", &["store::plan::Plan"][..]),
            (
                "fn f() { list::read::<u8>() }",
                &["store::load::list::read"],
            ),
            (
                "use crate::domain; fn f() { domain::id::zero() }",
                &["domain", "domain::id::zero"],
            ),
            (
                "fn f() { domain::id::zero() } use crate::domain;",
                &["domain", "domain::id::zero"],
            ),
            ("rows! { struct A { b: crate::domain::B } }", &["domain::B"]),
            (
                "macro_rules! m { () => { $crate::domain::f() } }",
                &["domain::f"],
            ),
            (
                "fn f() { a.list::<u8>(); b::list::read(); Self::list(); }",
                &[],
            ),
            (
                "fn f() { 'crate::domain'; \"crate::domain\" } // crate::domain",
                &[],
            ),
        ] {
            let text = text.replace("'crate::domain'", "r#\"crate::domain\"#");
            assert_eq!(named(&text), expected, "{text}");
        }
    }
}
