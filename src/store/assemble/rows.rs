//! The rows of inboxes as they were sent, and those of each inbox.

use std::{collections::HashMap, hash::Hash};

use crate::{
    domain::channel::ChannelKind,
    leadchat::features::Features,
    store::{
        error::StoreError,
        fingerprint::Encoder,
        schema::{
            columns::Stored,
            rows::{AvatarRow, ChannelRow, InboxRow, ReauthorizationRow, WorkingHoursRow},
        },
        snapshot::rows::{RowRef, Rows},
    },
};

/// The rows of some inboxes, from one snapshot.
pub(in crate::store) struct InboxRows {
    pub inboxes: Rows,
    pub working_hours: Rows,
    pub avatars: Rows,
    /// Of our own table; `None` where leadchat's flags say it.
    pub states: Option<Rows>,
    pub channels: Vec<(ChannelKind, Rows)>,
    /// How new the leadchat is that wrote all this.
    pub features: Features,
    /// Of the plan that they were read with.
    pub probe_number: u64,
}

/// The same by what they belong to.
pub(super) struct RowsByKey<'r> {
    /// By inbox; each ordered by day.
    working_hours: HashMap<i64, Vec<RowRef<'r>>>,
    /// By inbox.
    avatars: HashMap<i64, Vec<RowRef<'r>>>,
    states: HashMap<ChannelKey, Vec<RowRef<'r>>>,
    channels: HashMap<ChannelKey, RowRef<'r>>,
}

/// The kind and the id of a channel.
pub(super) type ChannelKey = (ChannelKind, i64);

/// The rows of one inbox.
pub(super) struct RowsOfInbox<'r, 'k> {
    inbox: RowRef<'r>,
    working_hours: &'k [RowRef<'r>],
    avatars: &'k [RowRef<'r>],
    states: &'k [RowRef<'r>],
    channel: Option<(ChannelKind, RowRef<'r>)>,
}

/// The same, decoded.
pub(super) struct DecodedRows {
    pub inbox: InboxRow,
    pub working_hours: Vec<WorkingHoursRow>,
    pub avatar: Option<AvatarRow>,
    pub channel: Option<ChannelRow>,
}

/// The kind of the channel that a row names.
pub(in crate::store) fn kind_of(row: RowRef<'_>) -> Option<ChannelKind> {
    ChannelKind::from_class_name(row.text("channel_type")?)
}

/// The channel that a row names.
fn channel_of(row: RowRef<'_>) -> Result<Option<ChannelKey>, StoreError> {
    let id: Stored<i64> = row.field("channel_id")?;
    let id = id.get().ok().flatten().copied();
    Ok(kind_of(row).zip(id))
}

impl InboxRows {
    pub(super) fn by_key(&self) -> Result<RowsByKey<'_>, StoreError> {
        let mut channels = HashMap::new();
        for (kind, rows) in &self.channels {
            for row in rows.iter() {
                channels.insert((*kind, row.key()?), row);
            }
        }
        Ok(RowsByKey {
            working_hours: groups(&self.working_hours, |row| row.key().map(Some))?,
            avatars: groups(&self.avatars, |row| row.key().map(Some))?,
            states: match &self.states {
                Some(states) => groups(states, channel_of)?,
                None => HashMap::new(),
            },
            channels,
        })
    }

    /// The states of channels in our own table, where there is one.
    pub(super) fn states(&self) -> Result<Option<HashMap<ChannelKey, Stored<bool>>>, StoreError> {
        let Some(states) = &self.states else {
            return Ok(None);
        };
        let mut by_channel = HashMap::new();
        for row in states.iter() {
            if let Some(channel) = channel_of(row)? {
                let row: ReauthorizationRow = row.decode()?;
                by_channel.insert(channel, row.required);
            }
        }
        Ok(Some(by_channel))
    }
}

fn groups<'r, K: Eq + Hash>(
    rows: &'r Rows,
    key: impl Fn(RowRef<'r>) -> Result<Option<K>, StoreError>,
) -> Result<HashMap<K, Vec<RowRef<'r>>>, StoreError> {
    let mut groups: HashMap<K, Vec<RowRef<'r>>> = HashMap::new();
    for row in rows.iter() {
        if let Some(key) = key(row)? {
            groups.entry(key).or_default().push(row);
        }
    }
    Ok(groups)
}

impl<'r> RowsByKey<'r> {
    /// The rows of the inbox of a row.
    pub fn of<'k>(&'k self, inbox: RowRef<'r>) -> Result<RowsOfInbox<'r, 'k>, StoreError> {
        let id = inbox.key()?;
        let channel = channel_of(inbox)?;
        let row = channel.and_then(|channel| self.channels.get(&channel));
        Ok(RowsOfInbox {
            inbox,
            working_hours: some(self.working_hours.get(&id)),
            avatars: some(self.avatars.get(&id)),
            states: some(channel.and_then(|channel| self.states.get(&channel))),
            channel: channel.zip(row).map(|((kind, _), row)| (kind, *row)),
        })
    }
}

fn some<R>(rows: Option<&Vec<R>>) -> &[R] {
    rows.map(Vec::as_slice).unwrap_or_default()
}

impl RowsOfInbox<'_, '_> {
    /// Adds all that the inbox is made of.
    pub fn encode(&self, encoder: &mut Encoder) -> Result<(), StoreError> {
        let channel = self.channel.as_ref().map(|(_, row)| *row);
        for rows in [
            &[self.inbox],
            self.working_hours,
            self.avatars,
            self.states,
            channel.as_slice(),
        ] {
            encoder.begin_table(rows.len());
            for row in rows {
                row.encode(encoder)?;
            }
        }
        Ok(())
    }

    pub fn decode(&self) -> Result<DecodedRows, StoreError> {
        let working_hours = self.working_hours.iter();
        let avatar = self.avatars.first();
        let channel = self.channel;
        Ok(DecodedRows {
            inbox: self.inbox.decode()?,
            working_hours: working_hours
                .map(|row| row.decode())
                .collect::<Result<_, _>>()?,
            avatar: avatar.map(|row| row.decode()).transpose()?,
            channel: channel.map(|(kind, row)| decode(kind, row)).transpose()?,
        })
    }
}

fn decode(kind: ChannelKind, row: RowRef<'_>) -> Result<ChannelRow, StoreError> {
    Ok(match kind {
        ChannelKind::WebWidget => ChannelRow::WebWidget(row.decode()?),
        ChannelKind::Api => ChannelRow::Api(row.decode()?),
        ChannelKind::Email => ChannelRow::Email(Box::new(row.decode()?)),
        ChannelKind::FacebookPage => ChannelRow::FacebookPage(row.decode()?),
        ChannelKind::Instagram => ChannelRow::Instagram(row.decode()?),
        ChannelKind::Tiktok => ChannelRow::Tiktok(row.decode()?),
        ChannelKind::TwilioSms => ChannelRow::TwilioSms(row.decode()?),
        ChannelKind::TwitterProfile => ChannelRow::TwitterProfile(row.decode()?),
        ChannelKind::Telegram => ChannelRow::Telegram(row.decode()?),
        ChannelKind::Line => ChannelRow::Line(row.decode()?),
        ChannelKind::Sms => ChannelRow::Sms(row.decode()?),
        ChannelKind::Whatsapp => ChannelRow::Whatsapp(row.decode()?),
        ChannelKind::Voice => ChannelRow::Voice(row.decode()?),
    })
}
