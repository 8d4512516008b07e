//! The statements that find inboxes by an external address, by leadchat's own
//! indexes.
//!
//! Every column has a unique index (a page's id has a plain one), but for two
//! that are scanned: `channel_facebook_pages.instagram_id` and
//! `channel_twitter_profiles.profile_id`.
//!
//! **Phone numbers.** WhatsApp writes some numbers otherwise than their country does. For
//! WhatsApp channels and Twilio's WhatsApp channels, the same statement searches both
//! forms. The other form counts only if no channel of the kind has the number as given.
//!
//! **Case.** Mail addresses are found whatever their case, and leadchat's indexes on them
//! are plain ones. Where texts are ordered as in a dictionary, all forms of an address
//! lie next to each other, between its lower and its upper case. In byte order they lie
//! far apart. There the index is searched letter by letter, along the prefixes that some
//! stored address has. In the few languages in which case makes another letter of one,
//! addresses are scanned.

use enum_map::EnumMap;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::{
    Argument, Dialect, Statement,
    select::{Target, select},
};
use crate::{
    domain::{
        address::{AddressKind, FoldedText},
        channel::ChannelKind,
    },
    store::schema::{
        rows::FoundRow,
        tables::{self, address_columns},
    },
};

/// How a database orders texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Collation {
    /// Case counts only between texts that are otherwise alike.
    CaseInsensitive,
    Binary,
    /// Neither holds for every letter: in Turkish `i` and `I` are two letters, and
    /// in Danish `aa` and `AA` are one while `aA` is two. No index helps.
    Other,
}

impl Collation {
    /// The arguments of a case-insensitive statement.
    pub fn arguments(self, characters: &FoldedText) -> Vec<Argument> {
        match self {
            Self::CaseInsensitive => vec![
                Argument::Text(characters.lower()),
                Argument::Text(characters.upper()),
            ],
            Self::Other => vec![Argument::Text(case_regex(characters))],
            Self::Binary => vec![Argument::Text(
                Value::from(characters.0.clone()).to_string(),
            )],
        }
    }
}

/// A statement for each kind of address.
pub(in crate::store) struct AddressLookups {
    collation: Collation,
    statements: EnumMap<AddressKind, Statement>,
}

impl AddressLookups {
    pub fn new(target: Target<'_>, collation: Collation) -> Self {
        let statements = EnumMap::from_fn(|kind| statement(target, collation, kind));
        Self {
            collation,
            statements,
        }
    }

    pub fn of(&self, kind: AddressKind) -> &Statement {
        &self.statements[kind]
    }

    pub const fn collation(&self) -> Collation {
        self.collation
    }
}

/// The lists that a look-up of a phone number is bound to: what is looked for in any
/// channel, in Twilio's, and in WhatsApp's.
pub(in crate::store) fn phone_number_lists(
    exact: &[SecretString],
    whatsapp: &[SecretString],
) -> [Argument; 3] {
    let of_twilio = whatsapp
        .iter()
        .filter(|number| number.expose_secret().starts_with(TWILIO_WHATSAPP));
    let of_twilio = exact.iter().chain(of_twilio);
    let of_whatsapp = exact.iter().chain(whatsapp);
    [
        Argument::Texts(exact.to_vec()),
        Argument::Texts(of_twilio.cloned().collect()),
        Argument::Texts(of_whatsapp.cloned().collect()),
    ]
}

/// How the numbers of Twilio's WhatsApp channels begin.
pub(in crate::store) const TWILIO_WHATSAPP: &str = "whatsapp:";

const fn phone_number_list(channel: ChannelKind) -> &'static str {
    match channel {
        ChannelKind::TwilioSms => "$2",
        ChannelKind::Whatsapp => "$3",
        _ => "$1",
    }
}

