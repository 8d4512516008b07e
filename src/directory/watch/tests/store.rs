//! A store whose reads take simulated time.

use std::{
    cell::OnceCell,
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, SystemTime},
};

use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, sleep},
};

use crate::{
    directory::poll_source::{PollSource, VersionReader},
    domain::{
        account::{Account, AccountInbox},
        directory::{Answer, DirectoryError},
        freshness::{BootInstant, Clock, ReadOptions},
        id::{AccountId, UserId},
        members::Members,
        viewer::Role,
    },
    tests::inbox,
};

thread_local! {
    static BEGAN: OnceCell<Instant> = const { OnceCell::new() };
}

pub fn now() -> BootInstant {
    BEGAN.with(|began| {
        let began = began.get_or_init(Instant::now);
        // Not at zero, so that there is a time before.
        BootInstant(Duration::from_hours(1) + began.elapsed())
    })
}

pub const CLOCK: Clock = Clock {
    boot: now,
    wall: || SystemTime::UNIX_EPOCH,
};

/// A store with one inbox for each account, which is named after the last change.
#[derive(Default)]
pub struct Store {
    pub changes: AtomicI64,
    pub read_ms: AtomicU64,
    pub is_away: AtomicBool,
    pub has_version: bool,
    pub has_flags: bool,
    /// As they were read last: unchanged ones stay the same in memory.
    pub inboxes: Mutex<HashMap<(i64, i64), Arc<AccountInbox>>>,
    /// When reads for watches began and ended, by account.
    pub reads: Mutex<Vec<(i64, Duration, Duration)>>,
    /// Whether reads for watches show what is there at their end, and not at their beginning.
    pub polls_see_late: AtomicBool,
    /// Whether reads fail, and the number can be read nevertheless.
    pub fails: AtomicBool,
    /// How many reads for watches have begun.
    pub begun: AtomicU64,
}

pub struct Number(Arc<Store>);

impl VersionReader for Number {
    async fn read(&mut self) -> Option<i64> {
        let is_away = self.0.is_away.load(SeqCst);
        (!is_away).then(|| self.0.changes.load(SeqCst))
    }
}

impl Store {
    pub async fn read(
        &self,
        account: AccountId,
        sees_late: bool,
    ) -> Result<Answer, DirectoryError> {
        let as_of = now();
        let mut change = self.changes.load(SeqCst);
        sleep(Duration::from_millis(self.read_ms.load(SeqCst))).await;
        if sees_late {
            change = self.changes.load(SeqCst);
        }
        if self.is_away.load(SeqCst) || self.fails.load(SeqCst) {
            return Err(DirectoryError::Unavailable);
        }
        let mut members = Members::new(false);
        members.add_user(UserId(1), Role::Administrator);
        let mut inbox = inbox(1, &change.to_string());
        inbox.account_id = account;
        let mut inboxes = self.inboxes.lock().unwrap();
        let inbox = inboxes
            .entry((account.0, change))
            .or_insert_with(|| Arc::new(AccountInbox::new(inbox, None)));
        let inboxes = vec![Arc::clone(inbox)];
        Ok(Answer {
            account: Some(Arc::new(Account::new(account, members, inboxes))),
            flags: Arc::default(),
            as_of,
        })
    }
}

impl PollSource for Arc<Store> {
    type Version = Number;

    async fn first(&self, account: AccountId, _: ReadOptions) -> Result<Answer, DirectoryError> {
        self.read(account, false).await
    }

    async fn again(
        &self,
        account: AccountId,
        _: &Answer,
        _: Arc<OwnedSemaphorePermit>,
    ) -> Result<Answer, DirectoryError> {
        self.begun.fetch_add(1, SeqCst);
        let began = now().0;
        let answer = self.read(account, self.polls_see_late.load(SeqCst)).await;
        self.reads.lock().unwrap().push((account.0, began, now().0));
        answer
    }

    fn has_flags(&self) -> bool {
        self.has_flags
    }

    fn has_version(&self) -> bool {
        self.has_version
    }

    async fn open_version(&self) -> Option<Number> {
        Some(Number(Self::clone(self)))
    }
}
