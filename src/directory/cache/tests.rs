//! The keys of answers, and the accounts that answer for others, over a simulated reader.

use std::{sync::Mutex, time::Duration};

use super::*;
use crate::{
    clock,
    domain::{
        account::{Account, AccountInbox},
        address::AddressKind,
        freshness::Freshness,
        id::UserId,
        members::Members,
        permit::AccountSet,
        viewer::Role,
    },
    tests::inbox,
};

const ACCOUNT: AccountId = AccountId(1);
const MEMBER: Viewer = Viewer::User(UserId(1));
const OTHER: Viewer = Viewer::User(UserId(2));

/// Answers with one account, and notes each read.
#[derive(Default)]
struct SimulatedReader(Mutex<Vec<SimulatedRead>>);

struct SimulatedRead {
    kind: &'static str,
    previous: Option<Arc<Account>>,
}

impl Reader for SimulatedReader {
    type RefreshPermit = ();

    fn try_refresh_permit(&self) -> Option<()> {
        None
    }

    async fn read(
        self: Arc<Self>,
        request: ReadRequest,
        previous: Option<ReadValue>,
        _: ReadLimits<()>,
    ) -> Result<(ReadValue, BootInstant), DirectoryError> {
        let kind = match request {
            ReadRequest::Account(_) => "account",
            ReadRequest::Excerpt(..) => "excerpt",
            ReadRequest::Inboxes(..) => "inboxes",
            ReadRequest::AddressInAccount(..) => "address",
            ReadRequest::AddressEverywhere(..) => "everywhere",
        };
        let previous = previous.and_then(|it| match it {
            ReadValue::Account(account) => account,
            ReadValue::Accounts(_) => None,
        });
        self.0
            .lock()
            .unwrap()
            .push(SimulatedRead { kind, previous });
        let now = clock::system().now();
        if kind == "everywhere" {
            return Ok((ReadValue::Accounts(Vec::new()), now));
        }
        let mut members = Members::new(false);
        members.add_user(UserId(1), Role::Administrator);
        let inboxes = vec![AccountInbox::new(inbox(1, "n"), None)];
        let account = Account::new(ACCOUNT, members, inboxes);
        Ok((ReadValue::Account(Some(Arc::new(account))), now))
    }
}

fn directory(max_staleness: Duration) -> CachedDirectory<SimulatedReader> {
    let bounds = StalenessBounds {
        max_staleness,
        refresh_after: max_staleness,
    };
    CachedDirectory::new(
        Arc::new(SimulatedReader::default()),
        1 << 24,
        bounds,
        clock::system(),
        &CacheMetrics::default(),
    )
}

fn options(freshness: Freshness) -> ReadOptions {
    ReadOptions {
        freshness,
        arrived: clock::system().now(),
        deadline: (tokio::time::Instant::now() + Duration::from_mins(1)).into_std(),
    }
}

fn bounded() -> ReadOptions {
    options(Freshness::Bounded)
}

impl CachedDirectory<SimulatedReader> {
    /// The kinds of the reads since the last call.
    fn reads(&self) -> Vec<&'static str> {
        let reads = std::mem::take(&mut *self.reader.0.lock().unwrap());
        reads.iter().map(|read| read.kind).collect()
    }

    async fn ask(&self, viewer: Viewer, inboxes: &[i64]) -> Answer {
        let inboxes: Vec<_> = inboxes.iter().copied().map(InboxId).collect();
        let answer = self.inboxes(ACCOUNT, viewer, &inboxes, bounded()).await;
        answer.unwrap()
    }
}

#[tokio::test]
async fn each_question_is_read_once() {
    let directory = directory(Duration::from_mins(1));
    let address = |text: &str| Address::new(AddressKind::Email, text.to_owned());
    for expected in [
        vec![
            "excerpt",
            "excerpt",
            "excerpt",
            "address",
            "address",
            "everywhere",
        ],
        vec![],
    ] {
        directory.ask(MEMBER, &[1]).await;
        directory.ask(MEMBER, &[2]).await;
        directory.ask(OTHER, &[1]).await;
        for text in ["a@example.test", "b@example.test"] {
            let found = directory.find(ACCOUNT, MEMBER, address(text), bounded());
            found.await.unwrap();
        }
        let found =
            directory.find_everywhere(address("a@example.test"), AccountSet::All, bounded());
        found.await.unwrap();
        assert_eq!(directory.reads(), expected);
    }
    // Several inboxes are read each time.
    for _ in 0..2 {
        directory.ask(MEMBER, &[1, 2]).await;
        assert_eq!(directory.reads(), ["inboxes"]);
    }
    // The latest is read each time.
    for _ in 0..2 {
        let latest = options(Freshness::Latest);
        let answer = directory.inboxes(ACCOUNT, MEMBER, &[InboxId(1)], latest);
        answer.await.unwrap();
        assert_eq!(directory.reads(), ["excerpt"]);
    }
}

#[tokio::test]
async fn a_whole_account_answers_for_its_members_alone() {
    let directory = directory(Duration::from_mins(1));
    directory.account(ACCOUNT, bounded()).await.unwrap();
    assert_eq!(directory.reads(), ["account"]);
    for inboxes in [[].as_slice(), &[1], &[9], &[1, 2, 9]] {
        directory.ask(MEMBER, inboxes).await;
    }
    assert!(directory.reads().is_empty());
    // A viewer that does not belong to it costs the same as without the account.
    directory.ask(OTHER, &[1]).await;
    directory.ask(OTHER, &[]).await;
    assert_eq!(directory.reads(), ["excerpt", "excerpt"]);
}

#[tokio::test]
async fn a_read_gets_the_outcome_before_it() {
    let directory = directory(Duration::from_nanos(1));
    let first = directory.account(ACCOUNT, bounded()).await.unwrap();
    directory.account(ACCOUNT, bounded()).await.unwrap();
    let reads = directory.reader.0.lock().unwrap();
    let [first_read, second_read] = &reads[..] else {
        panic!("{} reads", reads.len());
    };
    assert!(first_read.previous.is_none());
    let previous = second_read.previous.as_ref().unwrap();
    assert!(Arc::ptr_eq(&first.account.unwrap(), previous));
}

#[tokio::test]
async fn nothing_is_kept_without_a_bound() {
    let directory = directory(Duration::ZERO);
    for _ in 0..2 {
        directory.account(ACCOUNT, bounded()).await.unwrap();
        directory.ask(MEMBER, &[1]).await;
        assert_eq!(directory.reads(), ["account", "excerpt"]);
    }
}
