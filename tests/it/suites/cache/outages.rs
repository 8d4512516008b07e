//! PostgreSQL is killed, paused and restarted. Answers go on within the bound, then calls
//! are told that the store is away; and the server recovers by itself.

use std::time::Instant;

use tonic::Code;

use super::*;
use crate::support::{
    answers,
    cluster::{Cluster, Processes},
    program::WAIT_TIMEOUT,
    reason,
};

const NAME: &str = "leadchat";
const SECONDS: u32 = 5;
const MAX_STALENESS_AGE: Duration = Duration::from_secs(SECONDS as u64);
const QUESTIONS: [&str; 2] = ["GetInbox", "ListInboxes"];

/// How an outage begins or ends.
type Step = fn(&mut Processes);

/// A caller that knows what it was answered, and so what it may be answered next.
struct Caller {
    client: Client,
    known: [Option<SystemTime>; QUESTIONS.len()],
}

#[derive(Debug, Default)]
struct Counts {
    answered: usize,
    refused: usize,
}

impl Caller {
    /// Asks once each. No answer is older than the bound, and no call is refused that an
    /// answer from before would do for.
    async fn ask(&mut self, counts: &mut Counts) {
        for (question, known) in QUESTIONS.into_iter().zip(&mut self.known) {
            let asked = SystemTime::now();
            match ask(&self.client, question, Freshness::Bounded).await {
                Ok(said) => {
                    assert!(
                        said.read_time >= before(asked) - MAX_STALENESS_AGE,
                        "{question}"
                    );
                    *known = Some(said.read_time);
                    counts.answered += 1;
                }
                Err(status) => {
                    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
                    assert_eq!(reason(&status), "STORE_UNAVAILABLE");
                    let arrived_at_most = SystemTime::now();
                    let is_kept =
                        known.is_some_and(|known| known + MAX_STALENESS_AGE > arrived_at_most);
                    assert!(!is_kept, "{question} is in the cache");
                    counts.refused += 1;
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(30)).await;
    }

    async fn ask_until(&mut self, ends: impl Fn(&Counts) -> bool) -> Counts {
        let (mut counts, began) = (Counts::default(), Instant::now());
        while !ends(&counts) {
            self.ask(&mut counts).await;
            assert!(began.elapsed() < WAIT_TIMEOUT, "{counts:?}");
        }
        counts
    }

    /// Asks until both have an answer of after this.
    async fn ask_until_later_than(&mut self, moment: SystemTime) -> Counts {
        let (mut counts, began) = (Counts::default(), Instant::now());
        while self
            .known
            .iter()
            .any(|known| known.is_none_or(|it| it < moment))
        {
            self.ask(&mut counts).await;
            assert!(began.elapsed() < WAIT_TIMEOUT, "{counts:?}");
        }
        counts
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_go_on_within_the_bound_while_postgresql_is_away() {
    let cluster = Cluster::start();
    answers::fill(&cluster, NAME);
    let program = Program::serving_at(&cluster.url(NAME));
    let server = counting(program, SECONDS).start();
    let mut caller = Caller {
        client: server.client().await,
        known: [None; QUESTIONS.len()],
    };
    let mut processes = cluster.processes();
    for (outage, begin, end) in [
        (
            "killed",
            Processes::kill as Step,
            Processes::start_again as Step,
        ),
        ("paused", Processes::pause, Processes::resume),
    ] {
        // Of now, so that there is something to answer with.
        caller.ask_until_later_than(SystemTime::now()).await;
        tokio::task::block_in_place(|| begin(&mut processes));
        let away = caller.ask_until(|counts| counts.refused >= 2).await;
        println!("cache: PostgreSQL is {outage}: {away:?}");
        assert!(away.answered > 0, "{outage}");
        tokio::task::block_in_place(|| end(&mut processes));
        let back = caller.ask_until_later_than(SystemTime::now()).await;
        println!("cache: PostgreSQL was {outage}: {back:?}");
    }
    // A restart is over before the bound, unless the machine is slow.
    tokio::task::block_in_place(|| {
        processes.kill();
        processes.start_again();
    });
    let restarted = caller.ask_until_later_than(SystemTime::now()).await;
    println!("cache: PostgreSQL was restarted: {restarted:?}");
}

/// The latest is not answered from the cache, and its failure changes nothing in there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_read_of_the_latest_leaves_the_cache_as_it_is() {
    let cluster = Cluster::start();
    answers::fill(&cluster, NAME);
    let program = Program::serving_at(&cluster.url(NAME));
    let server = counting(program, 60).start();
    let client = server.client().await;
    ask(&client, "GetInbox", Freshness::Bounded).await.unwrap();
    tokio::task::block_in_place(|| cluster.processes().kill());
    let refused = ask(&client, "GetInbox", Freshness::Latest)
        .await
        .err()
        .unwrap();
    assert_eq!(reason(&refused), "STORE_UNAVAILABLE");
    let count = Count::begin(&server).await;
    ask(&client, "GetInbox", Freshness::Bounded).await.unwrap();
    assert_eq!(count.reads().await, 0);
}
