//! No answer joins old rights with new content, or new rights with old content.
//!
//! Each round has both orders. First a viewer loses a right, and then another transaction
//! writes a forbidden text. Later that text is erased, and then the viewer gets the right
//! back. So no committed state shows the text to the viewer. Callers of two replicas ask
//! all the time meanwhile, or have watches open (`watches`). One forbidden answer fails the
//! test, and so does one forbidden event.
//!
//! `ROUNDS` sets the rounds of each kind of right, and `SEED` the choices.

mod calls;
mod watches;

use std::{
    collections::BTreeMap,
    fmt::Write,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::task::JoinHandle;

use crate::support::{
    Backend, Database, Program,
    connection::{Connection, now},
    program::Server,
    soak::{dice_of_task, seed, setting},
};

use watches::old_rights_never_meet_new_content_in_a_watch;

on_both_databases!(
    old_rights_never_meet_new_content,
    old_rights_never_meet_new_content_in_a_watch,
);

/// `MAX_STALENESS` of both replicas.
const MAX_STALENESS_AGE: Duration = Duration::from_millis(200);

/// The time that an answer may be older than that, for calls on their way.
const ALLOWED_DELAY: Duration = Duration::from_millis(50);

/// The longest time between the two transactions of an order.
const MAX_PAIR_DELAY: Duration = Duration::from_millis(3);

/// The longest time between two orders, beyond the answers that are waited for.
const MAX_ORDER_DELAY: Duration = Duration::from_millis(150);

/// Answers to the viewer of a case between two orders, at least.
const ANSWERS_BETWEEN_ORDERS: u64 = 2;

/// The viewers of each kind of right, which have an inbox each.
const LANES_OF_EACH_KIND: u64 = 6;

/// The callers of each replica.
const CALLERS_OF_EACH_REPLICA: u64 = 3;

/// An administrator of both accounts, to which every text may be shown.
const ADMINISTRATOR: i64 = 1;

/// The mark of each text that the viewer of a case must not see.
const FORBIDDEN: &str = "forbidden";

/// The right that a case's viewer loses and gets back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Right {
    /// A member of the inbox sees its name and greeting.
    Membership,
    /// An administrator sees the sealed token of its channel. An agent sees the rest.
    Administration,
}

/// An inbox and a viewer, and the state of the rounds with them.
struct Case {
    right: Right,
    account: i64,
    inbox: i64,
    viewer: i64,
    round: AtomicU64,
    /// Those that the viewer has got.
    answers: AtomicU64,
    /// When the loss of the right was acknowledged; 0 while the viewer may have it.
    lost_at: AtomicI64,
}

/// All that the tasks of one test share.
struct Rounds {
    cases: Vec<Case>,
    seed: u64,
    are_over: AtomicBool,
    counts: Mutex<BTreeMap<String, u64>>,
    violation: Mutex<Option<String>>,
}

impl Rounds {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            cases: cases(),
            seed: seed(),
            are_over: AtomicBool::new(false),
            counts: Mutex::default(),
            violation: Mutex::default(),
        })
    }

    fn count(&self, event: &str) {
        let mut counts = self.counts.lock().unwrap();
        *counts.entry(event.to_owned()).or_default() += 1;
    }

    fn counted(&self, event: &str) -> u64 {
        let counts = self.counts.lock().unwrap();
        counts.get(event).copied().unwrap_or_default()
    }

    /// Leaves a case to its callers for a time, and until they have enough answers.
    async fn call_for(&self, case: &Case, delay: Duration) {
        let enough = case.answers.load(Ordering::Relaxed) + ANSWERS_BETWEEN_ORDERS;
        tokio::time::sleep(delay).await;
        let has_enough = || case.answers.load(Ordering::Relaxed) >= enough;
        while !has_enough() && !self.are_over.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Keeps the first one, and ends the rounds.
    fn report(&self, case: &Case, text: &str) {
        let round = case.round.load(Ordering::Relaxed);
        let (right, inbox, viewer) = (case.right, case.inbox, case.viewer);
        let seed = self.seed;
        let text = format!(
            "round {round} of {right:?}, inbox {inbox}, user {viewer}, SEED={seed}: {text}"
        );
        self.violation.lock().unwrap().get_or_insert(text);
        self.are_over.store(true, Ordering::Relaxed);
    }
}

