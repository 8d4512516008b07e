//! The identities of a caller. Each belongs to one caller alone.

use std::collections::{HashMap, HashSet};

use spiffe::SpiffeId;
use toml::Spanned;

use super::{
    authorities::Authority,
    form::{RawIdentities, RawSubject},
    issuers::IssuerEntry,
    problems::{Findings, Place, suggestion},
};
use crate::identity::{credential::Identity, token::TokenKind};

const MAX_IDENTITIES: usize = 32;

/// As DNS has it.
const MAX_DNS_NAME_BYTES: usize = 253;

/// The user ids that a system shows for users that it cannot name: anybody.
const UIDS_OF_NOBODY: [u32; 2] = [65_534, u32::MAX];

/// The identities so far, and what may prove them.
#[derive(Default)]
pub struct Identities {
    taken: HashMap<Identity, String>,
    /// The trust domains of the authorities; `None` for DNS names.
    trust_domains: HashSet<Option<String>>,
    /// The names of the issuers about callers.
    issuers: HashSet<String>,
}

/// An identity, with the key and the place that it was read from.
type Found = (&'static str, Place, Identity);

impl Identities {
    /// None so far, with these authorities and issuers.
    pub fn of(authorities: &[(Place, Authority)], issuers: &[(Place, IssuerEntry)]) -> Self {
        let trust_domains = authorities.iter().map(|(_, it)| it.trust_domain.clone());
        let issuers = issuers.iter().map(|(_, issuer)| issuer);
        let issuers = issuers.filter(|it| it.about() == TokenKind::Caller);
        Self {
            taken: HashMap::new(),
            trust_domains: trust_domains.collect(),
            issuers: issuers.map(|it| it.name().to_owned()).collect(),
        }
    }

    /// The identities of a caller of this name.
    pub fn read(
        &mut self,
        name: &str,
        raw: RawIdentities,
        findings: &mut Findings<'_>,
    ) -> Vec<Identity> {
        let RawIdentities {
            uids,
            spiffe,
            dns,
            subjects,
        } = raw;
        let mut found = Vec::<Found>::new();
        for uid in uids.into_iter().flatten() {
            found.push(read_uid(&uid, findings));
        }
        for id in spiffe.into_iter().flatten() {
            found.extend(self.read_spiffe(&id, findings));
        }
        for dns_name in dns.into_iter().flatten() {
            found.extend(self.read_dns(&dns_name, findings));
        }
        for subject in subjects.into_iter().flatten() {
            found.push(self.read_subject(subject, findings));
        }
        if let Some((_, surplus, _)) = found.get(MAX_IDENTITIES) {
            findings.add(*surplus, "it has more than 32 identities");
        }
        let mut identities = Vec::new();
        for (key, place, identity) in found {
            if let Some(other) = self.taken.insert(identity.clone(), name.to_owned()) {
                let text = format!("{key}: {identity} is one of {other:?} already");
                findings.add(place, text);
            }
            identities.push(identity);
        }
        identities
    }

    /// Whether a caller has an identity that an authority signs.
    pub fn uses_authority(&self, authority: &Authority) -> bool {
        self.taken.keys().any(|identity| match identity {
            Identity::Spiffe(id) => {
                authority.trust_domain.as_deref() == Some(id.trust_domain_name())
            }
            Identity::Dns(_) => authority.trust_domain.is_none(),
            _ => false,
        })
    }

    /// Whether a caller has an identity of the tokens of an issuer.
    pub fn uses_issuer(&self, name: &str) -> bool {
        self.taken
            .keys()
            .any(|identity| matches!(identity, Identity::Subject { issuer, .. } if issuer == name))
    }

    fn read_subject(&self, raw: Spanned<RawSubject>, findings: &mut Findings<'_>) -> Found {
        let place = raw.span().start;
        let RawSubject { issuer, subject } = raw.into_inner();
        if !self.issuers.contains(&issuer) {
            let known = suggestion(&issuer, self.issuers.iter().map(String::as_str));
            let text = format!(
                "subjects: there is no [[issuer]] {issuer:?} with names = \"callers\"{known}"
            );
            findings.add(place, text);
        }
        if subject.is_empty() {
            findings.add(place, "subjects: the subject is empty");
        }
        ("subjects", place, Identity::Subject { issuer, subject })
    }

    fn read_spiffe(&self, id: &Spanned<String>, findings: &mut Findings<'_>) -> Option<Found> {
        let place = id.span().start;
        let parsed = match SpiffeId::new(id.get_ref()) {
            Ok(parsed) if !parsed.path().is_empty() => parsed,
            Ok(_) => {
                findings.add(place, "spiffe: is a trust domain, and has no path");
                return None;
            }
            Err(error) => {
                findings.add(place, format!("spiffe: is no SPIFFE ID: {error}"));
                return None;
            }
        };
        let trust_domain = Some(parsed.trust_domain_name().to_owned());
        if !self.trust_domains.contains(&trust_domain) {
            let text = format!(
                "spiffe: no [[authority]] has trust_domain = {:?}",
                parsed.trust_domain_name()
            );
            findings.add(place, text);
        }
        Some(("spiffe", place, Identity::Spiffe(parsed)))
    }

    fn read_dns(&self, name: &Spanned<String>, findings: &mut Findings<'_>) -> Option<Found> {
        let place = name.span().start;
        let lower = name.get_ref().to_lowercase();
        let is_label = |label: &str| {
            let is_of_label = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
            !label.is_empty() && label.bytes().all(is_of_label)
        };
        if lower.len() > MAX_DNS_NAME_BYTES || !lower.split('.').all(is_label) {
            findings.add(place, "dns: is no name of DNS; wildcards are none");
            return None;
        }
        if !self.trust_domains.contains(&None) {
            findings.add(
                place,
                "dns: there is no [[authority]] without a trust_domain",
            );
        }
        Some(("dns", place, Identity::Dns(lower)))
    }
}

fn read_uid(uid: &Spanned<u32>, findings: &mut Findings<'_>) -> Found {
    let place = uid.span().start;
    let uid = *uid.get_ref();
    if UIDS_OF_NOBODY.contains(&uid) {
        let text = format!("uids: {uid} stands for users that have no name: anybody");
        findings.add(place, text);
    }
    ("uids", place, Identity::Uid(uid))
}
