//! Degradations: fields that could not be read as stored, and the reasons.
//!
//! One bad value costs one field of one inbox, never the inbox and never a
//! list. A degradation never quotes the value it is about.

/// A value that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Degradation {
    /// The field, as a path from the inbox, in the names of the contract:
    /// `email.imap.password`, `csat_config.template["a b"][3]`.
    pub field: String,
    /// How many bytes of it name fields of the contract. The rest of the path leads into
    /// a JSON value, by stored keys.
    pub contract_len: usize,
    pub reason: DegradationReason,
}

impl Degradation {
    pub fn new(field: impl Into<String>, reason: DegradationReason) -> Self {
        let field = field.into();
        Self {
            contract_len: field.len(),
            field,
            reason,
        }
    }

    /// Of something in the JSON value of a field.
    pub fn in_json(field: &str, path: &str, reason: DegradationReason) -> Self {
        Self {
            field: format!("{field}{path}"),
            contract_len: field.len(),
            reason,
        }
    }

    /// The field as far as the contract names it: nothing that is stored.
    pub fn contract_field(&self) -> &str {
        self.field.get(..self.contract_len).unwrap_or_default()
    }
}

/// Why a value could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum DegradationReason {
    /// The inbox names a channel whose row does not exist.
    ChannelRowMissing,
    /// The inbox names a class of channel that is not one of the thirteen.
    ChannelTypeUnknown,
    /// A JSON column that is not JSON, or a text in it that is no text.
    JsonMalformed,
    /// A JSON value too deep for the contract; left out.
    JsonTooDeep,
    /// A number outside the range of its field, or no integer; left out.
    NumberOutOfRange,
    /// A JSON integer beyond 2^53; rounded to the nearest double.
    NumberRounded,
    /// Something stored that stands for no known state; left out.
    EnumUnknown,
    /// An encrypted value that cannot be decrypted; left out.
    Undecryptable,
    /// The value needs a signing key that is not configured.
    SigningKeyNotConfigured,
    /// The value needs FRONTEND_URL, which is not configured.
    FrontendUrlNotConfigured,
    /// Not one of IANA's time zones; shown as stored.
    TimeZoneUnknown,
    /// A stored value that is not of its type, or a field derived from one that
    /// has an unexpected form; left out.
    SourceUnreadable,
    /// A JSON column with more degradations than are listed.
    Truncated,
}
