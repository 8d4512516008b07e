//! The files of this crate: Rust sources and Markdown documents.

use std::{
    fs,
    path::{Path, PathBuf},
};

use proc_macro2::TokenStream;
use regex::{Regex, RegexBuilder};

/// A Rust source file.
pub struct Source {
    /// The path within the crate: `src/grpc/wire/inbox.rs`.
    pub file: String,
    pub text: String,
}

impl Source {
    /// The path of a module of the library: `grpc/wire/inbox`.
    pub fn module(&self) -> &str {
        let path = self.file.strip_prefix("src/").unwrap_or(&self.file);
        path.strip_suffix(".rs").unwrap_or(path)
    }

    /// Whether this is the module, or one within it.
    pub fn is_of(&self, module: &str) -> bool {
        let rest = self.module().strip_prefix(module);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    pub fn is_unit_tests(&self) -> bool {
        self.module().split('/').any(|part| part == "tests")
    }

    /// The lines of code, not of comments or unit tests, that match.
    pub fn find(&self, pattern: &Regex) -> Vec<String> {
        let code = self.text.split("\n#[cfg(test)]\nmod tests {").next();
        let lines = (1..).zip(code.unwrap_or_default().lines());
        lines
            .filter(|(_, line)| !line.trim_start().starts_with("//") && pattern.is_match(line))
            .map(|(number, line)| format!("{}:{number}: {}", self.file, line.trim()))
            .collect()
    }

    pub fn tokens(&self) -> TokenStream {
        let parsed = self.text.parse();
        parsed.unwrap_or_else(|error| panic!("{}: {error}", self.file))
    }
}

pub fn regex(pattern: &str) -> Regex {
    // ASCII suffices, and the tables of Unicode are not compiled in.
    RegexBuilder::new(pattern).unicode(false).build().unwrap()
}

/// The sources of the library and the program.
pub fn sources() -> Vec<Source> {
    rust_files(&["src"])
}

/// Every Rust source: of the library, of tests and benches, and the build script.
pub fn all_sources() -> Vec<Source> {
    let mut all = rust_files(&["src", "tests", "benches"]);
    all.push(source(Path::new("build.rs")));
    all
}

fn rust_files(folders: &[&str]) -> Vec<Source> {
    let files = folders.iter().flat_map(|it| files(Path::new(it), "rs"));
    files.map(|file| source(&file)).collect()
}

fn source(file: &Path) -> Source {
    Source {
        text: read(file),
        file: file.display().to_string(),
    }
}

/// The Markdown files of the crate: those at its top and those in its folders.
pub fn documents() -> Vec<PathBuf> {
    let entries = fs::read_dir(crate_folder()).unwrap();
    let files_at_top = entries.map(|entry| PathBuf::from(entry.unwrap().file_name()));
    let mut documents: Vec<_> = files_at_top.filter(|file| is_named(file, "md")).collect();
    documents.sort();
    for folder in ["docs", "migrations", "tests"] {
        documents.extend(files(Path::new(folder), "md"));
    }
    // Not what the package managers of the clients put there.
    let clients = fs::read_dir(crate_folder().join("clients")).unwrap();
    let clients = clients.map(|entry| Path::new("clients").join(entry.unwrap().file_name()));
    let mut readmes: Vec<_> = clients.map(|client| client.join("README.md")).collect();
    readmes.retain(|readme| crate_folder().join(readme).exists());
    readmes.sort();
    documents.push(PathBuf::from("clients/README.md"));
    documents.extend(readmes);
    documents
}

/// All files with the extension under a folder of the crate, in order.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(crate_folder().join(folder)).unwrap() {
        let path = folder.join(entry.unwrap().file_name());
        if crate_folder().join(&path).is_dir() {
            found.extend(files(&path, extension));
        } else if is_named(&path, extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn is_named(file: &Path, extension: &str) -> bool {
    file.extension().is_some_and(|it| it == extension)
}

pub fn read(file: &Path) -> String {
    fs::read_to_string(crate_folder().join(file)).unwrap()
}

fn crate_folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
