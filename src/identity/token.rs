//! Tokens: signed statements of an issuer (JWT, RFC 7519) about a caller, or about the user on
//! whose behalf it calls. An issuer speaks of one of the two.
//!
//! The form is judged first, then issuer and key, the signature, the claims, and the time at
//! last. So the answer to a forged token says nothing about its time.

use std::{
    collections::HashMap,
    fmt,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use jsonwebtoken::{
    Algorithm, DecodingKey, TokenData, Validation, dangerous::insecure_decode_claims, decode,
    decode_header, errors::ErrorKind,
};
use quick_cache::sync::Cache;
use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor},
};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{
    credential::{Credential, CredentialError, CredentialProblem as Problem, Identity},
    keys::{KeyError, KeySet},
};
use crate::{
    domain::id::UserId,
    metrics::callers::{CallerMetrics, TokenResult},
};

/// The difference of clocks that is tolerated, both ways.
const CLOCK_SKEW_WINDOW: Duration = Duration::from_mins(1);

/// Of the value of a header.
const MAX_HEADER_BYTES: usize = 8 << 10;

/// Verified tokens that are kept, so that their signatures are verified once.
const CACHED_TOKENS: usize = 10_000;

/// Characters of a key's id in the log.
const MAX_LOGGED_CHARACTERS: usize = 64;

/// The types of tokens, unless the issuer has its own.
const TYPES: [&str; 3] = ["jwt", "at+jwt", "jose"];

const SCHEME: &str = "bearer ";

/// An issuer of tokens.
#[derive(Clone, Debug)]
pub struct Issuer {
    pub name: String,
    pub about: TokenKind,
    pub iss: String,
    pub audience: String,
    /// The claim with the id of the user, for issuers about viewers.
    pub user_claim: String,
    /// The longest time until a token expires.
    pub longest: Duration,
    /// The type of its tokens, in lower case, if it has its own.
    pub token_type: Option<String>,
    pub keys: Arc<KeySet>,
}

/// The one that a token is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    Caller,
    Viewer,
}

impl TokenKind {
    const fn credential(self) -> Credential {
        match self {
            Self::Caller => Credential::Token,
            Self::Viewer => Credential::ViewerToken,
        }
    }
}

/// The statements of a token whose signature was verified.
#[derive(Debug)]
pub struct VerifiedToken {
    /// The name of the issuer.
    pub issuer: String,
    about: TokenKind,
    pub subject: String,
    /// Only of tokens about viewers.
    pub user: Option<UserId>,
    not_before: Option<u64>,
    expires: u64,
}

/// Verifies tokens by the keys of the issuers.
#[derive(Debug)]
pub struct Verifier {
    issuers: Vec<Issuer>,
    /// By the hash of the token. Time is judged at every use.
    verified: Cache<[u8; 32], Arc<VerifiedToken>>,
    metrics: CallerMetrics,
}

#[derive(Deserialize)]
struct IssuerClaim {
    iss: String,
}

/// Strict: numbers are integers, nothing is null, and nothing comes twice.
#[derive(Deserialize)]
struct Claims {
    sub: String,
    aud: Audience,
    exp: u64,
    #[serde(default, deserialize_with = "not_null")]
    nbf: Option<u64>,
    #[serde(default, deserialize_with = "not_null")]
    iat: Option<u64>,
    #[serde(flatten)]
    others: Others,
}

/// All other claims, none of which comes twice.
struct Others(HashMap<String, Value>);

impl<'de> Deserialize<'de> for Others {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Claims;

        impl<'de> Visitor<'de> for Claims {
            type Value = Others;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("claims")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Others, A::Error> {
                let mut claims = HashMap::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    if claims.insert(name, value).is_some() {
                        return Err(A::Error::custom("a claim comes twice"));
                    }
                }
                Ok(Others(claims))
            }
        }

        deserializer.deserialize_map(Claims)
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    /// Whether the token is for this service alone. Another audience could use it here.
    fn is_only(&self, audience: &str) -> bool {
        match self {
            Self::One(one) => one == audience,
            Self::Several(several) => matches!(several.as_slice(), [one] if one == audience),
        }
    }
}

