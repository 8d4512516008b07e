//! The report of a check: facts and findings. `--json` prints it, and the text is made
//! of it.
//!
//! Keys are only ever added; docs/check.md says what they mean.

use serde::Serialize;

use super::{
    facts::Facts,
    findings::{Finding, Findings},
};

/// Goes up when a key changes its meaning or goes away.
const FORMAT_VERSION: u32 = 1;

/// The result of a check and the facts behind it.
#[derive(Debug, Serialize)]
pub struct Report {
    pub format: u32,
    pub version: &'static str,
    pub serves_well: bool,
    /// Whether the check ran to its end.
    pub complete: bool,
    pub problems: Vec<Finding>,
    pub notes: Vec<Finding>,
    #[serde(flatten)]
    pub facts: Facts,
}

impl Report {
    pub fn new(facts: Facts, is_complete: bool) -> Self {
        let Findings { problems, notes } = Findings::of(&facts, is_complete);
        Self {
            format: FORMAT_VERSION,
            version: env!("CARGO_PKG_VERSION"),
            serves_well: problems.is_empty(),
            complete: is_complete,
            problems,
            notes,
            facts,
        }
    }

    /// One document, indented.
    pub fn to_json(&self) -> String {
        // All keys are texts, so serialization cannot fail.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }
}
