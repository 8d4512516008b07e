//! Every answer is the whole state of one instant, as fresh as was asked for.
//!
//! Random writers change rights and content, and note when each commit was sent and
//! acknowledged. Random readers call every method of two replicas, and watches are open on
//! both. All that came is a history, which the checker compares with what was committed.
//! Hand-made histories check the checker (`examples`, `watch_examples`). So do falsified
//! answers and events of each run.
//!
//! `HISTORY_SECONDS` sets how long the writers and readers run, in histories of a minute at
//! most. `SEED` sets their choices.

mod checker;
mod examples;
mod model;
mod readers;
mod reads;
mod second_calls;
mod watch_checker;
mod watch_examples;
mod watch_kinds;
mod watches;
mod writers;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use crate::support::{
    Backend, Database, Program, connection,
    soak::{dice_of_task, seed, setting},
};
use checker::{Answer, Checker, History};
use model::{Method, Outcome, Request};
use readers::Answers;
use second_calls::{a_second_call_within_the_bound_reads_nothing, many_calls_share_a_read};
use watch_kinds::check_watches;
use watches::{Phases, WATCHES_OF_EACH_REPLICA, Watcher};
use writers::Written;

on_both_databases!(
    every_answer_is_the_state_of_one_instant,
    a_second_call_within_the_bound_reads_nothing,
    many_calls_share_a_read,
);

/// `MAX_STALENESS` of both replicas.
const MAX_STALENESS_AGE: Duration = Duration::from_millis(400);

const READERS: u64 = 8;

/// The time after the last write by which a client with a watch holds the end state (I6).
const fn max_settling_delay(backend: Backend) -> Duration {
    let delay = MAX_STALENESS_AGE.saturating_add(Duration::from_secs(2));
    match backend {
        // And a round of polls.
        Backend::Postgres => delay.saturating_add(MAX_STALENESS_AGE),
        Backend::Sqlite => delay,
    }
}

/// Writers, and the longest time that a transaction is open.
const fn writers(backend: Backend) -> (usize, Duration) {
    match backend {
        Backend::Postgres => (6, Duration::from_millis(300)),
        // One writes at a time, and the others wait.
        Backend::Sqlite => (3, Duration::from_millis(30)),
    }
}

/// The longest history: to check one takes a time that grows faster than it does.
const MAX_HISTORY_SECONDS: u64 = 60;

async fn every_answer_is_the_state_of_one_instant(backend: Backend) {
    let mut missing_seconds = setting("HISTORY_SECONDS", 30);
    while missing_seconds > 0 {
        let seconds = missing_seconds.min(MAX_HISTORY_SECONDS);
        check_one_history(backend, seed(), seconds).await;
        missing_seconds -= seconds;
    }
}

