//! Any text as an address.

use proptest::prelude::*;

use super::super::*;
use crate::tests::{damaged_one_of, for_all, text};

const NUMBERS: [&str; 7] = [
    "+15550100",
    "whatsapp:+4915550100",
    "WhatsApp: +1 (555) 01-00",
    "whatsapp:",
    "\u{ff0b}\u{661}5550100",
    "\u{202a}whatsapp:+15550100\u{202c}",
    "\u{200e}t\u{ad}el: 00\u{ff11}5550100",
];

/// Few spellings, and the one that was given is among them.
fn is_spelled(text: &str) {
    let numbers = phone_number_spellings(text);
    assert!((1..=13).contains(&numbers.len()), "{numbers:?}");
    assert!(numbers.contains(text), "{numbers:?}");
    let characters = FoldedText::of(text);
    for spelled in [text, &characters.lower(), &characters.upper()] {
        assert!(characters.matches(spelled), "{spelled:?}");
    }
    assert!(!characters.matches(&format!("{text}.")));
    for forms in &characters.0 {
        let in_lower_case = |form: &String| FoldedText::of(form).lower() == forms[0];
        assert!(forms.iter().all(in_lower_case), "{forms:?}");
    }
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
        r"[\u{202a}\u{200b}\u{feff} (:]{0,3}(whatsapp:|WHATSAPP:|whats\u{ad}app\u{200e}:)?\+?",
        "[1-9][0-9]{3,14}",
        r"[ .()\u{2011}\u{2060}-]{0,4}",
    );
    for_all(700, dressed, |(before, digits, between)| {
        let (begin, end) = digits.split_at(digits.len() / 2);
        let numbers = phone_number_spellings(&format!("{before}{begin}{between}{end}"));
        for prefix in ["", "+", "whatsapp:", "whatsapp:+"] {
            assert!(
                numbers.contains(&format!("{prefix}{digits}")),
                "{numbers:?}"
            );
        }
    });
}

/// All that Unicode has.
#[test]
fn digits_of_any_script_are_found_as_ours() {
    for_all(700, r"\d{4,12}", |digits| {
        let numbers = phone_number_spellings(&digits);
        let is_ours = |number: &String| number.chars().all(|sign| sign.is_ascii_digit());
        assert!(numbers.iter().any(is_ours), "{numbers:?}");
    });
}

#[test]
fn guided_bytes_are_spelled() {
    bolero::check!().for_each(|bytes: &[u8]| is_spelled(&String::from_utf8_lossy(bytes)));
}
