//! Mistakes of a file, with their places.

use std::{fmt, path::Path};

/// The largest number of mistakes that are reported.
const MAX_PROBLEMS: usize = 16;

/// The largest number of mistakes that are looked for.
const MAX_FOUND_PROBLEMS: usize = 1000;

/// A byte of the file.
pub type Place = usize;

/// One mistake, or one note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    pub text: String,
}

impl Problem {
    /// About the whole file.
    pub fn without_place(file: String, text: impl Into<String>) -> Self {
        Self {
            file,
            line: 1,
            column: 1,
            text: text.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            line,
            column,
            text,
        } = self;
        write!(f, "{file}:{line}:{column}: {text}")
    }
}

/// The mistakes of a file, ordered by line: a line each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// One about a whole file.
    pub fn about(path: &Path, text: impl Into<String>) -> Self {
        let file = path.display().to_string();
        Self(vec![Problem::without_place(file, text)])
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Collects what is found while a file is read.
pub struct Findings<'t> {
    file: &'t str,
    text: &'t str,
    /// The entry that is being read.
    caller: Option<String>,
    problems: Vec<Problem>,
    notes: Vec<Problem>,
}

impl<'t> Findings<'t> {
    pub const fn new(file: &'t str, text: &'t str) -> Self {
        Self {
            file,
            text,
            caller: None,
            problems: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// All that follows is about this caller.
    pub fn begin_caller(&mut self, name: &str) {
        self.caller = Some(name.to_owned());
    }

    pub fn end_caller(&mut self) {
        self.caller = None;
    }

    pub fn has_problems(&self) -> bool {
        !self.problems.is_empty()
    }

    /// Adds a mistake.
    pub fn add(&mut self, place: Place, text: impl AsRef<str>) {
        // Nobody reads so many; each costs a search for its line.
        if self.problems.len() < MAX_FOUND_PROBLEMS {
            let problem = self.at(place, text.as_ref());
            self.problems.push(problem);
        }
    }

    /// Adds a mistake of TOML, or of the form of an entry.
    pub fn add_error(&mut self, error: &toml::de::Error) {
        let place = error.span().map_or(0, |span| span.start);
        // Some of its texts have several lines.
        let text: Vec<_> = error.message().lines().map(str::trim).collect();
        self.add(place, text.join("; "));
    }

    /// Adds what is worth knowing, and no mistake.
    pub fn note(&mut self, place: Place, text: impl AsRef<str>) {
        let note = self.at(place, text.as_ref());
        self.notes.push(note);
    }

    /// The notes, unless there is a mistake.
    pub fn finish(mut self) -> Result<Vec<Problem>, Problems> {
        if self.has_problems() {
            return Err(self.into_problems());
        }
        self.notes.sort_by_key(|note| (note.line, note.column));
        Ok(self.notes)
    }

    pub fn into_problems(mut self) -> Problems {
        self.problems
            .sort_by_key(|problem| (problem.line, problem.column));
        self.problems.truncate(MAX_PROBLEMS);
        Problems(self.problems)
    }

    /// The line of a place, from 1.
    pub fn line(&self, place: Place) -> usize {
        self.before(place).matches('\n').count() + 1
    }

    fn before(&self, place: Place) -> &'t str {
        self.text.get(..place).unwrap_or(self.text)
    }

    fn at(&self, place: Place, text: &str) -> Problem {
        let line_begin = self
            .before(place)
            .rfind('\n')
            .map_or(0, |newline| newline + 1);
        let in_line = self.before(place).get(line_begin..).unwrap_or_default();
        Problem {
            file: self.file.to_owned(),
            line: self.line(place),
            column: in_line.chars().count() + 1,
            text: match &self.caller {
                Some(caller) => format!("caller {caller:?}: {text}"),
                None => text.to_owned(),
            },
        }
    }
}

/// The known word that a wrong one resembles, as the end of a sentence.
pub fn suggestion<'k>(wrong: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    /// Of Jaro and Winkler: words that differ in a letter or two are above it.
    const LEAST_SIMILARITY: f64 = 0.8;

    let similarity = |word: &str| strsim::jaro_winkler(&word.to_lowercase(), &wrong.to_lowercase());
    let nearest = known
        .into_iter()
        .map(|word| (similarity(word), word))
        .filter(|(similarity, _)| *similarity > LEAST_SIMILARITY)
        .max_by(|(a, _), (b, _)| a.total_cmp(b));
    nearest.map_or_else(String::new, |(_, word)| format!("; did you mean {word}?"))
}
