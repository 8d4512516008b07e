//! Canaries: texts that must not occur in a log or an answer. They stand for
//! administrators' fields, undisclosed columns and the program's own secrets.

mod finder;

use std::{collections::BTreeSet, fmt::Write, sync::LazyLock};

use base64::{
    Engine,
    prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD},
};
use regex::Regex;

use super::{golden, program::KEY_PART};
pub use finder::Finder;

/// Canaries: values that tests store in order to find them again. Has a character that is
/// encoded in addresses.
pub const MARK: &str = "Canary/";

/// The password in the URLs of databases that tests make up. (That of
/// POSTGRES_PASSWORD by default is a user and half of a database too, and no
/// secret.)
pub const PASSWORD: &str = "hunter2";

/// REDIS_PASSWORD and REDIS_SENTINEL_PASSWORD, and what stands in a REDIS_URL.
pub const REDIS_PASSWORD: &str = "password-of-redis";
pub const REDIS_SENTINEL_PASSWORD: &str = "password-of-sentinels";
pub const REDIS_URL_PASSWORD: &str = "p@ssword/of+an:url";

/// Texts that administrators see: the field of the contract, table, column, and
/// what makes a value of a text (`?`).
pub const SEALED: &[(&str, &str, &str, &str)] = &[
    (
        "web_widget.hmac_token",
        "channel_web_widgets",
        "hmac_token",
        "?",
    ),
    ("api.hmac_token", "channel_api", "hmac_token", "?"),
    ("api.secret", "channel_api", "secret", "?"),
    ("email.imap.login", "channel_email", "imap_login", "?"),
    ("email.imap.password", "channel_email", "imap_password", "?"),
    ("email.imap.address", "channel_email", "imap_address", "?"),
    (
        "email.imap.authentication",
        "channel_email",
        "imap_authentication",
        "?",
    ),
    ("email.smtp.login", "channel_email", "smtp_login", "?"),
    ("email.smtp.password", "channel_email", "smtp_password", "?"),
    ("email.smtp.address", "channel_email", "smtp_address", "?"),
    ("email.smtp.domain", "channel_email", "smtp_domain", "?"),
    (
        "email.smtp.openssl_verify_mode",
        "channel_email",
        "smtp_openssl_verify_mode",
        "?",
    ),
    (
        "email.smtp.authentication",
        "channel_email",
        "smtp_authentication",
        "?",
    ),
    (
        "twilio_sms.auth_token",
        "channel_twilio_sms",
        "auth_token",
        "?",
    ),
    (
        "twilio_sms.account_sid",
        "channel_twilio_sms",
        "account_sid",
        "?",
    ),
    (
        "twilio_sms.api_key_sid",
        "channel_twilio_sms",
        "api_key_sid",
        "?",
    ),
    (
        "whatsapp.provider_config",
        "channel_whatsapp",
        "provider_config",
        r#"{"a": {"b": ["?"]}}"#,
    ),
];

