//! The results: printed as a table, and written to `docs/performance.md`.

use std::{fmt::Write, fs, path::Path};

/// One measure beside its floor.
pub struct Row {
    pub number: &'static str,
    pub measure: &'static str,
    pub floor: Amount,
    pub figure: Amount,
    pub ratio: Ratio,
    /// The most that the value may be. Not a number where it is only reported.
    pub goal: f64,
}

/// The heading of what `make callers` writes, behind all else of the page.
pub const OF_CALLERS: &str = "## The cost of callers";

/// A number with its unit.
pub struct Amount(pub f64, pub &'static str);

/// The number that the goal is about.
pub enum Ratio {
    OfFloor,
    /// The figure itself.
    Figure,
}

impl Row {
    fn value(&self) -> f64 {
        match self.ratio {
            Ratio::OfFloor => self.figure.0 / self.floor.0,
            Ratio::Figure => self.figure.0,
        }
    }

    pub fn holds(&self) -> bool {
        self.goal.is_nan() || self.value() <= self.goal
    }

    pub fn line(&self) -> String {
        let ratio = match self.ratio {
            Ratio::OfFloor => number(self.value()),
            Ratio::Figure => "–".to_owned(),
        };
        let (goal, verdict) = match self.goal {
            goal if goal.is_nan() => ("–".to_owned(), "reported"),
            goal if self.holds() => (format!("≤ {goal}"), "holds"),
            goal => (format!("≤ {goal}"), "missed"),
        };
        format!(
            "| {} | {} | {} | {} | {ratio} | {goal} | {verdict} |",
            self.number,
            self.measure,
            self.floor.text(),
            self.figure.text(),
        )
    }
}

impl Amount {
    /// None, where the figure itself has the goal.
    pub const NONE: Self = Self(f64::NAN, "");

    fn text(&self) -> String {
        if self.0.is_nan() {
            return "–".to_owned();
        }
        format!("{} {}", number(self.0), self.1).trim().to_owned()
    }
}

/// With three digits, or as an integer.
fn number(value: f64) -> String {
    match value.abs() {
        size if value.fract() == 0.0 || size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 0.1 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

/// The machine and the programs.
pub struct Environment {
    pub processor: String,
    pub processors: usize,
    pub postgres: String,
    pub callers: usize,
    pub rounds: usize,
    pub seconds: f64,
}

/// Prints a row as soon as it is measured.
pub fn print(rows: &[Row]) {
    for row in rows {
        println!("{}", row.line());
    }
}

pub fn write(rows: &[Row], environment: &Environment) {
    let Environment {
        processor,
        processors,
        postgres,
        callers,
        rounds,
        seconds,
    } = environment;
    let mut text = format!(
        "# Performance

`make bench` measures this, and writes this page. Each figure stands beside a floor: the least that
the same task costs without this service.

| | |
|---|---|
| processor | {processor}, {processors} cores |
| PostgreSQL | {postgres} |
| rounds | {rounds}, of {seconds} s for each row and floor |

| # | measure | floor | figure | ratio | goal | |
|---|---|---|---|---|---|---|
"
    );
    for row in rows {
        writeln!(text, "{}", row.line()).unwrap();
    }
    write!(
        text,
        "
{}",
        METHOD.replace("{callers}", &callers.to_string())
    )
    .unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/performance.md");
    // The section of `make callers` stays.
    let before = fs::read_to_string(&path).unwrap_or_default();
    if let Some((_, of_callers)) = before.split_once(OF_CALLERS) {
        write!(text, "\n{OF_CALLERS}{of_callers}").unwrap();
    }
    fs::write(path, text).unwrap();
}

const METHOD: &str = "## How it is measured

Only ratios mean anything, because machines differ. Figures and floors are measured in the same run
and in alternation. A figure is the median of the rounds. The driver shares the processors with the
servers.

The service is the program as it is distributed. It has its default settings unless a row says
otherwise, and its log goes to a file. PostgreSQL runs on the same machine, without its vacuum
daemon. Everything is on the loopback interface.

A floor is a tonic server without layers, in a process of its own, with the same allocator. It
returns a copy of the response of the service, as a message that prost encodes.

Processor time is that of all threads of a server, divided by its calls. There are {callers} callers
in a loop, each with a connection of its own.

* **1, 2, 3.** The calls are equal, so the cache answers them. It reads anew as the maximum
  staleness of 2 s demands. The list is a page of 100 inboxes in full detail for an administrator.
  The select of row 3 is prepared, and its pool has as many connections as the service.
* **4.** The page is in the middle of the list of 10,000. The agent sees three inboxes. The floor is
  the same call in an account of 100. The maximum staleness is 60 s, because row 8 measures reads.
* **5.** The log of the service counts the statements. The statements that begin and end a
  transaction and set its limits do not count. The account has 100 inboxes of all 13 kinds.
* **6.** The time is that of all processes of PostgreSQL. The callers send 2,000 calls a second, for
  50 inboxes in turn. The floor is 2,000 times the time of one call at a maximum staleness of 0. For
  that, the callers call in a loop.
* **7.** A list with `FRESHNESS_LATEST` and a page of one inbox reads the whole account. The service
  was started anew, so the account is not in its cache. It has read another account before, so its
  connections and statements are prepared. The floor selects all columns of the same rows, over one
  connection and table by table, and does not decode them.
* **8.** The same list again, twice, beside the first one.
* **9.** The callers send 400 calls a second to another account. The latency counts from the time at
  which a call is due. Meanwhile one caller lists the account of 10,000 with `FRESHNESS_LATEST`,
  again and again.
* **10.** The growth of the resident memory of the service, while accounts are read into its cache.
  The size is that of all inboxes in a response to an administrator. The first tenth of the accounts
  is read before the measurement begins. The cache may hold 4 GiB.
* **17.** One inbox changes 100 times, at another moment of the interval of polls each time. The
  time counts from the acknowledgement of the change to the end of its batch at the client.
* **18.** One inbox of the account of 100 changes, nine times. Half of the watches are of an
  administrator, and half of an agent. Each connection has 90. The floor sends the bytes of the same
  events to as many streams.
* **19.** The growth of the resident memory, while 3,600 watches of the account of 100 are opened
  beside 400. Each has had its first batch. The share of a connection with 90 watches is in it.
* **11.** From the acknowledgement of a COMMIT to the `synced` of its batch, in an account of 100
  inboxes. PostgreSQL is polled at half of the maximum staleness.
* **12.** Half of the watches are an administrator's, half an agent's. One inbox is renamed, which
  all of them see. The floor sends the bytes of an administrator's event, and a `synced`.
* **13.** The growth of the resident memory by 3,600 watches on 40 connections, after 400 others.
";
