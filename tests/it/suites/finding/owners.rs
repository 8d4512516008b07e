//! Every address that is stored finds the inboxes that own it, and no others.

use std::collections::{BTreeMap, BTreeSet};

use super::{BOT_TOKEN, PLACES, everywhere, found};
use crate::support::{Backend, Program};

/// All that the oracle's rows hold, against what SQL says.
pub async fn every_address_finds_its_inboxes(backend: Backend) {
    let database = backend.golden();
    let server = Program::caching(&database).start();
    let client = server.client().await.asking_twice();
    // By the column, which has the same name wherever the same key looks for it.
    let mut owners: BTreeMap<_, Vec<(i64, String)>> = BTreeMap::new();
    let mut filled = BTreeSet::new();
    for (_, class, table, column) in PLACES.into_iter().chain([BOT_TOKEN]) {
        let stored = database
            .pairs(&format!(
                "SELECT i.id AS id, t.{column} AS text FROM {table} t
                JOIN inboxes i ON i.channel_id = t.id AND i.channel_type = 'Channel::{class}'
                JOIN accounts a ON a.id = i.account_id AND a.status <> 1
                WHERE trim(t.{column}) <> ''"
            ))
            .await;
        if !stored.is_empty() {
            filled.insert((table, column));
        }
        owners.entry(column).or_default().extend(stored);
    }
    assert_eq!(filled.len(), PLACES.len() + 1, "rows for each: {filled:?}");

    let keys = PLACES.into_iter().chain([BOT_TOKEN]);
    let keys: BTreeMap<_, _> = keys.map(|(key, _, _, column)| (column, key)).collect();
    let mut searched = 0;
    for (column, key) in keys {
        for (_, text) in &owners[column] {
            let same = owners[column]
                .iter()
                .filter(|(_, other)| is_same(column, text, other));
            let same: BTreeSet<_> = same.map(|(id, _)| *id).collect();
            let mut ids = found(&client, everywhere(key(text.clone()))).await;
            ids.sort_unstable();
            assert_eq!(ids, Vec::from_iter(same), "{column}");
            searched += 1;
        }
        let nothing = found(&client, everywhere(key("+19990009999".to_owned()))).await;
        assert_eq!(nothing, [0_i64; 0]);
    }
    println!(
        "addresses {}: {searched} in {} columns",
        backend.name(),
        filled.len()
    );
    client.ask_again(&server).await;
}

/// Whether two stored texts are one address.
fn is_same(column: &str, text: &str, other: &str) -> bool {
    let bare = |number: &str| {
        let number = number.trim_start_matches("whatsapp:");
        number.trim_start_matches('+').to_owned()
    };
    match column {
        "phone_number" => bare(text) == bare(other),
        "email" | "forward_to_email" => text.to_lowercase() == other.to_lowercase(),
        _ => text == other,
    }
}
