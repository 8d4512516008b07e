//! Rows 1 to 6: warm calls, and the statements and the processor time of the database.

use std::fs;

use prost::Message;
use tempfile::tempdir;

use super::{
    accounts::{ADMINISTRATOR, AGENT, LARGE, LARGE_INBOXES, OTHER, SMALL, SMALL_INBOXES, inbox},
    driver::{Calls, get_inbox, median, page},
    floor::{Floor, GET, LIST},
    it::support::{Client, Database, Program, client::retried, pb},
    process::Measured,
    report::{Amount, Ratio, Row},
    rounds, service, window,
};

pub const GET_INBOX: &str = "/leadchat.inbox.v1.InboxService/GetInbox";
pub const LIST_INBOXES: &str = "/leadchat.inbox.v1.InboxService/ListInboxes";

const CALLS_PER_SECOND: usize = 2_000;
const HOT_INBOXES: i64 = 50;

/// How long calls are sent at a rate, in windows: several reads of each inbox.
const RATE_WINDOWS: u32 = 4;

/// Calls, and the server that they cost.
struct Party {
    calls: Calls,
    server: Measured,
}

/// The processor time of a call, in microseconds: the median of rounds in which the parties
/// alternate.
async fn alternate<const N: usize>(parties: [&Party; N]) -> [f64; N] {
    let mut times = parties.map(|_| Vec::new());
    for party in parties {
        party.calls.warm_up().await;
        // The caches of the processor and the tables of the allocator fill up.
        party.calls.in_a_loop(party.server, window() / 4).await;
    }
    for _ in 0..rounds() {
        for (party, times) in parties.iter().zip(&mut times) {
            let outcome = party.calls.in_a_loop(party.server, window()).await;
            times.push(outcome.per_call());
        }
    }
    times.map(|times| median(&times))
}

/// Rows 1, 2 and 3.
pub async fn beside_floors(database: &Database) -> Vec<Row> {
    let service = service::start(database, &[]);
    let get = vec![get_inbox(SMALL, inbox(SMALL, 0), ADMINISTRATOR)];
    let list = vec![page(SMALL, ADMINISTRATOR, 100).encode_to_vec()];
    let of_service = async |path, requests| Party {
        calls: Calls::new(&service.address, path, requests).await,
        server: service::measured(&service),
    };
    let service_get = of_service(GET_INBOX, get.clone()).await;
    let service_list = of_service(LIST_INBOXES, list.clone()).await;

    let responses = tempdir().unwrap();
    let (got, listed) = (
        service_get.calls.first().await,
        service_list.calls.first().await,
    );
    fs::write(responses.path().join(GET), &got).unwrap();
    fs::write(responses.path().join(LIST), &listed).unwrap();
    let floor = Floor::start(responses.path(), None);
    let select = Floor::start(responses.path(), Some(&database.url()));
    let of_floor = async |floor: &Floor, path, requests| Party {
        calls: Calls::new(&floor.address, path, requests).await,
        server: Measured::Process(floor.pid()),
    };
    let floor_get = of_floor(&floor, GET_INBOX, get.clone()).await;
    let floor_list = of_floor(&floor, LIST_INBOXES, list).await;
    let floor_select = of_floor(&select, GET_INBOX, get).await;
    for (party, response) in [
        (&floor_get, &got),
        (&floor_list, &listed),
        (&floor_select, &got),
    ] {
        assert_eq!(party.calls.first().await, *response, "the same bytes");
    }

    let [get, floor, select] = alternate([&service_get, &floor_get, &floor_select]).await;
    let [list, list_floor] = alternate([&service_list, &floor_list]).await;
    let row = |number, measure, floor, figure, goal| Row {
        number,
        measure,
        floor: Amount(floor, "µs"),
        figure: Amount(figure, "µs"),
        ratio: Ratio::OfFloor,
        goal,
    };
    vec![
        row(
            "1",
            "processor time of a warm `GetInbox` : of a handler with the same bytes",
            floor,
            get,
            1.5,
        ),
        row(
            "2",
            "processor time of a warm `ListInboxes` of 100 : of a handler with the same bytes",
            list_floor,
            list,
            3.0,
        ),
        row(
            "3",
            "processor time of a warm `GetInbox` : of a handler with one select by primary key",
            select,
            get,
            0.65,
        ),
    ]
}

