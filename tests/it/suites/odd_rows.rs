//! Rows of random content: one bad row spoils one field of one inbox, never a
//! list, and nothing is lost silently.
//!
//! `ODD_ROWS_SEED` begins from another seed and `ODD_ROWS_ROUNDS` goes on with
//! those that follow it.

mod rows;
mod values;

use std::{collections::BTreeSet, env};

use prost::Message;
use tonic::{Code, Status};

use super::finding::{BOT_TOKEN, PLACES};
use crate::support::{
    Backend, Client, Database, Program,
    client::{Answer, retried},
    dice::Dice,
    get_inbox,
    log::{complaints, failed_reads},
    pb,
    program::Server,
    schema, viewer, wire,
};
use rows::{ACCOUNT, ADMINISTRATOR, AGENT, AGENT_BOT, BYSTANDER};

on_both_databases!(
    #[ignore = "slow: make test-slow"]
    odd_rows_spoil_no_list_and_no_neighbour,
);

async fn odd_rows_spoil_no_list_and_no_neighbour(backend: Backend) {
    let number = |name: &str| env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let first = number("ODD_ROWS_SEED").unwrap_or(1);
    for seed in first..first + number("ODD_ROWS_ROUNDS").unwrap_or(1) {
        println!("odd rows on {backend:?}: ODD_ROWS_SEED={seed}");
        round(backend, &Dice::seeded(seed)).await;
    }
}

async fn round(backend: Backend, dice: &Dice) {
    let database = backend.golden();
    let server = Program::serving(&database).start();
    let client = server.client().await;
    let look = Look { server, client };
    let healthy = look.healthy().await;

    let schema = schema::schema(&database, backend).await;
    rows::fill(&database, backend, &schema, dice).await;
    for (viewer, sees) in [
        (viewer::user(ADMINISTRATOR), String::new()),
        (viewer::user(AGENT), member(AGENT)),
        (viewer::user(BYSTANDER), member(BYSTANDER)),
        (
            viewer::bot(AGENT_BOT),
            format!(
                "AND i.id IN (SELECT c.inbox_id FROM agent_bot_inboxes c
                    WHERE c.agent_bot_id = {AGENT_BOT} AND c.status = 0)"
            ),
        ),
        (viewer::service(), String::new()),
    ] {
        let visible = format!("SELECT i.id FROM inboxes i WHERE i.account_id = {ACCOUNT} {sees}");
        let visible = database.numbers(&visible).await.into_iter().collect();
        look.is_the_same_in_every_way(viewer, &visible).await;
    }

    look.finds_by_all_that_is_stored(&database).await;
    assert!(look.healthy().await == healthy, "a neighbour changed");
    let log = look.server.log();
    // The first of each field, among which envelopes are.
    let others = complaints(&log).into_iter();
    let others = others
        .filter(|line| !line.contains("cannot be decrypted") && !line.contains("read failed"));
    assert_eq!(others.collect::<Vec<_>>(), [""; 0]);
    assert_eq!(failed_reads(&log), [""; 0]);
}

/// Written in hexadecimal digits.
fn bytes(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks(2);
    let pairs = pairs.map(|pair| str::from_utf8(pair).unwrap());
    pairs
        .map(|pair| u8::from_str_radix(pair, 16).unwrap())
        .collect()
}

/// Inboxes that an agent is a member of.
fn member(user: i64) -> String {
    format!("AND i.id IN (SELECT m.inbox_id FROM inbox_members m WHERE m.user_id = {user})")
}

struct Look {
    server: Server,
    client: Client,
}

impl Look {
    /// All that the healthy accounts answer, byte for byte.
    async fn healthy(&self) -> Vec<Vec<u8>> {
        let mut answers = Vec::new();
        for (account_id, administrator) in [(1, 1), (2, 5), (3, 9)] {
            for viewer in [viewer::user(administrator), viewer::service()] {
                let pages = self.pages(account_id, viewer, 100).await;
                answers.extend(pages.iter().map(Answer::content));
            }
        }
        answers
    }

