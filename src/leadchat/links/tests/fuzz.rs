//! Any FRONTEND_URL, number, token and id.

use percent_encoding::percent_decode_str;
use proptest::{option, prelude::*, sample::select};

use super::Links;
use crate::tests::{damaged_one_of, for_all, text};

const URLS: [&str; 9] = [
    "https://app.leadchat.test",
    "http://localhost:3000/",
    "https://a.test:443/path?query#end",
    "http://[::1]:3000",
    "a.test:0080",
    "//a.test\nhttp://b.test:99999999999999999999",
    "https://[a]:1\n:2",
    "::",
    "",
];

fn url() -> impl Strategy<Value = Option<String>> {
    option::weighted(0.95, prop_oneof![3 => damaged_one_of(&URLS), 1 => text(20)])
}

fn number() -> impl Strategy<Value = String> {
    prop_oneof![1 => r"\+{0,2}[0-9]{0,15}", 2 => text(20)]
}

/// Rails cuts one plus sign.
fn cut(number: &str) -> &str {
    number.strip_prefix('+').unwrap_or(number)
}

#[test]
fn callbacks_and_scripts_hold_what_is_stored_to_the_letter() {
    let script = Links::new(None, false).web_widget_script("");
    let (begin, rest) = script.split_once(r#"BASE_URL="";"#).unwrap();
    let (middle, end) = rest.split_once("websiteToken: '',").unwrap();
    for_all(
        600,
        (url(), any::<bool>(), number()),
        |(url, force_ssl, stored)| {
            let links = Links::new(url.clone(), force_ssl);
            let url = url.unwrap_or_default();
            let digits = cut(&stored);
            assert_eq!(links.twilio_callback(), format!("{url}/twilio/callback"));
            assert_eq!(
                links.sms_callback(&stored),
                format!("{url}/webhooks/sms/{digits}")
            );
            assert_eq!(
                links.line_callback(&stored),
                format!("{url}/webhooks/line/{stored}")
            );
            assert_eq!(
                links.whatsapp_callback(&stored),
                format!("{url}/webhooks/whatsapp/{stored}")
            );
            assert_eq!(
                links.web_widget_script(&stored),
                format!(r#"{begin}BASE_URL="{url}";{middle}websiteToken: '{stored}',{end}"#)
            );
        },
    );
}

#[test]
fn a_number_in_a_voice_address_is_one_segment_and_loses_nothing() {
    for_all(
        600,
        (url(), any::<bool>(), number()),
        |(url, force_ssl, number)| {
            let links = Links::new(url.clone(), force_ssl);
            let addresses = [links.voice_call(&number), links.voice_status(&number)];
            if url.is_none() {
                assert_eq!(addresses, [None, None]);
                return;
            }
            let host = links.voice_call("").unwrap();
            let host = host.strip_suffix("/twilio/voice/call/").unwrap();
            assert!(host.contains("://"));
            for (address, action) in addresses.iter().zip(["call", "status"]) {
                let address = address.as_deref().unwrap();
                let segment = address.strip_prefix(host).unwrap();
                let segment = segment
                    .strip_prefix(&format!("/twilio/voice/{action}/"))
                    .unwrap();
                let is_plain =
                    |it: char| it.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@%".contains(it);
                assert!(segment.chars().all(is_plain), "{segment}");
                assert_eq!(
                    percent_decode_str(segment).decode_utf8().unwrap(),
                    cut(&number)
                );
            }
        },
    );
}

#[test]
fn a_host_keeps_its_protocol_and_any_port_but_the_usual_one() {
    let protocol = select(&["", "http://", "https://", "ftp://"][..]);
    let host = prop_oneof!["[a-z0-9.-]{1,12}", r"\[[0-9a-f:]{1,12}\]"];
    let port = option::of(prop_oneof![
        select(&["80", "443", "0443", "080"][..]).prop_map(str::to_owned),
        "[0-9]{1,25}",
    ]);
    for_all(
        800,
        (protocol, host, port, any::<bool>()),
        |(protocol, host, port, force_ssl)| {
            let behind = port
                .as_ref()
                .map(|port| format!(":{port}"))
                .unwrap_or_default();
            let links = Links::new(Some(format!("{protocol}{host}{behind}")), force_ssl);
            let expected = match protocol {
                "" if force_ssl => "https://",
                "" => "http://",
                protocol => protocol,
            };
            let usual = if expected == "https://" { "443" } else { "80" };
            let is_usual = port.is_some_and(|port| port.trim_start_matches('0') == usual);
            let behind = if is_usual { String::new() } else { behind };
            let address = format!("{expected}{host}{behind}/twilio/voice/call/1");
            assert_eq!(links.voice_call("+1"), Some(address));
        },
    );
}

#[test]
fn guided_bytes_make_links() {
    bolero::check!().for_each(|bytes: &[u8]| {
        let (url, number) = bytes.split_at(bytes.len() / 2);
        let url = String::from_utf8_lossy(url).into_owned();
        let number = String::from_utf8_lossy(number);
        let links = Links::new(Some(url.clone()), bytes.len().is_multiple_of(2));
        let callback = links.whatsapp_callback(&number);
        assert_eq!(callback, format!("{url}/webhooks/whatsapp/{number}"));
        for address in [links.voice_call(&number), links.voice_status(&number)] {
            let address = address.unwrap_or_default();
            let segment = address.rsplit('/').next().unwrap();
            assert!(!segment.contains([' ', '\n', '"']), "{segment}");
        }
    });
}
