//! Error texts for TLS: what is wrong with a server's certificate or ciphers, and what to
//! do about it.
//!
//! rustls supports less than the OpenSSL that leadchat uses. A connection that it refuses
//! is never opened in clear instead.

use rustls::{AlertDescription as Alert, CertificateError as Cause, Error};

/// The settings that a text names.
pub(super) struct SettingNames {
    /// The one of the trusted authorities.
    pub authority: &'static str,
    /// The settings of the client certificate.
    pub client: &'static str,
}

pub(super) const POSTGRES: SettingNames = SettingNames {
    authority: "sslrootcert",
    client: "sslcert, sslkey",
};
pub(super) const REDIS: SettingNames = SettingNames {
    authority: "SSL_CERT_FILE",
    client: "tls-auth-clients, which is not supported",
};

const NOTHING_IN_COMMON: &str = "it has no TLS version or cipher in common with this service, which \
    supports TLS 1.3, and TLS 1.2 with ECDHE and AES-GCM or ChaCha20-Poly1305";

impl SettingNames {
    /// For a server that closes the connection after the handshake.
    pub fn describe_closed(&self) -> String {
        format!(
            "it closed the connection at once; it may require a client certificate ({})",
            self.client
        )
    }

    pub fn describe(&self, error: &Error) -> String {
        let Self { authority, client } = self;
        match error {
            Error::InvalidCertificate(cause) => {
                let what = describe_certificate(cause);
                match cause {
                    Cause::UnknownIssuer | Cause::BadSignature => {
                        format!("its certificate {what} ({authority})")
                    }
                    _ => format!("its certificate {what}"),
                }
            }
            Error::AlertReceived(Alert::ProtocolVersion | Alert::InsufficientSecurity)
            | Error::PeerIncompatible(_) => NOTHING_IN_COMMON.to_owned(),
            // TLS 1.2 has one alert for both.
            Error::AlertReceived(Alert::HandshakeFailure) => {
                format!("{NOTHING_IN_COMMON}; or it requires a client certificate ({client})")
            }
            Error::AlertReceived(Alert::CertificateRequired) => {
                format!("it requires a client certificate ({client})")
            }
            Error::AlertReceived(_) => {
                format!("it aborted TLS; it may require another client certificate ({client})")
            }
            Error::InvalidMessage(_) => "its answer is not TLS".to_owned(),
            Error::InconsistentKeys(_) => {
                format!("the client's key does not match its certificate ({client})")
            }
            _ => "TLS failed".to_owned(),
        }
    }
}

fn describe_certificate(cause: &Cause) -> &'static str {
    match cause {
        Cause::UnknownIssuer => "comes from an authority that is not trusted",
        // The authority may be another one of the same name.
        Cause::BadSignature => {
            "comes from an authority that is not trusted, or has a key that is too short: of RSA, \
             2048 bits are the least"
        }
        Cause::NotValidForNameContext { presented, .. } if presented.is_empty() => {
            "has no subjectAltName; issue one that has the name or address of the server there, \
             because the CN does not count"
        }
        Cause::NotValidForName | Cause::NotValidForNameContext { .. } => "is that of another host",
        Cause::Expired | Cause::ExpiredContext { .. } => "has expired",
        Cause::NotValidYet | Cause::NotValidYetContext { .. } => {
            "is not valid yet; is the clock right?"
        }
        Cause::InvalidPurpose | Cause::InvalidPurposeContext { .. } => {
            "is not for servers; issue one whose extendedKeyUsage has serverAuth, or one without it"
        }
        Cause::UnsupportedSignatureAlgorithmContext { .. }
        | Cause::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "has a signature that is not supported, such as SHA-1; issue one that is signed with \
             SHA-256"
        }
        // Errors of the library below rustls, which has no names for them.
        Cause::Other(other) => match other.to_string().as_str() {
            "UnsupportedCertVersion" => {
                "is of X.509 version 1, which is not supported; issue one of version 3, with its \
                 name or address as subjectAltName"
            }
            "CaUsedAsEndEntity" => {
                "is that of an authority (CA:TRUE), which is not supported for a server; issue one \
                 that the authority signs (CA:FALSE), with its name or address as subjectAltName"
            }
            "EndEntityUsedAsCa" => {
                "is signed with a certificate that is not an authority's (CA:FALSE)"
            }
            "NameConstraintViolation" => "has a name that its authority may not certify",
            "UnsupportedCriticalExtension" => "has a critical extension that is not supported",
            _ => "is not valid",
        },
        Cause::UnhandledCriticalExtension => "has a critical extension that is not supported",
        Cause::BadEncoding => "is damaged",
        _ => "is not valid",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(cause: Cause) -> String {
        POSTGRES.describe(&Error::InvalidCertificate(cause))
    }

    /// The errors that no server of the suite can cause.
    #[test]
    fn an_error_says_the_problem_and_the_remedy() {
        let signed = Cause::UnsupportedSignatureAlgorithmContext {
            signature_algorithm_id: Vec::new(),
            supported_algorithms: Vec::new(),
        };
        for (cause, says) in [
            (Cause::Expired, "its certificate has expired"),
            (Cause::NotValidYet, "clock"),
            (Cause::InvalidPurpose, "serverAuth"),
            (Cause::BadSignature, "2048 bits are the least (sslrootcert)"),
            (signed, "SHA-256"),
            (Cause::BadEncoding, "its certificate is damaged"),
            (Cause::Revoked, "its certificate is not valid"),
        ] {
            let said = said(cause);
            assert!(said.contains(says), "{said}");
        }
        let required = Error::AlertReceived(Alert::CertificateRequired);
        assert!(REDIS.describe(&required).contains("tls-auth-clients"));
    }
}
