//! The events of each kind of change, on both databases.

use std::collections::BTreeMap;

use super::{
    ADMINISTRATOR, AGENT, NO_EVENT_WINDOW, assert_holds, listed, serving, small, synced, user,
};
use crate::support::{
    Backend, Client, Database, Program,
    client::viewer,
    pb::{self, Role, inbox::Channel},
    program::Server,
    reason,
    watch::{Watch, resume, summary, watch},
};

on_both_databases!(
    a_watch_begins_with_all_that_is_visible,
    the_differences_to_what_is_held_come_first,
    each_change_is_sent,
    rights_are_judged_anew,
    a_secret_that_changes_says_nothing_to_an_agent,
    a_watch_goes_on_at_another_replica,
    the_golden_account_is_watched_as_it_is_listed,
);

async fn a_watch_begins_with_all_that_is_visible(backend: Backend) {
    let database = small(backend).await;
    let server = serving(&database).start();
    let client = server.client().await;
    for (who, ids, role) in [
        (
            user(ADMINISTRATOR),
            vec!["+1", "+2", "+3", "+4", "+5"],
            Role::Administrator,
        ),
        (user(AGENT), vec!["+1", "+2"], Role::Agent),
    ] {
        let mut watch = client.watch(watch(who)).await.unwrap();
        let batch = watch.batch().await.unwrap();
        assert_eq!(summary(&batch), ids);
        assert!(batch.iter().all(|it| it.role == role));
        assert_holds(&watch.held, &listed(&server, who).await);
        assert!(watch.has_no_event_for(NO_EVENT_WINDOW).await);
    }
}

async fn the_differences_to_what_is_held_come_first(backend: Backend) {
    let database = small(backend).await;
    let server = serving(&database).start();
    let client = server.client().await;
    let held = synced(&server, watch(user(ADMINISTRATOR))).await.held;

    // Nothing is sent again that is held as it is.
    let request = resume(&watch(user(ADMINISTRATOR)), &held);
    let mut same = client.watch_holding(request, held.clone()).await.unwrap();
    assert_eq!(summary(&same.batch().await.unwrap()), [""; 0]);

    // One that has gone, one that is outdated, and one that the client does not hold.
    let mut outdated = held.clone();
    "of yesterday".clone_into(&mut outdated.get_mut(&2).unwrap().etag);
    outdated.remove(&4);
    let gone = pb::Inbox {
        id: 77,
        ..Default::default()
    };
    outdated.insert(77, gone);
    let request = resume(&watch(user(ADMINISTRATOR)), &outdated);
    let mut watch_ = client.watch_holding(request, outdated).await.unwrap();
    assert_eq!(summary(&watch_.batch().await.unwrap()), ["-77", "+2", "+4"]);
    assert_holds(&watch_.held, &held);

    // An agent that was an administrator: etags of another role differ.
    let request = resume(&watch(user(AGENT)), &held);
    let mut agent = client.watch_holding(request, held).await.unwrap();
    let batch = agent.batch().await.unwrap();
    assert_eq!(summary(&batch), ["-3", "-4", "-5", "+1", "+2"]);
    assert_holds(&agent.held, &listed(&server, user(AGENT)).await);
}

/// The watches of two viewers, which hold what is listed after each change.
struct Both<'a> {
    database: &'a Database,
    server: &'a Server,
    administrator: Watch,
    agent: Watch,
}

impl<'a> Both<'a> {
    async fn begin(database: &'a Database, server: &'a Server) -> Self {
        Self {
            database,
            server,
            administrator: synced(server, watch(user(ADMINISTRATOR))).await,
            agent: synced(server, watch(user(AGENT))).await,
        }
    }