async fn old_rights_never_meet_new_content(backend: Backend) {
    let rounds = setting("ROUNDS", 300);
    let database = backend.empty();
    let shared = Rounds::new();
    fill(&database, &shared.cases).await;
    let servers = servers(&database, MAX_STALENESS_AGE);

    let began = now();
    let mut callers = Vec::new();
    for task in 0..CALLERS_OF_EACH_REPLICA * 2 {
        let replica = usize::try_from(task % 2).unwrap();
        let client = servers[replica].client().await;
        let dice = dice_of_task(shared.seed, 1_000 + task);
        callers.push(tokio::spawn(calls::call_until_over(
            Arc::clone(&shared),
            replica,
            client,
            dice,
        )));
    }
    let mut writers = Vec::new();
    for case in 0..shared.cases.len() {
        let session = database.connect().await;
        let rounds = rounds.div_ceil(LANES_OF_EACH_KIND);
        writers.push(tokio::spawn(write(
            Arc::clone(&shared),
            case,
            session,
            rounds,
        )));
    }
    finish(&shared, writers, callers).await;

    conclude(&shared, &format!("new enemy {}", backend.name()), began);
    enough_was_seen(&shared, rounds);
}

/// Waits for the writers, and then for the readers.
async fn finish(shared: &Rounds, writers: Vec<JoinHandle<()>>, readers: Vec<JoinHandle<()>>) {
    for writer in writers {
        writer.await.unwrap();
    }
    shared.are_over.store(true, Ordering::Relaxed);
    for reader in readers {
        reader.await.unwrap();
    }
}

/// Two replicas with a bound.
fn servers(database: &Database, bound: Duration) -> [Server; 2] {
    let server = || {
        let seconds = bound.as_secs_f64().to_string();
        let program = Program::caching(database).env("MAX_STALENESS", &seconds);
        program.env("RUST_LOG", "warn").start()
    };
    [server(), server()]
}

/// Prints what was counted, and fails if there was a violation.
fn conclude(shared: &Rounds, name: &str, began: i64) {
    let seconds = (now() - began) / 1_000_000_000;
    println!("{name}: {seconds} s");
    for (event, count) in &*shared.counts.lock().unwrap() {
        println!("{name}: {count} {event}");
    }
    if let Some(violation) = &*shared.violation.lock().unwrap() {
        panic!("{violation}");
    }
}

/// A run in which no answer could be wrong proves nothing.
fn enough_was_seen(shared: &Rounds, rounds: u64) {
    for right in [Right::Membership, Right::Administration] {
        assert!(shared.counted(&format!("{right:?}: rounds")) >= rounds);
        for event in [
            "the viewer has the right",
            "the viewer lacks the right",
            "the administrator sees the forbidden text",
            "the administrator sees another text",
            "answers from before the loss, by a call after it",
        ] {
            let count = shared.counted(&format!("{right:?}: {event}"));
            assert!(
                count >= rounds / 20,
                "{right:?}: only {count} times: {event}"
            );
        }
    }
    let unavailable = shared.counted("without an answer");
    assert!(unavailable <= rounds / 10, "{unavailable} calls failed");
}

fn cases() -> Vec<Case> {
    let kinds = [Right::Membership, Right::Administration];
    let cases = (0_i64..).zip(kinds.into_iter().cycle());
    let count = usize::try_from(LANES_OF_EACH_KIND).unwrap() * kinds.len();
    let case = |(index, right)| Case {
        right,
        account: 1 + index / 2 % 2,
        inbox: 1_000 + index,
        viewer: 100 + index,
        round: AtomicU64::new(0),
        answers: AtomicU64::new(0),
        lost_at: AtomicI64::new(0),
    };
    cases.take(count).map(case).collect()
}