fn not_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    u64::deserialize(deserializer).map(Some)
}

/// The token of a header that comes at most once: `Bearer`, one space, and the token.
pub fn bearer<'h>(
    mut values: impl Iterator<Item = &'h [u8]>,
    about: TokenKind,
) -> Result<Option<&'h str>, CredentialError> {
    let error = || CredentialError::new(about.credential(), Problem::Form);
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() || value.len() > MAX_HEADER_BYTES {
        return Err(error());
    }
    let text = str::from_utf8(value).map_err(|_| error())?;
    let is_of_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    match text.split_at_checked(SCHEME.len()) {
        Some((scheme, token))
            if scheme.eq_ignore_ascii_case(SCHEME)
                && !token.is_empty()
                && token.bytes().all(is_of_token) =>
        {
            Ok(Some(token))
        }
        _ => Err(error()),
    }
}

impl Verifier {
    pub fn new(issuers: Vec<Issuer>, metrics: CallerMetrics) -> Self {
        Self {
            issuers,
            verified: Cache::new(CACHED_TOKENS),
            metrics,
        }
    }

    /// The statements of a token, if it is good at this time.
    pub fn verify(
        &self,
        token: &str,
        about: TokenKind,
        now: SystemTime,
    ) -> Result<Arc<VerifiedToken>, CredentialError> {
        let hash = Sha256::digest(token).into();
        let cached = self.verified.get(&hash).filter(|it| it.about == about);
        let result = match &cached {
            Some(_) => TokenResult::Cached,
            None => TokenResult::Verified,
        };
        let verified = match cached {
            Some(verified) => Ok(verified),
            None => self.verify_signature(token, about, now).map(|verified| {
                let verified = Arc::new(verified);
                self.verified.insert(hash, Arc::clone(&verified));
                verified
            }),
        };
        let verified = verified.and_then(|it| it.check_time(now).map(|()| it));
        let is_refused = verified.is_err();
        self.metrics.token(if is_refused {
            TokenResult::Refused
        } else {
            result
        });
        verified
    }

    /// All but the time.
    fn verify_signature(
        &self,
        token: &str,
        about: TokenKind,
        now: SystemTime,
    ) -> Result<VerifiedToken, CredentialError> {
        let error = |problem| CredentialError::new(about.credential(), problem);
        let header = decode_header(token).map_err(|_| error(Problem::Form))?;
        let claim: IssuerClaim = insecure_decode_claims(token).map_err(|_| error(Problem::Form))?;
        let mut issuers = self.issuers.iter();
        let issuer = issuers.find(|it| it.iss == claim.iss && it.about == about);
        let issuer = issuer.ok_or_else(|| error(Problem::Issuer))?;
        let error = |problem| CredentialError {
            issuer: Some(issuer.name.clone()),
            key_id: header.kid.as_deref().map(visible),
            ..error(problem)
        };
        let key = issuer.keys.find(header.kid.as_deref(), header.alg);
        let key = key.map_err(|reason| {
            error(match reason {
                KeyError::Unknown => Problem::UnknownKey,
                KeyError::NotNamed => Problem::NoKey,
                KeyError::Algorithm => Problem::Algorithm,
            })
        })?;
        let decoded = issuer.decode(token, header.alg, key);
        let TokenData { header, claims } = decoded.map_err(error)?;
        let token_type = header.typ.as_deref().map(token_type);
        let is_of_type = match (&issuer.token_type, token_type) {
            (Some(own), token_type) => token_type.as_ref() == Some(own),
            (None, None) => true,
            (None, Some(token_type)) => TYPES.contains(&token_type.as_str()),
        };
        if !is_of_type {
            return Err(error(Problem::Type));
        }
        if !claims.aud.is_only(&issuer.audience) {
            return Err(error(Problem::Audience));
        }
        let user = match about {
            TokenKind::Caller => None,
            TokenKind::Viewer => Some(issuer.user(&claims).ok_or_else(|| error(Problem::User))?),
        };
        let lasts = claims.exp.saturating_sub(seconds(now));
        if lasts > (issuer.longest + CLOCK_SKEW_WINDOW).as_secs() {
            return Err(error(Problem::TooLong));
        }
        Ok(VerifiedToken {
            issuer: issuer.name.clone(),
            about,
            subject: claims.sub,
            user,
            // A token of the future is not valid yet, whatever it says.
            not_before: claims.nbf.max(claims.iat),
            expires: claims.exp,
        })
    }
}

