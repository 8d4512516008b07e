//! An inbox on the wire, always made from an [`InboxView`]. Domain values are
//! destructured without `..`: a new field that is not written here does not compile.

use super::{channel::to_channel, json::to_value};
use crate::{
    domain::{
        access::InboxView,
        degradation::Degradation,
        inbox::{
            AutoAssignmentConfig, CsatConfig, CsatSurveyRules, CsatTemplate, HelpCenter, Inbox,
            Settings,
        },
        schedule::WorkingHours,
        viewer::Detail,
    },
    grpc::{disclosure::UndisclosedInbox, etag::EtagKey, pb, response_limit::ResponseLimit},
};

/// An inbox as the viewer may see it, with its tag. It fits into a response.
pub fn to_inbox(view: &InboxView<'_>, limit: ResponseLimit, etags: &EtagKey) -> UndisclosedInbox {
    let mut inbox = to_message(view);
    limit.fit(&mut inbox);
    inbox.etag = etags.tag(&inbox, view.role());
    let inbox = match view.detail() {
        Detail::Full => inbox,
        Detail::Basic => to_basic(inbox),
    };
    UndisclosedInbox::new(inbox, view)
}

/// The fields of the basic detail.
fn to_basic(inbox: pb::Inbox) -> pb::Inbox {
    const FIELDS: [&str; 4] = ["avatar_url", "channel_id", "channel_type", "name"];
    pb::Inbox {
        id: inbox.id,
        account_id: inbox.account_id,
        name: inbox.name,
        channel_kind: inbox.channel_kind,
        channel_type: inbox.channel_type,
        channel_id: inbox.channel_id,
        avatar_url: inbox.avatar_url,
        etag: inbox.etag,
        degradations: inbox
            .degradations
            .into_iter()
            .filter(|degradation| FIELDS.contains(&degradation.field.as_str()))
            .collect(),
        ..pb::Inbox::default()
    }
}

fn to_message(view: &InboxView<'_>) -> pb::Inbox {
    let Inbox {
        id,
        account_id,
        name,
        channel_type,
        channel_id,
        avatar_url,
        settings,
        channel,
        degradations: _,
        sealed_degradations: _,
    } = view.inbox();
    let Settings {
        greeting_enabled,
        greeting_message,
        working_hours_enabled,
        enable_email_collect,
        csat_survey_enabled,
        csat_config,
        enable_auto_assignment,
        auto_assignment_config,
        out_of_office_message,
        working_hours,
        timezone,
        callback_webhook_url,
        allow_messages_after_resolved,
        lock_to_single_conversation,
        sender_name_type,
        business_name,
        help_center,
    } = settings;
    pb::Inbox {
        id: id.0,
        account_id: account_id.0,
        name: name.clone(),
        channel_kind: channel
            .as_ref()
            .map_or(pb::ChannelKind::Unspecified, |channel| {
                channel.kind().into()
            })
            .into(),
        channel_type: channel_type.clone(),
        channel_id: channel_id.0,
        avatar_url: avatar_url.clone(),
        // Computed from the other fields.
        etag: String::new(),
        degradations: view.degradations().map(Into::into).collect(),
        greeting_enabled: *greeting_enabled,
        greeting_message: greeting_message.clone(),
        working_hours_enabled: *working_hours_enabled,
        enable_email_collect: *enable_email_collect,
        csat_survey_enabled: *csat_survey_enabled,
        csat_config: csat_config.as_deref().map(Into::into),
        enable_auto_assignment: *enable_auto_assignment,
        auto_assignment_config: auto_assignment_config.as_ref().map(Into::into),
        out_of_office_message: out_of_office_message.clone(),
        working_hours: working_hours.iter().map(Into::into).collect(),
        timezone: timezone.clone(),
        callback_webhook_url: callback_webhook_url.clone(),
        allow_messages_after_resolved: *allow_messages_after_resolved,
        lock_to_single_conversation: *lock_to_single_conversation,
        sender_name_type: sender_name_type.map(|name| pb::SenderNameType::from(name).into()),
        business_name: business_name.clone(),
        help_center: help_center.as_ref().map(Into::into),
        channel: channel.as_ref().map(|channel| to_channel(channel, view)),
    }
}

impl From<&WorkingHours> for pb::WorkingHours {
    fn from(hours: &WorkingHours) -> Self {
        let WorkingHours {
            day_of_week,
            closed_all_day,
            open_hour,
            open_minutes,
            close_hour,
            close_minutes,
            open_all_day,
        } = hours;
        Self {
            day_of_week: *day_of_week,
            closed_all_day: *closed_all_day,
            open_hour: *open_hour,
            open_minutes: *open_minutes,
            close_hour: *close_hour,
            close_minutes: *close_minutes,
            open_all_day: *open_all_day,
        }
    }
}

impl From<&HelpCenter> for pb::HelpCenter {
    fn from(help_center: &HelpCenter) -> Self {
        let HelpCenter { name, slug } = help_center;
        Self {
            name: name.clone(),
            slug: slug.clone(),
        }
    }
}

impl From<&CsatConfig> for pb::CsatConfig {
    fn from(config: &CsatConfig) -> Self {
        let CsatConfig {
            display_type,
            message,
            button_text,
            language,
            survey_rules,
            template,
            unrecognized,
        } = config;
        Self {
            display_type: display_type.clone(),
            message: message.clone(),
            button_text: button_text.clone(),
            language: language.clone(),
            survey_rules: survey_rules.as_ref().map(Into::into),
            template: template.as_ref().map(Into::into),
            unrecognized: unrecognized.as_ref().map(to_value),
        }
    }
}

impl From<&CsatSurveyRules> for pb::CsatSurveyRules {
    fn from(rules: &CsatSurveyRules) -> Self {
        let CsatSurveyRules {
            operator,
            values,
            unrecognized,
        } = rules;
        Self {
            operator: operator.clone(),
            values: values.clone(),
            unrecognized: unrecognized.as_ref().map(to_value),
        }
    }
}

impl From<&CsatTemplate> for pb::CsatTemplate {
    fn from(template: &CsatTemplate) -> Self {
        let CsatTemplate {
            name,
            template_id,
            created_at,
            language,
            friendly_name,
            content_sid,
            approval_sid,
            status,
            unrecognized,
        } = template;
        Self {
            name: name.clone(),
            template_id: template_id.clone(),
            created_at: created_at.clone(),
            language: language.clone(),
            friendly_name: friendly_name.clone(),
            content_sid: content_sid.clone(),
            approval_sid: approval_sid.clone(),
            status: status.clone(),
            unrecognized: unrecognized.as_ref().map(to_value),
        }
    }
}

impl From<&AutoAssignmentConfig> for pb::AutoAssignmentConfig {
    fn from(config: &AutoAssignmentConfig) -> Self {
        let AutoAssignmentConfig {
            max_assignment_limit,
            unrecognized,
        } = config;
        Self {
            max_assignment_limit: *max_assignment_limit,
            unrecognized: unrecognized.as_ref().map(to_value),
        }
    }
}

impl From<&Degradation> for pb::Degradation {
    fn from(degradation: &Degradation) -> Self {
        let Degradation {
            field,
            contract_len: _,
            reason,
        } = degradation;
        Self {
            field: field.clone(),
            reason: pb::DegradationReason::from(*reason).into(),
        }
    }
}
