//! The addresses by which the world outside knows an inbox: a phone number, the
//! id of a page, the token of a widget.
//!
//! One of them, the token of a Telegram bot, is a secret; so that none is ever
//! printed, all are kept as if they were. Which table holds an address is not
//! known here.

pub mod digest;

use std::collections::BTreeSet;

use enum_map::Enum;
use secrecy::SecretString;
use strum::{EnumCount, EnumIter};

/// The kind of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum, EnumCount, EnumIter)]
pub enum AddressKind {
    WebsiteToken,
    InboxIdentifier,
    Email,
    ForwardToEmail,
    PhoneNumber,
    MessagingServiceSid,
    FacebookPageId,
    /// Of an Instagram inbox, or of a Facebook page.
    InstagramId,
    TiktokBusinessId,
    TwitterProfileId,
    LineChannelId,
    TelegramBotToken,
}

/// An address to look for.
#[derive(Clone, Debug)]
pub struct Address {
    pub kind: AddressKind,
    pub form: Match,
}

/// How what is stored may be written.
#[derive(Clone, Debug)]
pub enum Match {
    /// As one of these.
    AnyOf(Vec<SecretString>),
    /// As one of `exact`; for a WhatsApp inbox, where none has the number so, as one of
    /// `whatsapp`.
    PhoneNumber {
        exact: Vec<SecretString>,
        whatsapp: Vec<SecretString>,
    },
    /// With these letters; each is one of its forms, which differ in case.
    IgnoreCase(FoldedText),
}

/// A text, letter by letter, with the forms of each. The first form is the
/// lower case, the last one the upper case.
#[derive(Clone)]
pub struct FoldedText(pub Vec<Vec<String>>);

impl Address {
    pub fn new(kind: AddressKind, text: String) -> Self {
        let form = match kind {
            AddressKind::Email | AddressKind::ForwardToEmail => {
                Match::IgnoreCase(FoldedText::of(&text))
            }
            AddressKind::PhoneNumber => {
                let exact = phone_number_spellings(&text);
                let whatsapp = whatsapp_numbers(&exact);
                let secret = |numbers: BTreeSet<String>| numbers.into_iter().map(Into::into);
                Match::PhoneNumber {
                    exact: secret(exact).collect(),
                    whatsapp: secret(whatsapp).collect(),
                }
            }
            _ => Match::AnyOf(vec![text.into()]),
        };
        Self { kind, form }
    }
}

impl FoldedText {
    fn of(text: &str) -> Self {
        let forms = |letter: char| {
            let lower = lower_case(letter);
            // `I` is that of `i` alone, though `ı` has no other.
            let upper = [single(lower.to_uppercase()), single(letter.to_uppercase())]
                .into_iter()
                .flatten()
                .find(|upper| lower_case(*upper) == lower);
            let mut forms = vec![lower, letter, upper.unwrap_or(letter)];
            forms.dedup();
            forms.iter().map(char::to_string).collect()
        };
        Self(text.chars().map(forms).collect())
    }

    pub fn lower(&self) -> String {
        self.0
            .iter()
            .filter_map(|forms| forms.first())
            .cloned()
            .collect()
    }

    pub fn upper(&self) -> String {
        self.0
            .iter()
            .filter_map(|forms| forms.last())
            .cloned()
            .collect()
    }

    /// Whether a text differs from this one in case at most.
    pub fn matches(&self, text: &str) -> bool {
        let mut characters = text.chars();
        let alike = self.0.iter().all(|forms| {
            let letter = characters.next().map(String::from);
            letter.is_some_and(|letter| forms.contains(&letter))
        });
        alike && characters.next().is_none()
    }
}

/// Never the text.
impl std::fmt::Debug for FoldedText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FoldedText(..)")
    }
}

fn lower_case(letter: char) -> char {
    single(letter.to_lowercase()).unwrap_or(letter)
}

/// The letter that a change of case makes of one, if it is one letter.
fn single(mut characters: impl Iterator<Item = char>) -> Option<char> {
    characters.next().filter(|_| characters.next().is_none())
}

/// The ways in which leadchat stores a number: with and without the `whatsapp:` of Twilio
/// and the leading `+`. Separators, invisible characters, `tel:` and the `00` before a
/// country code are ignored, and digits may be of any script. A number that is stored
/// with them is found as well.
fn phone_number_spellings(text: &str) -> BTreeSet<String> {
    let number = strip_scheme(text.trim());
    let number = number.strip_prefix('+').unwrap_or(number);
    let bare: String = number
        .chars()
        .filter(|sign| sign.is_alphanumeric())
        .map(|sign| to_ascii_digit(sign).unwrap_or(sign))
        .collect();
    let international = bare.strip_prefix("00").unwrap_or(&bare);
    let numbers = [number, bare.as_str(), international].into_iter();
    let numbers = numbers.filter(|number| !number.is_empty());
    let prefixed = numbers.flat_map(prefixed);
    prefixed.chain([text.to_owned()]).collect()
}

