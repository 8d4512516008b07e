//! Answers from the cache: which calls are answered without a statement, of which moment their
//! answers are, and what happens while the database or Redis is away.
//!
//! The rules are those of README.md on `--max-staleness`. That an answer from the cache has the
//! bytes of one that was read is shown by the suites that ask twice.

mod bounds;
mod flags;
mod outages;
mod refreshes;
mod shared_reads;
pub(super) mod sizes;
mod strangers;

use std::time::{Duration, SystemTime};

use tonic::Status;

use crate::support::{
    Client, Database, Program,
    log::RETRYING,
    pb::{self, Freshness, find_inboxes_request::Key},
    program::Server,
    scrape::Scrape,
    viewer,
};

/// A server that caches for so many seconds, counts statements, and logs little but calls and
/// retries.
fn caching(database: &Database, seconds: u32) -> Program {
    counting(Program::serving(database), seconds)
}

fn counting(program: Program, seconds: u32) -> Program {
    program
        .env("MAX_STALENESS", &seconds.to_string())
        .env("RUST_LOG", "info,leadchat_inbox=debug")
        .with_admin()
}

/// The counts of a server while something is done.
struct Count<'a> {
    server: &'a Server,
    before: Scrape,
    log_bytes: u64,
}

/// Lookups of one inbox that did not find it in memory.
const MISSES: [(&str, &str); 2] = [("cache", "excerpts"), ("result", "read")];

impl<'a> Count<'a> {
    async fn begin(server: &'a Server) -> Self {
        Self {
            server,
            before: server.scrape().await,
            log_bytes: server.log_bytes(),
        }
    }

    async fn of(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        let now = self.server.scrape().await;
        // Of another name, nothing would ever be counted.
        assert!(now.series(name).count() > 0, "{name}");
        now.count(name, labels) - self.before.count(name, labels)
    }

    /// The statements. `None` where a read was retried, as on a busy machine.
    async fn statements(&self) -> Option<u64> {
        let statements = self.of("leadchat_inbox_store_statements_total", &[]).await;
        let log = self.server.log_after(self.log_bytes);
        (!log.contains(RETRYING)).then_some(statements)
    }

    async fn reads(&self) -> u64 {
        self.of("leadchat_inbox_store_reads_total", &[]).await
    }

    async fn lookups(&self, labels: &[(&str, &str)]) -> u64 {
        self.of("leadchat_inbox_cache_lookups_total", labels).await
    }
}

/// Runs rounds until one gives an outcome: on a busy machine a round may show nothing.
async fn in_some_round<T>(mut round: impl AsyncFnMut(u32) -> Option<T>) -> T {
    const MAX_ROUNDS: u32 = 10;
    for number in 0..MAX_ROUNDS {
        if let Some(outcome) = round(number).await {
            return outcome;
        }
    }
    panic!("no round shows anything");
}

/// A call of each method on the first inbox of account 1. Its names in the answer, and the
/// time of the read.
const METHODS: [&str; 5] = [
    "GetInbox",
    "FindInboxes",
    "FindInboxes everywhere",
    "ListInboxes",
    "BatchGetInboxes",
];

struct Said {
    names: Vec<String>,
    read_time: SystemTime,
}

async fn ask(client: &Client, method: &str, freshness: Freshness) -> Result<Said, Status> {
    let account_id = 1;
    let (user, service) = (Some(viewer::user(1)), Some(viewer::service()));
    let freshness = freshness.into();
    // Of the widget in the first row of `support::account`.
    let key = Some(Key::WebsiteToken("t0".to_owned()));
    let (inboxes, read_time) = match method {
        "GetInbox" => {
            let request = pb::GetInboxRequest {
                account_id,
                inbox_id: 1,
                viewer: user,
                freshness,
                ..Default::default()
            };
            let answer = client.get(request).await?;
            let read_time = answer.read_time();
            (answer.message.inbox.into_iter().collect(), read_time)
        }
        "ListInboxes" => {
            let request = pb::ListInboxesRequest {
                account_id,
                viewer: user,
                freshness,
                ..Default::default()
            };
            let answer = client.list(request).await?;
            let read_time = answer.read_time();
            (answer.message.inboxes, read_time)
        }
        "BatchGetInboxes" => {
            let request = pb::BatchGetInboxesRequest {
                account_id,
                inbox_ids: vec![1, 2],
                viewer: user,
                freshness,
                ..Default::default()
            };
            let answer = client.batch(request).await?;
            let read_time = answer.read_time();
            (answer.message.inboxes, read_time)
        }
        _ => {
            let account_id = (method == "FindInboxes").then_some(account_id);
            let request = pb::FindInboxesRequest {
                account_id,
                viewer: if account_id.is_some() { user } else { service },
                key,
                freshness,
                ..Default::default()
            };
            let answer = client.find(request).await?;
            let read_time = answer.read_time();
            (answer.message.inboxes, read_time)
        }
    };
    let names = inboxes.into_iter().map(|inbox: pb::Inbox| inbox.name);
    Ok(Said {
        names: names.collect(),
        read_time,
    })
}

/// A little before a time: clocks of two processes are compared, which none sets meanwhile.
fn before(time: SystemTime) -> SystemTime {
    time - Duration::from_millis(2)
}
