//! JSON texts, beside what they say.

use std::fmt::Write;

use proptest::{collection::vec, prelude::*, sample::select};

use super::letter;
use crate::domain::degradation::DegradationReason;

/// A value, as it stands in a text.
#[derive(Clone, Debug)]
pub enum Tree {
    Null,
    Bool(bool),
    Number(Number),
    Text(Written),
    List(Vec<Tree>),
    Object(Vec<(Written, Tree)>),
}

/// A number, and what has to be said about it.
#[derive(Clone, Debug)]
pub struct Number {
    pub literal: String,
    pub reason: Option<DegradationReason>,
}

/// A text or a key between its quotation marks, and what it says.
#[derive(Clone, Debug, Default)]
pub struct Written {
    literal: String,
    /// With U+FFFD for each byte of half a character.
    pub says: String,
    /// It holds no half of a character.
    pub is_whole: bool,
}

impl Tree {
    /// The text, with this white space wherever there may be some.
    pub fn text(&self, space: &str) -> String {
        let mut text = space.to_owned();
        self.write(space, &mut text);
        text
    }

    fn write(&self, space: &str, text: &mut String) {
        match self {
            Self::Null => text.push_str("null"),
            Self::Bool(value) => text.push_str(if *value { "true" } else { "false" }),
            Self::Number(number) => text.push_str(&number.literal),
            Self::Text(written) => written.write(text),
            Self::List(elements) => {
                text.push('[');
                for (index, element) in elements.iter().enumerate() {
                    text.push_str(if index == 0 { "" } else { "," });
                    text.push_str(space);
                    element.write(space, text);
                }
                text.push(']');
            }
            Self::Object(entries) => {
                text.push('{');
                for (index, (key, value)) in entries.iter().enumerate() {
                    text.push_str(if index == 0 { "" } else { "," });
                    text.push_str(space);
                    key.write(text);
                    text.push_str(space);
                    text.push(':');
                    text.push_str(space);
                    value.write(space, text);
                }
                text.push('}');
            }
        }
        text.push_str(space);
    }
}

impl Written {
    fn write(&self, text: &mut String) {
        text.push('"');
        text.push_str(&self.literal);
        text.push('"');
    }

    fn plain(text: &str) -> Self {
        Self {
            literal: text.to_owned(),
            says: text.to_owned(),
            is_whole: true,
        }
    }

    fn of(pieces: Vec<Piece>) -> Self {
        let mut written = Self::plain("");
        for piece in pieces {
            match piece {
                Piece::AsItIs(letter) if letter >= ' ' && !matches!(letter, '"' | '\\') => {
                    written.literal.push(letter);
                    written.says.push(letter);
                }
                Piece::AsItIs(letter) | Piece::Escaped(letter) => {
                    let mut units = [0; 2];
                    for unit in letter.encode_utf16(&mut units) {
                        write!(written.literal, "\\u{unit:04x}").unwrap();
                    }
                    written.says.push(letter);
                }
                Piece::Half(unit) => {
                    // A letter follows, so that two halves make no whole.
                    write!(written.literal, "\\u{unit:04X}x").unwrap();
                    written.says.push_str("\u{fffd}\u{fffd}\u{fffd}x");
                    written.is_whole = false;
                }
            }
        }
        written
    }
}

#[derive(Clone, Debug)]
enum Piece {
    AsItIs(char),
    Escaped(char),
    Half(u16),
}

fn written() -> impl Strategy<Value = Written> {
    let piece = prop_oneof![
        30 => letter().prop_map(Piece::AsItIs),
        10 => letter().prop_map(Piece::Escaped),
        1 => (0xd800_u16..=0xdfff).prop_map(Piece::Half),
    ];
    vec(piece, 0..8).prop_map(Written::of)
}

/// Keys that typed messages know, and others, some of them long.
fn key() -> impl Strategy<Value = Written> {
    const KNOWN: [&str; 26] = [
        "display_type",
        "message",
        "button_text",
        "language",
        "survey_rules",
        "operator",
        "values",
        "template",
        "name",
        "template_id",
        "created_at",
        "friendly_name",
        "content_sid",
        "approval_sid",
        "status",
        "max_assignment_limit",
        "pre_chat_message",
        "require_email",
        "pre_chat_fields",
        "field_type",
        "label",
        "placeholder",
        "type",
        "required",
        "locale",
        "regex_pattern",
    ];
    prop_oneof![
        4 => select(&KNOWN[..]).prop_map(Written::plain),
        3 => select(&["a", "b", "_k1", "a b", ""][..]).prop_map(Written::plain),
        3 => written(),
        1 => (letter(), 1_usize..400).prop_map(|(letter, times)| {
            Written::of(vec![Piece::AsItIs(letter); times])
        }),
    ]
}

