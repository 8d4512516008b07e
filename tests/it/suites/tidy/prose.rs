//! Prose of documents and comments: short lines, short sentences, plain beginnings.

use std::path::Path;

use super::{
    sentences::{Passage, lines_of_prose, passages, sentences, word_count},
    sources::{Source, all_sources, documents, read, sources},
};

/// Columns that a line of Markdown prose has at most.
const MAX_LINE_COLUMNS: usize = 100;

/// Words that a sentence has at most. A span of code is one word.
const MAX_SENTENCE_WORDS: usize = 25;

/// Sizes of the documents that a newcomer reads first.
const MAX_DOCUMENT_BYTES: [(&str, usize); 2] = [("README.md", 8192), ("ARCHITECTURE.md", 8192)];

/// Words that begin no sentence: its subject is a thing.
const DENIED_BEGINNINGS: [&str; 4] = ["Who ", "Whoever ", "What ", "Whose "];

#[test]
fn first_documents_are_short() {
    for (file, most) in MAX_DOCUMENT_BYTES {
        let size = read(Path::new(file)).len();
        assert!(size <= most, "{file} has {size} bytes, more than {most}");
    }
}

/// Tables, code and headings may be wider, and so may a line without a blank, such as a
/// link.
#[test]
fn lines_of_prose_are_short() {
    let mut breaches = Vec::new();
    let mut count = 0;
    for file in documents() {
        let text = read(&file);
        for (number, line) in lines_of_prose(&text).filter(|(_, line)| can_be_broken(line)) {
            count += 1;
            let columns = line.chars().count();
            if columns > MAX_LINE_COLUMNS {
                breaches.push(format!("{}:{number}: {columns} columns", file.display()));
            }
        }
    }
    assert!(count > 500, "only {count} lines were found");
    let rule = format!("lines of more than {MAX_LINE_COLUMNS} columns:");
    assert!(breaches.is_empty(), "{rule}\n{}", breaches.join("\n"));
}

#[test]
fn sentences_are_short() {
    let mut texts = documents_with_passages();
    texts.extend(sources().into_iter().map(|source| {
        let found = comments(&source, |marker| marker != "//");
        (source.file, found)
    }));
    let rule = format!("sentences of more than {MAX_SENTENCE_WORDS} words");
    check(&rule, texts, |sentence| {
        word_count(sentence) > MAX_SENTENCE_WORDS
    });
}

#[test]
fn the_subject_of_a_sentence_is_a_thing() {
    let mut texts = documents_with_passages();
    let sources = all_sources();
    texts.extend(
        sources
            .iter()
            .map(|source| (source.file.clone(), comments(source, |_| true))),
    );
    let rule = format!("sentences that begin with one of {DENIED_BEGINNINGS:?}");
    check(&rule, texts, |sentence| {
        let start = sentence.trim_start_matches(|c: char| c.is_ascii_punctuation());
        DENIED_BEGINNINGS.iter().any(|it| start.starts_with(it))
    });
}

/// The passages of a file, by its path.
type Texts = Vec<(String, Vec<Passage>)>;

fn check(rule: &str, texts: Texts, is_breach: impl Fn(&str) -> bool) {
    let mut breaches = Vec::new();
    let mut count = 0;
    for (file, passages) in texts {
        for passage in &passages {
            for sentence in sentences(&passage.text) {
                count += 1;
                if is_breach(&sentence) {
                    breaches.push(format!("{file}:{}: {sentence}", passage.line));
                }
            }
        }
    }
    assert!(count > 2_000, "only {count} sentences were found");
    assert!(breaches.is_empty(), "{rule}:\n{}", breaches.join("\n"));
}

fn documents_with_passages() -> Texts {
    let documents = documents().into_iter();
    let documents = documents.map(|file| (file.display().to_string(), passages(1, &read(&file))));
    documents.collect()
}

/// The passages of the comments whose marker is wanted.
fn comments(source: &Source, is_wanted: impl Fn(&str) -> bool) -> Vec<Passage> {
    let mut found = Vec::new();
    let mut block: Option<(usize, &str, String)> = None;
    let ends = |block: Option<(usize, &str, String)>| match block {
        Some((line, marker, text)) if is_wanted(marker) => passages(line, &text),
        _ => Vec::new(),
    };
    for (number, line) in (1..).zip(source.text.lines()) {
        let start = line.trim_start();
        let markers = ["//!", "///", "//"].into_iter();
        let marker = markers.into_iter().find(|it| start.starts_with(it));
        if let (Some((_, of_block, text)), Some(marker)) = (&mut block, marker)
            && *of_block == marker
        {
            text.push('\n');
            text.push_str(&start[marker.len()..]);
            continue;
        }
        found.extend(ends(block.take()));
        block = marker.map(|marker| (number, marker, start[marker.len()..].to_owned()));
    }
    found.extend(ends(block));
    found
}

/// Whether a line has more than one word, beside the marker of a list's item.
fn can_be_broken(line: &str) -> bool {
    let is_number = |word: &str| word.parse::<u32>().is_ok();
    let is_marker = |word: &&str| {
        matches!(*word, "*" | "-" | ">") || word.strip_suffix('.').is_some_and(is_number)
    };
    let words = line.split_whitespace().skip_while(is_marker);
    words.count() > 1
}

#[test]
fn comments_are_read_by_block() {
    let source = Source {
        file: String::new(),
        text: "//! One\n//! two.\n//!\n//! * Three.\n\n/// Four.\n// Five.\nlet x = \"// six\";\n"
            .to_owned(),
    };
    let texts = |is_wanted: fn(&str) -> bool| {
        let found = comments(&source, is_wanted).into_iter();
        found
            .map(|passage| (passage.line, passage.text))
            .collect::<Vec<_>>()
    };
    let text = |line, text: &str| (line, text.to_owned());
    assert_eq!(
        texts(|_| true),
        [
            text(1, "One two."),
            text(4, "Three."),
            text(6, "Four."),
            text(7, "Five.")
        ]
    );
    assert_eq!(texts(|marker| marker == "//"), [text(7, "Five.")]);
}
