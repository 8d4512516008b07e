//! Against what Rails wrote and read, under the keys that it had.

mod envelopes;
mod fuzz;

use std::{collections::BTreeMap, sync::LazyLock};

use serde::Deserialize;

use super::*;

/// The values that Rails showed.
#[derive(Deserialize)]
struct Observed {
    keys: BTreeMap<String, String>,
    derived: BTreeMap<String, String>,
    /// Which attributes of each class are encrypted.
    declared: BTreeMap<String, Vec<String>>,
    /// The envelopes that Rails stored for texts.
    encrypt: Vec<Stored>,
    /// The values that Rails read from stored texts.
    decrypt: Vec<Read>,
}

#[derive(Deserialize)]
struct Stored {
    case: String,
    deterministic: bool,
    plaintext: String,
    ciphertext: String,
}

#[derive(Deserialize)]
struct Read {
    case: String,
    stored: String,
    #[serde(rename = "nondeterministic(imap_password, column default \"\")")]
    with_default: Outcome,
    #[serde(rename = "nondeterministic(auth_token, no default)")]
    without_default: Outcome,
    #[serde(rename = "deterministic(bot_token)")]
    deterministic: Outcome,
}

/// The value of an attribute: a text; a text in another encoding, with its form in a
/// view; or an exception.
#[derive(Deserialize)]
#[serde(untagged)]
enum Outcome {
    Text { value: String, raw_returned: bool },
    Encoded { encoding: String, as_json: String },
    Raised { raises: String },
}

static OBSERVED: LazyLock<Observed> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../../tests/golden/encryption.json")).unwrap()
});

fn texts(digest: Digest) -> KeyMaterial {
    let text = |name: &str| OBSERVED.keys[name].clone().into();
    KeyMaterial {
        primary_key: text("primary_key"),
        deterministic_key: text("deterministic_key"),
        key_derivation_salt: text("key_derivation_salt"),
        digest,
    }
}

static ENCRYPTION: LazyLock<Encryption> =
    LazyLock::new(|| Encryption::derive(&texts(Digest::Sha1)));

/// With the keys that Rails had.
fn keys() -> &'static Keys {
    ENCRYPTION.keys.as_ref().unwrap()
}

fn shown(read: Result<SecretString, Undecryptable>) -> Option<String> {
    read.ok().map(|text| text.expose_secret().to_owned())
}

fn decrypted(stored: &str) -> Option<String> {
    shown(ENCRYPTION.decrypt(&stored.to_owned().into()))
}

/// An envelope with headers of one's own.
fn to_envelope(bytes: &[u8], headers: &str) -> String {
    let envelope = keys()
        .primary
        .to_envelope(bytes.to_vec().into(), headers)
        .unwrap();
    envelope.expose_secret().to_owned()
}

fn is_envelope(stored: &str) -> bool {
    Envelope::find(stored).is_some()
}

#[test]
fn keys_have_the_references_that_rails_gave_them() {
    let expected = ["primary_key_reference", "deterministic_key_reference"];
    let references = [&keys().primary, &keys().deterministic].map(Key::reference);
    assert_eq!(
        references,
        expected.map(|name| OBSERVED.derived[name].as_str())
    );
}

#[test]
fn every_column_that_rails_encrypts_is_known() {
    let mut known = 0;
    for (class, attributes) in &OBSERVED.declared {
        let table = match class.as_str() {
            "Channel::FacebookPage" => "channel_facebook_pages",
            "Channel::TwitterProfile" => "channel_twitter_profiles",
            "Channel::TwilioSms" => "channel_twilio_sms",
            // No viewer sees anything of users.
            "User" => continue,
            class => &format!("channel_{}", class.replace("Channel::", "").to_lowercase()),
        };
        for attribute in attributes {
            let column = (table, attribute.as_str());
            let deterministic = DETERMINISTIC.contains(&column);
            assert_ne!(
                deterministic,
                NON_DETERMINISTIC.contains(&column),
                "{column:?}"
            );
            known += 1;
        }
    }
    assert_eq!(known, 13);
}

#[test]
fn text_that_rails_encrypted_is_decrypted() {
    assert!(OBSERVED.encrypt.len() >= 58);
    for stored in &OBSERVED.encrypt {
        let keys = keys();
        let (key, other) = if stored.deterministic {
            (&keys.deterministic, &keys.primary)
        } else {
            (&keys.primary, &keys.deterministic)
        };
        let read = |key| shown(decrypt(Some(key), &stored.ciphertext));
        assert_eq!(
            read(key).as_ref(),
            Some(&stored.plaintext),
            "{}",
            stored.case
        );
        assert_eq!(read(other), None, "{}", stored.case);
        assert_eq!(
            shown(decrypt(None, &stored.ciphertext)),
            None,
            "{}",
            stored.case
        );
    }
}

#[test]
fn searched_text_is_encrypted_as_rails_does() {
    let deterministic = OBSERVED
        .encrypt
        .iter()
        .filter(|stored| stored.deterministic);
    let mut compressed = 0;
    for stored in deterministic {
        let envelope = ENCRYPTION
            .deterministic(&stored.plaintext.clone().into())
            .unwrap();
        assert_eq!(
            envelope.expose_secret(),
            stored.ciphertext,
            "{}",
            stored.case
        );
        compressed += usize::from(stored.plaintext.len() > 140);
    }
    assert!(compressed >= 5);
    assert!(
        Encryption::default()
            .deterministic(&"x".to_owned().into())
            .is_none()
    );
}

