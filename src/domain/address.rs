//! The addresses by which the world outside knows an inbox: a phone number, the
//! id of a page, the token of a widget.
//!
//! One of them, the token of a Telegram bot, is a secret; so that none is ever
//! printed, all are kept as if they were. Which table holds an address is not
//! known here.

use std::collections::BTreeSet;

use secrecy::SecretString;

/// What an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

impl AddressKind {
    pub const ALL: [Self; 12] = [
        Self::WebsiteToken,
        Self::InboxIdentifier,
        Self::Email,
        Self::ForwardToEmail,
        Self::PhoneNumber,
        Self::MessagingServiceSid,
        Self::FacebookPageId,
        Self::InstagramId,
        Self::TiktokBusinessId,
        Self::TwitterProfileId,
        Self::LineChannelId,
        Self::TelegramBotToken,
    ];
}

/// An address to look for.
#[derive(Clone, Debug)]
pub struct Address {
    pub kind: AddressKind,
    pub spelling: Spelling,
}

/// How what is stored may be written.
#[derive(Clone, Debug)]
pub enum Spelling {
    /// As one of these.
    OneOf(Vec<SecretString>),
    /// With these letters; each is one of its forms, which differ in case.
    AnyCase(Letters),
}

/// A text, letter by letter, with the forms of each. The first form is the
/// lower case, the last one the upper case.
#[derive(Clone)]
pub struct Letters(pub Vec<Vec<String>>);

impl Address {
    pub fn new(kind: AddressKind, text: String) -> Self {
        let spelling = match kind {
            AddressKind::Email | AddressKind::ForwardToEmail => {
                Spelling::AnyCase(Letters::of(&text))
            }
            AddressKind::PhoneNumber => {
                Spelling::OneOf(phone_numbers(&text).into_iter().map(Into::into).collect())
            }
            _ => Spelling::OneOf(vec![text.into()]),
        };
        Self { kind, spelling }
    }
}

impl Letters {
    fn of(text: &str) -> Self {
        let forms = |letter: char| {
            let (lower, upper) = (
                single(letter.to_lowercase()).unwrap_or(letter),
                single(letter.to_uppercase()).unwrap_or(letter),
            );
            let upper = single(lower.to_uppercase()).unwrap_or(upper);
            let mut forms = vec![lower, letter, upper];
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
    pub fn spell(&self, text: &str) -> bool {
        let mut letters = text.chars();
        let alike = self.0.iter().all(|forms| {
            let letter = letters.next().map(String::from);
            letter.is_some_and(|letter| forms.contains(&letter))
        });
        alike && letters.next().is_none()
    }
}

/// Never the text.
impl std::fmt::Debug for Letters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Letters")
    }
}

/// The letter that a change of case makes of one, if it is one letter.
fn single(mut letters: impl Iterator<Item = char>) -> Option<char> {
    letters.next().filter(|_| letters.next().is_none())
}

/// The ways in which leadchat stores a number: with and without the `whatsapp:`
/// of Twilio and the leading `+`. What people and programs put around and between
/// digits is left out (separators, signs that are not seen, `tel:`, the `00`
/// before a country's code), but a number that was stored so is found as well.
fn phone_numbers(text: &str) -> BTreeSet<String> {
    let number = without_scheme(text.trim());
    let number = number.strip_prefix('+').unwrap_or(number);
    let bare: String = number
        .chars()
        .filter(|sign| sign.is_alphanumeric())
        .collect();
    let international = bare.strip_prefix("00").unwrap_or(&bare);
    let spelled =
        |number: &str| ["", "+", WHATSAPP, "whatsapp:+"].map(|prefix| format!("{prefix}{number}"));
    let numbers = [number, bare.as_str(), international].into_iter();
    let numbers = numbers.filter(|number| !number.is_empty());
    numbers.flat_map(spelled).chain([text.to_owned()]).collect()
}

fn without_scheme(number: &str) -> &str {
    for scheme in [WHATSAPP, TEL] {
        let parts = number.split_at_checked(scheme.len());
        if let Some((_, rest)) = parts.filter(|(given, _)| given.eq_ignore_ascii_case(scheme)) {
            return rest.trim_start();
        }
    }
    number
}

const WHATSAPP: &str = "whatsapp:";
const TEL: &str = "tel:";

#[cfg(test)]
mod tests {
    mod fuzz;

    use super::*;

    #[test]
    fn a_phone_number_is_looked_for_in_all_its_spellings() {
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
        ] {
            let found = phone_numbers(spelled);
            assert!(
                every.iter().all(|number| found.contains(*number)),
                "{spelled}"
            );
            // As it was given, too, and nothing but that where there is no number.
            assert!(found.contains(spelled), "{spelled}");
        }
        for nothing in ["+", "whatsapp:", "whatsapp:+", "Whatsapp: + "] {
            assert_eq!(phone_numbers(nothing), [nothing.to_owned()].into());
        }
    }

    #[test]
    fn letters_differ_in_case_alone() {
        let letters = Letters::of("Né@X.de");
        assert_eq!(
            (letters.lower(), letters.upper()),
            ("né@x.de".to_owned(), "NÉ@X.DE".to_owned())
        );
        assert!(letters.spell("nÉ@x.DE"));
        for other in ["ne@x.de", "né@x.d", "né@x.dee", ""] {
            assert!(!letters.spell(other), "{other}");
        }
        // Two letters in upper case, so it has no other form.
        assert_eq!(Letters::of("ß").0, [["ß"]]);
    }

    #[test]
    fn no_address_is_printed() {
        for kind in AddressKind::ALL {
            let printed = format!("{:?}", Address::new(kind, "hunter2".to_owned()));
            assert!(!printed.contains("hunter"), "{printed}");
        }
    }
}
