//! Names: no metaphors, and durations that say which kind of time they are.

use proc_macro2::{TokenStream, TokenTree};

use super::sources::{Source, all_sources};

/// Metaphors for which the field has a term; `docs/glossary.md` lists the terms.
const DENIED_WORDS: &[&str] = &[
    "anywhere",
    "crowd",
    "crowded",
    "crowds",
    "descent",
    "door",
    "doors",
    "farewell",
    "gather",
    "gathered",
    "gathering",
    "gathers",
    "heard",
    "hearing",
    "hurry",
    "lasting",
    "leadchats",
    "lease",
    "letters",
    "looked",
    "pace",
    "patience",
    "quiet",
    "reach",
    "sight",
    "spell",
    "steady",
    "swelling",
    "told",
    "tries",
    "turn",
    "turns",
    "unsteady",
    "untold",
    "vain",
    "young",
];

/// The kinds of time that the name of a constant ends in.
const DURATION_SUFFIXES: [&str; 5] = ["_TIMEOUT", "_INTERVAL", "_DELAY", "_AGE", "_WINDOW"];

#[test]
fn names_use_terms_of_the_field() {
    let mut breaches = Vec::new();
    let mut count = 0;
    for source in all_sources() {
        for part in source.file.split('/') {
            let name = part.strip_suffix(".rs").unwrap_or(part);
            if denied_words(name).next().is_some() {
                breaches.push(source.file.clone());
            }
        }
        for (name, line) in identifiers(source.tokens()) {
            count += 1;
            if denied_words(&name).next().is_some() {
                breaches.push(format!("{}:{line}: {name}", source.file));
            }
        }
    }
    assert!(count > 50_000, "only {count} identifiers were found");
    assert!(
        breaches.is_empty(),
        "denied words:\n{}",
        breaches.join("\n")
    );
}

#[test]
fn durations_are_named_after_their_kind() {
    let mut breaches = Vec::new();
    let mut count = 0;
    for source in all_sources() {
        for (name, line) in constants_of_type(&source, "Duration") {
            count += 1;
            if !DURATION_SUFFIXES
                .iter()
                .any(|suffix| name.ends_with(suffix))
            {
                breaches.push(format!("{}:{line}: {name}", source.file));
            }
        }
    }
    assert!(count > 20, "only {count} constants were found");
    let rule = format!("durations that end in none of {DURATION_SUFFIXES:?}:");
    assert!(breaches.is_empty(), "{rule}\n{}", breaches.join("\n"));
}

fn denied_words(name: &str) -> impl Iterator<Item = String> {
    let words = words(name).into_iter();
    words.filter(|word| DENIED_WORDS.contains(&word.as_str()))
}

/// The words of a name in snake_case or CamelCase, in lower case.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let characters: Vec<_> = name.chars().collect();
    for (index, &character) in characters.iter().enumerate() {
        let before = index.checked_sub(1).map(|before| characters[before]);
        let is_after = |test: fn(char) -> bool| before.is_some_and(test);
        let ends_acronym = characters
            .get(index + 1)
            .is_some_and(char::is_ascii_lowercase);
        let begins_word = character.is_ascii_uppercase()
            && (!is_after(|c| c.is_ascii_uppercase()) || ends_acronym);
        if begins_word || !character.is_ascii_alphabetic() {
            words.push(String::new());
        }
        if character.is_ascii_alphabetic() {
            let word = words.last_mut().unwrap();
            word.push(character.to_ascii_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Every identifier of the code with its line; texts and comments are not searched.
fn identifiers(tokens: TokenStream) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    for token in tokens {
        match token {
            TokenTree::Ident(name) => {
                let line = name.span().start().line;
                found.push((name.to_string(), line));
            }
            TokenTree::Group(group) => found.extend(identifiers(group.stream())),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
    found
}

/// Constants and statics whose type ends in this name, with their lines.
fn constants_of_type(source: &Source, type_name: &str) -> Vec<(String, usize)> {
    fn search(tokens: TokenStream, type_name: &str, found: &mut Vec<(String, usize)>) {
        let tokens: Vec<_> = tokens.into_iter().collect();
        for (index, token) in tokens.iter().enumerate() {
            if let TokenTree::Group(group) = token {
                search(group.stream(), type_name, found);
            }
            let [keyword, TokenTree::Ident(name), colon, rest @ ..] = &tokens[index..] else {
                continue;
            };
            let keyword = keyword.to_string();
            if !matches!(keyword.as_str(), "const" | "static") || colon.to_string() != ":" {
                continue;
            }
            let ty = rest.iter().take_while(|it| it.to_string() != "=");
            if ty.last().is_some_and(|last| last.to_string() == type_name) {
                found.push((name.to_string(), name.span().start().line));
            }
        }
    }
    let mut found = Vec::new();
    search(source.tokens(), type_name, &mut found);
    found
}

#[test]
fn names_are_split_into_words() {
    for (name, expected) in [
        ("return_turns", &["return", "turns"][..]),
        ("HttpDoor", &["http", "door"]),
        ("TLSDoor2Go", &["tls", "door", "go"]),
        ("MAX_PACE", &["max", "pace"]),
        ("r#try", &["r", "try"]),
        ("_", &[]),
    ] {
        assert_eq!(words(name), expected, "{name}");
    }
}
