//! The sizes of inboxes, and of what inboxes of every kind share.

use super::{HeapSize, heap_size, no_heap};
use crate::domain::{
    degradation::{Degradation, DegradationReason},
    id::{AccountId, AgentBotId, ChannelId, InboxId, UserId},
    inbox::{
        AutoAssignmentConfig, CsatConfig, CsatSurveyRules, CsatTemplate, HelpCenter, Inbox,
        SealedDegradations, SenderNameType, Settings,
    },
    json::Json,
    reauthorization::{FlagKey, FlagSource},
    schedule::WorkingHours,
    viewer::Role,
};

no_heap!(
    AccountId,
    AgentBotId,
    ChannelId,
    DegradationReason,
    FlagKey,
    FlagSource,
    InboxId,
    Role,
    SenderNameType,
    UserId,
);

heap_size! {
    Inbox {
        id, account_id, name, channel_type, channel_id, avatar_url, settings, channel,
        degradations, sealed_degradations,
    }

    SealedDegradations { signing, imap, smtp, twilio, whatsapp }

    Settings {
        greeting_enabled, greeting_message, working_hours_enabled, enable_email_collect,
        csat_survey_enabled, csat_config, enable_auto_assignment, auto_assignment_config,
        out_of_office_message, working_hours, timezone, callback_webhook_url,
        allow_messages_after_resolved, lock_to_single_conversation, sender_name_type,
        business_name, help_center,
    }

    HelpCenter { name, slug }

    CsatConfig {
        display_type, message, button_text, language, survey_rules, template, unrecognized,
    }

    CsatSurveyRules { operator, values, unrecognized }

    CsatTemplate {
        name, template_id, created_at, language, friendly_name, content_sid, approval_sid,
        status, unrecognized,
    }

    AutoAssignmentConfig { max_assignment_limit, unrecognized }

    WorkingHours {
        day_of_week, closed_all_day, open_hour, open_minutes, close_hour, close_minutes,
        open_all_day,
    }

    Degradation { field, contract_len, reason }
}

impl HeapSize for Json {
    fn heap_size(&self) -> usize {
        match self {
            Self::Null | Self::Bool(_) | Self::Number(_) => 0,
            Self::String(text) => text.heap_size(),
            Self::Array(elements) => elements.heap_size(),
            Self::Object(entries) => entries.heap_size(),
        }
    }
}
