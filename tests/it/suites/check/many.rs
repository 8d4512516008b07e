//! Many accounts: counted right, a few at a time, and none at the expense of
//! another.

use std::{
    io::Read,
    process::{Child, Stdio},
    time::Instant,
};

use super::*;
use crate::support::program::eventually;

/// A table that fails when it is read for one account.
pub(super) async fn break_account(database: &Database, backend: Backend, account: i64) {
    let fails = match backend {
        Backend::Postgres => "1 / (w.inbox_id - w.inbox_id)",
        Backend::Sqlite => "abs(-9223372036854775808)",
    };
    database
        .execute(&format!(
            "ALTER TABLE working_hours RENAME TO hours;
            CREATE VIEW working_hours AS SELECT w.id, w.inbox_id, w.day_of_week, w.closed_all_day,
                CASE WHEN w.account_id = {account} THEN {fails} ELSE w.open_hour END AS open_hour,
                w.open_minutes, w.close_hour, w.close_minutes, w.open_all_day FROM hours w"
        ))
        .await;
}

pub(super) async fn an_account_that_fails_costs_no_other(backend: Backend) {
    let database = backend.golden();
    let whole = report(checking(&database));
    assert_eq!(whole["accounts"]["failed"], json!([]));
    break_account(&database, backend, 1).await;
    let broken = report(checking(&database));
    assert_eq!(problems(&broken), ["ACCOUNTS_FAILED"]);
    let failed = broken["accounts"]["failed"].as_array().unwrap();
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert_eq!(failed[0]["accounts"], 1);
    let reason = failed[0]["reason"].as_str().unwrap();
    assert!(reason.contains("working_hours"), "{reason}");
    let read = |report: &Value| report["accounts"]["read"].as_i64().unwrap();
    assert_eq!(read(&broken), read(&whole) - 1);
    let of_account = "SELECT count(*) AS id FROM inboxes WHERE account_id = 1";
    let of_account = database.numbers(of_account).await[0];
    assert!(of_account > 50);
    let inboxes = |report: &Value| report["accounts"]["inboxes"]["total"].as_i64().unwrap();
    assert_eq!(inboxes(&broken), inboxes(&whole) - of_account);
}

const ACCOUNTS: u64 = 1000;
const INBOXES_EACH: u64 = 10;

/// Of a text that is read with every inbox. Of all inboxes they come to 200 MB.
const TEXT: usize = 20_000;

/// Accounts with ids that leave gaps, half of each one's inboxes API and half SMS;
/// each tenth account is suspended.
pub(super) async fn many(backend: Backend, accounts: u64) -> Database {
    let database = backend.empty();
    let numbers = |most: u64| {
        format!("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {most})")
    };
    let inboxes = accounts * INBOXES_EACH;
    let (each, inboxes) = (INBOXES_EACH, numbers(inboxes));
    let accounts = numbers(accounts);
    let text = "t".repeat(TEXT);
    let now = "'2026-01-01', '2026-01-01'";
    database
        .execute(&format!(
            "INSERT INTO accounts (id, name, status, created_at, updated_at)
                {accounts} SELECT i * 7, 'a', CASE WHEN i % 10 = 0 THEN 1 ELSE 0 END, {now} FROM n;
            INSERT INTO portals (id, account_id, name, slug, created_at, updated_at)
                VALUES (1, 7, '{text}', 's', {now});
            INSERT INTO channel_api (id, account_id, identifier, created_at, updated_at)
                {inboxes} SELECT i, 7, 'i' || i, {now} FROM n;
            INSERT INTO channel_sms (id, account_id, phone_number, provider, created_at, updated_at)
                {inboxes} SELECT i, 7, 'n' || i, 'default', {now} FROM n;
            INSERT INTO inboxes (id, account_id, channel_id, channel_type, name, portal_id, timezone,
                    created_at, updated_at)
                {inboxes} SELECT i, ((i - 1) / {each} + 1) * 7, i,
                    CASE WHEN i % 2 = 0 THEN 'Channel::Api' ELSE 'Channel::Sms' END, 'n', 1,
                    CASE WHEN i % 5 = 0 THEN 'Nowhere' ELSE 'UTC' END, {now} FROM n"
        ))
        .await;
    database
}