/// Rails shows what it cannot decrypt as it is stored, and raises where it did
/// not foresee it. Of an envelope we show neither.
#[test]
fn stored_texts_are_read_as_rails_reads_them() {
    assert!(OBSERVED.decrypt.len() >= 45);
    let (mut plain, mut opened, mut kept_shut) = (0, 0, 0);
    for read in &OBSERVED.decrypt {
        let Read {
            case,
            stored,
            with_default,
            without_default,
            deterministic,
        } = read;
        for (outcome, key) in [
            (with_default, &keys().primary),
            (without_default, &keys().primary),
            (deterministic, &keys().deterministic),
        ] {
            let served = shown(decrypt(Some(key), stored));
            if !is_envelope(stored) {
                assert_eq!(served.as_ref(), Some(stored), "{case}");
                plain += 1;
                continue;
            }
            let expected = match outcome {
                Outcome::Text {
                    value,
                    raw_returned: false,
                } => Some(value.clone()),
                Outcome::Text { value, .. } => {
                    assert_eq!(value, stored, "{case}");
                    None
                }
                // As a view writes it; the one of bytes that are no text raises.
                Outcome::Encoded { encoding, as_json } => {
                    let text = serde_json::from_str(as_json).ok();
                    assert!(text.is_some() || encoding == "ASCII-8BIT", "{case}");
                    text
                }
                Outcome::Raised { raises } => {
                    assert!(raises.ends_with("Error"), "{case}");
                    None
                }
            };
            assert_eq!(served, expected, "{case}");
            if expected.is_some() {
                opened += 1;
            } else {
                kept_shut += 1;
            }
        }
    }
    assert!(
        plain >= 30 && opened >= 25 && kept_shut >= 40,
        "{plain} {opened} {kept_shut}"
    );
}

/// Keys of other texts, and vectors that count up.
#[test]
fn other_keys_read_what_is_theirs() {
    let encryption = Encryption::derive(&KeyMaterial {
        primary_key: "primary-key-for-tests-0000000000".to_owned().into(),
        deterministic_key: "deterministic-key-tests-00000000".to_owned().into(),
        key_derivation_salt: "salt-for-tests-000000000000000000".to_owned().into(),
        digest: Digest::Sha1,
    });
    for (stored, expected) in [
        (
            r#"{"p":"XiWWgEJNpLxzbPc=","h":{"iv":"AAECAwQFBgcICQoL","at":"aq6PvhJBKsm2f8rrNmAq7Q==","i":"YWI3MQ=="}}"#,
            "secrettoken",
        ),
        (
            r#"{"p":"","h":{"iv":"AAECAwQFBgcICQoL","at":"AEOrRvLMwjWsRmqc5Yetkg==","i":"YWI3MQ=="}}"#,
            "",
        ),
    ] {
        let text = shown(encryption.decrypt(&stored.to_owned().into()));
        assert_eq!(text.as_deref(), Some(expected));
        assert_eq!(decrypted(stored), None);
    }
    let token = "123456:ABC-telegram".to_owned().into();
    assert_eq!(
        encryption.deterministic(&token).unwrap().expose_secret(),
        r#"{"p":"+xsnW7Qy/TzJB3/8ZLUcOSWl2w==","h":{"iv":"OwmfZjy4yYIACg91","at":"WU1XQQMWgl/rx+64uIgJSw==","i":"N2IzOA=="}}"#
    );
}

#[test]
fn an_envelope_opens_with_the_key_of_its_column_alone() {
    let mut tried = 0;
    for Stored {
        deterministic,
        ciphertext,
        case,
        ..
    } in &OBSERVED.encrypt
    {
        let stored = || Encrypted::from(ciphertext.clone());
        for is_deterministic in [true, false] {
            let opens = ENCRYPTION.can_decrypt(&stored(), is_deterministic);
            assert_eq!(opens, Some(is_deterministic == *deterministic), "{case}");
            let without = Encryption::default().can_decrypt(&stored(), is_deterministic);
            assert_eq!(without, Some(false), "{case}");
        }
        tried += 1;
    }
    assert!(tried > 5, "{tried}");
    assert_eq!(
        ENCRYPTION.can_decrypt(&"plain".to_owned().into(), false),
        None
    );
}

#[test]
fn with_the_other_digest_other_keys_are_derived() {
    let encryption = Encryption::derive(&texts(Digest::Sha256));
    let (mut read, mut lost) = (0, 0);
    for stored in &OBSERVED.decrypt {
        let text = shown(encryption.decrypt(&stored.stored.clone().into()));
        match stored.case.as_str() {
            "sha256_derived" | "sha256_derived_no_ref" => {
                assert_eq!(text.as_deref(), Some("under-sha256"), "{}", stored.case);
                read += 1;
            }
            "sha1_derived" => {
                assert_eq!(text, None);
                lost += 1;
            }
            _ => {}
        }
    }
    assert_eq!((read, lost), (2, 1));
}

#[test]
fn no_key_is_printed() {
    let printed = format!("{:?} {:?}", *ENCRYPTION, texts(Digest::Sha1));
    for key in OBSERVED.keys.values() {
        assert!(!printed.contains(key), "{printed}");
    }
}
