//! A chat widget on a website: `channel_web_widgets`.

use super::SecretText;
use crate::domain::{
    json::{Json, fields::Fields},
    secret_group::group,
};

#[derive(Debug, Default)]
pub struct WebWidget {
    pub allowed_domains: Option<String>,
    pub widget_color: Option<String>,
    pub website_url: Option<String>,
    pub hmac_mandatory: Option<bool>,
    pub welcome_title: Option<String>,
    pub welcome_tagline: Option<String>,
    /// Derived from FRONTEND_URL and the token.
    pub web_widget_script: Option<String>,
    /// Public: it stands in every page that shows the widget.
    pub website_token: Option<String>,
    pub selected_feature_flags: Vec<WidgetFeature>,
    pub reply_time: Option<ReplyTime>,
    pub hmac_token: SecretText<group::Signing>,
    pub pre_chat_form_enabled: Option<bool>,
    pub pre_chat_form_options: Option<PreChatFormOptions>,
    pub continuity_via_email: Option<bool>,
}

/// A bit of `channel_web_widgets.feature_flags`.
#[derive(Clone, Copy, Debug)]
pub enum WidgetFeature {
    Attachments,
    EmojiPicker,
    EndConversation,
    UseInboxAvatarForBot,
    AllowMobileWebview,
}

impl WidgetFeature {
    /// Each feature with its bit, in the order of the view.
    const BITS: [(i32, Self); 5] = [
        (1, Self::Attachments),
        (2, Self::EmojiPicker),
        (4, Self::EndConversation),
        (8, Self::UseInboxAvatarForBot),
        (16, Self::AllowMobileWebview),
    ];

    /// The features of the bits that are set; other bits count for nothing.
    pub fn of(flags: i32) -> Vec<Self> {
        let set = Self::BITS.into_iter().filter(|(bit, _)| flags & bit != 0);
        set.map(|(_, feature)| feature).collect()
    }
}

/// `channel_web_widgets.reply_time`.
#[derive(Clone, Copy, Debug)]
pub enum ReplyTime {
    InAFewMinutes,
    InAFewHours,
    InADay,
}

/// `channel_web_widgets.pre_chat_form_options`.
#[derive(Debug)]
pub struct PreChatFormOptions {
    pub pre_chat_message: Option<String>,
    pub require_email: Option<bool>,
    pub pre_chat_fields: Vec<PreChatField>,
    pub unrecognized: Option<Json>,
}

#[derive(Debug)]
pub struct PreChatField {
    pub field_type: Option<String>,
    pub label: Option<String>,
    pub placeholder: Option<String>,
    pub name: Option<String>,
    pub enabled: Option<bool>,
    /// The kind of input.
    pub r#type: Option<String>,
    pub required: Option<bool>,
    pub locale: Option<String>,
    pub values: Vec<String>,
    pub regex_pattern: Option<String>,
    pub regex_cue: Option<String>,
    pub unrecognized: Option<Json>,
}

impl From<Json> for PreChatFormOptions {
    fn from(json: Json) -> Self {
        let mut fields = Fields::of(json);
        Self {
            pre_chat_message: fields.string("pre_chat_message"),
            require_email: fields.bool("require_email"),
            pre_chat_fields: fields.objects("pre_chat_fields"),
            unrecognized: fields.unrecognized(),
        }
    }
}

impl From<Json> for PreChatField {
    fn from(json: Json) -> Self {
        let mut fields = Fields::of(json);
        Self {
            field_type: fields.string("field_type"),
            label: fields.string("label"),
            placeholder: fields.string("placeholder"),
            name: fields.string("name"),
            enabled: fields.bool("enabled"),
            r#type: fields.string("type"),
            required: fields.bool("required"),
            locale: fields.string("locale"),
            values: fields.strings("values"),
            regex_pattern: fields.string("regex_pattern"),
            regex_cue: fields.string("regex_cue"),
            unrecognized: fields.unrecognized(),
        }
    }
}
