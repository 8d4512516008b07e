//! Row 10: the memory of the cache.

use super::{
    accounts::{
        ADMINISTRATOR, GOLDEN_COPIES, GOLDEN_IDS, TEMPLATE_ACCOUNTS, of_golden_copies, of_templates,
    },
    driver::page,
    it::support::{Client, Database},
    process::resident_bytes,
    report::{Amount, Ratio, Row},
    service,
};

/// Room for everything that is read.
const CACHE_BYTES: &str = "4GiB";

/// An account, and the administrator that lists it.
type Listed = (i64, i64);

/// Row 10.
pub async fn in_the_cache() -> Vec<Row> {
    let copies = (1..=GOLDEN_COPIES).map(|copy| {
        let ids = copy * GOLDEN_IDS;
        (1 + ids, ADMINISTRATOR + ids)
    });
    let golden = measure(&of_golden_copies().await, copies.collect()).await;
    let accounts = (1..=TEMPLATE_ACCOUNTS).map(|account| (account, ADMINISTRATOR));
    let templates = measure(&of_templates().await, accounts.collect()).await;
    let row = |measure, (floor, figure)| Row {
        number: "10",
        measure,
        floor: Amount(floor, "B"),
        figure: Amount(figure, "B"),
        ratio: Ratio::OfFloor,
        goal: 3.0,
    };
    vec![
        row("memory of an inbox of the golden account : encoded", golden),
        row(
            "memory of an inbox with 40 WhatsApp templates : encoded",
            templates,
        ),
    ]
}

/// The encoded size and the memory of an inbox, in bytes.
async fn measure(database: &Database, accounts: Vec<Listed>) -> (f64, f64) {
    let service = service::start(
        database,
        &[("MAX_STALENESS", "60s"), ("CACHE_BYTES", CACHE_BYTES)],
    );
    let client = service.client().await;
    let pid = service::pid(&service);
    let (first, rest) = accounts.split_at(accounts.len() / 10);
    for account in first {
        read(&client, *account).await;
    }
    let before = resident_bytes(pid);
    for account in rest {
        read(&client, *account).await;
    }
    let growth = resident_bytes(pid).saturating_sub(before) as f64;
    let (count, bytes) = encoded(&client, *rest.first().unwrap()).await;
    let inboxes = count as f64 * rest.len() as f64;
    println!(
        "(row 10: {inboxes} inboxes, {:.0} MB more)",
        growth / f64::from(1 << 20)
    );
    (bytes as f64 / count as f64, growth / inboxes)
}

/// Reads an account into the cache.
async fn read(client: &Client, (account, user): Listed) {
    let response = client.list(page(account, user, 1)).await.unwrap().message;
    assert_eq!(response.inboxes.len(), 1, "account {account}");
}

/// The number of inboxes, and the bytes of all pages of them.
async fn encoded(client: &Client, (account, user): Listed) -> (usize, usize) {
    let mut request = page(account, user, 1000);
    let (mut count, mut bytes) = (0, 0);
    loop {
        let response = client.list(request.clone()).await.unwrap();
        count += response.message.inboxes.len();
        bytes += response.bytes.len();
        request.page_token = response.message.next_page_token;
        if request.page_token.is_empty() {
            return (count, bytes);
        }
    }
}