fn statement(target: Target<'_>, collation: Collation, kind: AddressKind) -> Statement {
    let Target {
        dialect, schema, ..
    } = target;
    let any_case = matches!(kind, AddressKind::Email | AddressKind::ForwardToEmail);
    let columns = address_columns(kind).iter();
    let columns: Vec<_> = columns
        .filter(|(channel, _)| schema.has_channels(*channel))
        .collect();
    let owners: Vec<_> = columns
        .iter()
        .map(|(channel, column)| {
            let (table, _) = tables::channel_table(*channel);
            let class_name = channel.class_name();
            // The compared column may be a secret, so it is read only if the comparison
            // has to be repeated.
            let (stored_text, among) = match (any_case, collation) {
                _ if kind == AddressKind::PhoneNumber => (
                    format!("t.{column}"),
                    dialect.is_among(&format!("t.{column}"), phone_number_list(*channel)),
                ),
                (true, Collation::CaseInsensitive) => (
                    format!("t.{column}"),
                    format!(
                        "t.{column} BETWEEN least(CAST($1 AS text), CAST($2 AS text)) \
                         AND greatest(CAST($1 AS text), CAST($2 AS text))"
                    ),
                ),
                (true, Collation::Other) => (
                    format!("t.{column}"),
                    format!("t.{column} COLLATE \"C\" ~ $1"),
                ),
                (true, Collation::Binary) => (
                    "CAST(NULL AS text)".to_owned(),
                    format!("t.{column} IN ({})", prefix_scan(dialect, table, column)),
                ),
                (false, _) => (
                    "CAST(NULL AS text)".to_owned(),
                    dialect.is_among(&format!("t.{column}"), "$1"),
                ),
            };
            format!(
                "SELECT '{class_name}' AS channel_type, t.id, {stored_text} AS stored_text \
                 FROM {table} t WHERE {among}"
            )
        })
        .collect();
    let tables: Vec<_> = columns
        .iter()
        .map(|(channel, _)| tables::channel_table(*channel).0)
        .collect();
    let found = select::<FoundRow>(
        target,
        &format!(
            "FROM ({}) t JOIN inboxes i ON i.channel_id = t.id AND i.channel_type = t.channel_type",
            owners.join(" UNION ALL ")
        ),
    );
    Statement {
        table: tables.join(", ").into(),
        ..found
    }
}

/// The letters as a regular expression of PostgreSQL's.
fn case_regex(characters: &FoldedText) -> String {
    let escaped = |form: &String| match form.chars().next() {
        Some(letter) if letter.is_ascii() && !letter.is_ascii_alphanumeric() => {
            format!("\\{form}")
        }
        _ => form.clone(),
    };
    let forms = |forms: &Vec<String>| forms.iter().map(escaped).collect::<Vec<_>>().join("|");
    let characters = characters
        .0
        .iter()
        .map(|letter| format!("(?:{})", forms(letter)));
    format!("^{}$", characters.collect::<String>())
}

/// The stored texts that are made of one form of each letter: `$1` is a list of letters,
/// each a list of its forms. Continues with a prefix only if some text begins with it,
/// which the smallest text from there on shows. Compared by bytes, since stored texts
/// need not be letters.
fn prefix_scan(dialect: Dialect, table: &str, column: &str) -> String {
    let next = "s.begin || form.value";
    let least = format!(
        "(SELECT e.{column} FROM {table} e WHERE e.{column} >= {next} \
         ORDER BY e.{column} LIMIT 1)"
    );
    let (characters, forms, begins_so) = match dialect {
        Dialect::Postgres => (
            "CAST($1 AS json)",
            "json_array_elements_text(CAST($1 AS json) -> s.depth) AS form(value)",
            format!("substr(textsend({least}), 1, length(textsend({next}))) = textsend({next})"),
        ),
        Dialect::Sqlite => (
            "$1",
            "json_each($1 -> s.depth) AS form",
            format!("substr({least}, 1, s.depth + 1) = {next}"),
        ),
    };
    format!(
        "WITH RECURSIVE s(begin, depth) AS (\
         SELECT CAST('' AS text), 0 \
         UNION ALL \
         SELECT {next}, s.depth + 1 FROM s, {forms} WHERE {begins_so}) \
         SELECT s.begin FROM s WHERE s.depth = json_array_length({characters})"
    )
}