/// A number of any size, in any spelling.
fn number() -> impl Strategy<Value = Number> {
    let kinds = prop_oneof![
        6 => integer(),
        3 => fraction(),
        1 => huge(),
        1 => select(&["0", "0.0", "0e7", "0.00E+99999999999999999999", "0e-3"][..])
            .prop_map(|literal| (literal.to_owned(), None)),
    ];
    (kinds, any::<bool>()).prop_map(|((literal, reason), negative)| Number {
        literal: if negative {
            format!("-{literal}")
        } else {
            literal
        },
        reason,
    })
}

/// An integer, written out or with a power of ten that leaves it one.
fn integer() -> impl Strategy<Value = (String, Option<DegradationReason>)> {
    const LARGEST_EXACT: u128 = 9_007_199_254_740_992;
    let magnitude = prop_oneof![
        0..1000_u128,
        LARGEST_EXACT - 3..LARGEST_EXACT + 4,
        any::<u64>().prop_map(u128::from),
        any::<u128>(),
    ];
    let power = select(&["e", "E", "e+", "E+", "e+00"][..]);
    (magnitude, 0..45_usize, any::<Option<bool>>(), power).prop_map(
        |(magnitude, places, spelling, power)| {
            let reason = (magnitude > LARGEST_EXACT).then_some(DegradationReason::NumberRounded);
            let digits = magnitude.to_string();
            let literal = match spelling {
                None => digits,
                // 12300 as 123e2.
                Some(false) => {
                    let short = digits.trim_end_matches('0');
                    match digits.len() - short.len() {
                        _ if short.is_empty() => digits,
                        zeros => format!("{short}{power}{zeros}"),
                    }
                }
                // 12345 as 12.345e3, or 0.0012345e7.
                Some(true) => {
                    let padded = format!("{}{digits}", "0".repeat(places));
                    let (whole, rest) = padded.split_at(padded.len() - places);
                    let whole = match whole.trim_start_matches('0') {
                        "" => "0",
                        whole => whole,
                    };
                    match rest {
                        "" => format!("{whole}{power}0"),
                        rest => format!("{whole}.{rest}{power}{places}"),
                    }
                }
            };
            (literal, reason)
        },
    )
}

/// Numbers that are no integers, even if nearly so.
fn fraction() -> impl Strategy<Value = (String, Option<DegradationReason>)> {
    (any::<u128>(), "[0-9]{1,40}", 0..400_usize, any::<bool>()).prop_map(
        |(whole, rest, power, small)| {
            let literal = if small {
                format!("{whole}.{rest}e-{power}")
            } else {
                format!("{whole}.{rest}e{}", power % rest.len())
            };
            (literal, None)
        },
    )
}

/// Integers of up to 400 digits: too many for a double, or too many to be exact.
fn huge() -> impl Strategy<Value = (String, Option<DegradationReason>)> {
    const ALWAYS: [&str; 2] = ["1e99999999999999999999", "7E+9223372036854775807"];
    let reason_for = |zeros| match zeros {
        ..308 => DegradationReason::NumberRounded,
        _ => DegradationReason::NumberOutOfRange,
    };
    // Of 309 digits, some fit and some do not.
    let zeros = || (16..400_usize).prop_filter("near the largest double", |zeros| *zeros != 308);
    prop_oneof![
        (1..10_u8, zeros())
            .prop_map(move |(digit, zeros)| (format!("{digit}e{zeros}"), Some(reason_for(zeros)))),
        (1..10_u8, zeros()).prop_map(move |(digit, zeros)| {
            let digits = digit.to_string().repeat(zeros + 1);
            (digits, Some(reason_for(zeros)))
        }),
        select(&ALWAYS[..]).prop_map(|literal| (
            literal.to_owned(),
            Some(DegradationReason::NumberOutOfRange)
        )),
    ]
}

fn scalar() -> impl Strategy<Value = Tree> {
    prop_oneof![
        1 => Just(Tree::Null),
        1 => any::<bool>().prop_map(Tree::Bool),
        3 => number().prop_map(Tree::Number),
        3 => written().prop_map(Tree::Text),
    ]
}

/// A value in up to 200 lists and objects.
fn tower() -> impl Strategy<Value = Tree> {
    let floors = prop_oneof![vec(any::<bool>(), 20..60), vec(any::<bool>(), 0..200)];
    (scalar(), floors).prop_map(|(scalar, floors)| {
        floors.into_iter().fold(scalar, |tree, is_list| {
            if is_list {
                Tree::List(vec![tree])
            } else {
                Tree::Object(vec![(Written::plain("d"), tree)])
            }
        })
    })
}

/// A value of any kind, width and depth.
pub fn tree() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        30 => scalar(),
        2 => tower(),
        1 => vec(scalar(), 0..150).prop_map(Tree::List),
    ];
    leaf.prop_recursive(6, 60, 8, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..8).prop_map(Tree::List),
            vec((key(), inner), 0..8).prop_map(Tree::Object),
        ]
    })
}

/// White space between the parts of a text.
pub fn space() -> impl Strategy<Value = &'static str> {
    select(&["", " ", "\r\n\t"][..])
}
