//! Rows 7 to 9: whole accounts are read.

use std::time::{Duration, Instant};

use prost::Message;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tonic::Code;

use super::{
    accounts::{ADMINISTRATOR, LARGE, LARGE_INBOXES, OTHER, SMALL_INBOXES, inbox},
    calls::{GET_INBOX, LIST_INBOXES},
    driver::{Calls, get_inbox, median, page, percentile},
    it::support::{Client, Database, pb},
    process::Measured,
    report::{Amount, Ratio, Row},
    rounds, service, window,
};

const RELOADS: usize = 2;
const CALLS_PER_SECOND: usize = 400;

/// How long latencies are collected, in windows: more than a thousand calls.
const LATENCY_WINDOWS: u32 = 3;

/// The tables of channels.
const CHANNELS: [&str; 13] = [
    "api",
    "email",
    "facebook_pages",
    "instagram",
    "line",
    "sms",
    "telegram",
    "tiktok",
    "twilio_sms",
    "twitter_profiles",
    "voice",
    "web_widgets",
    "whatsapp",
];

/// A list that reads the whole account, and returns little of it.
fn latest(account: i64) -> pb::ListInboxesRequest {
    let mut request = page(account, ADMINISTRATOR, 1);
    request.set_freshness(pb::Freshness::Latest);
    request
}

/// Rows 7 and 8.
pub async fn cold_and_again(database: &Database) -> Vec<Row> {
    let mut connection = PgConnection::connect(&database.url()).await.unwrap();
    let (mut plain, mut cold) = (Vec::new(), Vec::new());
    let (mut cold_used, mut again_used) = (Vec::new(), Vec::new());
    // The first time prepares the statements, and fills the caches of PostgreSQL.
    select_plainly(&mut connection).await;
    for _ in 0..rounds() {
        plain.push(select_plainly(&mut connection).await);
        let service = service::start(database, &[]);
        let client = service.client().await;
        for _ in 0..3 {
            client.list(latest(OTHER)).await.unwrap();
        }
        let server = service::measured(&service);
        let (milliseconds, used) = load(&client, server).await;
        cold.push(milliseconds);
        cold_used.push(used);
        for _ in 0..RELOADS {
            again_used.push(load(&client, server).await.1);
        }
    }
    vec![
        Row {
            number: "7",
            measure: "time of a cold read of 10,000 : of plain selects of the same rows",
            floor: Amount(median(&plain), "ms"),
            figure: Amount(median(&cold), "ms"),
            ratio: Ratio::OfFloor,
            goal: 2.0,
        },
        Row {
            number: "8",
            measure: "processor time of the service for an unchanged 10,000 : for a cold read",
            floor: Amount(median(&cold_used), "ms"),
            figure: Amount(median(&again_used), "ms"),
            ratio: Ratio::OfFloor,
            goal: 0.3,
        },
    ]
}

/// The time of a read of the large account, and the processor time of the service, in
/// milliseconds. A read that a slow machine does not finish in time is begun again.
async fn load(client: &Client, server: Measured) -> (f64, f64) {
    loop {
        let (before, began) = (server.processor_time(), Instant::now());
        let response = match client.list(latest(LARGE)).await {
            Err(status) if status.code() == Code::Unavailable => continue,
            response => response.unwrap(),
        };
        let milliseconds = began.elapsed().as_secs_f64() * 1e3;
        let more = response.message.next_page_token;
        assert!(!more.is_empty(), "there is another page");
        // Memory may be freed after the response.
        tokio::time::sleep(Duration::from_millis(100)).await;
        let used = server.processor_time().microseconds_since(&before) / 1e3;
        return (milliseconds, used);
    }
}

/// The same rows, table by table. The time, in milliseconds.
async fn select_plainly(connection: &mut PgConnection) -> f64 {
    let of_inboxes = |table: &str| {
        format!(
            "SELECT t.* FROM {table} t JOIN inboxes i ON i.id = t.inbox_id \
             WHERE i.account_id = $1"
        )
    };
    let of_account = |table: &str| format!("SELECT * FROM {table} WHERE account_id = $1");
    let mut selects = vec![
        "SELECT * FROM accounts WHERE id = $1".to_owned(),
        of_account("account_users"),
        of_inboxes("inbox_members"),
        "SELECT * FROM agent_bots WHERE account_id = $1 OR account_id IS NULL".to_owned(),
        of_inboxes("agent_bot_inboxes"),
        of_account("inboxes"),
        of_account("working_hours"),
        "SELECT * FROM active_storage_attachments t \
         JOIN active_storage_blobs b ON b.id = t.blob_id JOIN inboxes i ON i.id = t.record_id \
         WHERE t.record_type = 'Inbox' AND t.name = 'avatar' AND i.account_id = $1"
            .to_owned(),
    ];
    selects.extend(CHANNELS.map(|kind| of_account(&format!("channel_{kind}"))));
    let (began, mut count) = (Instant::now(), 0);
    for select in selects {
        let query = sqlx::query(AssertSqlSafe(select)).bind(LARGE);
        count += query.fetch_all(&mut *connection).await.unwrap().len();
    }
    let milliseconds = began.elapsed().as_secs_f64() * 1e3;
    // An inbox, its channel and avatar, 7 days and 5 members.
    assert!(count as i64 > LARGE_INBOXES * 15, "{count} rows");
    milliseconds
}

/// Row 9.
pub async fn latency_beside_loads(database: &Database) -> Vec<Row> {
    let service = service::start(database, &[]);
    let requests = (0..SMALL_INBOXES / 2)
        .map(|number| get_inbox(OTHER, inbox(OTHER, number), ADMINISTRATOR))
        .collect();
    let calls = Calls::new(&service.address, GET_INBOX, requests).await;
    let list = vec![latest(LARGE).encode_to_vec()];
    let loads = Calls::new(&service.address, LIST_INBOXES, list).await;
    calls.warm_up().await;
    loads.warm_up().await;
    let (mut without, mut beside, mut count) = (Vec::new(), Vec::new(), 0);
    for _ in 0..rounds() {
        let duration = window() * LATENCY_WINDOWS;
        let latencies = calls.at_a_rate(CALLS_PER_SECOND, duration).await;
        without.push(percentile(&latencies, 99));
        let background = loads.again_and_again();
        let latencies = calls.at_a_rate(CALLS_PER_SECOND, duration).await;
        beside.push(percentile(&latencies, 99));
        count += background.count();
    }
    println!("(row 9: {count} reads of 10,000 in {} rounds)", rounds());
    vec![Row {
        number: "9",
        measure: "p99 of `GetInbox` while 10,000 are read again and again : without",
        floor: Amount(median(&without), "ms"),
        figure: Amount(median(&beside), "ms"),
        ratio: Ratio::OfFloor,
        goal: 2.0,
    }]
}