fn prefixed(number: &str) -> [String; 4] {
    ["", "+", WHATSAPP, "whatsapp:+"].map(|prefix| format!("{prefix}{number}"))
}

/// Mobile numbers that WhatsApp writes with a digit more or less than their country:
/// country code, position and digit. They have 13 digits with it, and 12 without.
/// (leadchat's `Whatsapp::PhoneNormalizers`.)
const WHATSAPP_DIGITS: [(&str, usize, char); 3] = [
    // Brazil's ninth digit, behind the area code.
    ("55", 4, '9'),
    // Argentina's mobile prefix.
    ("54", 2, '9'),
    // Mexico's former one.
    ("52", 2, '1'),
];

/// The other form of these numbers on WhatsApp, where they have one, in all spellings.
fn whatsapp_numbers(numbers: &BTreeSet<String>) -> BTreeSet<String> {
    let numbers = numbers.iter().filter_map(|number| number.strip_prefix('+'));
    let others = numbers.filter_map(other_on_whatsapp);
    others.flat_map(|number| prefixed(&number)).collect()
}

fn other_on_whatsapp(number: &str) -> Option<String> {
    let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
    let (_, place, digit) = WHATSAPP_DIGITS
        .iter()
        .find(|(country, ..)| is_number && number.starts_with(country))?;
    let (before, after) = number.split_at_checked(*place)?;
    match number.len() {
        12 => Some(format!("{before}{digit}{after}")),
        13 => Some(format!("{before}{}", after.strip_prefix(*digit)?)),
        _ => None,
    }
}

/// Signs that are not seen may stand before a scheme and within it, too.
fn strip_scheme(number: &str) -> &str {
    for scheme in [WHATSAPP, TEL] {
        let mut signs = number.chars();
        let is_given = scheme.chars().all(|wanted| {
            let mut said =
                (&mut signs).filter(|sign| sign.is_alphanumeric() || [wanted, '+'].contains(sign));
            said.next()
                .is_some_and(|sign| sign.eq_ignore_ascii_case(&wanted))
        });
        if is_given {
            return signs.as_str().trim_start();
        }
    }
    number
}

/// The ASCII digit of a decimal digit of any script.
fn to_ascii_digit(sign: char) -> Option<char> {
    let value = |zero: &u32| u32::from(sign).checked_sub(*zero).filter(|it| *it < 10);
    char::from_digit(DECIMAL_ZEROS.iter().find_map(value)?, 10)
}

/// The zero of each script that has one, after which its other digits come.
const DECIMAL_ZEROS: [u32; 76] = [
    0x0030, 0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6,
    0x0D66, 0x0DE6, 0x0E50, 0x0ED0, 0x0F20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80,
    0x1A90, 0x1B50, 0x1BB0, 0x1C40, 0x1C50, 0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0,
    0xFF10, 0x104A0, 0x10D30, 0x10D40, 0x11066, 0x110F0, 0x11136, 0x111D0, 0x112F0, 0x11450,
    0x114D0, 0x11650, 0x116C0, 0x116D0, 0x116DA, 0x11730, 0x118E0, 0x11950, 0x11BF0, 0x11C50,
    0x11D50, 0x11DA0, 0x11F50, 0x16130, 0x16A60, 0x16AC0, 0x16B50, 0x16D70, 0x1CCF0, 0x1D7CE,
    0x1D7D8, 0x1D7E2, 0x1D7EC, 0x1D7F6, 0x1E140, 0x1E2F0, 0x1E4F0, 0x1E5F1, 0x1E950, 0x1FBF0,
];

const WHATSAPP: &str = "whatsapp:";
const TEL: &str = "tel:";

#[cfg(test)]
mod tests {
    mod fuzz;

    use strum::IntoEnumIterator;

    use super::*;

