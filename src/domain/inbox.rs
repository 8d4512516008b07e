//! An inbox, and what inboxes of every kind share.

use super::{
    channel::Channel,
    degradation::Degradation,
    id::{AccountId, ChannelId, InboxId},
    json::{Json, fields::Fields},
    schedule::WorkingHours,
    secret::AdminOnly,
    secret_group::group,
};

/// One connected channel of an account, as stored and derived. Fields for administrators
/// are sealed; there is no other filter behind it.
#[derive(Debug)]
pub struct Inbox {
    pub id: InboxId,
    pub account_id: AccountId,
    pub name: String,
    /// The class name of the channel, as stored.
    pub channel_type: Option<String>,
    pub channel_id: ChannelId,
    /// Empty if the inbox has no usable avatar, `None` if its URL cannot be derived.
    pub avatar_url: Option<String>,
    pub settings: Settings,
    /// `None` where `channel_type` names none of the thirteen kinds.
    pub channel: Option<Channel>,
    /// The degradations of fields that every viewer may see.
    pub degradations: Vec<Degradation>,
    /// The degradations of fields for administrators; `None` where there are none.
    pub sealed_degradations: Option<Box<SealedDegradations>>,
}

/// The degradations of fields for administrators, by the group of the field.
#[derive(Debug, Default)]
pub struct SealedDegradations {
    pub signing: AdminOnly<Vec<Degradation>, group::Signing>,
    pub imap: AdminOnly<Vec<Degradation>, group::Imap>,
    pub smtp: AdminOnly<Vec<Degradation>, group::Smtp>,
    pub twilio: AdminOnly<Vec<Degradation>, group::Twilio>,
    pub whatsapp: AdminOnly<Vec<Degradation>, group::Whatsapp>,
}

/// The common fields of all kinds, beyond those of the basic detail. Nullable columns are
/// `Option`s; so are those that could not be read.
#[derive(Debug)]
pub struct Settings {
    pub greeting_enabled: Option<bool>,
    pub greeting_message: Option<String>,
    pub working_hours_enabled: Option<bool>,
    pub enable_email_collect: Option<bool>,
    pub csat_survey_enabled: Option<bool>,
    pub csat_config: Option<Box<CsatConfig>>,
    pub enable_auto_assignment: Option<bool>,
    pub auto_assignment_config: Option<AutoAssignmentConfig>,
    pub out_of_office_message: Option<String>,
    /// Ordered by day.
    pub working_hours: Vec<WorkingHours>,
    pub timezone: Option<String>,
    pub callback_webhook_url: Option<String>,
    pub allow_messages_after_resolved: Option<bool>,
    pub lock_to_single_conversation: Option<bool>,
    pub sender_name_type: Option<SenderNameType>,
    pub business_name: Option<String>,
    pub help_center: Option<HelpCenter>,
}

/// The name that agents' messages are sent under.
#[derive(Clone, Copy, Debug)]
pub enum SenderNameType {
    Friendly,
    Professional,
}

/// The help center linked to an inbox.
#[derive(Debug)]
pub struct HelpCenter {
    pub name: String,
    pub slug: String,
}

/// `inboxes.csat_config`.
#[derive(Debug)]
pub struct CsatConfig {
    pub display_type: Option<String>,
    pub message: Option<String>,
    pub button_text: Option<String>,
    pub language: Option<String>,
    pub survey_rules: Option<CsatSurveyRules>,
    pub template: Option<CsatTemplate>,
    pub unrecognized: Option<Json>,
}

#[derive(Debug)]
pub struct CsatSurveyRules {
    pub operator: Option<String>,
    pub values: Vec<String>,
    pub unrecognized: Option<Json>,
}

#[derive(Debug)]
pub struct CsatTemplate {
    pub name: Option<String>,
    pub template_id: Option<String>,
    pub created_at: Option<String>,
    pub language: Option<String>,
    pub friendly_name: Option<String>,
    pub content_sid: Option<String>,
    pub approval_sid: Option<String>,
    pub status: Option<String>,
    pub unrecognized: Option<Json>,
}

/// `inboxes.auto_assignment_config`.
#[derive(Debug)]
pub struct AutoAssignmentConfig {
    pub max_assignment_limit: Option<i32>,
    pub unrecognized: Option<Json>,
}

impl From<Json> for CsatConfig {
    fn from(json: Json) -> Self {
        let mut fields = Fields::of(json);
        Self {
            display_type: fields.string("display_type"),
            message: fields.string("message"),
            button_text: fields.string("button_text"),
            language: fields.string("language"),
            survey_rules: fields.object("survey_rules"),
            template: fields.object("template"),
            unrecognized: fields.unrecognized(),
        }
    }
}

impl From<Json> for CsatSurveyRules {
    fn from(json: Json) -> Self {
        let mut fields = Fields::of(json);
        Self {
            operator: fields.string("operator"),
            values: fields.strings("values"),
            unrecognized: fields.unrecognized(),
        }
    }
}

impl From<Json> for CsatTemplate {
    fn from(json: Json) -> Self {
        let mut fields = Fields::of(json);
        Self {
            name: fields.string("name"),
            template_id: fields.string("template_id"),
            created_at: fields.string("created_at"),
            language: fields.string("language"),
            friendly_name: fields.string("friendly_name"),
            content_sid: fields.string("content_sid"),
            approval_sid: fields.string("approval_sid"),
            status: fields.string("status"),
            unrecognized: fields.unrecognized(),
        }
    }
}

impl From<Json> for AutoAssignmentConfig {
    fn from(json: Json) -> Self {
        let mut fields = Fields::of(json);
        Self {
            max_assignment_limit: fields.integer("max_assignment_limit"),
            unrecognized: fields.unrecognized(),
        }
    }
}