    /// Makes a change. An empty list: the viewer is sent nothing, and holds what it did.
    async fn change(&mut self, sql: &str, of_administrator: &[&str], of_agent: &[&str]) {
        self.database.execute(sql).await;
        let expected = [of_administrator, of_agent];
        let watches = [&mut self.administrator, &mut self.agent];
        for (watch, expected) in watches.into_iter().zip(expected) {
            if !expected.is_empty() {
                let batch = watch.batch().await.unwrap();
                assert_eq!(summary(&batch), expected, "{sql}");
            }
        }
        for (id, watch) in [(ADMINISTRATOR, &self.administrator), (AGENT, &self.agent)] {
            assert_holds(&watch.held, &listed(self.server, user(id)).await);
        }
    }
}

async fn each_change_is_sent(backend: Backend) {
    let database = small(backend).await;
    let server = serving(&database).start();
    let mut both = Both::begin(&database, &server).await;
    let now = "'2026-01-01', '2026-01-01'";

    both.change(
        "UPDATE inboxes SET name = 'renamed' WHERE id = 1",
        &["+1"],
        &["+1"],
    )
    .await;
    // Nothing that is shown: no event, and no end of a batch.
    both.change(
        "UPDATE inboxes SET updated_at = '2027-01-01' WHERE id = 1",
        &[],
        &[],
    )
    .await;
    both.change(
        "UPDATE inboxes SET greeting_message = 'hello' WHERE id = 3",
        &["+3"],
        &[],
    )
    .await;
    let member = format!(
        "INSERT INTO inbox_members (user_id, inbox_id, created_at, updated_at) VALUES (2, 3, {now})"
    );
    both.change(&member, &[], &["+3"]).await;
    both.change("DELETE FROM inbox_members WHERE inbox_id = 2", &[], &["-2"])
        .await;
    let more = format!(
        "INSERT INTO channel_api (id, account_id, identifier, created_at, updated_at)
            VALUES (6, 1, 'i6', {now});
        INSERT INTO inboxes (id, account_id, channel_id, channel_type, name, created_at, updated_at)
            VALUES (6, 1, 6, 'Channel::Api', 'inbox 6', {now});"
    );
    both.change(&format!("BEGIN; {more} COMMIT"), &["+6"], &[])
        .await;
    both.change("DELETE FROM inboxes WHERE id = 3", &["-3"], &["-3"])
        .await;
    // To another account, and back.
    both.change(
        "UPDATE inboxes SET account_id = 2 WHERE id = 1",
        &["-1"],
        &["-1"],
    )
    .await;
    both.change(
        "UPDATE inboxes SET account_id = 1 WHERE id = 1",
        &["+1"],
        &["+1"],
    )
    .await;
    // Several changes of one transaction are one batch: removals come first.
    both.change(
        "BEGIN; UPDATE inboxes SET name = 'x' WHERE id IN (1, 2); \
         DELETE FROM inboxes WHERE id = 6; UPDATE inboxes SET name = 'y' WHERE id = 4; COMMIT",
        &["-6", "+1", "+2", "+4"],
        &["+1"],
    )
    .await;
    assert!(both.administrator.has_no_event_for(NO_EVENT_WINDOW).await);
    assert!(both.agent.has_no_event_for(NO_EVENT_WINDOW).await);
    let scrape = server.scrape().await;
    let sent = |event| scrape.count("leadchat_inbox_watch_events_total", &[("event", event)]);
    assert_eq!(
        (sent("upserted"), sent("removed"), sent("synced")),
        (18, 6, 16)
    );
}

