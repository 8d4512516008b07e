//! A row of `channel_web_widgets`.

use super::{
    Context, Degradations, json, narrow,
    parts::{ChannelParts, linked, plain_secret},
    state,
};
use crate::{
    domain::channel::{
        Channel,
        web_widget::{ReplyTime, WebWidget, WidgetFeature},
    },
    leadchat::features::Features,
    store::schema::rows::WebWidgetRow,
};

const REPLY_TIMES: [(i64, ReplyTime); 3] = [
    (0, ReplyTime::InAFewMinutes),
    (1, ReplyTime::InAFewHours),
    (2, ReplyTime::InADay),
];

pub(super) fn assemble(
    row: &WebWidgetRow,
    context: &Context<'_>,
    degradations: &mut Degradations,
) -> ChannelParts {
    let Degradations { open, signing, .. } = degradations;
    let flags = narrow(
        &row.feature_flags,
        "web_widget.selected_feature_flags",
        open,
    );
    let script = |token: &str| context.installation.links.web_widget_script(token);
    let widget = WebWidget {
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
        selected_feature_flags: flags
            .map_or_else(Vec::new, |flags| widget_features(flags, context.features)),
        reply_time: state(&row.reply_time, &REPLY_TIMES, "web_widget.reply_time", open),
        hmac_token: plain_secret(&row.hmac_token, "web_widget.hmac_token", signing),
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
    };
    Channel::WebWidget(Box::new(widget)).into()
}

/// An older leadchat takes no notice of the newest one's bit.
fn widget_features(flags: i32, leadchat: Features) -> Vec<WidgetFeature> {
    let mut features = WidgetFeature::of(flags);
    let is_known = |feature: &_| !matches!(feature, WidgetFeature::AllowMobileWebview);
    if !leadchat.mobile_webviews {
        features.retain(is_known);
    }
    features
}
