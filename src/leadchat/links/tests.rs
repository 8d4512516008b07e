//! Against what Rails' route helpers and string gluing gave.

mod fuzz;

use serde::Deserialize;
use std::collections::BTreeMap;

use super::{FrontendUrl, Links};

#[derive(Deserialize)]
struct Observed {
    /// FRONTEND_URL to the address of a call to `+1`.
    host_forms: BTreeMap<String, String>,
    /// A character to how `+1<character>2` ends an address.
    voice_phone_escape: BTreeMap<String, String>,
}

fn observed() -> Observed {
    serde_json::from_str(include_str!("../../../tests/golden/avatars.json")).unwrap()
}

fn links(frontend_url: &str) -> Links {
    Links::new(Some(frontend_url.to_owned()), false)
}

#[test]
fn voice_addresses_take_frontend_url_apart_as_rails_does() {
    let host_forms = observed().host_forms;
    assert!(host_forms.len() >= 16);
    for (frontend_url, expected) in host_forms {
        let address = links(&frontend_url).voice_call("+1");
        assert_eq!(
            address.as_deref(),
            Some(expected.as_str()),
            "{frontend_url}"
        );
    }
}

#[test]
fn voice_addresses_escape_the_number_as_rails_does() {
    let escapes = observed().voice_phone_escape;
    assert!(escapes.len() >= 70);
    for (character, expected) in escapes {
        let address = links("https://a.test").voice_status(&format!("+1{character}2"));
        let expected = format!("https://a.test/twilio/voice/status/{expected}");
        assert_eq!(address, Some(expected), "{character:?}");
    }
}

#[test]
fn voice_addresses_need_a_frontend_url_and_follow_force_ssl() {
    assert_eq!(Links::new(None, false).voice_call("+1"), None);
    let address = |url: &str, force_ssl| {
        Links::new(Some(url.to_owned()), force_ssl)
            .voice_call("")
            .unwrap()
    };
    assert_eq!(address("", false), "http:///twilio/voice/call/");
    assert_eq!(address("a.test", true), "https://a.test/twilio/voice/call/");
    assert_eq!(
        address("a.test:443", true),
        "https://a.test/twilio/voice/call/"
    );
    assert_eq!(
        address("http://a.test", true),
        "http://a.test/twilio/voice/call/"
    );
    assert_eq!(
        address("http://[::1]:3000", false),
        "http://[::1]:3000/twilio/voice/call/"
    );
}

#[test]
fn callbacks_are_glued_and_cut_one_plus_sign() {
    let links = links("https://a.test/");
    assert_eq!(links.twilio_callback(), "https://a.test//twilio/callback");
    assert_eq!(
        links.sms_callback("++1 555"),
        "https://a.test//webhooks/sms/+1 555"
    );
    assert_eq!(
        links.whatsapp_callback("+1"),
        "https://a.test//webhooks/whatsapp/+1"
    );
    assert_eq!(
        links.line_callback("é?"),
        "https://a.test//webhooks/line/é?"
    );
    assert_eq!(
        Links::new(None, false).twilio_callback(),
        "/twilio/callback"
    );
}

#[test]
fn script_takes_the_token_raw() {
    let script = Links::new(None, false).web_widget_script("a'b</script>");
    assert!(script.starts_with("\n    <script>\n      (function(d,t) {\n"));
    assert!(script.contains("var BASE_URL=\"\";\n"));
    assert!(script.contains("websiteToken: 'a'b</script>',\n"));
    assert!(script.ends_with("})(document,\"script\");\n    </script>\n    "));
}

#[test]
fn only_what_can_be_opened_is_usable() {
    let usable = |origin: &str, ends_with_slash| FrontendUrl::Usable {
        origin: origin.to_owned(),
        ends_with_slash,
    };
    for (url, expected) in [
        ("https://a.test", usable("https://a.test", false)),
        ("http://a.test:3000/", usable("http://a.test:3000", true)),
        (
            "https://user:secret@a.test",
            usable("https://a.test", false),
        ),
        ("", FrontendUrl::NotUsable),
        ("a.test", FrontendUrl::NotUsable),
        ("a.test:3000", FrontendUrl::NotUsable),
        ("ftp://a.test", FrontendUrl::NotUsable),
        (" https://a.test", FrontendUrl::NotUsable),
    ] {
        assert_eq!(links(url).frontend_url(), expected, "{url:?}");
    }
    assert_eq!(Links::new(None, false).frontend_url(), FrontendUrl::NotSet);
}