/// Texts that nobody sees.
pub const UNSEEN: &[(&str, &str, &str)] = &[
    ("channel_facebook_pages", "user_access_token", "?"),
    ("channel_facebook_pages", "page_access_token", "?"),
    ("channel_instagram", "access_token", "?"),
    ("channel_tiktok", "access_token", "?"),
    ("channel_tiktok", "refresh_token", "?"),
    ("channel_tiktok", "business_id", "?"),
    ("agent_bots", "secret", "?"),
    ("channel_twilio_sms", "api_key_secret", "?"),
    ("channel_twilio_sms", "twiml_app_sid", "?"),
    ("channel_twilio_sms", "provider_config", r#"{"token": "?"}"#),
    ("channel_twitter_profiles", "twitter_access_token", "?"),
    (
        "channel_twitter_profiles",
        "twitter_access_token_secret",
        "?",
    ),
    ("channel_telegram", "bot_token", "?"),
    ("channel_line", "line_channel_secret", "?"),
    ("channel_line", "line_channel_token", "?"),
    (
        "channel_email",
        "provider_config",
        r#"{"access_token": "?"}"#,
    ),
    ("channel_sms", "provider_config", r#"{"api_key": "?"}"#),
    ("channel_voice", "provider_config", r#"{"api_key": "?"}"#),
];

/// Texts that are not even in an own store, but in Rails'.
const OF_RAILS: [(&str, &str); 3] = [
    ("users", "encrypted_password"),
    ("users", "pubsub_token"),
    ("access_tokens", "token"),
];

/// Shorter texts of rows (`login`, `biz121`) are in a log by accident. Tokens
/// and passwords of the rows are all longer.
const SHORTEST: usize = 16;

const DEMO: &str = include_str!("../../../src/demo/rows.sql");

const STEP: usize = 4;

/// Of so many bits.
const PLACES: u32 = 20;

/// No form may be shorter.
const WHOLE: usize = 2 * STEP - 1;

/// The canaries of all tests.
pub static CANARIES: LazyLock<Finder> = LazyLock::new(|| Finder::of(all()));

fn all() -> BTreeSet<String> {
    let own = [
        MARK,
        PASSWORD,
        REDIS_PASSWORD,
        REDIS_SENTINEL_PASSWORD,
        REDIS_URL_PASSWORD,
    ];
    let mut all = BTreeSet::from(own.map(str::to_owned));
    // However little of it is there.
    all.insert(KEY_PART.repeat(2));
    all.extend(of_the_rows(golden::ROWS));
    all.extend(of_the_rows(golden::ENCRYPTED_ROWS));
    all.extend(of_the_demo());
    all.extend(of_encryption());
    all
}

/// Of the oracle's rows: all that is long enough in the columns of the tables
/// above. Of a document that is its values, not the names of its fields.
fn of_the_rows(rows: &str) -> BTreeSet<String> {
    let sealed = SEALED.iter().map(|(_, table, column, _)| (*table, *column));
    let unseen = UNSEEN.iter().map(|(table, column, _)| (*table, *column));
    let columns: BTreeSet<_> = sealed.chain(unseen).chain(OF_RAILS).collect();
    let values = Regex::new(r#""((?:[^"\\]|\\.)*)"( *:)?|([0-9.]+)"#).unwrap();
    let mut texts = BTreeSet::new();
    for (table, column, text) in golden::texts(rows) {
        if !columns.contains(&(&*table, &*column)) {
            continue;
        }
        if column == "provider_config" {
            let values = values
                .captures_iter(&text)
                .filter(|value| value.get(2).is_none());
            let values = values.filter_map(|value| value.get(1).or(value.get(3)));
            texts.extend(values.map(|value| value.as_str().to_owned()));
        } else {
            texts.insert(text);
        }
    }
    texts.retain(|text| text.len() >= SHORTEST);
    texts
}

/// Of the demonstration data: whatever says that it belongs to it, secret or
/// not.
fn of_the_demo() -> BTreeSet<String> {
    let texts = Regex::new("demo-[a-z0-9-]+").unwrap();
    texts
        .find_iter(DEMO)
        .map(|text| text.as_str().to_owned())
        .collect()
}

/// Of what leadchat encrypts and signs: the keys, those that are derived from
/// them, and what is encrypted.
fn of_encryption() -> BTreeSet<String> {
    let golden::Encryption {
        keys,
        derived,
        encrypt,
        decrypt,
    } = golden::encryption();
    let mut texts: BTreeSet<_> = keys.into_values().collect();
    let derived = derived
        .into_iter()
        .filter(|(name, _)| name.ends_with("_hex"));
    let derived = derived.map(|(_, key)| key).chain([golden::signing_key()]);
    for key in derived {
        let bytes = key.as_bytes().chunks(2).map(|digits| {
            let digits = std::str::from_utf8(digits).unwrap();
            u8::from_str_radix(digits, 16).unwrap()
        });
        let bytes = format!("{:?}", bytes.collect::<Vec<_>>());
        texts.insert(bytes[1..bytes.len() - 1].to_owned());
        texts.insert(key);
    }
    let encrypted = encrypt.into_iter().map(|it| it.plaintext);
    texts.extend(encrypted.filter(|text| text.len() >= SHORTEST));
    let decrypted = decrypt.iter().filter_map(golden::Decrypted::shown);
    texts.extend(decrypted.filter(|text| text.len() > WHOLE));
    // The values that the view shows of encrypted rows alone.
    for view in golden::rendered("enc", "administrator") {
        for key in ["imap_password", "smtp_password", "auth_token"] {
            let text = view.view.get(key).and_then(|text| text.as_str());
            texts.extend(
                text.filter(|text| text.len() >= SHORTEST)
                    .map(str::to_owned),
            );
        }
    }
    texts
}

/// A text as it is, escaped, percent-encoded, as a list of bytes, and in Base64
/// wherever it may begin.
fn forms(text: &str) -> BTreeSet<String> {
    let escaped = format!("{text:?}");
    let mut forms = BTreeSet::from([text.to_owned(), escaped[1..escaped.len() - 1].to_owned()]);

    let [mut upper, mut lower] = [const { String::new() }; 2];
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            upper.push(byte.into());
            lower.push(byte.into());
        } else {
            write!(upper, "%{byte:02X}").unwrap();
            write!(lower, "%{byte:02x}").unwrap();
        }
    }
    forms.extend([upper, lower]);

    let bytes = format!("{:?}", text.as_bytes());
    forms.insert(bytes[1..bytes.len() - 1].to_owned());

    for shift in 0..3 {
        let shifted = format!("{}{text}", "\0".repeat(shift));
        // Without the characters that depend on what is before and after.
        let begin = (shift * 8).div_ceil(6);
        let end = (shift + text.len()) * 8 / 6;
        for alphabet in [BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD] {
            forms.insert(alphabet.encode(&shifted)[begin..end].to_owned());
        }
    }
    forms
}

#[test]
fn there_are_canaries_of_every_kind() {
    let all = all();
    for canary in [
        "CANARY-channel_web_widgets-hmac_token-1",
        "CANARY-channel_email-imap_password-162",
        "CANARY-channel_email-provider_config-165",
        "CANARY-channel_whatsapp-provider_config-232-verify",
        "CANARY-channel_telegram-bot_token-201",
        "CANARY-channel_twitter_profiles-twitter_access_token_secret-131",
        "CANARY-users-encrypted_password-17",
        "demo-imap-password",
        "demo-twilio-auth-token",
        "hunter2",
        "password-of-redis",
        "password-of-sentinels",
        "p@ssword/of+an:url",
        "0123456789abcdef0123456789abcdef",
        "oraclePrimaryKey0123456789abcdef",
        "oracleKeyDerivationSalt012345678",
        "730f2768640fde51e81e0360cb3c3c80a91b9f5d37fd64b6e747181bc1e30dd7",
        "115, 15, 39, 104, 100, 15, 222, 81",
        "plain-refX",
        "p4ssw0rd-\u{17c}\u{f3}\u{142}\u{107}",
    ] {
        let is_there = all.iter().any(|text| text.starts_with(canary));
        assert!(is_there, "{canary}: {all:#?}");
    }
    // Not one that the rows hold is left out, whichever column it is in.
    let marked = Regex::new("CANARY-[A-Za-z0-9_-]+").unwrap();
    for canary in marked.find_iter(golden::ROWS) {
        assert!(all.contains(canary.as_str()), "{}", canary.as_str());
    }
    let counts = [
        ("the rows", of_the_rows(golden::ROWS).len(), 150),
        (
            "the encrypted rows",
            of_the_rows(golden::ENCRYPTED_ROWS).len(),
            150,
        ),
        ("the demo", of_the_demo().len(), 30),
        ("encryption", of_encryption().len(), 30),
    ];
    for (of, count, least) in counts {
        println!("canaries: {count} of {of}");
        assert!(count > least, "{count} of {of}");
    }
}

#[test]
fn every_form_of_a_canary_is_found() {
    let text = format!("{MARK}table-column-1");
    for before in ["", "x", "xy", "xyz"] {
        let text = format!("{before}{text}");
        for written in [
            text.clone(),
            text.replace('/', "%2F"),
            text.replace('/', "%2f"),
            format!("{:?}", text.as_bytes()),
            BASE64_STANDARD_NO_PAD.encode(&text),
            BASE64_URL_SAFE_NO_PAD.encode(&text),
        ] {
            for log in [
                written.clone(),
                format!("C{written}"),
                format!("one line\nkey=\"{written}\" more"),
            ] {
                assert!(CANARIES.find(log.as_bytes()).is_some(), "{log}");
            }
        }
    }
    assert!(CANARIES.find(b"the password is hunter2").is_some());
    let quoted = Finder::of(["say \"friend\""]);
    assert!(quoted.find(br#"key="say \"friend\"""#).is_some());
    for clean in ["", "C", "Canary", "hunter", "demo-", "CANARY-users"] {
        assert_eq!(CANARIES.find(clean.as_bytes()), None, "{clean}");
    }
}