pub(super) async fn ten_thousand_inboxes_are_counted_in_little_memory(backend: Backend) {
    let database = many(backend, ACCOUNTS).await;
    let few = many(backend, 4).await;
    let (_, usual, _) = measured(checking(&few)).await;
    let (report, most, took) = measured(checking(&database)).await;
    println!(
        "check {}: {ACCOUNTS} accounts with {} inboxes in {took} ms, {most} kB of memory at most; \
         with four accounts {usual} kB",
        backend.name(),
        ACCOUNTS * INBOXES_EACH
    );
    let accounts = &report["accounts"];
    assert_eq!(accounts["total"], ACCOUNTS);
    assert_eq!(accounts["read"], ACCOUNTS);
    assert_eq!(accounts["suspended"], ACCOUNTS / 10);
    let inboxes = &accounts["inboxes"];
    let shown = (ACCOUNTS - ACCOUNTS / 10) * INBOXES_EACH;
    assert_eq!(inboxes["total"], shown);
    assert_eq!(inboxes["kinds"]["api"], shown / 2);
    assert_eq!(inboxes["kinds"]["sms"], shown / 2);
    assert_eq!(inboxes["kinds"]["email"], 0);
    assert_eq!(inboxes["degraded"], shown / 5);
    let place = |kind| {
        json!({"kind": kind, "field": "timezone", "reason": "TIME_ZONE_UNKNOWN",
            "inboxes": shown / 10, "values": shown / 10})
    };
    assert_eq!(inboxes["degradations"], json!([place("api"), place("sms")]));
    // All that is read, held at once, would be many times that.
    let texts = shown * TEXT as u64 / 1000;
    assert!(
        most < usual + texts / 4,
        "{most} kB, with few accounts {usual} kB"
    );
}

/// The report, the most memory in kB that it took, and how long in milliseconds.
async fn measured(program: Program) -> (Value, u64, u128) {
    let program = program.arg("--json").without_env("RUST_LOG");
    let began = Instant::now();
    let (mut child, _folder) = program.spawn(Stdio::piped());
    let mut most = 0;
    eventually("the check ends", || {
        // Nothing is left to look at once it has ended.
        most = most.max(memory(&child).unwrap_or_default());
        child.try_wait().unwrap().is_some()
    })
    .await;
    let took = began.elapsed().as_millis();
    let mut text = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    assert!(most > 10_000, "{most}");
    (serde_json::from_str(&text).unwrap(), most, took)
}

/// The most that it has taken so far, in kB.
fn memory(child: &Child) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let most = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    most.trim().strip_suffix(" kB")?.trim().parse().ok()
}

/// The statements in the log of a command, which has no metrics: one a line, without those that
/// shorten time-outs and those of a new connection.
fn statements(log: &str) -> impl Iterator<Item = &str> {
    let uncounted = ["\"SET LOCAL ", "_inbox.own'", "\"PRAGMA "];
    let statements = log.lines().filter(|line| line.contains(" sqlx::query: "));
    statements.filter(move |line| !uncounted.iter().any(|start| line.contains(start)))
}

pub(super) async fn an_account_costs_as_many_statements_as_any_other(backend: Backend) {
    let verb = regex::Regex::new(r#"summary="([A-Za-z]+)"#).unwrap();
    let mut counts = Vec::new();
    for accounts in [11, 21, 31] {
        let database = many(backend, accounts).await;
        let output = checking(&database).output();
        let log = String::from_utf8(output.stderr).unwrap();
        counts.push(statements(&log).count());
        // The output for a standby.
        let verbs = statements(&log).map(|statement| verb.captures(statement).unwrap());
        let said: BTreeSet<_> = verbs.map(|said| said[1].to_owned()).collect();
        let only_reads = ["SELECT", "BEGIN", "COMMIT", "ROLLBACK"];
        assert!(said.contains("SELECT"));
        assert!(
            said.iter().all(|verb| only_reads.contains(&verb.as_str())),
            "{said:?}"
        );
    }
    println!(
        "check {}: statements for 11, 21 and 31 accounts: {counts:?}",
        backend.name()
    );
    // Ten more each, one of which is suspended.
    assert_eq!(counts[1] - counts[0], counts[2] - counts[1]);
    let each = (counts[1] - counts[0]) / 10;
    assert!((5..=20).contains(&each), "{counts:?}");
}
