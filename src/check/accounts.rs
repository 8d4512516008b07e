//! Reads every account once, a few at a time, and counts what it finds.
//!
//! An account is read as for the calling service with the rights of an
//! administrator, so that what cannot be read of sealed fields is counted too, and
//! is dropped once it is counted. No more is held than there are readers.

use std::{sync::Arc, time::Duration};

use tokio::{
    task::{JoinError, JoinSet},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{
    progress::Progress,
    report::{Accounts, Place, UNKNOWN},
};
use crate::{
    domain::{
        access::{Refusal, Rights, Role, Viewer},
        account::Account,
        id::AccountId,
    },
    store::{Patience, Store, StoreError},
};

/// How many are read at a time, each over a connection of its own. The next page of
/// ids is read when one of them has ended.
const AT_A_TIME: usize = 4;

/// As for a call.
const LONGEST: Duration = Duration::from_secs(30);

/// How long what is in the way of an account has to pass.
const PAUSE: Duration = Duration::from_secs(1);

/// What became of one account.
type Outcome = Result<Option<Accounts>, StoreError>;

/// Adds every account to what is counted. One that cannot be read is counted as
/// that.
pub async fn read_all(
    store: &Arc<Store>,
    counted: &mut Accounts,
    progress: &Progress,
    stopped: &CancellationToken,
) {
    if let Err(error) = read_pages(store, counted, progress, stopped).await {
        counted.error = Some(error.to_string());
    }
}

async fn read_pages(
    store: &Arc<Store>,
    counted: &mut Accounts,
    progress: &Progress,
    stopped: &CancellationToken,
) -> Result<(), StoreError> {
    let total = store.account_count(&patience(stopped)).await?;
    counted.total = Some(total);
    progress.begin(total);
    let mut readers = JoinSet::new();
    let mut last = None;
    loop {
        wait_for(AT_A_TIME - 1, &mut readers, counted, progress).await;
        let page = store.account_ids(last, &patience(stopped)).await;
        let page = match page {
            Ok(page) => page,
            Err(error) => {
                // What is under way is counted all the same.
                wait_for(0, &mut readers, counted, progress).await;
                return Err(error);
            }
        };
        let Some(end) = page.last() else {
            wait_for(0, &mut readers, counted, progress).await;
            return Ok(());
        };
        last = Some(*end);
        for account in page {
            wait_for(AT_A_TIME - 1, &mut readers, counted, progress).await;
            let (store, stopped) = (Arc::clone(store), stopped.clone());
            readers.spawn(async move { read(&store, account, &stopped).await });
        }
    }
}

/// Counts what is read, until no more than so many are under way.
async fn wait_for(
    most: usize,
    readers: &mut JoinSet<Outcome>,
    counted: &mut Accounts,
    progress: &Progress,
) {
    while readers.len() > most {
        if let Some(read) = readers.join_next().await {
            count(read, counted, progress);
        }
    }
}

fn count(read: Result<Outcome, JoinError>, counted: &mut Accounts, progress: &Progress) {
    match read {
        Ok(Ok(Some(account))) => counted.add(account),
        Ok(Ok(None)) => counted.gone += 1,
        Ok(Err(error)) => counted.has_failed(error.to_string()),
        Err(_) => counted.has_failed("the read stopped short".to_owned()),
    }
    progress.is_at(counted.settled());
}

fn patience(stopped: &CancellationToken) -> Patience {
    let deadline = Instant::now() + LONGEST;
    Patience::new(deadline.into_std(), stopped.clone())
}

/// Trouble that passes, such as a migration's lock, costs a second try and not the
/// check.
async fn read(store: &Store, id: AccountId, stopped: &CancellationToken) -> Outcome {
    let account = async || store.account(id, Viewer::Service, &patience(stopped)).await;
    let account = match account().await {
        Err(StoreError::Unavailable(_)) => {
            // Whether it was stopped meanwhile, the next try finds out.
            _ = tokio::time::timeout(PAUSE, stopped.cancelled()).await;
            account().await?
        }
        read => read?,
    };
    Ok(account.as_ref().map(counted))
}

fn counted(account: &Account) -> Accounts {
    const RIGHTS: Rights = Rights {
        as_service: Role::Administrator,
        ceiling: Role::Administrator,
    };
    let mut counted = Accounts {
        read: 1,
        ..Accounts::default()
    };
    let access = match account.access(Viewer::Service, RIGHTS) {
        Ok(access) => access,
        Err(Refusal::Suspended | Refusal::NotAMember) => {
            counted.suspended = 1;
            return counted;
        }
    };
    for (_, view) in access.inboxes() {
        let channel = view.inbox().channel.as_ref();
        let kind = channel.map_or(UNKNOWN, |channel| channel.kind().field());
        let degradations = view.degradations().map(|degradation| Place {
            kind,
            field: without_places(degradation.known_field()),
            reason: degradation.reason.into(),
        });
        counted.inboxes.add(kind, degradations);
    }
    counted
}

/// `working_hours[3].open_hour` as `working_hours[].open_hour`.
fn without_places(field: &str) -> String {
    let mut is_place = false;
    let outside = field.chars().filter(|letter| {
        is_place = match letter {
            '[' => true,
            ']' => false,
            _ => is_place,
        };
        !is_place || *letter == '['
    });
    outside.collect()
}

#[cfg(test)]
mod tests {
    use super::without_places;

    #[test]
    fn a_field_is_the_same_at_every_place_of_a_list() {
        for (field, general) in [
            ("timezone", "timezone"),
            ("working_hours[3].open_hour", "working_hours[].open_hour"),
            ("a[12][3].b", "a[][].b"),
        ] {
            assert_eq!(without_places(field), general);
        }
    }
}
