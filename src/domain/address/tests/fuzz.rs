//! Any text as an address.

use proptest::prelude::*;

use super::super::*;
use crate::tests::{damaged_one_of, for_all, text};

const NUMBERS: [&str; 5] = [
    "+15550100",
    "whatsapp:+4915550100",
    "WhatsApp: +1 (555) 01-00",
    "whatsapp:",
    "\u{ff0b}\u{661}5550100",
];

/// Few spellings, and the one that was given is among them.
fn is_spelled(text: &str) {
    let numbers = phone_numbers(text);
    assert!((1..=13).contains(&numbers.len()), "{numbers:?}");
    assert!(numbers.contains(text), "{numbers:?}");
    let letters = Letters::of(text);
    for spelled in [text, &letters.lower(), &letters.upper()] {
        assert!(letters.spell(spelled), "{spelled:?}");
    }
    assert!(!letters.spell(&format!("{text}.")));
}

#[test]
fn every_text_is_found_as_it_was_given() {
    let texts = prop_oneof![damaged_one_of(&NUMBERS), text(20)];
    for_all(700, texts, |text| is_spelled(&text));
}

/// However a number is dressed, the bare one is among what is looked for.
#[test]
fn a_dressed_number_is_found_bare() {
    let dressed = (
        r"(whatsapp:|WHATSAPP:)?\+?",
        "[1-9][0-9]{3,14}",
        "[ .()-]{0,4}",
    );
    for_all(700, dressed, |(before, digits, between)| {
        let (begin, end) = digits.split_at(digits.len() / 2);
        let numbers = phone_numbers(&format!("{before}{begin}{between}{end}"));
        for prefix in ["", "+", "whatsapp:", "whatsapp:+"] {
            assert!(
                numbers.contains(&format!("{prefix}{digits}")),
                "{numbers:?}"
            );
        }
    });
}

#[test]
fn guided_bytes_are_spelled() {
    bolero::check!().for_each(|bytes: &[u8]| is_spelled(&String::from_utf8_lossy(bytes)));
}
