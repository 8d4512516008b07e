//! Against the addresses that Active Storage gave.

mod fuzz;

use std::{collections::BTreeMap, sync::LazyLock};

use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Observed {
    secret_key_base: String,
    #[serde(rename = "FRONTEND_URL")]
    frontend_url: String,
    vectors: Vec<Vector>,
    signed_id_by_blob_id: BTreeMap<String, Signed>,
    variation_by_format: BTreeMap<String, Signed>,
    /// A character to how `a<character>b.png` ends an address.
    filename_escape: BTreeMap<String, Escaped>,
    filename_whole: BTreeMap<String, Escaped>,
    /// FRONTEND_URL to the address of a call to `+1`.
    host_forms: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Vector {
    inbox_id: i64,
    blob_id: i64,
    filename: String,
    sanitized_filename: String,
    content_type: Option<String>,
    representable: Option<bool>,
    avatar_url: Option<String>,
    signed_blob_id: Option<Signed>,
    variation_key: Option<Signed>,
    escaped_filename: Option<String>,
    raises: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Signed {
    signed: String,
    message_marshal_hex: String,
}

#[derive(Deserialize)]
struct Escaped {
    url_tail: String,
    sanitized: String,
}

static OBSERVED: LazyLock<Observed> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../../tests/golden/avatars.json")).unwrap()
});

static SIGNER: LazyLock<Signer> =
    LazyLock::new(|| Signer::derive(&OBSERVED.secret_key_base.clone().into()));

fn links(frontend_url: &str) -> Links {
    Links::new(Some(frontend_url.to_owned()), false)
}

fn address(blob: &Blob<'_>) -> Result<String, DegradationReason> {
    blob.address(Some(&SIGNER), &links(&OBSERVED.frontend_url))
}

#[test]
fn addresses_are_those_of_active_storage() {
    assert!(OBSERVED.vectors.len() >= 24);
    let (mut addresses, mut raised) = (0, 0);
    for vector in &OBSERVED.vectors {
        let inbox = vector.inbox_id;
        assert_eq!(
            sanitize(&vector.filename),
            vector.sanitized_filename,
            "{inbox}"
        );
        let content_type = vector.content_type.as_deref().unwrap_or_default();
        // One is attached to something else, and not looked at.
        let Some(representable) = vector.representable else {
            continue;
        };
        assert_eq!(is_variable(content_type), representable, "{inbox}");
        if !representable {
            assert_eq!(vector.avatar_url.as_deref(), Some(""), "{inbox}");
            continue;
        }
        let blob = Blob {
            id: vector.blob_id,
            content_type,
            filename: &vector.filename,
        };
        let Some(expected) = &vector.avatar_url else {
            assert!(vector.raises.is_some(), "{inbox}");
            assert_eq!(
                address(&blob),
                Err(DegradationReason::SourceUnreadable),
                "{inbox}"
            );
            raised += 1;
            continue;
        };
        assert_eq!(address(&blob).as_ref(), Ok(expected), "{inbox}");
        // Its parts, so that what differs is named.
        let (id, key) = (SIGNER.blob(blob.id), SIGNER.variation(blob.format()));
        assert_eq!(
            Some(id),
            vector.signed_blob_id.as_ref().map(|it| it.signed.clone())
        );
        assert_eq!(
            Some(key),
            vector
                .variation_key
                .as_ref()
                .map(|it| it.signed.as_str().into())
        );
        assert!(expected.ends_with(&format!("/{}", vector.escaped_filename.as_ref().unwrap())));
        addresses += 1;
    }
    assert!(addresses >= 16 && raised == 1, "{addresses} {raised}");
}

#[test]
fn ids_of_any_size_are_signed() {
    assert!(OBSERVED.signed_id_by_blob_id.len() >= 10);
    for (id, expected) in &OBSERVED.signed_id_by_blob_id {
        let number = id.parse().unwrap();
        assert_eq!(
            hex::encode(marshal::integer(number)),
            expected.message_marshal_hex,
            "{id}"
        );
        assert_eq!(SIGNER.blob(number), expected.signed, "{id}");
    }
}

/// At the borders between one form and the next, as Ruby writes them.
#[test]
fn integers_are_written_as_ruby_writes_them() {
    for (number, expected) in [
        (0, "6900"),
        (1, "6906"),
        (122, "697f"),
        (123, "69017b"),
        (255, "6901ff"),
        (256, "69020001"),
        (65_535, "6902ffff"),
        (65_536, "6903000001"),
        (16_777_216, "690400000001"),
        ((1 << 30) - 1, "6904ffffff3f"),
        (1 << 30, "6c2b0700000040"),
        (u32::MAX.into(), "6c2b07ffffffff"),
        (1 << 32, "6c2b08000000000100"),
        ((1 << 48) - 1, "6c2b08ffffffffffff"),
        (1 << 48, "6c2b090000000000000100"),
        (i64::MAX, "6c2b09ffffffffffffff7f"),
        (-1, "69fa"),
        (-123, "6980"),
        (-124, "69ff84"),
        (-256, "69ff00"),
        (-257, "69fefffe"),
        (-65_536, "69fe0000"),
        (-(1 << 30), "69fc000000c0"),
        (-(1 << 30) - 1, "6c2d0701000040"),
        (i64::MIN, "6c2d090000000000000080"),
    ] {
        let bytes = hex::encode(marshal::integer(number));
        assert_eq!(bytes, format!("0408{expected}"), "{number}");
    }
}

