//! Property tests and their hostile input.
//!
//! A property is a function that panics if it does not hold. `cargo test` tries each for
//! a moment and `make fuzz` for longer, on new input every time. A failing input is
//! shrunk and printed; it belongs into an ordinary test beside the property.

pub mod json;
pub mod schedules;

use proptest::{
    collection::vec,
    prelude::*,
    sample::{Index, select},
    test_runner::{TestRunner, contextualize_config},
};

use crate::domain::{
    id::{AccountId, ChannelId, InboxId},
    inbox::{Inbox, Settings},
};

/// A marker in the input that must not occur in error texts.
pub const MARK: &str = "h8NTER2";

/// Tries a property on this many inputs, or on as many as PROPTEST_CASES says.
pub fn for_all<S: Strategy>(cases: u32, inputs: S, property: impl Fn(S::Value)) {
    let mut config = contextualize_config(ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    // Input that a strategy leaves out grows with the number of cases, too.
    config.max_local_rejects = config
        .max_local_rejects
        .max(config.cases.saturating_mul(100));
    let tried = TestRunner::new(config).run(&inputs, |input| {
        property(input);
        Ok(())
    });
    if let Err(failure) = tried {
        panic!("{failure}");
    }
}

/// Characters with two cases, three or none; with other final or longer forms; combining,
/// invisible or bidirectional; first or last of a range.
const ODD: [char; 48] = [
    'Σ',
    'σ',
    'ς',
    'İ',
    'I',
    'ı',
    'i',
    'ẞ',
    'ß',
    'ǅ',
    'Ⱥ',
    'ﬀ',
    '\u{212a}',
    '\u{212b}',
    'ŉ',
    'ΐ',
    'ᾳ',
    'Ꭰ',
    'ꭰ',
    'Ᏸ',
    'Ა',
    'ა',
    '𐐀',
    '𐐨',
    '𞤀',
    '𞤢',
    'א',
    'ش',
    '\u{301}',
    '\u{307}',
    '\u{345}',
    '\u{200d}',
    '\u{200f}',
    '\u{202e}',
    '\u{ad}',
    '\u{a0}',
    '\u{2028}',
    '\u{feff}',
    '\u{fffd}',
    '\0',
    '\u{7f}',
    '\u{85}',
    '\u{d7ff}',
    '\u{e000}',
    '\u{ffff}',
    '\u{10000}',
    '\u{e0001}',
    '\u{10ffff}',
];

/// A character of any plane; odd ones and ASCII more often.
pub fn letter() -> impl Strategy<Value = char> {
    prop_oneof![
        3 => select(&ODD[..]),
        3 => proptest::char::range(' ', '~'),
        1 => proptest::char::range('\0', '\u{7ff}'),
        1 => proptest::char::range('\u{800}', '\u{ffff}'),
        1 => proptest::char::range('\u{10000}', '\u{1ffff}'),
        1 => proptest::char::range('\u{20000}', '\u{10ffff}'),
    ]
}

/// Fewer than `most` characters.
pub fn text(most: usize) -> impl Strategy<Value = String> {
    vec(letter(), 0..most).prop_map(String::from_iter)
}

/// Random bytes.
pub fn noise() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..200)
}

/// One of these samples, intact or damaged.
pub fn damaged_one_of(samples: &'static [&str]) -> impl Strategy<Value = String> {
    let bytes = select(samples).prop_map(|sample| sample.as_bytes().to_vec());
    damaged(bytes).prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// The values of another strategy, intact or damaged.
pub fn damaged(whole: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    (whole, vec(damage(), 0..4)).prop_map(|(mut bytes, damages)| {
        for damage in damages {
            damage.apply(&mut bytes);
        }
        bytes
    })
}

/// A stretch of bytes that becomes something else.
#[derive(Clone, Debug)]
struct Damage {
    begin: Index,
    length: usize,
    instead: Instead,
}

#[derive(Clone, Debug)]
enum Instead {
    Other(Vec<u8>),
    Flipped(u8),
    Repeated(usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    let length = prop_oneof![4 => 0_usize..4, 4 => 0_usize..30, 1 => Just(usize::MAX)];
    let instead = prop_oneof![
        Just(Instead::Other(Vec::new())),
        vec(any::<u8>(), 1..8).prop_map(Instead::Other),
        text(3).prop_map(|text| Instead::Other(text.into_bytes())),
        (0_u32..8).prop_map(|bit| Instead::Flipped(1 << bit)),
        prop_oneof![2..5_usize, 2..200_usize].prop_map(Instead::Repeated),
    ];
    (any::<Index>(), length, instead).prop_map(|(begin, length, instead)| Damage {
        begin,
        length,
        instead,
    })
}

impl Damage {
    fn apply(self, bytes: &mut Vec<u8>) {
        let begin = self.begin.index(bytes.len() + 1);
        let end = begin.saturating_add(self.length).min(bytes.len());
        let stretch = &bytes[begin..end];
        let instead = match self.instead {
            Instead::Other(other) => other,
            Instead::Flipped(bits) => stretch.iter().map(|byte| byte ^ bits).collect(),
            Instead::Repeated(times) => stretch.repeat(times),
        };
        bytes.splice(begin..end, instead);
    }
}

/// An inbox of account 1 without a channel.
pub fn inbox(id: i64, name: &str) -> Inbox {
    Inbox {
        id: InboxId(id),
        account_id: AccountId(1),
        name: name.to_owned(),
        channel_type: None,
        channel_id: ChannelId(1),
        avatar_url: None,
        settings: Settings {
            greeting_enabled: None,
            greeting_message: None,
            working_hours_enabled: None,
            enable_email_collect: None,
            csat_survey_enabled: None,
            csat_config: None,
            enable_auto_assignment: None,
            auto_assignment_config: None,
            out_of_office_message: None,
            working_hours: Vec::new(),
            timezone: None,
            callback_webhook_url: None,
            allow_messages_after_resolved: None,
            lock_to_single_conversation: None,
            sender_name_type: None,
            business_name: None,
            help_center: None,
        },
        channel: None,
        degradations: Vec::new(),
        sealed_degradations: None,
    }
}