impl Issuer {
    /// `algorithm` is that of the key.
    fn decode(
        &self,
        token: &str,
        algorithm: Algorithm,
        key: &DecodingKey,
    ) -> Result<TokenData<Claims>, Problem> {
        let mut validation = Validation::new(algorithm);
        validation.set_issuer(&[&self.iss]);
        validation.set_audience(&[&self.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // The library would ask the clock.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        decode(token, key, &validation).map_err(|error| match error.kind() {
            ErrorKind::InvalidSignature => Problem::Signature,
            ErrorKind::InvalidAudience => Problem::Audience,
            ErrorKind::InvalidIssuer => Problem::Issuer,
            ErrorKind::InvalidAlgorithm => Problem::Algorithm,
            ErrorKind::Json(_) | ErrorKind::MissingRequiredClaim(_) => Problem::Claims,
            _ => Problem::Form,
        })
    }

    /// The id of the user: a number, or one in decimal digits.
    fn user(&self, claims: &Claims) -> Option<UserId> {
        let of_digits = |text: &str| {
            let is_number = text.bytes().all(|it| it.is_ascii_digit());
            text.parse().ok().filter(|_| is_number)
        };
        let id = match self.user_claim.as_str() {
            "sub" => of_digits(&claims.sub)?,
            claim => match claims.others.0.get(claim)? {
                Value::Number(number) => number.as_i64()?,
                Value::String(digits) => of_digits(digits)?,
                _ => return None,
            },
        };
        Some(UserId(id)).filter(|_| id > 0)
    }
}

impl VerifiedToken {
    pub fn identity(&self) -> Identity {
        Identity::Subject {
            issuer: self.issuer.clone(),
            subject: self.subject.clone(),
        }
    }

    fn check_time(&self, now: SystemTime) -> Result<(), CredentialError> {
        let (now, skew) = (seconds(now), CLOCK_SKEW_WINDOW.as_secs());
        let problem = if now >= self.expires.saturating_add(skew) {
            Problem::Expired
        } else if self
            .not_before
            .is_some_and(|begin| begin > now.saturating_add(skew))
        {
            Problem::NotYet
        } else {
            return Ok(());
        };
        Err(CredentialError {
            issuer: Some(self.issuer.clone()),
            ..CredentialError::new(self.about.credential(), problem)
        })
    }

    /// When it expires, by the clock of its issuer.
    pub fn expires(&self) -> SystemTime {
        UNIX_EPOCH
            .checked_add(Duration::from_secs(self.expires))
            .unwrap_or(UNIX_EPOCH)
    }
}

/// The type of a token in the form in which it is compared.
pub fn token_type(text: &str) -> String {
    let lower = text.to_lowercase();
    lower.trim_start_matches("application/").to_owned()
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}

/// A text of a token, as far as it may be in a log.
fn visible(text: &str) -> String {
    let is_visible = |character: &char| character.is_ascii_graphic();
    text.chars()
        .filter(is_visible)
        .take(MAX_LOGGED_CHARACTERS)
        .collect()
}

#[cfg(test)]
mod tests;