#[test]
fn every_format_is_signed() {
    assert!(OBSERVED.variation_by_format.len() >= 4);
    for (format, expected) in &OBSERVED.variation_by_format {
        let format = match format.as_str() {
            ":png" => Format::Png,
            text => Format::Extension(text.trim_matches('"')),
        };
        let bytes = hex::encode(marshal::transformations(format));
        assert_eq!(bytes, expected.message_marshal_hex, "{format:?}");
        assert_eq!(SIGNER.variation(format), expected.signed, "{format:?}");
    }
}

#[test]
fn names_of_files_are_sanitized_and_escaped_as_rails_does() {
    let ends_in = |filename: &str, expected: &Escaped| {
        assert_eq!(sanitize(filename), expected.sanitized, "{filename:?}");
        let blob = Blob {
            id: 1,
            content_type: "image/png",
            filename,
        };
        let address = address(&blob).unwrap();
        assert_eq!(
            address.rsplit('/').next(),
            Some(expected.url_tail.as_str()),
            "{filename:?}"
        );
    };
    assert!(OBSERVED.filename_escape.len() >= 70);
    for (character, expected) in &OBSERVED.filename_escape {
        ends_in(&format!("a{character}b.png"), expected);
    }
    assert!(OBSERVED.filename_whole.len() >= 7);
    for (filename, expected) in &OBSERVED.filename_whole {
        ends_in(filename, expected);
    }
}

#[test]
fn addresses_take_frontend_url_apart_as_rails_does() {
    let blob = Blob {
        id: 1,
        content_type: "image/png",
        filename: "a.png",
    };
    assert!(OBSERVED.host_forms.len() >= 16);
    for (frontend_url, voice) in &OBSERVED.host_forms {
        let host = voice.strip_suffix("/twilio/voice/call/1").unwrap();
        let address = blob.address(Some(&SIGNER), &links(frontend_url)).unwrap();
        let path = address.strip_prefix(host);
        assert!(
            path.is_some_and(|path| path.starts_with("/rails/")),
            "{frontend_url}: {address}"
        );
    }
}

#[test]
fn formats_are_as_written_where_they_fit() {
    let format = |content_type, filename| {
        let blob = Blob {
            id: 1,
            content_type,
            filename,
        };
        marshal::transformations(blob.format())
    };
    let extension = |extension| marshal::transformations(Format::Extension(extension));
    for (content_type, filename, expected) in [
        ("image/jpeg", "a.Jpe", "Jpe"),
        ("image/jpeg", "a.jpg ", "jpg"),
        ("image/jpeg", "a.JPEG ", "jpg"),
        ("image/jpeg", "jpeg", "jpg"),
        ("image/jpeg", "a.jfif", "jpg"),
        ("image/png", "a.", "png"),
        ("image/png", "..PNG", "png"),
        ("image/png", "...a.PNG", "PNG"),
        ("image/png", "a.PNG/b", "png"),
        ("image/png", "a.b/.PNG/", "png"),
        ("image/gif", "a.GIF", "GIF"),
        ("image/gif", "a.png", "gif"),
    ] {
        assert_eq!(
            format(content_type, filename),
            extension(expected),
            "{filename}"
        );
    }
    let png = marshal::transformations(Format::Png);
    assert_eq!(format("image/webp", "a.webp"), png);
    assert_eq!(format("image/tiff", "a.png"), png);
}

#[test]
fn a_setting_that_an_address_lacks_is_named() {
    let picture = |filename| Blob {
        id: 1,
        content_type: "image/png",
        filename,
    };
    let (a, nowhere) = (links("https://a.test"), Links::new(None, false));
    for (filename, signer, links, reason) in [
        (
            "a.png",
            None,
            &a,
            DegradationReason::SigningKeyNotConfigured,
        ),
        (
            "a.png",
            None,
            &nowhere,
            DegradationReason::SigningKeyNotConfigured,
        ),
        (
            "a.png",
            Some(&*SIGNER),
            &nowhere,
            DegradationReason::FrontendUrlNotConfigured,
        ),
        (" \t\n", None, &nowhere, DegradationReason::SourceUnreadable),
        ("", Some(&*SIGNER), &a, DegradationReason::SourceUnreadable),
    ] {
        assert_eq!(
            picture(filename).address(signer, links),
            Err(reason),
            "{filename:?}"
        );
    }
    // Set but empty is a host of its own.
    let address = picture("a.png").address(Some(&SIGNER), &links("")).unwrap();
    assert!(address.starts_with("http:///rails/"), "{address}");
}

/// With a key that is shorter than a hash.
#[test]
fn another_key_signs_otherwise() {
    let signer = Signer::derive(&"test-secret".to_owned().into());
    for (signed, signature) in [
        (signer.blob(1), "d113b4731a3f9b3bdb59f8fc1e677708c9de44dd"),
        (signer.blob(123), "6e1ec616015a647afa3d3314327675ef5ef88f88"),
        (signer.blob(300), "1cf89cddc331ff0a1677bce9f640bc5909d3fdc9"),
        (
            signer.variation(Format::Extension("png")).into_owned(),
            "daf043b91aa147c3fae8194cc8409698918041af",
        ),
        (
            signer.variation(Format::Extension("jpg")).into_owned(),
            "150246b30bb7e3d779ab1067fd552d8470b705a0",
        ),
    ] {
        assert!(signed.ends_with(&format!("--{signature}")), "{signed}");
    }
}

#[test]
fn no_key_is_printed() {
    assert_eq!(format!("{:?}", *SIGNER), "Signer(..)");
}