/// Every viewer has its right, and no text is forbidden.
async fn fill(database: &Database, cases: &[Case]) {
    const NOW: &str = "'2026-01-01', '2026-01-01'";
    let mut sql = format!(
        "INSERT INTO accounts (id, name, created_at, updated_at)
            VALUES (1, 'a', {NOW}), (2, 'b', {NOW});
        INSERT INTO users (id, name, created_at, updated_at) VALUES ({ADMINISTRATOR}, 'a', {NOW});
        INSERT INTO account_users (account_id, user_id, role, created_at, updated_at)
            VALUES (1, {ADMINISTRATOR}, 1, {NOW}), (2, {ADMINISTRATOR}, 1, {NOW});"
    );
    for case in cases {
        let Case {
            account,
            inbox,
            viewer,
            right,
            ..
        } = case;
        let role = i32::from(*right == Right::Administration);
        write!(
            sql,
            "INSERT INTO users (id, name, created_at, updated_at) VALUES ({viewer}, 'u', {NOW});
            INSERT INTO account_users (account_id, user_id, role, created_at, updated_at)
                VALUES ({account}, {viewer}, {role}, {NOW});
            INSERT INTO channel_api (id, account_id, identifier, hmac_token, created_at, updated_at)
                VALUES ({inbox}, {account}, 'i{inbox}', 't{inbox}', {NOW});
            INSERT INTO inboxes (id, account_id, channel_id, channel_type, name, created_at,
                updated_at) VALUES ({inbox}, {account}, {inbox}, 'Channel::Api', 'n', {NOW});
            INSERT INTO inbox_members (user_id, inbox_id, created_at, updated_at)
                VALUES ({viewer}, {inbox}, {NOW});"
        )
        .unwrap();
    }
    database.execute(&sql).await;
}

impl Case {
    fn lose(&self) -> String {
        let (account, inbox, viewer) = (self.account, self.inbox, self.viewer);
        match self.right {
            Right::Membership => {
                format!("DELETE FROM inbox_members WHERE inbox_id = {inbox} AND user_id = {viewer}")
            }
            Right::Administration => format!(
                "UPDATE account_users SET role = 0
                    WHERE account_id = {account} AND user_id = {viewer}"
            ),
        }
    }

    fn restore(&self) -> String {
        let (account, inbox, viewer) = (self.account, self.inbox, self.viewer);
        match self.right {
            Right::Membership => format!(
                "INSERT INTO inbox_members (user_id, inbox_id, created_at, updated_at)
                    VALUES ({viewer}, {inbox}, '2026-01-01', '2026-01-01')"
            ),
            Right::Administration => format!(
                "UPDATE account_users SET role = 1
                    WHERE account_id = {account} AND user_id = {viewer}"
            ),
        }
    }

    fn write(&self, text: &str) -> String {
        let inbox = self.inbox;
        match self.right {
            Right::Membership => format!(
                "UPDATE inboxes SET name = '{text}', greeting_message = '{text}'
                    WHERE id = {inbox}"
            ),
            Right::Administration => format!(
                "UPDATE channel_api SET hmac_token = '{text} of {inbox}' WHERE id = {inbox}"
            ),
        }
    }
}

/// Times at random, up to the longest.
fn random_times(shared: &Rounds, task: usize) -> impl Fn(Duration) -> Duration + Send + 'static {
    let dice = dice_of_task(shared.seed, u64::try_from(task).unwrap());
    move |longest: Duration| {
        let nanoseconds = u64::try_from(longest.as_nanos()).unwrap() + 1;
        Duration::from_nanos(dice.number() % nanoseconds)
    }
}

/// Runs the rounds of a case. Each statement is a transaction.
async fn write(shared: Arc<Rounds>, index: usize, mut session: Connection, rounds: u64) {
    let case = &shared.cases[index];
    let right = case.right;
    let up_to = random_times(&shared, index);
    for round in 1..=rounds {
        if shared.are_over.load(Ordering::Relaxed) {
            return;
        }
        case.round.store(round, Ordering::Relaxed);
        shared.call_for(case, up_to(MAX_ORDER_DELAY)).await;
        session.run(&case.lose()).await.unwrap();
        case.lost_at.store(now(), Ordering::SeqCst);
        tokio::time::sleep(up_to(MAX_PAIR_DELAY)).await;
        session
            .run(&case.write(&format!("{FORBIDDEN} {round}")))
            .await
            .unwrap();

        shared.call_for(case, up_to(MAX_ORDER_DELAY)).await;
        session
            .run(&case.write(&format!("harmless {round}")))
            .await
            .unwrap();
        tokio::time::sleep(up_to(MAX_PAIR_DELAY)).await;
        case.lost_at.store(0, Ordering::SeqCst);
        session.run(&case.restore()).await.unwrap();
        shared.count(&format!("{right:?}: rounds"));
    }
}
