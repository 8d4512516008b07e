//! The sentences of Markdown, which doc comments are too.

/// A paragraph or an item of a list, with its lines joined.
#[derive(Debug)]
pub struct Passage {
    /// The number of its first line.
    pub line: usize,
    pub text: String,
}

/// The lines that are neither code nor a row of a table, a heading, or the target of a
/// link, with their numbers. Blank lines are among them.
pub fn lines_of_prose(markdown: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut is_code = false;
    (1..).zip(markdown.lines()).filter(move |(_, line)| {
        let start = line.trim_start();
        let is_fence = start.starts_with("```");
        is_code ^= is_fence;
        let is_target = start.starts_with('[') && start.contains("]: ");
        !is_code && !is_fence && !is_target && !start.starts_with(['|', '#', '<'])
    })
}

/// The passages of a text whose first line has this number.
pub fn passages(first_line: usize, markdown: &str) -> Vec<Passage> {
    let fences = markdown
        .lines()
        .filter(|line| line.trim_start().starts_with("```"));
    assert!(
        fences.count().is_multiple_of(2),
        "a block of code has no end:\n{markdown}"
    );
    let mut passages: Vec<Passage> = Vec::new();
    let mut line_before = 0;
    let mut is_open = false;
    for (number, line) in lines_of_prose(markdown) {
        let line = line.trim_start().trim_start_matches("> ");
        let (is_item, text) = match item_of_list(line) {
            Some(text) => (true, text),
            None => (false, line),
        };
        let continues = is_open && number == line_before + 1 && !is_item;
        line_before = number;
        is_open = !text.trim().is_empty();
        if !is_open {
            continue;
        }
        match passages.last_mut() {
            Some(passage) if continues => {
                passage.text.push(' ');
                passage.text.push_str(text.trim());
            }
            _ => passages.push(Passage {
                line: first_line + number - 1,
                text: text.trim().to_owned(),
            }),
        }
    }
    passages
}

/// The text of a list's item, without the marker.
fn item_of_list(line: &str) -> Option<&str> {
    let (marker, text) = line.split_once(' ')?;
    let number = marker.strip_suffix('.').unwrap_or_default();
    let is_marker = matches!(marker, "*" | "-") || number.parse::<u32>().is_ok();
    is_marker.then_some(text)
}

/// Splits a passage after full stops, question and exclamation marks.
pub fn sentences(passage: &str) -> Vec<String> {
    let masked: Vec<char> = mask_code(passage).chars().collect();
    let characters: Vec<char> = passage.chars().collect();
    let mut sentences = Vec::new();
    let mut start = 0;
    for index in 0..masked.len() {
        if masked[index] == ' ' && ends_sentence(&masked[start..index], &masked[index + 1..]) {
            sentences.push(characters[start..index].iter().collect());
            start = index + 1;
        }
    }
    sentences.push(characters[start..].iter().collect());
    sentences
}

fn ends_sentence(before: &[char], after: &[char]) -> bool {
    let closes = |c: &&char| matches!(c, ')' | '"' | '*' | '_' | ']');
    let last = before.iter().rev().find(|c| !closes(c));
    let is_end = last.is_some_and(|c| matches!(c, '.' | '!' | '?'));
    // "e.g." and the like go on with a small letter.
    is_end && !after.first().is_some_and(|c| c.is_lowercase())
}

/// The words of a sentence. A span of code is one, and so is a word with a link.
pub fn word_count(sentence: &str) -> usize {
    let masked = mask_code(sentence);
    let is_word = |text: &&str| text.contains(|c: char| c.is_alphanumeric() || c == '`');
    masked.split_whitespace().filter(is_word).count()
}

/// The text with every character within backticks replaced.
fn mask_code(text: &str) -> String {
    let mut is_code = false;
    let mask = text.chars().map(|c| {
        is_code ^= c == '`';
        if is_code { '`' } else { c }
    });
    mask.collect()
}

#[test]
fn passages_are_paragraphs_and_items() {
    let text = "# Heading\n\nOne\ntwo.\n\n* Three\n  four.\n* Five.\n1. Six.\n\n| a | b |\n\
                ```sh\n# Code.\n```\nSeven.\n\n[link]: https://example.org/\n> Eight.\n";
    let passages = passages(1, text).into_iter();
    let passages: Vec<_> = passages.map(|it| (it.line, it.text)).collect();
    let passage = |line: usize, text: &str| (line, text.to_owned());
    assert_eq!(
        passages,
        [
            passage(3, "One two."),
            passage(6, "Three four."),
            passage(8, "Five."),
            passage(9, "Six."),
            passage(15, "Seven."),
            passage(18, "Eight."),
        ]
    );
}

#[test]
fn sentences_end_with_a_mark_and_a_blank() {
    let sentences = sentences(
        "See `a. B` and 1.5 e.g. here. **Is it?** `Code` (so.) [Link](docs/a.md). 3 of x.rs!",
    );
    assert_eq!(
        sentences,
        [
            "See `a. B` and 1.5 e.g. here.",
            "**Is it?**",
            "`Code` (so.)",
            "[Link](docs/a.md).",
            "3 of x.rs!"
        ]
    );
}

#[test]
fn a_span_of_code_is_one_word() {
    for (sentence, expected) in [
        ("One two, three.", 3),
        ("Run `cargo test --lib` now.", 3),
        ("A [link of text](docs/a.md) – here.", 5),
        ("`SELECT 1 FROM a`: one", 2),
    ] {
        assert_eq!(word_count(sentence), expected, "{sentence}");
    }
}
