//! Identities: the names that credentials prove, and the kinds of credentials.

use std::fmt;

use spiffe::SpiffeId;

/// A name that a credential has proved. The callers file gives each to one entry.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Identity {
    /// The user id of a process, over a Unix socket.
    Uid(u32),
    /// Of a certificate.
    Spiffe(SpiffeId),
    /// Of a certificate, in lower case.
    Dns(String),
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uid(uid) => write!(f, "uid:{uid}"),
            Self::Spiffe(id) => id.fmt(f),
            Self::Dns(name) => write!(f, "dns:{name}"),
        }
    }
}

/// A kind of credential, for errors and logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential {
    /// Nothing but a connection of this machine.
    Local,
    Uid,
    Certificate,
}

impl Credential {
    /// As `ErrorInfo.metadata` and the log have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Uid => "uid",
            Self::Certificate => "certificate",
        }
    }
}
