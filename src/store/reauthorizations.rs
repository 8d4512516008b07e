//! Which channels must be connected again: where that is read, and of which
//! channels.
//!
//! Where Redis is, it is asked: once, for all channels whose rows leave it to a
//! flag. Otherwise an own database has a table, and nobody knows it of Rails'.

use std::collections::{BTreeSet, HashMap};

use tracing::{info, warn};

use super::{
    Ownership, Store,
    assemble::Assembly,
    channel_tables::ChannelTables,
    channels::{calls, email, has_account},
    columns::Stored,
    error::StoreError,
    patience::Patience,
    redis::{Redis, RedisSettings},
    rows::{AvatarRow, InboxRow, WorkingHoursRow},
};
use crate::{
    domain::{
        channel::{ChannelKind, Reauthorization},
        degradation::Degradation,
        inbox::Inbox,
    },
    leadchat::{
        age::Age,
        reauthorization::{is_required, key},
    },
};

/// Which channels must be connected again.
#[derive(Default)]
pub(super) enum Reauthorizations {
    /// Rows of our own table, by class name and id. Channels without one must
    /// not.
    Rows(HashMap<(String, i64), Stored<bool>>),
    /// Rails' flags, of the channels that it may keep one for; those that Redis refuses
    /// to tell are missing.
    Flags(HashMap<(ChannelKind, i64), bool>),
    /// There is no source of this state, or it does not answer.
    #[default]
    Unknown,
}

/// Rows of some inboxes, out of which these are made.
#[derive(Default)]
pub(super) struct Gathered {
    pub inboxes: Vec<InboxRow>,
    pub channels: ChannelTables,
    pub working_hours: HashMap<i64, Vec<WorkingHoursRow>>,
    pub avatars: HashMap<i64, Vec<AvatarRow>>,
    pub reauthorizations: Reauthorizations,
    pub age: Age,
}

/// Connects to Redis, if there is one, and says where this state is read.
pub(super) async fn source(settings: Option<RedisSettings>, ownership: Ownership) -> Option<Redis> {
    match settings {
        Some(settings) => {
            info!(redis = %settings, "reauthorization is read from Redis");
            Some(Redis::open(settings).await)
        }
        None => {
            if ownership == Ownership::Attached {
                warn!(
                    "reauthorization is unknown: Rails keeps it in Redis, \
                     and neither REDIS_URL nor REDIS_SENTINELS is set"
                );
            }
            None
        }
    }
}

impl Store {
    /// The inboxes that rows make. No transaction may be open: Redis may keep
    /// this waiting.
    pub(super) async fn assembled(
        &self,
        gathered: Gathered,
        patience: &Patience,
    ) -> Result<Vec<Inbox>, StoreError> {
        let Gathered {
            inboxes,
            channels,
            working_hours,
            avatars,
            reauthorizations,
            age,
        } = gathered;
        let mut assembly = Assembly {
            installation: &self.installation,
            signer: self.signer.as_ref(),
            decryption: &self.decryption,
            channels,
            working_hours,
            avatars,
            reauthorizations,
            age,
        };
        if let Some(redis) = &self.redis {
            let flagged = assembly.flagged(&inboxes);
            assembly.reauthorizations = tokio::select! {
                biased;
                () = patience.ended() => return Err(StoreError::Abandoned),
                flags = flags(redis, flagged) => flags,
            };
        }
        Ok(inboxes.iter().map(|row| assembly.inbox(row)).collect())
    }
}

/// The flags of some channels, in one round trip, or in none where there are no
/// channels.
async fn flags(redis: &Redis, channels: BTreeSet<(ChannelKind, i64)>) -> Reauthorizations {
    let (channels, keys): (Vec<_>, Vec<_>) = channels
        .into_iter()
        .filter_map(|channel| Some((channel, key(channel.0, channel.1)?)))
        .unzip();
    if keys.is_empty() {
        return Reauthorizations::default();
    }
    let Some(replies) = redis.values(&keys).await else {
        return Reauthorizations::Unknown;
    };
    let flags = channels.into_iter().zip(replies);
    let flags = flags.filter_map(|(channel, reply)| {
        let value = reply.ok()?;
        Some((channel, is_required(value.as_deref())))
    });
    Reauthorizations::Flags(flags.collect())
}

impl Assembly<'_> {
    /// The channels of these inboxes whose rows leave it to a flag whether they
    /// must be connected again.
    fn flagged(&self, inboxes: &[InboxRow]) -> BTreeSet<(ChannelKind, i64)> {
        let channels = inboxes.iter().filter_map(|inbox| {
            let kind = ChannelKind::from_class_name(inbox.channel_type.text().ok()??)?;
            let id = *inbox.channel_id.get().ok()??;
            self.is_flagged(kind, id).then_some((kind, id))
        });
        channels.collect()
    }

    fn is_flagged(&self, kind: ChannelKind, id: i64) -> bool {
        let rows = &self.channels;
        match kind {
            ChannelKind::FacebookPage => rows.facebook_page.contains_key(&id),
            ChannelKind::Instagram => rows
                .instagram
                .get(&id)
                .is_some_and(|row| row.instagram_id.get().is_ok_and(has_account)),
            ChannelKind::Tiktok => rows.tiktok.contains_key(&id),
            ChannelKind::Whatsapp => rows
                .whatsapp
                .get(&id)
                .is_some_and(|row| calls::is_flagged(row, self.age)),
            ChannelKind::Email => rows.email.get(&id).is_some_and(email::is_flagged),
            ChannelKind::WebWidget
            | ChannelKind::Api
            | ChannelKind::TwilioSms
            | ChannelKind::TwitterProfile
            | ChannelKind::Telegram
            | ChannelKind::Line
            | ChannelKind::Sms
            | ChannelKind::Voice => false,
        }
    }
}

impl Assembly<'_> {
    pub fn reauthorization(
        &self,
        kind: ChannelKind,
        id: i64,
        degradations: &mut Vec<Degradation>,
    ) -> Option<Reauthorization> {
        let state = |required| {
            if required {
                Reauthorization::Required
            } else {
                Reauthorization::NotRequired
            }
        };
        match &self.reauthorizations {
            Reauthorizations::Unknown => Some(Reauthorization::Unknown),
            Reauthorizations::Flags(flags) => Some(
                flags
                    .get(&(kind, id))
                    .map_or(Reauthorization::Unknown, |required| state(*required)),
            ),
            Reauthorizations::Rows(rows) => {
                let Some(required) = rows.get(&(kind.class_name().to_owned(), id)) else {
                    return Some(Reauthorization::NotRequired);
                };
                let field = format!("{}.reauthorization", kind.field());
                required.derive(&field, degradations, |required| {
                    state(required.is_some_and(|required| *required))
                })
            }
        }
    }
}