    #[test]
    fn a_phone_number_matches_in_all_its_spellings() {
        let every = [
            "+15550100",
            "15550100",
            "whatsapp:+15550100",
            "whatsapp:15550100",
        ];
        for spelled in [
            "15550100",
            "whatsapp:15550100",
            "WhatsApp:+15550100",
            " +15550100 ",
            "whatsapp: +15550100",
            "+1 (555) 01-00",
            "1.555.0100",
            "whatsapp:+1\u{a0}555 0100",
            "tel:+1-555-0100",
            "001 555/0100",
            "[1] 555\u{2011}01\u{2013}00",
            "\u{202a}+15550100\u{202c}",
            "\u{ff0b}1555\u{200b}0100",
            "\u{202a}whatsapp:\u{202a}+1 555 0100\u{202c}",
            "(WhatsApp\u{200b}: 1555-0100)",
            ": \u{feff}te\u{ad}l:+15550100",
            "+\u{661}\u{665}\u{665}\u{665}\u{660}\u{661}\u{660}\u{660}",
            "\u{ff10}\u{ff10}1\u{ff15}\u{ff15}\u{ff15}\u{966}100",
        ] {
            let found = phone_number_spellings(spelled);
            assert!(
                every.iter().all(|number| found.contains(*number)),
                "{spelled}"
            );
            // As it was given, too, and nothing but that where there is no number.
            assert!(found.contains(spelled), "{spelled}");
        }
        for nothing in [
            "+",
            "whatsapp:",
            "whatsapp:+",
            "Whatsapp: + ",
            "\u{202a}tel:",
        ] {
            assert_eq!(phone_number_spellings(nothing), [nothing.to_owned()].into());
        }
        // No scheme, but a stored text.
        for word in ["+whatsapp:1", "whatsapp1", "xtel:1"] {
            assert!(!phone_number_spellings(word).contains("1"), "{word}");
        }
    }

    #[test]
    fn a_number_has_another_form_on_whatsapp_in_some_countries() {
        let whatsapp = |text: &str| whatsapp_numbers(&phone_number_spellings(text));
        for (one, other) in [
            ("5541999998888", "554199998888"),
            ("5491112345678", "541112345678"),
            ("5215512345678", "525512345678"),
        ] {
            for (given, form) in [(one, other), (other, one)] {
                for given in prefixed(given) {
                    assert_eq!(whatsapp(&given), prefixed(form).into(), "{given}");
                }
            }
        }
        assert_eq!(
            whatsapp("\u{202a}+55 (41) 99999-8888\u{202c}"),
            prefixed("554199998888").into()
        );
        for alone in [
            "15550100",
            "5541899998888",
            "5411234567890",
            "55419999988881",
            "55419999888",
            "+55",
            "55419999x888",
            "",
        ] {
            assert_eq!(whatsapp(alone), BTreeSet::new(), "{alone}");
        }
    }

    #[test]
    fn characters_differ_in_case_alone() {
        let characters = FoldedText::of("Né@X.de");
        assert_eq!(
            (characters.lower(), characters.upper()),
            ("né@x.de".to_owned(), "NÉ@X.DE".to_owned())
        );
        assert!(characters.matches("nÉ@x.DE"));
        for other in ["ne@x.de", "né@x.d", "né@x.dee", ""] {
            assert!(!characters.matches(other), "{other}");
        }
        // Two letters in upper case, so it has no other form.
        assert_eq!(FoldedText::of("ß").0, [["ß"]]);
        assert_eq!(FoldedText::of("ẞ").0, [["ß", "ẞ"]]);
        assert_eq!(FoldedText::of("Ǆǅ").0[1], ["ǆ", "ǅ", "Ǆ"]);
    }

    /// The upper case of some is that of another letter.
    #[test]
    fn no_letter_takes_the_case_of_another() {
        for (letter, upper) in [("ı", "I"), ("ſ", "S"), ("µ", "Μ"), ("ς", "Σ"), ("ϐ", "Β")]
        {
            assert_eq!(FoldedText::of(letter).0, [[letter]]);
            let upper = FoldedText::of(upper);
            assert!(!upper.matches(letter), "{letter}");
        }
        let dotless = FoldedText::of("ınfo@x");
        assert_eq!(
            (dotless.lower(), dotless.upper()),
            ("ınfo@x".into(), "ıNFO@X".into())
        );
        for other in ["info@x", "INFO@X", "INFO@x"] {
            assert!(
                !dotless.matches(other) && !FoldedText::of(other).matches("ınfo@x"),
                "{other}"
            );
        }
    }

    #[test]
    fn no_address_is_printed() {
        for kind in AddressKind::iter() {
            let printed = format!("{:?}", Address::new(kind, "hunter2".to_owned()));
            assert!(!printed.contains("hunter"), "{printed}");
        }
    }
}
