//! A client that does not read holds up nobody, and gets last states.

use std::time::Duration;

use super::{ADMINISTRATOR, assert_holds, listed, serving, small, synced, user};
use crate::support::{
    Backend,
    watch::{summary, watch},
};

on_both_databases!(a_slow_client_gets_last_states);

/// More than HTTP/2 sends to a client that takes nothing.
const CHANGES: usize = 30;
const CHANGE_BYTES: usize = 200_000;

async fn a_slow_client_gets_last_states(backend: Backend) {
    let database = small(backend).await;
    let server = serving(&database).start();
    let mut slow = synced(&server, watch(user(ADMINISTRATOR))).await;
    let mut quick = synced(&server, watch(user(ADMINISTRATOR))).await;
    let text = "x".repeat(CHANGE_BYTES);
    for change in 0..CHANGES {
        let sql = format!(
            "UPDATE inboxes SET greeting_message = '{change} {text}' WHERE id = 1;
            UPDATE inboxes SET name = 'n{change}' WHERE id = 2"
        );
        database.execute(&format!("BEGIN; {sql}; COMMIT")).await;
        assert_eq!(summary(&quick.batch().await.unwrap()), ["+1", "+2"]);
    }
    let expected = listed(&server, user(ADMINISTRATOR)).await;
    assert_holds(&quick.held, &expected);
    let mut batches = 0;
    while slow.held != expected {
        slow.batch().await.unwrap();
        batches += 1;
    }
    assert!(batches < CHANGES, "{batches}");
    println!("{}: {batches} batches of {CHANGES} changes", backend.name());
    assert!(slow.has_no_event_for(Duration::from_millis(500)).await);
}
