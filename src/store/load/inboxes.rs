//! The rows of some inboxes: the inboxes themselves, their working hours, avatars and
//! states, and the channel tables that are in use.

use std::{
    collections::{BTreeSet, HashMap},
    hash::Hash,
};

use super::number;
use crate::{
    domain::channel::ChannelKind,
    store::{
        Read,
        assemble::{InboxRows, flags::StateSource},
        error::StoreError,
        schema::{
            columns::Stored,
            rows::{
                ApiRow, AvatarRow, ChannelRow, EmailRow, FacebookPageRow, InboxRow, InstagramRow,
                LineRow, ReauthorizationRow, SmsRow, TelegramRow, TiktokRow, TwilioSmsRow,
                TwitterProfileRow, VoiceRow, WebWidgetRow, WhatsappRow, WorkingHoursRow,
            },
        },
        snapshot::Row,
        sql::{Argument, Statement, select::InboxStatements},
    },
};

/// Reads the rows of inboxes. `kinds` are the channel tables to read; by default those in
/// use.
pub(super) async fn read_inboxes(
    read: &mut Read<'_>,
    statements: &InboxStatements,
    arguments: &[Argument],
    kinds: Option<BTreeSet<ChannelKind>>,
) -> Result<InboxRows, StoreError> {
    let inboxes: Vec<InboxRow> = read.fetch(&statements.inboxes, arguments).await?;
    let kinds = kinds.unwrap_or_else(|| in_use(&inboxes));
    if inboxes.is_empty() && kinds.is_empty() {
        return Ok(InboxRows::default());
    }

    let working_hours: Vec<WorkingHoursRow> =
        read.fetch(&statements.working_hours, arguments).await?;
    let avatars: Vec<AvatarRow> = read.fetch(&statements.avatars, arguments).await?;
    let states = if read.store.has_state_table {
        let rows: Vec<ReauthorizationRow> =
            read.fetch(&statements.reauthorizations, arguments).await?;
        StateSource::Table(rows.into_iter().filter_map(channel_state).collect())
    } else {
        StateSource::Flags
    };
    let mut channels = HashMap::new();
    for kind in kinds {
        if let Some(statement) = statements.channel(kind) {
            let rows = read_channels(read, kind, statement, arguments).await?;
            channels.extend(rows.into_iter().map(|(id, row)| ((kind, id), row)));
        }
    }

    Ok(InboxRows {
        inboxes,
        channels,
        working_hours: by_key(working_hours, |row| row.inbox_id),
        avatars: by_key(avatars, |row| row.record_id),
        states,
        features: read.plan.schema.features(),
    })
}

/// Reads the rows of one channel table, each with its id.
async fn read_channels(
    read: &mut Read<'_>,
    kind: ChannelKind,
    statement: &Statement,
    arguments: &[Argument],
) -> Result<Vec<(i64, ChannelRow)>, StoreError> {
    async fn rows<R: Row>(
        read: &mut Read<'_>,
        statement: &Statement,
        arguments: &[Argument],
        with_id: fn(R) -> (i64, ChannelRow),
    ) -> Result<Vec<(i64, ChannelRow)>, StoreError> {
        let rows = read.fetch(statement, arguments).await?;
        Ok(rows.into_iter().map(with_id).collect())
    }

    match kind {
        ChannelKind::WebWidget => {
            rows(read, statement, arguments, |row: WebWidgetRow| {
                (row.id, ChannelRow::WebWidget(row))
            })
            .await
        }
        ChannelKind::Api => {
            rows(read, statement, arguments, |row: ApiRow| {
                (row.id, ChannelRow::Api(row))
            })
            .await
        }
        ChannelKind::Email => {
            rows(read, statement, arguments, |row: EmailRow| {
                (row.id, ChannelRow::Email(Box::new(row)))
            })
            .await
        }
        ChannelKind::FacebookPage => {
            rows(read, statement, arguments, |row: FacebookPageRow| {
                (row.id, ChannelRow::FacebookPage(row))
            })
            .await
        }
        ChannelKind::Instagram => {
            rows(read, statement, arguments, |row: InstagramRow| {
                (row.id, ChannelRow::Instagram(row))
            })
            .await
        }
        ChannelKind::Tiktok => {
            rows(read, statement, arguments, |row: TiktokRow| {
                (row.id, ChannelRow::Tiktok(row))
            })
            .await
        }
        ChannelKind::TwilioSms => {
            rows(read, statement, arguments, |row: TwilioSmsRow| {
                (row.id, ChannelRow::TwilioSms(row))
            })
            .await
        }
        ChannelKind::TwitterProfile => {
            rows(read, statement, arguments, |row: TwitterProfileRow| {
                (row.id, ChannelRow::TwitterProfile(row))
            })
            .await
        }
        ChannelKind::Telegram => {
            rows(read, statement, arguments, |row: TelegramRow| {
                (row.id, ChannelRow::Telegram(row))
            })
            .await
        }
        ChannelKind::Line => {
            rows(read, statement, arguments, |row: LineRow| {
                (row.id, ChannelRow::Line(row))
            })
            .await
        }
        ChannelKind::Sms => {
            rows(read, statement, arguments, |row: SmsRow| {
                (row.id, ChannelRow::Sms(row))
            })
            .await
        }
        ChannelKind::Whatsapp => {
            rows(read, statement, arguments, |row: WhatsappRow| {
                (row.id, ChannelRow::Whatsapp(row))
            })
            .await
        }
        ChannelKind::Voice => {
            rows(read, statement, arguments, |row: VoiceRow| {
                (row.id, ChannelRow::Voice(row))
            })
            .await
        }
    }
}

fn in_use(inboxes: &[InboxRow]) -> BTreeSet<ChannelKind> {
    let class_names = inboxes.iter().map(|row| row.channel_type.text());
    class_names
        .filter_map(|class_name| ChannelKind::from_class_name(class_name.ok()??))
        .collect()
}

/// The channel that a row is about, and its state.
fn channel_state(row: ReauthorizationRow) -> Option<((String, i64), Stored<bool>)> {
    let class_name = row.channel_type.text().ok()??.to_owned();
    Some(((class_name, number(&row.channel_id)?), row.required))
}

fn by_key<K: Eq + Hash, R>(rows: Vec<R>, key: impl Fn(&R) -> K) -> HashMap<K, Vec<R>> {
    let mut groups: HashMap<K, Vec<R>> = HashMap::new();
    for row in rows {
        groups.entry(key(&row)).or_default().push(row);
    }
    groups
}