/// Row 4.
pub async fn large_beside_small(database: &Database) -> Vec<Row> {
    let service = service::start(database, &[("MAX_STALENESS", "60s")]);
    let client = service.client().await;
    let party = async |request: pb::ListInboxesRequest, expected: usize| {
        let response = retried(|| client.list(request.clone()))
            .await
            .unwrap()
            .message;
        assert_eq!(response.inboxes.len(), expected, "a full page");
        let requests = vec![request.encode_to_vec()];
        Party {
            calls: Calls::new(&service.address, LIST_INBOXES, requests).await,
            server: service::measured(&service),
        }
    };
    let mut middle = page(LARGE, ADMINISTRATOR, 100);
    middle.page_token = token_in_the_middle(&client).await;
    let large = party(middle, 100).await;
    let small = party(page(SMALL, ADMINISTRATOR, 100), 100).await;
    let agent_large = party(page(LARGE, AGENT, 100), 3).await;
    let agent_small = party(page(SMALL, AGENT, 100), 3).await;

    let [large, small] = alternate([&large, &small]).await;
    let [agent_large, agent_small] = alternate([&agent_large, &agent_small]).await;
    let row = |number, measure, floor, figure| Row {
        number,
        measure,
        floor: Amount(floor, "µs"),
        figure: Amount(figure, "µs"),
        ratio: Ratio::OfFloor,
        goal: 1.3,
    };
    vec![
        row(
            "4",
            "processor time of a page of 100 in an account of 10,000 : of 100",
            small,
            large,
        ),
        row(
            "4",
            "the same for an agent that sees 3 of 10,000 : 3 of 100",
            agent_small,
            agent_large,
        ),
    ]
}

/// The token of a page in the middle of the large account.
async fn token_in_the_middle(client: &Client) -> String {
    let mut request = page(LARGE, ADMINISTRATOR, 100);
    let mut passed = 0;
    while passed < LARGE_INBOXES / 2 {
        let response = retried(|| client.list(request.clone()))
            .await
            .unwrap()
            .message;
        request.page_token = response.next_page_token;
        passed += 100;
    }
    request.page_token
}

/// Row 5.
pub async fn statements(database: &Database) -> Vec<Row> {
    let program = Program::serving(database).with_admin();
    let service = program.env("MAX_STALENESS", "60s").start();
    let client = service.client().await;
    // The first read of a plan checks it.
    client.list(page(OTHER, ADMINISTRATOR, 1)).await.unwrap();
    let list = async || {
        let before = service.statements().await;
        let response = client.list(page(SMALL, ADMINISTRATOR, 100)).await.unwrap();
        assert_eq!(response.message.inboxes.len() as i64, SMALL_INBOXES);
        (service.statements().await - before) as f64
    };
    let cold = list().await;
    let warm = list().await;
    let row = |measure, count, goal| Row {
        number: "5",
        measure,
        floor: Amount::NONE,
        figure: Amount(count, ""),
        ratio: Ratio::Figure,
        goal,
    };
    vec![
        row("statements of a warm `ListInboxes` of 100", warm, 0.0),
        row("statements of a cold one", cold, 25.0),
    ]
}

/// Row 6.
pub async fn database_time(database: &Database, postgres: Measured) -> Vec<Row> {
    let cached = service::start(database, &[]);
    let direct = service::start(database, &[("MAX_STALENESS", "0")]);
    let requests: Vec<_> = (0..HOT_INBOXES)
        .map(|number| get_inbox(SMALL, inbox(SMALL, number), ADMINISTRATOR))
        .collect();
    let hot = Calls::new(&cached.address, GET_INBOX, requests.clone()).await;
    let read = Calls::new(&direct.address, GET_INBOX, requests).await;
    hot.warm_up().await;
    read.warm_up().await;
    let (mut milliseconds, mut floors) = (Vec::new(), Vec::new());
    for _ in 0..rounds().min(3) {
        let outcome = read.in_a_loop(postgres, window()).await;
        floors.push(outcome.per_call() * CALLS_PER_SECOND as f64 / 1e3);
        let (before, duration) = (postgres.processor_time(), window() * RATE_WINDOWS);
        let sent = hot.at_a_rate(CALLS_PER_SECOND, duration).await.len() as f64;
        let used = postgres.processor_time().microseconds_since(&before);
        // By calls: a slow machine may send fewer.
        milliseconds.push(used / sent * CALLS_PER_SECOND as f64 / 1e3);
    }
    vec![Row {
        number: "6",
        measure: "processor time of PostgreSQL for 2,000 `GetInbox` a second : without a cache",
        floor: Amount(median(&floors), "ms"),
        figure: Amount(median(&milliseconds), "ms"),
        ratio: Ratio::OfFloor,
        goal: 0.03,
    }]
}
