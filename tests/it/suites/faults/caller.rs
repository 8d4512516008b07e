//! Callers that ask all the time while something fails, and hold every answer against what is
//! promised: its age, its error, and that it comes.

use std::{
    fmt,
    time::{Duration, Instant, SystemTime},
};

use tonic::Code;

use crate::support::{
    Client, Program,
    client::any_inbox,
    log::failed_reads,
    pb::{self, Freshness},
    program::{Server, WAIT_TIMEOUT},
    reason,
};

/// The bound of the servers here, which is the default.
pub const MAX_STALENESS_AGE: Duration = Duration::from_secs(2);

/// No call takes longer. A read that calls share has ten seconds, and a busy machine as many
/// again.
pub const MAX_CALL_AGE: Duration = Duration::from_secs(20);

/// How much later than it should a busy machine does something.
const BUSY_DELAY: Duration = Duration::from_secs(15);

/// The time of the read, or the refusal.
type Outcome = Result<SystemTime, Refusal>;

/// The code and the reason of an error.
pub type Refusal = (Code, &'static str);

pub const STORE_UNAVAILABLE: Refusal = (Code::Unavailable, "STORE_UNAVAILABLE");
pub const LATEST_ON_STANDBY: Refusal = (Code::FailedPrecondition, "LATEST_ON_STANDBY");

/// With the default bound, metrics, and a log of warnings and what is retried.
pub fn with_bound(program: Program) -> Program {
    program
        .env("MAX_STALENESS", "2")
        .env("RUST_LOG", "info,leadchat_inbox=debug")
        .with_admin()
}

/// Asks for one inbox, again and again.
pub struct Caller {
    client: Client,
    freshness: Freshness,
    /// The time of the read of its last answer.
    known: Option<SystemTime>,
}

/// The answers of a caller until something was so.
#[derive(Default)]
pub struct Span {
    /// The time until then.
    pub after: Duration,
    /// The time of the last call.
    pub took: Duration,
    pub answered: usize,
    pub refused: usize,
    longest: Duration,
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "after {:.2?}, by a call of {:.2?}; {} answered, {} refused, in {:.2?} at most",
            self.after, self.took, self.answered, self.refused, self.longest
        )
    }
}

/// Fails if something took longer than its limit, even on a busy machine.
pub fn assert_within(took: Duration, limit: Duration) {
    assert!(took <= limit + BUSY_DELAY, "{took:?}, and not {limit:?}");
}

/// A metric that counts, and how far it had counted before a fault.
pub struct Counter<'s> {
    server: &'s Server,
    name: &'static str,
    labels: &'static [(&'static str, &'static str)],
    before: f64,
}

impl<'s> Counter<'s> {
    pub async fn begin(
        server: &'s Server,
        name: &'static str,
        labels: &'static [(&'static str, &'static str)],
    ) -> Self {
        let before = server.scrape().await.value(name, labels);
        Self {
            server,
            name,
            labels,
            before,
        }
    }

    /// Waits until it has counted so many more, and fails if an answer was older than the bound.
    pub async fn rises_by(self, least: usize) {
        let least = format!("{least}").parse::<f64>().unwrap();
        let Self {
            server,
            name,
            labels,
            before,
        } = self;
        let has_risen = |it: f64| it - before >= least;
        let now = server.eventually_scraped(name, labels, has_risen).await;
        println!("faults: {name} {labels:?} was {before}, and is {now}");
        within_bound(server).await;
    }
}

/// Fails if the server itself has counted an answer that was older than the bound.
pub async fn within_bound(server: &Server) {
    let beyond = "leadchat_inbox_answers_beyond_bound_total";
    let scrape = server.scrape().await;
    assert_eq!(scrape.series(beyond).count(), 1);
    assert!(scrape.value(beyond, &[]) < 1.0, "{scrape:?}");
}

/// Waits until a metric is 1, or 0.
pub async fn becomes(server: &Server, name: &str, labels: &[(&str, &str)], is_one: bool) {
    let is_so = |it: f64| (it > 0.5) == is_one;
    server.eventually_scraped(name, labels, is_so).await;
}

