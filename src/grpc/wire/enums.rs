//! Enums on the wire. Each state of the domain has a value of the contract; a new state
//! that is not mapped here does not compile.

use crate::{
    domain::{
        channel::{
            ChannelKind,
            twilio_sms::TwilioMedium,
            web_widget::{ReplyTime, WidgetFeature},
        },
        degradation::DegradationReason,
        inbox::SenderNameType,
        reauthorization::Reauthorization,
        secret_group::{SecretGroup, SecretGroups},
        viewer::Role,
    },
    grpc::pb,
};

impl From<ChannelKind> for pb::ChannelKind {
    fn from(kind: ChannelKind) -> Self {
        match kind {
            ChannelKind::WebWidget => Self::WebWidget,
            ChannelKind::Api => Self::Api,
            ChannelKind::Email => Self::Email,
            ChannelKind::FacebookPage => Self::FacebookPage,
            ChannelKind::Instagram => Self::Instagram,
            ChannelKind::Tiktok => Self::Tiktok,
            ChannelKind::TwilioSms => Self::TwilioSms,
            ChannelKind::TwitterProfile => Self::TwitterProfile,
            ChannelKind::Telegram => Self::Telegram,
            ChannelKind::Line => Self::Line,
            ChannelKind::Sms => Self::Sms,
            ChannelKind::Whatsapp => Self::Whatsapp,
            ChannelKind::Voice => Self::Voice,
        }
    }
}

impl From<Reauthorization> for pb::Reauthorization {
    fn from(state: Reauthorization) -> Self {
        match state {
            Reauthorization::Required => Self::Required,
            Reauthorization::NotRequired => Self::NotRequired,
            Reauthorization::Unknown => Self::Unknown,
        }
    }
}

impl From<WidgetFeature> for pb::WidgetFeature {
    fn from(feature: WidgetFeature) -> Self {
        match feature {
            WidgetFeature::Attachments => Self::Attachments,
            WidgetFeature::EmojiPicker => Self::EmojiPicker,
            WidgetFeature::EndConversation => Self::EndConversation,
            WidgetFeature::UseInboxAvatarForBot => Self::UseInboxAvatarForBot,
            WidgetFeature::AllowMobileWebview => Self::AllowMobileWebview,
        }
    }
}

impl From<ReplyTime> for pb::ReplyTime {
    fn from(time: ReplyTime) -> Self {
        match time {
            ReplyTime::InAFewMinutes => Self::InAFewMinutes,
            ReplyTime::InAFewHours => Self::InAFewHours,
            ReplyTime::InADay => Self::InADay,
        }
    }
}

impl From<TwilioMedium> for pb::TwilioMedium {
    fn from(medium: TwilioMedium) -> Self {
        match medium {
            TwilioMedium::Sms => Self::Sms,
            TwilioMedium::Whatsapp => Self::Whatsapp,
        }
    }
}

impl From<DegradationReason> for pb::DegradationReason {
    fn from(reason: DegradationReason) -> Self {
        match reason {
            DegradationReason::ChannelRowMissing => Self::ChannelRowMissing,
            DegradationReason::ChannelTypeUnknown => Self::ChannelTypeUnknown,
            DegradationReason::JsonMalformed => Self::JsonMalformed,
            DegradationReason::JsonTooDeep => Self::JsonTooDeep,
            DegradationReason::NumberOutOfRange => Self::NumberOutOfRange,
            DegradationReason::NumberRounded => Self::NumberRounded,
            DegradationReason::EnumUnknown => Self::EnumUnknown,
            DegradationReason::Undecryptable => Self::Undecryptable,
            DegradationReason::SigningKeyNotConfigured => Self::SigningKeyNotConfigured,
            DegradationReason::FrontendUrlNotConfigured => Self::FrontendUrlNotConfigured,
            DegradationReason::TimeZoneUnknown => Self::TimeZoneUnknown,
            DegradationReason::SourceUnreadable => Self::SourceUnreadable,
            DegradationReason::Truncated => Self::MoreNotListed,
        }
    }
}

impl From<SenderNameType> for pb::SenderNameType {
    fn from(name: SenderNameType) -> Self {
        match name {
            SenderNameType::Friendly => Self::Friendly,
            SenderNameType::Professional => Self::Professional,
        }
    }
}

impl From<Role> for pb::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::Agent => Self::Agent,
            Role::Administrator => Self::Administrator,
        }
    }
}

impl From<SecretGroup> for pb::SecretGroup {
    fn from(group: SecretGroup) -> Self {
        match group {
            SecretGroup::Signing => Self::Signing,
            SecretGroup::Imap => Self::Imap,
            SecretGroup::Smtp => Self::Smtp,
            SecretGroup::Twilio => Self::Twilio,
            SecretGroup::Whatsapp => Self::Whatsapp,
        }
    }
}

/// The groups as a message lists them.
pub fn to_groups(groups: SecretGroups) -> Vec<i32> {
    let groups = groups.iter().map(pb::SecretGroup::from);
    groups.map(Into::into).collect()
}

#[cfg(test)]
mod tests {
    use strum::IntoEnumIterator;

    use super::*;

    #[test]
    fn every_kind_of_the_contract_is_one_of_the_domain() {
        let listed: std::collections::BTreeSet<_> = ChannelKind::iter()
            .map(|kind| pb::ChannelKind::from(kind) as i32)
            .collect();
        let known: std::collections::BTreeSet<_> = (1..100)
            .filter(|number| pb::ChannelKind::try_from(*number).is_ok())
            .collect();
        assert_eq!(listed, known);
    }
}
