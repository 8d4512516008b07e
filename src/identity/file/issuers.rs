//! `[[issuer]]`: who signs tokens of callers, or of viewers.

use std::{collections::HashSet, sync::Arc, time::Duration};

use serde::Deserialize;
use toml::{Spanned, de::DeValue};

use super::{
    Surroundings,
    problems::{Findings, Place, suggestion},
    read_entries, read_name,
};
use crate::identity::{
    files::{self, Loaded},
    keys::KeySet,
    token::{Issuer, TokenKind, token_type},
};

const MAX_ISSUERS: usize = 16;

/// The longest time until a token expires, unless the issuer says otherwise. A token that
/// lasts for ever is a password.
const DEFAULT_LONGEST_AGE: Duration = Duration::from_hours(24);

/// The most that an issuer may say.
const MAX_LONGEST_AGE: Duration = Duration::from_hours(366 * 24);

/// An issuer, and the keys of its file.
#[derive(Debug)]
pub struct IssuerEntry {
    issuer: Issuer,
    pub keys: Loaded<Arc<KeySet>>,
    /// The age of the file of keys, when the callers file was read.
    pub keys_age: Option<Duration>,
}

impl IssuerEntry {
    /// With the keys of the last good version.
    pub fn issuer(&self) -> Issuer {
        Issuer {
            keys: Arc::clone(&self.keys.value),
            ..self.issuer.clone()
        }
    }

    pub fn name(&self) -> &str {
        &self.issuer.name
    }

    pub const fn about(&self) -> TokenKind {
        self.issuer.about
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawIssuer {
    name: Spanned<String>,
    names: Spanned<String>,
    iss: Spanned<String>,
    audience: Spanned<String>,
    keys: Spanned<String>,
    user: Option<Spanned<String>>,
    longest: Option<Spanned<String>>,
    typ: Option<Spanned<String>>,
}

/// All issuers of the file, with the places of their entries.
pub fn read(
    value: Spanned<DeValue<'_>>,
    surroundings: &Surroundings<'_>,
    findings: &mut Findings<'_>,
) -> Vec<(Place, IssuerEntry)> {
    let (mut names, mut texts) = (HashSet::new(), HashSet::new());
    let mut issuers = Vec::new();
    for (place, raw) in read_entries::<RawIssuer>(value, "issuer", MAX_ISSUERS, findings) {
        read_name(&raw.name, &mut names, findings);
        if !texts.insert(raw.iss.get_ref().clone()) {
            // A token would be one of both.
            findings.add(raw.iss.span().start, "iss: another issuer has it already");
        }
        issuers.extend(read_issuer(raw, surroundings, findings).map(|issuer| (place, issuer)));
    }
    issuers
}

fn read_issuer(
    raw: RawIssuer,
    surroundings: &Surroundings<'_>,
    findings: &mut Findings<'_>,
) -> Option<IssuerEntry> {
    let about = match raw.names.get_ref().as_str() {
        "callers" => Some(TokenKind::Caller),
        "viewers" => Some(TokenKind::Viewer),
        other => {
            let known = suggestion(other, ["callers", "viewers"]);
            let text = format!("names: {other:?} is neither \"callers\" nor \"viewers\"{known}");
            findings.add(raw.names.span().start, text);
            None
        }
    };
    for (key, text) in [("iss", &raw.iss), ("audience", &raw.audience)] {
        if text.get_ref().is_empty() {
            findings.add(text.span().start, format!("{key}: is empty"));
        }
    }
    if let Some(user) = raw
        .user
        .as_ref()
        .filter(|_| about == Some(TokenKind::Caller))
    {
        let text = "user: is for an issuer with names = \"viewers\"";
        findings.add(user.span().start, text);
    }
    let longest = match &raw.longest {
        None => Some(DEFAULT_LONGEST_AGE),
        Some(text) => {
            let longest = humantime::parse_duration(text.get_ref()).ok();
            let longest = longest.filter(|it| !it.is_zero() && *it <= MAX_LONGEST_AGE);
            if longest.is_none() {
                let text_of = "longest: write a duration of a year at most, such as \"15m\"";
                findings.add(text.span().start, text_of);
            }
            longest
        }
    };
    let keys = surroundings.load(
        raw.keys.get_ref(),
        |json| KeySet::read(json).map(Arc::new),
        &surroundings.last_good.keys,
    );
    let keys = keys.map_err(|reason| {
        let text = format!("keys: {:?} {reason}", raw.keys.get_ref());
        findings.add(raw.keys.span().start, text);
    });
    let keys = keys.ok()?;
    if keys.value.unknown > 0 {
        let text = format!(
            "keys: {:?} has keys of unknown kinds, which are left out: {}",
            raw.keys.get_ref(),
            keys.value.unknown
        );
        findings.note(raw.keys.span().start, text);
    }
    Some(IssuerEntry {
        keys_age: files::age(keys.path(), surroundings.now),
        issuer: Issuer {
            name: raw.name.into_inner(),
            about: about?,
            iss: raw.iss.into_inner(),
            audience: raw.audience.into_inner(),
            user_claim: raw
                .user
                .map_or_else(|| "sub".to_owned(), Spanned::into_inner),
            longest: longest?,
            token_type: raw.typ.map(|it| token_type(it.get_ref())),
            keys: Arc::clone(&keys.value),
        },
        keys,
    })
}
