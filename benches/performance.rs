//! The cost of calls, reads and memory beside floors: `make bench`.
//!
//! Prints a table and writes it to `docs/performance.md`, which says how each row is
//! measured. Fails where a goal is missed. `BENCH_SECONDS` says how long each row is measured
//! in a round, `BENCH_ROWS` which rows are, such as `1,2,3,10`; then nothing is written.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "it measures, may fail loudly, and says what it measured"
)]

#[path = "../tests/it"]
#[expect(
    unused,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "made for tests, which may fail loudly, and use all of it"
)]
mod it {
    pub mod support;
}

#[path = "performance/accounts.rs"]
mod accounts;
#[path = "performance/calls.rs"]
mod calls;
#[path = "performance/driver.rs"]
mod driver;
#[path = "performance/floor.rs"]
mod floor;
#[path = "performance/loads.rs"]
mod loads;
#[path = "performance/memory.rs"]
mod memory;
#[path = "performance/process.rs"]
mod process;
#[path = "performance/report.rs"]
mod report;
#[path = "performance/service.rs"]
mod service;
#[path = "performance/watches.rs"]
mod watches;

use std::{env, process::ExitCode, time::Duration};

use mimalloc::MiMalloc;
use sqlx::{Connection, PgConnection};

use it::support::Database;
use process::Measured;
use report::{Environment, Row};

/// That of the service, so that a floor has no other.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    if let [first, responses, database @ ..] = arguments.as_slice()
        && first == floor::FLOOR
    {
        floor::run(responses, database.first().map(String::as_str)).await;
        return ExitCode::SUCCESS;
    }
    measure().await
}

async fn measure() -> ExitCode {
    let database = accounts::of_all_kinds().await;
    let (postgres, version) = postgres(&database).await;
    let mut rows = Vec::new();
    let mut add = |measured: Vec<Row>| {
        report::print(&measured);
        rows.extend(measured);
    };
    if is_wanted(&["1", "2", "3"]) {
        add(calls::beside_floors(&database).await);
    }
    if is_wanted(&["4"]) {
        add(calls::large_beside_small(&database).await);
    }
    if is_wanted(&["5"]) {
        add(calls::statements(&database).await);
    }
    if is_wanted(&["6"]) {
        add(calls::database_time(&database, postgres).await);
    }
    if is_wanted(&["7", "8"]) {
        add(loads::cold_and_again(&database).await);
    }
    if is_wanted(&["9"]) {
        add(loads::latency_beside_loads(&database).await);
    }
    if is_wanted(&["10"]) {
        add(memory::in_the_cache().await);
    }
    if is_wanted(&["17"]) {
        add(watches::latency(&database).await);
    }
    if is_wanted(&["18"]) {
        add(watches::fan_out(&database).await);
    }
    if is_wanted(&["19"]) {
        add(watches::idle(&database).await);
    }
    if env::var("BENCH_ROWS").is_err() {
        let (processor, processors) = process::processors();
        let environment = Environment {
            processor,
            processors,
            postgres: version,
            callers: driver::CALLERS,
            rounds: rounds(),
            seconds: window().as_secs_f64(),
        };
        report::write(&rows, &environment);
    }
    let hold = rows.iter().all(Row::holds);
    ExitCode::from(u8::from(!hold))
}

/// Whether one of these rows is asked for.
fn is_wanted(numbers: &[&str]) -> bool {
    let Ok(wanted) = env::var("BENCH_ROWS") else {
        return true;
    };
    wanted.split(',').any(|it| numbers.contains(&it))
}

/// How often figures and floors are measured by turns.
const fn rounds() -> usize {
    5
}

/// How long each of them is measured in a round.
fn window() -> Duration {
    let seconds = env::var("BENCH_SECONDS")
        .ok()
        .and_then(|it| it.parse().ok());
    Duration::from_secs_f64(seconds.unwrap_or(1.5))
}

/// PostgreSQL's first process, without its vacuum daemon, and its version.
async fn postgres(database: &Database) -> (Measured, String) {
    for statement in [
        "ALTER SYSTEM SET autovacuum = off",
        "SELECT pg_reload_conf()",
    ] {
        database.execute(statement).await;
    }
    let mut connection = PgConnection::connect(&database.url()).await.unwrap();
    let query = "SELECT pg_backend_pid(), current_setting('server_version')";
    let (pid, version): (i32, String) = sqlx::query_as(query)
        .fetch_one(&mut connection)
        .await
        .unwrap();
    let first = process::parent(pid.unsigned_abs()).unwrap();
    (Measured::Postgres(first), version)
}
