//! From all that is presented with a call to its caller. Everything is verified, and has to
//! lead to one entry: no credential is ignored, and none has precedence.

use std::{sync::Arc, time::SystemTime};

use super::{
    caller::{Caller, Entry, Policy},
    credential::{
        Credential, CredentialError, CredentialProblem, Identity, MAX_IDENTITY_CHARACTERS,
    },
    peer::Peer,
    token::{TokenKind, VerifiedToken, bearer},
};

/// All that is presented with a call. It prints nothing of itself: it has tokens.
#[derive(Clone, Copy)]
pub struct Presented<'p> {
    pub peer: &'p Peer,
    /// The values of `authorization`.
    pub authorization: &'p [&'p [u8]],
    /// The values of `viewer-authorization`.
    pub viewer_authorization: &'p [&'p [u8]],
}

/// The reasons why nobody is identified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentifyError {
    /// Nothing is presented.
    Missing,
    /// It is this caller, which needs this credential beside the other.
    Incomplete { caller: String, lacks: Credential },
    /// It has proved identities that no entry has.
    Unknown { identity: String },
    /// A credential is bad, or two lead to two entries.
    Refused(CredentialError),
}

impl From<CredentialError> for IdentifyError {
    fn from(error: CredentialError) -> Self {
        Self::Refused(error)
    }
}

impl Policy {
    /// The caller by all that is presented, at a time. Everything is verified, and has to lead
    /// to one entry.
    pub fn identify(
        &self,
        presented: &Presented<'_>,
        now: SystemTime,
    ) -> Result<Caller, IdentifyError> {
        let certificate = match presented.peer {
            Peer::Tls(_, certificate) => certificate.as_deref(),
            Peer::Loopback | Peer::Unix(_) => None,
        };
        if let Some(certificate) = certificate {
            certificate.check(&self.trust.authorities, self.generation, now)?;
        }
        let token = self.verify(presented.authorization, TokenKind::Caller, now)?;
        let viewer = self.verify(presented.viewer_authorization, TokenKind::Viewer, now)?;

        let by_certificate = certificate
            .map(|it| self.entry_of(&it.leaf.names, Credential::Certificate))
            .transpose()?;
        let uid = match presented.peer {
            Peer::Unix(Some(uid)) => Some(Identity::Uid(*uid)),
            _ => None,
        };
        let by_uid = uid.as_ref().and_then(|uid| self.by_identity.get(uid));
        let by_peer = match (by_certificate, by_uid) {
            (Some(entry), _) => Some((entry, Credential::Certificate)),
            (None, entry) => entry.map(|entry| (entry, Credential::Uid)),
        };
        let by_token = token
            .as_ref()
            .map(|token| self.entry_of(&[token.identity()], Credential::Token))
            .transpose()?;
        let entry = match (by_peer, by_token) {
            (Some((entry, _)), Some(other)) if !Arc::ptr_eq(entry, other) => {
                let problem = CredentialProblem::TwoCallers;
                return Err(CredentialError::new(Credential::Token, problem).into());
            }
            (Some((entry, _)), _) | (None, Some(entry)) => entry,
            (None, None) => self.local_entry(presented.peer, uid.as_ref())?,
        };
        let lacks = match (by_peer, &token) {
            (None, _) if matches!(presented.peer, Peer::Unix(_)) => Some(Credential::Uid),
            (None, _) => Some(Credential::Certificate),
            (_, None) => Some(Credential::Token),
            _ => None,
        };
        if let Some(lacks) = lacks.filter(|_| entry.needs_all) {
            return Err(IdentifyError::Incomplete {
                caller: entry.name.clone(),
                lacks,
            });
        }
        let proved = match (certificate, by_uid.and(uid)) {
            (Some(certificate), _) => certificate.leaf.names.clone(),
            (None, uid) => uid.into_iter().collect(),
        };
        let of_token = token.iter().map(|token| token.identity());
        let end = certificate.and_then(|it| it.next_end(now));
        let tokens = token.iter().chain(&viewer);
        Ok(Caller {
            identities: proved.into_iter().chain(of_token).collect(),
            until: end.into_iter().chain(tokens.map(|it| it.expires())).min(),
            entry: Arc::clone(entry),
            peer: by_peer.map(|(_, credential)| credential),
            token,
            user: viewer.and_then(|token| token.user),
        })
    }

    fn verify(
        &self,
        header: &[&[u8]],
        about: TokenKind,
        now: SystemTime,
    ) -> Result<Option<Arc<VerifiedToken>>, CredentialError> {
        let Some(tokens) = &self.trust.tokens else {
            return Ok(None);
        };
        let token = bearer(header.iter().copied(), about)?;
        token
            .map(|token| tokens.verify(token, about, now))
            .transpose()
    }

    /// The entry of a process of this machine that has proved nothing.
    fn local_entry(
        &self,
        peer: &Peer,
        uid: Option<&Identity>,
    ) -> Result<&Arc<Entry>, IdentifyError> {
        match (peer, &self.local, uid) {
            (Peer::Loopback | Peer::Unix(_), Some(entry), _) => Ok(entry),
            (_, _, Some(uid)) => Err(IdentifyError::Unknown {
                identity: uid.to_string(),
            }),
            (_, _, None) => Err(IdentifyError::Missing),
        }
    }

    /// The entry that all names of a credential lead to, as far as the file has them.
    fn entry_of(
        &self,
        names: &[Identity],
        credential: Credential,
    ) -> Result<&Arc<Entry>, IdentifyError> {
        let mut entries = names.iter().filter_map(|name| self.by_identity.get(name));
        let Some(entry) = entries.next() else {
            let names: Vec<_> = names.iter().map(ToString::to_string).collect();
            let identity = names.join(", ");
            return Err(IdentifyError::Unknown {
                identity: identity.chars().take(MAX_IDENTITY_CHARACTERS).collect(),
            });
        };
        if entries.any(|other| !Arc::ptr_eq(other, entry)) {
            let problem = CredentialProblem::TwoCallers;
            return Err(CredentialError::new(credential, problem).into());
        }
        Ok(entry)
    }
}
