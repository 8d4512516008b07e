//! `[[authority]]`: who signs the certificates of callers.

use std::collections::HashSet;

use serde::Deserialize;
use spiffe::TrustDomain;
use toml::{Spanned, de::DeValue};

use super::{
    Surroundings,
    problems::{Findings, Place},
    read_entries, read_name,
};
use crate::identity::{
    certificate::{EXPIRY_NOTE_WINDOW, has_ended},
    files::Loaded,
    trust::Anchors,
};

const MAX_AUTHORITIES: usize = 16;

/// An authority, and the certificates of its file.
#[derive(Debug)]
pub struct Authority {
    pub name: String,
    /// Of the SPIFFE IDs that it signs. `None` for DNS names.
    pub trust_domain: Option<String>,
    pub anchors: Loaded<Anchors>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAuthority {
    name: Spanned<String>,
    file: Spanned<String>,
    trust_domain: Option<Spanned<String>>,
}

/// All authorities of the file, with the places of their entries.
pub fn read(
    value: Spanned<DeValue<'_>>,
    surroundings: &Surroundings<'_>,
    findings: &mut Findings<'_>,
) -> Vec<(Place, Authority)> {
    let (mut names, mut trust_domains) = (HashSet::new(), HashSet::new());
    let mut authorities = Vec::new();
    for (place, raw) in read_entries::<RawAuthority>(value, "authority", MAX_AUTHORITIES, findings)
    {
        read_name(&raw.name, &mut names, findings);
        let trust_domain = raw.trust_domain.map(|domain| {
            let is_domain = TrustDomain::new(domain.get_ref())
                .is_ok_and(|parsed| parsed.as_str() == domain.get_ref());
            if !is_domain {
                let text = "trust_domain: write the name alone, in lower case";
                findings.add(domain.span().start, text);
            } else if !trust_domains.insert(domain.get_ref().clone()) {
                let text = "trust_domain: another authority has it already";
                findings.add(domain.span().start, text);
            }
            domain.into_inner()
        });
        let now = surroundings.now;
        let anchors = surroundings.load(
            raw.file.get_ref(),
            |pem| Anchors::read(pem, now),
            &surroundings.last_good.anchors,
        );
        match anchors {
            Ok(anchors) => {
                if has_ended(anchors.value.not_after(), now + EXPIRY_NOTE_WINDOW) {
                    let text = format!("authority {:?}: expires within a week", raw.name.get_ref());
                    findings.note(raw.file.span().start, text);
                }
                let authority = Authority {
                    name: raw.name.into_inner(),
                    trust_domain,
                    anchors,
                };
                authorities.push((place, authority));
            }
            Err(reason) => {
                let text = format!("file: {:?} {reason}", raw.file.get_ref());
                findings.add(raw.file.span().start, text);
            }
        }
    }
    authorities
}