pub const STORE_READS: &str = "leadchat_inbox_store_reads_total";
/// Reads of the store that ended with an answer, and without one.
pub const OK: [(&str, &str); 1] = [("result", "ok")];
pub const UNAVAILABLE: [(&str, &str); 1] = [("result", "unavailable")];

/// Fails if a read has failed since the log of a server had this length. On a busy machine, one
/// may have been late.
pub fn assert_none_failed(server: &Server, log_bytes: u64) {
    assert_eq!(failed_reads(&server.log_after(log_bytes)), [""; 0]);
}

/// A caller that asks within the bound, and one that asks for the latest, after an answer each.
pub async fn callers(server: &Server) -> [Caller; 2] {
    let mut callers = [
        Caller::new(server, Freshness::Bounded).await,
        Caller::new(server, Freshness::Latest).await,
    ];
    for caller in &mut callers {
        caller.until_answered(STORE_UNAVAILABLE).await;
    }
    callers
}

impl Caller {
    pub async fn new(server: &Server, freshness: Freshness) -> Self {
        Self {
            client: server.client().await,
            freshness,
            known: None,
        }
    }

    /// Asks until a call is refused, by this refusal.
    pub async fn until_refused(&mut self, refusal: Refusal) -> Span {
        self.until(refusal, |outcome| outcome == Err(refusal)).await
    }

    /// Asks until a call has the outcome of a read that began after this. Until then it may be
    /// refused by this refusal.
    pub async fn until_answered(&mut self, refusal: Refusal) -> Span {
        let moment = SystemTime::now();
        self.until(refusal, |outcome| outcome.is_ok_and(|it| it >= moment))
            .await
    }

    /// Asks for a time. Nothing is refused, but what [`assert_none_failed`] says was late.
    pub async fn is_answered_for(&mut self, time: Duration) -> Span {
        let (mut span, began) = (Span::default(), Instant::now());
        while began.elapsed() < time {
            // That none failed is for the log to say.
            let _ = self.ask(STORE_UNAVAILABLE, &mut span).await;
            span.after = began.elapsed();
        }
        assert!(span.answered > span.refused, "{span}");
        span
    }

    async fn until(&mut self, refusal: Refusal, ends: impl Fn(Outcome) -> bool) -> Span {
        let (mut span, began) = (Span::default(), Instant::now());
        loop {
            let outcome = self.ask(refusal, &mut span).await;
            span.after = began.elapsed();
            if ends(outcome) {
                return span;
            }
            assert!(span.after < WAIT_TIMEOUT, "{span}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Asks once. A refusal is this one; on a busy machine, a read
    /// may be late, too. No answer is older than it may be, and no call is refused that the
    /// answer before would do for.
    async fn ask(&mut self, refusal: Refusal, span: &mut Span) -> Outcome {
        let request = pb::GetInboxRequest {
            freshness: self.freshness.into(),
            ..any_inbox()
        };
        let (asked, began) = (SystemTime::now(), Instant::now());
        let call = tokio::time::timeout(MAX_CALL_AGE, self.client.get(request)).await;
        span.took = began.elapsed();
        span.longest = span.longest.max(span.took);
        let is_bounded = self.freshness == Freshness::Bounded;
        let bound = if is_bounded {
            MAX_STALENESS_AGE
        } else {
            Duration::ZERO
        };
        match call.expect("a call has no end") {
            Ok(answer) => {
                let read_time = answer.read_time();
                // Clocks of two processes are compared.
                let earliest = asked - bound - Duration::from_millis(2);
                assert!(read_time >= earliest, "an answer is too old");
                self.known = Some(read_time);
                span.answered += 1;
                Ok(read_time)
            }
            Err(status) => {
                let said = (status.code(), &*reason(&status));
                let known = [refusal, STORE_UNAVAILABLE];
                let refusal = known.into_iter().find(|it| *it == said);
                let refusal = refusal.unwrap_or_else(|| panic!("{status:?}"));
                let arrived_at_most = SystemTime::now();
                let is_kept = self.known.is_some_and(|it| it + bound > arrived_at_most);
                assert!(!(is_bounded && is_kept), "the answer before would do");
                span.refused += 1;
                Err(refusal)
            }
        }
    }
}