    /// Listed, got and got in batches, the inboxes are all there, and the same.
    async fn is_the_same_in_every_way(&self, viewer: pb::Viewer, visible: &BTreeSet<i64>) {
        let role = if viewer == viewer::user(ADMINISTRATOR) {
            pb::Role::Administrator
        } else {
            pb::Role::Agent
        };
        let listed = self.list(viewer, 1000).await;
        let ids: Vec<_> = listed.iter().map(|inbox| inbox.id).collect();
        assert_eq!(&ids.iter().copied().collect::<BTreeSet<_>>(), visible);
        assert_eq!(ids.len(), visible.len(), "one is shown twice");
        // Read again, in other pages: tags included.
        assert!(self.list(viewer, 20).await == listed);

        for inbox in &listed {
            let get = get_inbox(ACCOUNT, inbox.id, viewer);
            let got = self
                .answered(retried(|| self.client.get(get)).await)
                .message;
            assert!(got.disclosed_as() == role);
            let different = different(inbox, &got.inbox.unwrap());
            assert_eq!(different, [""; 0], "inbox {}", inbox.id);
        }
        let mut batched = Vec::new();
        for some in ids.chunks(100) {
            let mut batch = pb::BatchGetInboxesRequest {
                account_id: ACCOUNT,
                viewer: Some(viewer),
                inbox_ids: some.to_vec(),
                ..Default::default()
            };
            while !batch.inbox_ids.is_empty() {
                let answer = self.answered(retried(|| self.client.batch(batch.clone())).await);
                assert_eq!(answer.message.not_found, [0; 0]);
                assert!(answer.message.disclosed_as() == role);
                batched.extend(answer.message.inboxes);
                batch.inbox_ids = answer.message.remaining_ids;
            }
        }
        assert!(batched == listed);
    }

    /// Whatever is stored as an address is looked for, and finds its inbox, unless the
    /// account is suspended.
    async fn finds_by_all_that_is_stored(&self, database: &Database) {
        let mut asked = 0;
        for (key, class, table, column) in PLACES.into_iter().chain([BOT_TOKEN]) {
            // SQLite's texts may be none.
            let (text, is_text) = match database {
                Database::Postgres { .. } => (
                    format!("encode(convert_to(t.{column}, 'UTF8'), 'hex')"),
                    "true".to_owned(),
                ),
                Database::Sqlite { .. } => (
                    format!("hex(t.{column})"),
                    format!("typeof(t.{column}) = 'text'"),
                ),
            };
            let stored = format!(
                "SELECT CASE WHEN a.status <> 1 THEN i.id ELSE 0 END AS id, {text} AS text
                FROM {table} t
                LEFT JOIN inboxes i ON i.channel_id = t.id AND i.channel_type = 'Channel::{class}'
                LEFT JOIN accounts a ON a.id = i.account_id
                WHERE t.{column} IS NOT NULL AND {is_text}"
            );
            for (id, text) in database.pairs(&stored).await {
                let Ok(text) = String::from_utf8(bytes(&text)) else {
                    continue;
                };
                let find = pb::FindInboxesRequest {
                    account_id: None,
                    viewer: Some(viewer::service()),
                    key: Some(key(text.clone())),
                    ..Default::default()
                };
                match retried(|| self.client.find(find.clone())).await {
                    Ok(answer) => {
                        let found = answer.message;
                        let mut ids = found.inboxes.iter().map(|inbox| inbox.id);
                        let mut more = found.remaining.iter().map(|inbox| inbox.inbox_id);
                        let is_found = id == 0 || ids.any(|it| it == id) || more.any(|it| it == id);
                        assert!(is_found, "{table}.{column} of inbox {id}: {text:?}");
                        asked += 1;
                    }
                    Err(status) => assert_eq!(status.code(), Code::InvalidArgument, "{status:?}"),
                }
            }
        }
        assert!(asked > 20, "{asked}");
    }

    async fn list(&self, viewer: pb::Viewer, page_size: i32) -> Vec<pb::Inbox> {
        let pages = self.pages(ACCOUNT, viewer, page_size).await;
        let inboxes = pages.into_iter().map(|page| page.message.inboxes);
        inboxes.flatten().collect()
    }

    async fn pages(
        &self,
        account_id: i64,
        viewer: pb::Viewer,
        page_size: i32,
    ) -> Vec<Answer<pb::ListInboxesResponse>> {
        let mut request = pb::ListInboxesRequest {
            account_id,
            viewer: Some(viewer),
            page_size,
            ..Default::default()
        };
        let mut pages = Vec::new();
        loop {
            let page = self.answered(retried(|| self.client.list(request.clone())).await);
            request.page_token.clone_from(&page.message.next_page_token);
            pages.push(page);
            if request.page_token.is_empty() {
                return pages;
            }
        }
    }

    /// The answer. That it decodes at prost's default limit is the client's
    /// doing.
    fn answered<M: Message>(&self, answer: Result<Answer<M>, Status>) -> Answer<M> {
        answer.unwrap_or_else(|status| panic!("{status:?}\n{}", self.server.log()))
    }
}

/// The fields in which two inboxes differ.
fn different(one: &pb::Inbox, other: &pb::Inbox) -> Vec<String> {
    let (one, other) = (wire::dynamic(one), wire::dynamic(other));
    let inbox = wire::message("Inbox");
    inbox
        .fields()
        .filter(|field| one.get_field(field) != other.get_field(field))
        .map(|field| field.name().to_owned())
        .collect()
}
