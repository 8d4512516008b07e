//! Any name of a file, id and FRONTEND_URL.

use percent_encoding::percent_decode_str;
use proptest::{prelude::*, sample::select};

use super::*;
use crate::tests::{damaged_one_of, for_all, text};

const NAMES: [&str; 6] = [
    "photo.jpg",
    " a/b\\c:d.PNG\t",
    "..hidden.jpeg",
    "ünï\u{202e}gpj.exe",
    "\0\n\r",
    "%2e%2e%2f.gif",
];

fn name() -> impl Strategy<Value = String> {
    prop_oneof![3 => damaged_one_of(&NAMES), 1 => text(30)]
}

/// Nothing but the name can be chosen, and it cannot leave its place.
fn is_an_address_or_noted(filename: &str, content_type: &str, id: i64) {
    let blob = Blob {
        id,
        content_type,
        filename,
    };
    let name = sanitize(filename);
    match address(&blob) {
        Err(reason) => {
            assert_eq!(reason, DegradationReason::SourceUnreadable);
            assert!(name.is_empty());
        }
        Ok(address) => {
            let path = address.strip_prefix(&OBSERVED.frontend_url).unwrap();
            let parts: Vec<_> = path.split('/').collect();
            let [_, rails, storage, kind, redirect, id, key, end] = parts[..] else {
                panic!("{address}");
            };
            let fixed = [rails, storage, kind, redirect];
            assert_eq!(
                fixed,
                ["rails", "active_storage", "representations", "redirect"]
            );
            for signed in [id, key] {
                let (message, signature) = signed.split_once("--").unwrap();
                assert_eq!(signature.len(), 40);
                let is_plain = |it: char| it.is_ascii_alphanumeric() || it == '=';
                assert!(message.chars().all(is_plain), "{message}");
            }
            let is_plain =
                |it: char| it.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@%".contains(it);
            assert!(end.chars().all(is_plain), "{end}");
            assert_eq!(percent_decode_str(end).decode_utf8().unwrap(), name);
        }
    }
}

#[test]
fn any_name_is_one_segment_at_the_end() {
    let inputs = (name(), select(&VARIABLE_CONTENT_TYPES[..]), any::<i64>());
    for_all(500, inputs, |(filename, content_type, id)| {
        is_an_address_or_noted(&filename, content_type, id);
    });
}

#[test]
fn different_ids_have_different_addresses() {
    let ids = || {
        prop_oneof![
            any::<i64>(),
            -70_000..70_000_i64,
            any::<i32>().prop_map(Into::into)
        ]
    };
    for_all(500, (ids(), ids()), |(a, b)| {
        assert_eq!(SIGNER.blob(a) == SIGNER.blob(b), a == b);
    });
}

#[test]
fn guided_bytes_are_a_name() {
    bolero::check!().for_each(|bytes: &[u8]| {
        let content_type = VARIABLE_CONTENT_TYPES[bytes.len() % VARIABLE_CONTENT_TYPES.len()];
        is_an_address_or_noted(&String::from_utf8_lossy(bytes), content_type, 1);
    });
}
