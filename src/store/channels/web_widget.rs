//! What becomes of a row of `channel_web_widgets`.

use super::{linked, never_encrypted};
use crate::{
    domain::{
        channel::web_widget::{ReplyTime, WebWidget, WidgetFeature},
        secret::AdminOnly,
    },
    store::{
        assemble::{Assembly, Notes, json, narrow, state},
        rows::WebWidgetRow,
    },
};

const REPLY_TIMES: [(i64, ReplyTime); 3] = [
    (0, ReplyTime::InAFewMinutes),
    (1, ReplyTime::InAFewHours),
    (2, ReplyTime::InADay),
];

impl Assembly<'_> {
    pub(super) fn web_widget(&self, row: Option<&WebWidgetRow>, notes: &mut Notes) -> WebWidget {
        let Some(row) = row else {
            return WebWidget {
                allowed_domains: None,
                widget_color: None,
                website_url: None,
                hmac_mandatory: None,
                welcome_title: None,
                welcome_tagline: None,
                web_widget_script: None,
                website_token: None,
                selected_feature_flags: Vec::new(),
                reply_time: None,
                hmac_token: AdminOnly::seal(None),
                pre_chat_form_enabled: None,
                pre_chat_form_options: None,
                continuity_via_email: None,
            };
        };
        let Notes { open, sealed } = notes;
        let flags = narrow(
            &row.feature_flags,
            "web_widget.selected_feature_flags",
            open,
        );
        let script = |token: &str| self.installation.links.web_widget_script(token);
        WebWidget {
            allowed_domains: row
                .allowed_domains
                .shown("web_widget.allowed_domains", open),
            widget_color: row.widget_color.shown("web_widget.widget_color", open),
            website_url: row.website_url.shown("web_widget.website_url", open),
            hmac_mandatory: row.hmac_mandatory.shown("web_widget.hmac_mandatory", open),
            welcome_title: row.welcome_title.shown("web_widget.welcome_title", open),
            welcome_tagline: row
                .welcome_tagline
                .shown("web_widget.welcome_tagline", open),
            web_widget_script: linked(
                &row.website_token,
                "web_widget.web_widget_script",
                open,
                script,
            ),
            website_token: row.website_token.shown("web_widget.website_token", open),
            selected_feature_flags: flags.map_or_else(Vec::new, |flags| self.features(flags)),
            reply_time: state(&row.reply_time, &REPLY_TIMES, "web_widget.reply_time", open),
            hmac_token: never_encrypted(Some(&row.hmac_token), "web_widget.hmac_token", sealed),
            pre_chat_form_enabled: row
                .pre_chat_form_enabled
                .shown("web_widget.pre_chat_form_enabled", open),
            pre_chat_form_options: json(
                row.pre_chat_form_options.text(),
                "web_widget.pre_chat_form_options",
                open,
            )
            .map(Into::into),
            continuity_via_email: row
                .continuity_via_email
                .shown("web_widget.continuity_via_email", open),
        }
    }

    /// An older leadchat takes no notice of the newest one's bit.
    fn features(&self, flags: i32) -> Vec<WidgetFeature> {
        let mut features = WidgetFeature::of(flags);
        let is_known = |feature: &_| !matches!(feature, WidgetFeature::AllowMobileWebview);
        if !self.age.mobile_webviews {
            features.retain(is_known);
        }
        features
    }
}
