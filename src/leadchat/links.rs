//! Addresses and texts that leadchat derives from FRONTEND_URL.
//!
//! There are two rules. Callback URLs and the widget's script concatenate FRONTEND_URL
//! and a path, without escapes. URLs of voice calls and avatars come from Rails' route
//! helpers, which parse FRONTEND_URL as a host and escape the path.

use std::sync::LazyLock;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use regex::Regex;
use serde::Serialize;
use url::Url;

/// The parts of a host option, as Action Dispatch parses it: protocol, host, port.
static HOST_PATTERN: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?m)(^[^:]+://)?(\[[^\]]+\]|[^:]+)(?::([0-9]+$))?").ok());

/// The characters that Journey escapes in a segment: all but RFC 3986's unreserved
/// characters, sub-delimiters, `:` and `@`.
const ESCAPED_IN_SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@');

/// Derives links for one installation.
#[derive(Clone, Debug)]
pub struct Links {
    /// FRONTEND_URL as it is, empty where it is not set.
    frontend_url: String,
    /// The prefix of route helpers; `None` if FRONTEND_URL is not set, on which Rails
    /// raises.
    route_host: Option<String>,
}

/// Whether FRONTEND_URL can be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum FrontendUrl {
    NotSet,
    /// FRONTEND_URL is no URL of http or https, so links made of it do not work.
    NotUsable,
    Usable {
        /// Scheme, host and port.
        origin: String,
        ends_with_slash: bool,
    },
}

impl Links {
    /// `force_ssl` is FORCE_SSL as Rails casts it: the protocol of a
    /// FRONTEND_URL without one.
    pub fn new(frontend_url: Option<String>, force_ssl: bool) -> Self {
        Self {
            route_host: frontend_url
                .as_deref()
                .map(|url| route_host(url, force_ssl)),
            frontend_url: frontend_url.unwrap_or_default(),
        }
    }

    pub fn frontend_url(&self) -> FrontendUrl {
        if self.route_host.is_none() {
            return FrontendUrl::NotSet;
        }
        let text = self.frontend_url.as_str();
        let url = Url::parse(text).ok().filter(|url| {
            matches!(url.scheme(), "http" | "https") && !text.contains(char::is_whitespace)
        });
        match url {
            Some(url) => FrontendUrl::Usable {
                origin: url.origin().ascii_serialization(),
                ends_with_slash: text.ends_with('/'),
            },
            None => FrontendUrl::NotUsable,
        }
    }

    pub fn twilio_callback(&self) -> String {
        format!("{}/twilio/callback", self.frontend_url)
    }

    pub fn sms_callback(&self, phone_number: &str) -> String {
        format!(
            "{}/webhooks/sms/{}",
            self.frontend_url,
            strip_plus(phone_number)
        )
    }

    pub fn line_callback(&self, line_channel_id: &str) -> String {
        format!("{}/webhooks/line/{line_channel_id}", self.frontend_url)
    }

    /// The number keeps its plus sign here.
    pub fn whatsapp_callback(&self, phone_number: &str) -> String {
        format!("{}/webhooks/whatsapp/{phone_number}", self.frontend_url)
    }

    /// `None` where FRONTEND_URL is not set.
    pub fn voice_call(&self, phone_number: &str) -> Option<String> {
        self.voice_address("call", phone_number)
    }

    /// `None` where FRONTEND_URL is not set.
    pub fn voice_status(&self, phone_number: &str) -> Option<String> {
        self.voice_address("status", phone_number)
    }

    /// Of a picture: what Active Storage signed, and the name of the file. `None`
    /// where FRONTEND_URL is not set.
    pub fn representation(
        &self,
        signed_blob_id: &str,
        variation_key: &str,
        filename: &str,
    ) -> Option<String> {
        let host = self.route_host.as_ref()?;
        let filename = utf8_percent_encode(filename, ESCAPED_IN_SEGMENT);
        Some(format!(
            "{host}/rails/active_storage/representations/redirect/\
             {signed_blob_id}/{variation_key}/{filename}"
        ))
    }

    fn voice_address(&self, action: &str, phone_number: &str) -> Option<String> {
        let host = self.route_host.as_ref()?;
        let digits = utf8_percent_encode(strip_plus(phone_number), ESCAPED_IN_SEGMENT);
        Some(format!("{host}/twilio/voice/{action}/{digits}"))
    }

    /// The HTML that embeds a widget, to the letter.
    pub fn web_widget_script(&self, website_token: &str) -> String {
        format!(
            r#"
    <script>
      (function(d,t) {{
        var BASE_URL="{}";
        var g=d.createElement(t),s=d.getElementsByTagName(t)[0];
        g.src=BASE_URL+"/packs/js/sdk.js";
        g.async = true;
        s.parentNode.insertBefore(g,s);
        g.onload=function(){{
          window.chatwootSDK.run({{
            websiteToken: '{website_token}',
            baseUrl: BASE_URL
          }})
        }}
      }})(document,"script");
    </script>
    "#,
            self.frontend_url
        )
    }
}

/// Rails cuts one plus sign, not all.
fn strip_plus(phone_number: &str) -> &str {
    phone_number.strip_prefix('+').unwrap_or(phone_number)
}

/// FRONTEND_URL as Action Dispatch reads a host option. A port that anything
/// follows is lost, together with what follows; the scheme's own port is left
/// out.
fn route_host(frontend_url: &str, force_ssl: bool) -> String {
    let parts = HOST_PATTERN
        .as_ref()
        .and_then(|host| host.captures(frontend_url));
    let part = |index| {
        parts
            .as_ref()
            .and_then(|parts| parts.get(index))
            .map(|part| part.as_str())
    };

    let protocol = part(1).unwrap_or(if force_ssl { "https://" } else { "http://" });
    // Text that does not match is the host as a whole.
    let host = part(2).unwrap_or(frontend_url);
    let default_port = if protocol == "https://" { 443 } else { 80 };
    match part(3) {
        Some(port) if port.parse() != Ok(default_port) => format!("{protocol}{host}:{port}"),
        _ => format!("{protocol}{host}"),
    }
}

#[cfg(test)]
mod tests;
