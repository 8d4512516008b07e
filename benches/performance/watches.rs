//! Rows 17, 18 and 19: watches.

use std::{
    fs,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use prost::Message;
use tempfile::tempdir;

use super::{
    accounts::{ADMINISTRATOR, AGENT, SMALL, inbox},
    driver::{median, percentile},
    floor::{Floor, WATCH},
    it::support::{
        Client, Database,
        pb::{self, watch_inboxes_response::Event},
        viewer,
        watch::Watch,
    },
    process::{Measured, resident_bytes},
    report::{Amount, Ratio, Row},
    service,
};

/// Changes whose way to a watch is measured.
const CHANGES: usize = 100;

/// Watches that one change is sent to, and how often.
const WATCHES: usize = 1000;
const ROUNDS: usize = 9;

/// Watches whose memory is measured.
const IDLE_WATCHES: usize = 4000;

/// A connection carries a hundred.
const OF_EACH_CONNECTION: usize = 90;

/// The inbox that changes: every viewer sees it.
const CHANGED: i64 = inbox(SMALL, 5);

fn request(user: i64) -> pb::WatchInboxesRequest {
    pb::WatchInboxesRequest {
        account_id: SMALL,
        viewer: Some(viewer::user(user)),
        ..Default::default()
    }
}

/// Half of them are an administrator's, half an agent's.
const fn user(index: usize) -> i64 {
    if index.is_multiple_of(2) {
        ADMINISTRATOR
    } else {
        AGENT
    }
}

/// Opens watches of all clients, each of which has had its first batch.
async fn open(address: &str, count: usize) -> Vec<Watch> {
    let mut watches = Vec::new();
    while watches.len() < count {
        let client = Client::connect(address).await;
        for _ in 0..OF_EACH_CONNECTION.min(count - watches.len()) {
            let mut watch = client.watch(request(user(watches.len()))).await.unwrap();
            watch.batch().await.unwrap();
            watches.push(watch);
        }
    }
    watches
}

async fn rename(database: &Database, number: usize) {
    let sql = format!("UPDATE inboxes SET name = 'Changed {number:08}' WHERE id = {CHANGED}");
    database.execute(&sql).await;
}

/// Row 17: from the acknowledgement of a change to its event.
pub async fn latency(database: &Database) -> Vec<Row> {
    let mut rows = Vec::new();
    for (bound, p50, p99) in [
        (
            "2s",
            "change to event at a maximum staleness of 2 s, p50",
            "change to event at a maximum staleness of 2 s, p99",
        ),
        (
            "0.5s",
            "change to event at a maximum staleness of 0.5 s, p50",
            "change to event at a maximum staleness of 0.5 s, p99",
        ),
    ] {
        let service = service::start(database, &[("MAX_STALENESS", bound)]);
        let mut watch = open(&service.address, 1).await.remove(0);
        let mut times = Vec::new();
        for number in 0..CHANGES {
            // At another moment of the interval each time.
            let pause = Duration::from_millis(u64::try_from(number * 37 % 400).unwrap());
            tokio::time::sleep(pause).await;
            rename(database, number).await;
            let began = Instant::now();
            watch.batch().await.unwrap();
            times.push(began.elapsed().as_secs_f64() * 1e3);
        }
        for (measure, figure) in [(p50, median(&times)), (p99, percentile(&times, 99))] {
            rows.push(Row {
                number: "17",
                measure,
                floor: Amount::NONE,
                figure: Amount(figure, "ms"),
                ratio: Ratio::Figure,
                goal: f64::NAN,
            });
        }
    }
    rows
}

/// Takes the events of one change from all watches.
async fn take(watches: &mut [Watch]) {
    let taken = watches.iter_mut().map(async |watch| {
        watch.batch().await.unwrap();
    });
    join_all(taken).await;
}

/// Row 18: the processor time of one change, for each of a thousand watches.
pub async fn fan_out(database: &Database) -> Vec<Row> {
    let service = service::start(database, &[]);
    let mut watches = open(&service.address, WATCHES).await;
    let server = service::measured(&service);

    // The floor sends what an administrator was sent.
    rename(database, CHANGES).await;
    let (first, others) = watches.split_first_mut().unwrap();
    // It has had heartbeats meanwhile.
    let event = loop {
        let event = first.next().await.unwrap();
        if matches!(event.event, Event::Upserted(_)) {
            break event;
        }
    };
    first.batch().await.unwrap();
    take(others).await;
    let responses = tempdir().unwrap();
    fs::write(responses.path().join(WATCH), &event.bytes).unwrap();
    let floor = Floor::start(responses.path(), None);
    let mut fixed = open(&floor.address, WATCHES).await;
    let trigger = Client::connect(&floor.address).await;

    let (mut of_service, mut of_floor) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let before = server.processor_time();
        rename(database, round).await;
        take(&mut watches).await;
        let used = server.processor_time().microseconds_since(&before);
        of_service.push(used / WATCHES as f64);

        for watch in &mut fixed {
            // The same bytes come again, which a watch of the service never sends.
            watch.held.clear();
        }
        let floor = Measured::Process(floor.pid());
        let before = floor.processor_time();
        let sent = trigger.batch(pb::BatchGetInboxesRequest::default()).await;
        sent.unwrap();
        take(&mut fixed).await;
        of_floor.push(floor.processor_time().microseconds_since(&before) / WATCHES as f64);
    }
    vec![Row {
        number: "18",
        measure: "processor time of one change for each of 1,000 watches : of fixed bytes to as many streams",
        floor: Amount(median(&of_floor), "µs"),
        figure: Amount(median(&of_service), "µs"),
        ratio: Ratio::OfFloor,
        goal: 2.0,
    }]
}

/// Row 19: the memory of idle watches.
pub async fn idle(database: &Database) -> Vec<Row> {
    let service = service::start(database, &[]);
    let pid = service::pid(&service);
    let first = open(&service.address, IDLE_WATCHES / 10).await;
    let before = resident_bytes(pid);
    let rest = open(&service.address, IDLE_WATCHES - first.len()).await;
    let growth = resident_bytes(pid).saturating_sub(before) as f64;
    vec![Row {
        number: "19",
        measure: "memory of an idle watch, with its share of a connection",
        floor: Amount::NONE,
        figure: Amount(growth / rest.len() as f64, "B"),
        ratio: Ratio::Figure,
        goal: f64::NAN,
    }]
}

/// The response of a floor's stream: what it sends, and the end of a batch.
pub fn responses(event: &[u8]) -> [pb::WatchInboxesResponse; 2] {
    let upserted = pb::WatchInboxesResponse::decode(event).unwrap();
    let synced = pb::Synced {
        read_time: Some(prost_types::Timestamp::default()),
    };
    let synced = pb::WatchInboxesResponse {
        event: Some(Event::Synced(synced)),
        ..upserted.clone()
    };
    [upserted, synced]
}
