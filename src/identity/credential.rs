//! Identities: the names that credentials prove, the kinds of credentials, and the reasons why
//! one is refused.

use std::fmt;

use spiffe::SpiffeId;

/// Of an identity in an answer and in the log, so that both stay small.
pub const MAX_IDENTITY_CHARACTERS: usize = 256;

/// A name that a credential has proved. The callers file gives each to one entry.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Identity {
    /// The user id of a process, over a Unix socket.
    Uid(u32),
    /// Of a certificate.
    Spiffe(SpiffeId),
    /// Of a certificate, in lower case.
    Dns(String),
    /// Of a token, by the name of its issuer.
    Subject { issuer: String, subject: String },
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uid(uid) => write!(f, "uid:{uid}"),
            Self::Spiffe(id) => id.fmt(f),
            Self::Dns(name) => write!(f, "dns:{name}"),
            Self::Subject { issuer, subject } => write!(f, "{issuer}:{subject}"),
        }
    }
}

/// A kind of credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential {
    Uid,
    Certificate,
    /// Of a caller, in `authorization`.
    Token,
    /// Of a user, in `viewer-authorization`.
    ViewerToken,
}

impl Credential {
    /// As `ErrorInfo.metadata` has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Uid => "uid",
            Self::Certificate => "certificate",
            Self::Token => "authorization",
            Self::ViewerToken => "viewer-authorization",
        }
    }
}

/// A credential that is refused. Callers are told its kind alone, and whether it is its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialError {
    pub credential: Credential,
    pub problem: CredentialProblem,
    /// The name of the issuer of a token, once it is known.
    pub issuer: Option<String>,
    /// The id of the key that the token names, once its issuer is known.
    pub key_id: Option<String>,
}

impl CredentialError {
    pub const fn new(credential: Credential, problem: CredentialProblem) -> Self {
        Self {
            credential,
            problem,
            issuer: None,
            key_id: None,
        }
    }
}

/// The reasons why a credential is refused, for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum CredentialProblem {
    Form,
    Issuer,
    UnknownKey,
    NoKey,
    Algorithm,
    Signature,
    Claims,
    Type,
    Audience,
    User,
    TooLong,
    TwoCallers,
    Expired,
    NotYet,
    /// The authority of a certificate is not trusted any more.
    Distrusted,
}

impl CredentialProblem {
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Whether the credential is good but for its time.
    pub const fn is_about_time(self) -> bool {
        matches!(self, Self::Expired | Self::NotYet | Self::Distrusted)
    }
}