async fn rights_are_judged_anew(backend: Backend) {
    let database = small(backend).await;
    let server = serving(&database).start();
    let secret = |inbox: &pb::Inbox| match &inbox.channel {
        Some(Channel::Api(api)) => api.hmac_token.clone(),
        _ => None,
    };
    let mut watch = synced(&server, watch(user(ADMINISTRATOR))).await;
    assert!(watch.held.values().all(|it| secret(it).is_some()));

    let demote = "UPDATE account_users SET role = 0 WHERE user_id = 1";
    let now = "'2026-01-01', '2026-01-01'";
    let member = format!(
        "INSERT INTO inbox_members (user_id, inbox_id, created_at, updated_at)
            VALUES (1, 1, {now}), (1, 2, {now})"
    );
    database.execute(&member).await;
    database.execute(demote).await;
    let batch = watch.batch().await.unwrap();
    assert_eq!(summary(&batch), ["-3", "-4", "-5", "+1", "+2"]);
    assert!(batch.iter().all(|it| it.role == Role::Agent));
    assert!(watch.held.values().all(|it| secret(it).is_none()));
    assert_holds(&watch.held, &listed(&server, user(ADMINISTRATOR)).await);

    database
        .execute("UPDATE account_users SET role = 1 WHERE user_id = 1")
        .await;
    let batch = watch.batch().await.unwrap();
    assert_eq!(summary(&batch), ["+1", "+2", "+3", "+4", "+5"]);
    assert!(batch.iter().all(|it| it.role == Role::Administrator));

    for (ended, sql, expected) in [
        (
            2,
            "UPDATE accounts SET status = 1 WHERE id = 1",
            "ACCOUNT_SUSPENDED",
        ),
        (
            3,
            "DELETE FROM account_users WHERE user_id = 1",
            "ACCESS_DENIED",
        ),
    ] {
        let watch = synced(&server, self::watch(user(ADMINISTRATOR))).await;
        database.execute(sql).await;
        assert_eq!(reason(&watch.end().await), expected);
        server.eventually_ended_watches("viewer", ended).await;
        let denied = server
            .client()
            .await
            .watch(self::watch(user(ADMINISTRATOR)))
            .await;
        assert_eq!(reason(&denied.err().unwrap()), expected);
        database
            .execute("UPDATE accounts SET status = 0 WHERE id = 1")
            .await;
    }
}

async fn a_secret_that_changes_says_nothing_to_an_agent(backend: Backend) {
    let database = small(backend).await;
    let server = serving(&database).start();
    let mut both = Both::begin(&database, &server).await;
    both.change(
        "UPDATE channel_api SET hmac_token = 'new' WHERE id = 1",
        &["+1"],
        &[],
    )
    .await;
    assert!(both.agent.has_no_event_for(NO_EVENT_WINDOW).await);
    // An inbox that the agent does not see says nothing either.
    both.change(
        "UPDATE inboxes SET name = 'unseen' WHERE id = 5",
        &["+5"],
        &[],
    )
    .await;
    assert!(both.agent.has_no_event_for(NO_EVENT_WINDOW).await);
}

async fn a_watch_goes_on_at_another_replica(backend: Backend) {
    let database = small(backend).await;
    let replicas = [(); 2].map(|()| serving(&database).start());
    for who in [user(ADMINISTRATOR), user(AGENT), viewer::service()] {
        let mut held = BTreeMap::new();
        for round in 0..4 {
            let client: Client = replicas[round % 2].client().await;
            let request = resume(&watch(who), &held);
            let mut watch = client.watch_holding(request, held).await.unwrap();
            let batch = watch.batch().await.unwrap();
            // A change that was made while there was no watch.
            let expected: &[&str] = match (round, who == user(AGENT)) {
                (0, false) => &["+1", "+2", "+3", "+4", "+5"],
                (0, true) => &["+1", "+2"],
                _ => &["+1"],
            };
            assert_eq!(summary(&batch), expected, "round {round}");
            held = watch.held;
            assert_holds(&held, &listed(&replicas[round % 2], who).await);
            let rename = format!("UPDATE inboxes SET name = 'n{round}' WHERE id = 1");
            database.execute(&rename).await;
        }
    }
}

/// All kinds of inboxes, for each kind of viewer.
async fn the_golden_account_is_watched_as_it_is_listed(backend: Backend) {
    let database = backend.golden();
    let server: Server = Program::serving(&database).start();
    for who in [
        user(ADMINISTRATOR),
        user(AGENT),
        viewer::bot(2),
        viewer::service(),
    ] {
        let watch = synced(&server, watch(who)).await;
        assert!(!watch.held.is_empty());
        assert_holds(&watch.held, &listed(&server, who).await);
    }
}
