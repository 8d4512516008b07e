//! The keys of encrypted columns, and the digest they are derived by.

use super::*;
use crate::leadchat::encryption::Digest;

const ENCRYPTION: [&str; 3] = [
    "ACTIVE_RECORD_ENCRYPTION_PRIMARY_KEY",
    "ACTIVE_RECORD_ENCRYPTION_DETERMINISTIC_KEY",
    "ACTIVE_RECORD_ENCRYPTION_KEY_DERIVATION_SALT",
];

#[test]
fn encryption_takes_all_three_keys_or_none() {
    // A blank variable counts as unset, as in Rails.
    for blank in ["", " ", "\t\u{a0}\n"] {
        let variables = ENCRYPTION.map(|name| (name, blank));
        assert!(serve_settings(&[], &variables).secrets.encryption.is_none());
    }
    let variables = ENCRYPTION.map(|name| (name, "hunter2"));
    let serve = serve_settings(&[], &variables);
    assert!(serve.secrets.encryption.is_some());
    assert!(!format!("{serve:?}").contains("hunter2"), "{serve:?}");

    // Any other choice of them names those that are missing, and only those.
    for choice in 1_u8..7 {
        let is_set = |index: usize| choice & (1 << index) != 0;
        let variables = ENCRYPTION.iter().enumerate().map(|(index, name)| {
            let value = if is_set(index) { "hunter2" } else { " " };
            (*name, value)
        });
        let error = rejection(&[], &variables.collect::<Vec<_>>());
        for (index, name) in ENCRYPTION.iter().enumerate() {
            assert_eq!(error.contains(name), !is_set(index), "{error}");
        }
        assert!(
            !error.contains("hunter2") && !error.contains('\n'),
            "{error}"
        );
    }
}

#[test]
fn the_digest_of_keys_is_sha1_unless_said_otherwise() {
    let digest = |arguments: &[&str], variable: &'static str| {
        let name = "ACTIVE_RECORD_ENCRYPTION_HASH_DIGEST_CLASS";
        let keys = ENCRYPTION.iter().map(|name| (*name, "key"));
        let variables: Vec<_> = keys.chain([(name, variable)]).collect();
        serve_settings(arguments, &variables)
            .secrets
            .encryption
            .unwrap()
            .digest
    };
    assert_eq!(digest(&[], ""), Digest::Sha1);
    for sha256 in ["SHA256", "sha256"] {
        assert_eq!(digest(&[], sha256), Digest::Sha256);
        assert_eq!(
            digest(&["--encryption-digest", sha256], "SHA1"),
            Digest::Sha256
        );
    }
    assert_eq!(
        digest(&["--encryption-digest", "sha1"], "SHA256"),
        Digest::Sha1
    );

    let variable = ("ACTIVE_RECORD_ENCRYPTION_HASH_DIGEST_CLASS", "MD5");
    let error = rejection(&[], &[variable]);
    assert_eq!(
        error,
        "ACTIVE_RECORD_ENCRYPTION_HASH_DIGEST_CLASS: must be SHA1 or SHA256"
    );
    let error = rejection(&["--encryption-digest", "md5"], &[]);
    assert!(error.contains("sha1, sha256"), "{error}");
}

/// Another key would be derived from what is left of it, and nobody would notice.
#[test]
fn a_secret_that_is_not_utf8_is_rejected() {
    for name in ENCRYPTION.into_iter().chain(["SECRET_KEY_BASE"]) {
        let error = rejection(&[], &[(name, "hunter2\u{fffd}")]);
        assert_eq!(error, format!("{name}: is not UTF-8"));
    }
    assert!(
        serve_settings(&[], &[("SECRET_KEY_BASE", " ")])
            .secrets
            .secret_key_base
            .is_none()
    );
}