async fn check_one_history(backend: Backend, seed: u64, seconds: u64) {
    let database = backend.empty();
    writers::fill(&database).await;
    let start = || {
        caching(&database, MAX_STALENESS_AGE)
            .env("RUST_LOG", "warn")
            .start()
    };
    let servers = [start(), start()];

    let phases = Phases::default();
    let is_over = &phases.are_writes_over;
    let mut readers = Vec::new();
    for task in 0..READERS {
        let replica = usize::try_from(task % 2).unwrap();
        let client = servers[replica].client().await;
        let dice = dice_of_task(seed, 1_000 + task);
        let read = readers::read_until(Arc::clone(is_over), replica, client, dice);
        readers.push(tokio::spawn(read));
    }
    let mut watchers = Vec::new();
    for task in 0..2 * WATCHES_OF_EACH_REPLICA {
        let watcher = Watcher::new(&servers, task, dice_of_task(seed, 3_000 + task)).await;
        watchers.push(tokio::spawn(watcher.watch_until_settled(phases.clone())));
    }
    let written = write(&database, &phases, seed, seconds).await;
    let mut read = Answers::default();
    for reader in readers {
        let Answers {
            answers,
            unavailable,
        } = reader.await.unwrap();
        read.answers.extend(answers);
        read.unavailable += unavailable;
    }
    tokio::time::sleep(max_settling_delay(backend)).await;
    // On a busy machine, reads and hence rounds take longer.
    for server in &servers {
        let scrape = server.scrape().await;
        let round_seconds = scrape.value("leadchat_inbox_watch_round_seconds", &[]);
        tokio::time::sleep(Duration::from_secs_f64(2.0 * round_seconds)).await;
    }
    let settled = connection::now();
    phases.is_settled.store(true, Ordering::Relaxed);
    let mut watches = Vec::new();
    let mut ended = 0;
    for watcher in watchers {
        let watched = watcher.await.unwrap();
        ended += watched.unavailable;
        watches.push(watched.watch);
    }
    let (committed, answered) = (written.transactions.len(), read.answers.len());
    let opened: usize = watches.iter().map(|watch| watch.streams.len()).sum();
    println!(
        "histories {}: {committed} committed, {} rolled back, {} refused; {answered} answers, {} unavailable; {opened} watches opened, {ended} unavailable",
        backend.name(),
        written.rolled_back,
        written.refused,
        read.unavailable
    );
    let history = History {
        initial: writers::initial(),
        transactions: written.transactions,
    };
    let checker = Checker::new(&history, nanoseconds(MAX_STALENESS_AGE));
    check(backend, &checker, &history, &read.answers, seed);
    let openings = watches::openings(&watches);
    let reads = reads::check_reads(&read.answers, &openings, nanoseconds(MAX_STALENESS_AGE));
    let reads = reads.unwrap_or_else(|it| panic!("SEED={seed}: {it:?}"));
    println!("histories {}: {reads} reads", backend.name());
    check_watches(backend, &checker, &history, &watches, settled, seed);
    assert!(
        committed >= 50 && written.rolled_back >= 5,
        "too few transactions"
    );
    assert!(read.unavailable * 20 <= answered, "too many calls failed");
    assert!(ended * 20 <= opened, "too many watches failed");
}

/// Writes for some seconds, and until all transactions have ended.
async fn write(database: &Database, phases: &Phases, seed: u64, seconds: u64) -> Written {
    let version = Arc::new(AtomicI64::new(1));
    let (count, max_delay) = writers(database.backend());
    let mut writers = Vec::new();
    for (task, units) in (0..).zip(writers::divide(&dice_of_task(seed, 2_000), count)) {
        let dice = dice_of_task(seed, task);
        let writer = writers::Writer::new(database.connect().await, dice, units, max_delay);
        let is_over = Arc::clone(&phases.are_writes_over);
        writers.push(tokio::spawn(
            writer.write_until(is_over, Arc::clone(&version)),
        ));
    }
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    phases.are_writes_over.store(true, Ordering::Relaxed);
    let mut written = Written::default();
    for writer in writers {
        let Written {
            transactions,
            rolled_back,
            refused,
        } = writer.await.unwrap();
        written.transactions.extend(transactions);
        written.rolled_back += rolled_back;
        written.refused += refused;
    }
    written
}

/// Checks every answer, that there are all kinds of them, and that a false one would be
/// found.
fn check(backend: Backend, checker: &Checker, history: &History, answers: &[Answer], seed: u64) {
    let began = Instant::now();
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for answer in answers {
        if let Err(violation) = checker.check(answer) {
            panic!("SEED={seed}: {violation:?}, {}", described(answer, history));
        }
        for kind in kinds_of(answer) {
            *kinds.entry(kind).or_default() += 1;
        }
    }
    let checked = began.elapsed();
    let (falsified, refused) = falsify(checker, answers);
    println!(
        "histories {}: checked in {checked:?} of {:?}; {refused} of {falsified} falsified answers refused",
        backend.name(),
        began.elapsed()
    );
    for (kind, count) in &kinds {
        println!("histories {}: {count} {kind}", backend.name());
    }
    for kind in KINDS {
        let count = kinds.get(kind).copied().unwrap_or_default();
        assert!(count > 0, "SEED={seed}: no answer: {kind}");
    }
    assert!(
        falsified >= 10 && refused * 10 >= falsified * 9,
        "{refused} of {falsified}"
    );
}

