//! The identities of a caller. Each belongs to one caller alone.

use std::collections::{BTreeSet, HashMap};

use spiffe::SpiffeId;
use toml::Spanned;

use super::{
    form::RawIdentities,
    problems::{Findings, Place},
};
use crate::identity::credential::Identity;

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
    trust_domains: BTreeSet<Option<String>>,
    /// Of these, what identities need.
    pub used_trust_domains: BTreeSet<Option<String>>,
}

impl Identities {
    /// None so far, with these authorities.
    pub fn new(trust_domains: BTreeSet<Option<String>>) -> Self {
        Self {
            trust_domains,
            ..Self::default()
        }
    }

    /// The identities of a caller of this name.
    pub fn read(
        &mut self,
        name: &str,
        raw: RawIdentities,
        findings: &mut Findings<'_>,
    ) -> Vec<Identity> {
        let RawIdentities { uids, spiffe, dns } = raw;
        let uids = uids.into_iter().flatten();
        let uids = uids.map(|uid| read_uid(&uid, findings));
        let mut found: Vec<_> = uids.collect();
        for id in spiffe.into_iter().flatten() {
            found.extend(self.read_spiffe(&id, findings));
        }
        for dns_name in dns.into_iter().flatten() {
            found.extend(self.read_dns(&dns_name, findings));
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

    fn read_spiffe(
        &mut self,
        id: &Spanned<String>,
        findings: &mut Findings<'_>,
    ) -> Option<(&'static str, Place, Identity)> {
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
        self.used_trust_domains.insert(trust_domain);
        Some(("spiffe", place, Identity::Spiffe(parsed)))
    }

    fn read_dns(
        &mut self,
        name: &Spanned<String>,
        findings: &mut Findings<'_>,
    ) -> Option<(&'static str, Place, Identity)> {
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
        self.used_trust_domains.insert(None);
        Some(("dns", place, Identity::Dns(lower)))
    }
}

fn read_uid(uid: &Spanned<u32>, findings: &mut Findings<'_>) -> (&'static str, Place, Identity) {
    let place = uid.span().start;
    let uid = *uid.get_ref();
    if UIDS_OF_NOBODY.contains(&uid) {
        let text = format!("uids: {uid} stands for users that have no name: anybody");
        findings.add(place, text);
    }
    ("uids", place, Identity::Uid(uid))
}
