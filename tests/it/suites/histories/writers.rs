//! Random writers. Each has units that it alone writes, so their versions are in order.
//!
//! A unit may be in the row of another writer's unit: then one waits for the other. The rows
//! are locked in one order, and what the database refuses nevertheless is rolled back.

use std::{
    collections::BTreeMap,
    fmt::Write,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use super::{
    checker::Transaction,
    model::{ADMINISTRATOR, AGENT, SUSPENDED, Unit},
};
use crate::support::{
    Database,
    connection::{Connection, now},
    dice::Dice,
};

pub const ACCOUNTS: [i64; 2] = [1, 2];
pub const USERS: [i64; 4] = [11, 12, 13, 14];
/// Inboxes that are there all the time, and move.
pub const STABLE_INBOXES: [i64; 6] = [101, 102, 103, 104, 105, 106];
/// Inboxes that are deleted and inserted.
pub const VOLATILE_INBOXES: [i64; 2] = [107, 108];

/// A text of each inbox that never changes. A watch makes one event after the other as they are sent,
/// so that the state may change within a batch.
const LARGE_TEXT_BYTES: usize = 16 << 10;

const STAMPS: &str = "'2026-01-01', '2026-01-01'";

/// The longest time between two writers' transactions.
const MAX_IDLE_DELAY: Duration = Duration::from_millis(60);

pub struct Writer {
    session: Connection,
    dice: Dice,
    /// Those that are written together, or one alone.
    groups: Vec<Vec<Unit>>,
    state: BTreeMap<Unit, i64>,
    /// The longest time that a transaction does nothing before it ends.
    max_transaction_delay: Duration,
}

/// The work of a writer.
#[derive(Default)]
pub struct Written {
    pub transactions: Vec<Transaction>,
    pub rolled_back: usize,
    pub refused: usize,
}

/// All inboxes of the histories.
pub fn inboxes() -> Vec<i64> {
    [&STABLE_INBOXES[..], &VOLATILE_INBOXES].concat()
}

/// The account in which an inbox begins.
pub fn first_home(inbox: i64) -> i64 {
    ACCOUNTS[usize::try_from(inbox % 2).unwrap()]
}

/// The state that [`fill`] makes.
pub fn initial() -> BTreeMap<Unit, i64> {
    let mut state = BTreeMap::new();
    for account in ACCOUNTS {
        state.insert(Unit::Status(account), 0);
        for (index, user) in (1..).zip(USERS) {
            let role = if index % 2 == account % 2 {
                ADMINISTRATOR
            } else {
                AGENT
            };
            state.insert(Unit::Role { account, user }, role);
        }
    }
    for inbox in inboxes() {
        state.insert(Unit::Home(inbox), first_home(inbox));
        for unit in [
            Unit::Name(inbox),
            Unit::Greeting(inbox),
            Unit::Secret(inbox),
        ] {
            state.insert(unit, 0);
        }
        for user in USERS {
            state.insert(Unit::Member { inbox, user }, 1);
        }
    }
    state
}

pub async fn fill(database: &Database) {
    let mut sql = String::new();
    for account in ACCOUNTS {
        write!(
            sql,
            "INSERT INTO accounts (id, name, created_at, updated_at)
                VALUES ({account}, 'a', {STAMPS});"
        )
        .unwrap();
    }
    for user in USERS {
        write!(
            sql,
            "INSERT INTO users (id, name, created_at, updated_at) VALUES ({user}, 'u', {STAMPS});"
        )
        .unwrap();
    }
    let initial = initial();
    for inbox in inboxes() {
        sql += &insert(inbox, &initial);
    }
    for (unit, value) in &initial {
        if let Unit::Role { .. } | Unit::Member { .. } = unit {
            sql += &write(*unit, *value);
        }
    }
    database.execute(&sql).await;
}

/// Gives each of `count` writers its part of all units.
pub fn divide(dice: &Dice, count: usize) -> Vec<Vec<Vec<Unit>>> {
    let mut parts = vec![Vec::new(); count];
    let together = |unit: &Unit| match *unit {
        Unit::Home(inbox) | Unit::Name(inbox) | Unit::Greeting(inbox) | Unit::Secret(inbox) => {
            VOLATILE_INBOXES.contains(&inbox)
        }
        _ => false,
    };
    for unit in initial().into_keys().filter(|unit| !together(unit)) {
        parts[dice.roll(count)].push(vec![unit]);
    }
    for inbox in VOLATILE_INBOXES {
        let home = Unit::Home(inbox);
        let group = vec![
            home,
            Unit::Name(inbox),
            Unit::Greeting(inbox),
            Unit::Secret(inbox),
        ];
        // As often as several single units.
        parts[dice.roll(count)].extend([group.clone(), group.clone(), group]);
    }
    parts
}

impl Writer {
    pub fn new(
        session: Connection,
        dice: Dice,
        groups: Vec<Vec<Unit>>,
        max_transaction_delay: Duration,
    ) -> Self {
        Self {
            session,
            dice,
            groups,
            state: initial(),
            max_transaction_delay,
        }
    }

    /// Writes until it is over. `version` gives each text another number.
    pub async fn write_until(
        mut self,
        is_over: Arc<AtomicBool>,
        version: Arc<AtomicI64>,
    ) -> Written {
        let mut written = Written::default();
        while !is_over.load(Ordering::Relaxed) && !self.groups.is_empty() {
            let mut writes = BTreeMap::new();
            let mut sql = BTreeMap::new();
            for _ in 0..=self.dice.roll(3) {
                let group = self.dice.pick(&self.groups).clone();
                let next = || version.fetch_add(1, Ordering::Relaxed);
                let changes = self.changes(&group, next);
                // One statement for the group, at its first unit.
                let statement = statement(&group, &changes);
                sql.insert(row(group[0]), statement);
                writes.extend(changes);
            }
            let is_committed = !self.dice.happens(15);
            let delay = self.transaction_delay();
            match self
                .transaction(sql.into_values().collect(), is_committed, delay)
                .await
            {
                Ok(Some((sent, acknowledged))) => {
                    self.state.extend(writes.clone());
                    let writes = writes.into_iter().collect();
                    written.transactions.push(Transaction {
                        sent,
                        acknowledged,
                        writes,
                    });
                    if acknowledged.is_none() {
                        // The state is unknown, and so would be that of all that follow.
                        return written;
                    }
                }
                Ok(None) => written.rolled_back += 1,
                Err(_) => {
                    written.refused += 1;
                    self.session.run("ROLLBACK").await.unwrap();
                }
            }
            let idle = MAX_IDLE_DELAY * u32::try_from(self.dice.roll(100)).unwrap() / 100;
            tokio::time::sleep(idle).await;
        }
        written
    }

    /// Half of the transactions are short, and most others much shorter than the longest.
    fn transaction_delay(&self) -> Duration {
        let hundredths = match self.dice.roll(10) {
            0..5 => 0,
            5..9 => self.dice.roll(10),
            _ => self.dice.roll(100),
        };
        self.max_transaction_delay * u32::try_from(hundredths).unwrap() / 100
    }

    /// New values of a group, from the ones that it has.
    fn changes(&self, group: &[Unit], next: impl Fn() -> i64) -> Vec<(Unit, i64)> {
        let dice = &self.dice;
        match group {
            [home @ Unit::Home(inbox), texts @ ..] if !texts.is_empty() => {
                if self.state[home] != 0 && dice.happens(40) {
                    return vec![(*home, 0)];
                }
                let texts = texts.iter().map(|unit| (*unit, next()));
                texts.chain([(*home, first_home(*inbox))]).collect()
            }
            [unit] => {
                let value = match unit {
                    Unit::Status(_) if dice.happens(25) => SUSPENDED,
                    Unit::Status(_) => 0,
                    Unit::Role { .. } => *dice.pick(&[0, AGENT, AGENT, ADMINISTRATOR]),
                    Unit::Member { .. } => i64::from(self.state[unit] == 0),
                    Unit::Home(_) => *dice.pick(&ACCOUNTS),
                    Unit::Name(_) | Unit::Greeting(_) | Unit::Secret(_) => next(),
                };
                vec![(*unit, value)]
            }
            _ => panic!("no such group: {group:?}"),
        }
    }

    /// When COMMIT was sent and acknowledged; `None` for a rollback. An error leaves a
    /// transaction to be rolled back.
    async fn transaction(
        &mut self,
        sql: Vec<String>,
        is_committed: bool,
        delay: Duration,
    ) -> Result<Option<(i64, Option<i64>)>, sqlx::Error> {
        self.session.begin().await?;
        for statement in sql {
            self.session.run(&statement).await?;
        }
        tokio::time::sleep(delay).await;
        if !is_committed {
            self.session.run("ROLLBACK").await?;
            return Ok(None);
        }
        let sent = now();
        let outcome = self.session.run("COMMIT").await;
        Ok(Some((sent, outcome.is_ok().then(now))))
    }
}

/// The order in which rows are locked: inboxes one after the other, each with its channel.
const fn row(unit: Unit) -> (i64, Unit) {
    match unit {
        Unit::Home(inbox) | Unit::Name(inbox) | Unit::Greeting(inbox) | Unit::Secret(inbox) => {
            (inbox, unit)
        }
        Unit::Status(_) | Unit::Role { .. } | Unit::Member { .. } => (0, unit),
    }
}

/// The statements that make these changes to a group.
fn statement(group: &[Unit], changes: &[(Unit, i64)]) -> String {
    match (group, changes) {
        ([Unit::Home(inbox), _, ..], changes) => {
            let delete = format!(
                "DELETE FROM inboxes WHERE id = {inbox}; DELETE FROM channel_api WHERE id = {inbox};"
            );
            let state: BTreeMap<_, _> = changes.iter().copied().collect();
            if state[&group[0]] == 0 {
                delete
            } else {
                delete + &insert(*inbox, &state)
            }
        }
        (_, changes) => changes
            .iter()
            .map(|(unit, value)| write(*unit, *value))
            .collect(),
    }
}

fn insert(inbox: i64, state: &BTreeMap<Unit, i64>) -> String {
    let large = "large ".repeat(LARGE_TEXT_BYTES / 6);
    let home = state[&Unit::Home(inbox)];
    let name = state[&Unit::Name(inbox)];
    let greeting = state[&Unit::Greeting(inbox)];
    let secret = state[&Unit::Secret(inbox)];
    format!(
        "INSERT INTO channel_api (id, account_id, identifier, hmac_token, created_at, updated_at)
            VALUES ({inbox}, {home}, 'i{inbox}', '{inbox}-{secret}', {STAMPS});
        INSERT INTO inboxes (id, account_id, channel_id, channel_type, name, greeting_message,
                out_of_office_message, created_at, updated_at)
            VALUES ({inbox}, {home}, {inbox}, 'Channel::Api', '{name}', '{greeting}', '{large}',
                {STAMPS});"
    )
}

fn write(unit: Unit, value: i64) -> String {
    match unit {
        Unit::Status(account) => {
            format!("UPDATE accounts SET status = {value} WHERE id = {account};")
        }
        Unit::Role { account, user } => {
            let delete = format!(
                "DELETE FROM account_users WHERE account_id = {account} AND user_id = {user};"
            );
            let role = i32::from(value == ADMINISTRATOR);
            let insert = format!(
                "INSERT INTO account_users (account_id, user_id, role, created_at, updated_at)
                    VALUES ({account}, {user}, {role}, {STAMPS});"
            );
            if value == 0 { delete } else { delete + &insert }
        }
        Unit::Member { inbox, user } => {
            let delete =
                format!("DELETE FROM inbox_members WHERE inbox_id = {inbox} AND user_id = {user};");
            let insert = format!(
                "INSERT INTO inbox_members (user_id, inbox_id, created_at, updated_at)
                    VALUES ({user}, {inbox}, {STAMPS});"
            );
            if value == 0 { delete } else { delete + &insert }
        }
        Unit::Home(inbox) => format!(
            "UPDATE inboxes SET account_id = {value} WHERE id = {inbox};
            UPDATE channel_api SET account_id = {value} WHERE id = {inbox};"
        ),
        Unit::Name(inbox) => format!("UPDATE inboxes SET name = '{value}' WHERE id = {inbox};"),
        Unit::Greeting(inbox) => {
            format!("UPDATE inboxes SET greeting_message = '{value}' WHERE id = {inbox};")
        }
        Unit::Secret(inbox) => {
            format!("UPDATE channel_api SET hmac_token = '{inbox}-{value}' WHERE id = {inbox};")
        }
    }
}
