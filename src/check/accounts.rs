//! Reads every account once, a few at a time, and counts what it finds.
//!
//! Each account is read for a service viewer with the rights of an administrator, so that
//! degradations of sealed fields are counted, too. An account is dropped as soon as it is
//! counted: memory holds one account a reader.

use std::{sync::Arc, time::Duration};

use tokio::{
    task::{JoinError, JoinSet},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{
    counts::{Accounts, DegradedField, UNKNOWN_KIND},
    progress::Progress,
};
use crate::{
    domain::{
        account::Account, id::AccountId, members::AccessDenied,
        reauthorization::ReauthorizationFlags,
    },
    identity::permit_check,
    store::{ReadContext, RedisFlags, Store, StoreError},
};

/// Accounts read at a time, each over a connection of its own. The next page of ids is
/// read when one of them is done.
const MAX_CONCURRENT_READS: usize = 4;

/// The time-out of one account, the same as of a call.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// The delay before a failed read is tried again.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// The result for one account; `None` for a deleted one.
type Outcome = Result<Option<Accounts>, StoreError>;

/// Reads every account and adds it to the counts. An account that cannot be read is
/// counted as failed.
pub async fn read_all(
    store: &Arc<Store>,
    flags: &Arc<RedisFlags>,
    counted: &mut Accounts,
    progress: &Progress,
    stopped: &CancellationToken,
) {
    if let Err(error) = read_pages(store, flags, counted, progress, stopped).await {
        counted.error = Some(error.to_string());
    }
}

async fn read_pages(
    store: &Arc<Store>,
    flags: &Arc<RedisFlags>,
    counted: &mut Accounts,
    progress: &Progress,
    stopped: &CancellationToken,
) -> Result<(), StoreError> {
    let total = store.account_count(deadline(stopped)).await?;
    counted.total = Some(total);
    progress.begin(total);
    let mut readers = JoinSet::new();
    let mut last = None;
    loop {
        wait_until_at_most(MAX_CONCURRENT_READS - 1, &mut readers, counted, progress).await;
        let page = store.account_ids(last, deadline(stopped)).await;
        let page = match page {
            Ok(page) => page,
            Err(error) => {
                // Reads in flight are counted, too.
                wait_until_at_most(0, &mut readers, counted, progress).await;
                return Err(error);
            }
        };
        let Some(end) = page.last() else {
            wait_until_at_most(0, &mut readers, counted, progress).await;
            return Ok(());
        };
        last = Some(*end);
        for account in page {
            wait_until_at_most(MAX_CONCURRENT_READS - 1, &mut readers, counted, progress).await;
            let (store, flags) = (Arc::clone(store), Arc::clone(flags));
            let stopped = stopped.clone();
            readers.spawn(async move { read_account(&store, &flags, account, &stopped).await });
        }
    }
}

/// Adds finished reads to the counts, until at most this many are in flight.
async fn wait_until_at_most(
    max: usize,
    readers: &mut JoinSet<Outcome>,
    counted: &mut Accounts,
    progress: &Progress,
) {
    while readers.len() > max {
        if let Some(read) = readers.join_next().await {
            record(read, counted, progress);
        }
    }
}

fn record(read: Result<Outcome, JoinError>, counted: &mut Accounts, progress: &Progress) {
    match read {
        Ok(Ok(Some(account))) => counted.add(account),
        Ok(Ok(None)) => counted.deleted += 1,
        Ok(Err(error)) => counted.record_failure(error.to_string()),
        Err(_) => counted.record_failure("the read task panicked".to_owned()),
    }
    progress.set(counted.done());
}

fn deadline(stopped: &CancellationToken) -> ReadContext {
    let deadline = Instant::now() + READ_TIMEOUT;
    ReadContext::new(deadline.into_std(), stopped.clone())
}

/// Reads an account, and once more after a transient error, such as a lock of a
/// migration.
async fn read_account(
    store: &Store,
    flags: &RedisFlags,
    id: AccountId,
    stopped: &CancellationToken,
) -> Outcome {
    let account = async || store.account(id, None, deadline(stopped)).await;
    let account = match account().await {
        Err(StoreError::Unavailable(_)) => {
            // The second attempt notices a stop by itself.
            _ = tokio::time::timeout(RETRY_DELAY, stopped.cancelled()).await;
            account().await?
        }
        read => read?,
    };
    let Some(account) = account else {
        return Ok(None);
    };
    // Also to learn what Redis refuses.
    let flags = flags.read(account.flag_keys()).await;
    Ok(Some(count_account(&account, &flags)))
}

fn count_account(account: &Account, flags: &ReauthorizationFlags) -> Accounts {
    let permit = permit_check(account.id());
    let mut counted = Accounts {
        read: 1,
        ..Accounts::default()
    };
    let access = match account.access(flags, &permit) {
        Ok(access) => access,
        Err(AccessDenied::Suspended | AccessDenied::NotAMember) => {
            counted.suspended = 1;
            return counted;
        }
    };
    for (_, view) in access.inboxes() {
        let channel = view.inbox().channel.as_ref();
        let kind = channel.map_or(UNKNOWN_KIND, |channel| channel.kind().field());
        let degradations = view.degradations().map(|degradation| DegradedField {
            kind,
            field: without_indices(degradation.contract_field()),
            reason: degradation.reason.into(),
        });
        counted.inboxes.add(kind, degradations);
    }
    counted
}

/// `working_hours[3].open_hour` as `working_hours[].open_hour`.
fn without_indices(field: &str) -> String {
    let mut is_index = false;
    let outside = field.chars().filter(|letter| {
        is_index = match letter {
            '[' => true,
            ']' => false,
            _ => is_index,
        };
        !is_index || *letter == '['
    });
    outside.collect()
}

#[cfg(test)]
mod tests {
    use super::without_indices;

    #[test]
    fn a_field_is_the_same_at_every_index() {
        for (field, general) in [
            ("timezone", "timezone"),
            ("working_hours[3].open_hour", "working_hours[].open_hour"),
            ("a[12][3].b", "a[][].b"),
        ] {
            assert_eq!(without_indices(field), general);
        }
    }
}