/// Kinds of answers, of which a run has to have some.
const KINDS: [&str; 17] = [
    "GetInbox of replica 0",
    "GetInbox of replica 1",
    "ListInboxes of replica 0",
    "ListInboxes of replica 1",
    "BatchGetInboxes of replica 0",
    "BatchGetInboxes of replica 1",
    "FindInboxes of replica 0",
    "FindInboxes of replica 1",
    "FindInboxes everywhere of replica 0",
    "FindInboxes everywhere of replica 1",
    "denied",
    "suspended",
    "not found",
    "shown to an agent",
    "shown to an administrator",
    "LATEST",
    "from before the call",
];

fn kinds_of(answer: &Answer) -> Vec<String> {
    let method = match answer.request.method {
        Method::Get(_) => "GetInbox",
        Method::List => "ListInboxes",
        Method::Batch(_) => "BatchGetInboxes",
        Method::Find(_) => "FindInboxes",
        Method::FindEverywhere(_) => "FindInboxes everywhere",
    };
    let mut kinds = vec![format!("{method} of replica {}", answer.replica)];
    let outcome = match answer.outcome {
        Outcome::Denied => "denied",
        Outcome::Suspended => "suspended",
        Outcome::NotFound => "not found",
        Outcome::Shown {
            is_administrator: false,
            ..
        } => "shown to an agent",
        Outcome::Shown {
            is_administrator: true,
            ..
        } => "shown to an administrator",
    };
    kinds.push(outcome.to_owned());
    if answer.is_latest {
        kinds.push("LATEST".to_owned());
    } else if answer
        .read_time
        .is_some_and(|read_time| read_time < answer.sent)
    {
        kinds.push("from before the call".to_owned());
    }
    kinds
}

/// Gives answers the outcomes of earlier and later ones for the same request, where texts
/// differ. Returns how many there were, and how many the checker refused.
fn falsify(checker: &Checker, answers: &[Answer]) -> (usize, usize) {
    const MAX_OF_EACH_REQUEST: usize = 2;

    let mut shown: BTreeMap<&Request, Vec<&Answer>> = BTreeMap::new();
    for answer in answers {
        if let Outcome::Shown { inboxes, .. } = &answer.outcome
            && !inboxes.is_empty()
        {
            shown.entry(&answer.request).or_default().push(answer);
        }
    }
    let texts = |answer: &Answer| match &answer.outcome {
        Outcome::Shown { inboxes, .. } => inboxes
            .iter()
            .map(|inbox| (inbox.name, inbox.greeting))
            .collect(),
        _ => BTreeSet::new(),
    };
    let (mut falsified, mut refused) = (0, 0);
    for answers in shown.values_mut() {
        answers.sort_by_key(|answer| answer.read_time);
        let pairs = answers.iter().zip(answers.iter().skip(1));
        let apart = |(early, late): &(&&Answer, &&Answer)| {
            late.read_time > Some(early.received) && texts(early).is_disjoint(&texts(late))
        };
        for (early, late) in pairs.filter(apart).take(MAX_OF_EACH_REQUEST) {
            for (times, outcome) in [(early, late), (late, early)] {
                let answer = Answer {
                    outcome: outcome.outcome.clone(),
                    ..(**times).clone()
                };
                falsified += 1;
                refused += usize::from(checker.check(&answer).is_err());
            }
        }
    }
    (falsified, refused)
}

/// An answer, with the transactions around it.
fn described(answer: &Answer, history: &History) -> String {
    let from = answer.read_time.unwrap_or(answer.sent) - nanoseconds(MAX_STALENESS_AGE);
    let mut lines = vec![format!("{answer:#?}")];
    for it in &history.transactions {
        if it.sent <= answer.received && it.acknowledged.is_none_or(|it| it >= from) {
            lines.push(format!("{it:?}"));
        }
    }
    lines.join("\n")
}

fn caching(database: &Database, bound: Duration) -> Program {
    let seconds = bound.as_secs_f64().to_string();
    let program = Program::caching(database).env("MAX_STALENESS", &seconds);
    program.arg("--local-role").arg("administrator")
}

fn nanoseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap()
}

fn nanoseconds_of(time: prost_types::Timestamp) -> i64 {
    connection::nanoseconds(SystemTime::try_from(time).unwrap())
}
