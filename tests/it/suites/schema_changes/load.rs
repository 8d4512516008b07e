//! Calls of every kind go on while the tables change as Rails changes them. None
//! fails, and none shows less than is there.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use tokio::sync::watch;

use crate::support::{
    Backend, Client, Database, Program,
    client::retried,
    get_inbox,
    leadchat_versions::{self, ROWS, VERSIONS},
    log::{complaints, failed_reads},
    pb::{self, find_inboxes_request::Key, inbox::Channel},
    program::WAIT_TIMEOUT,
    viewer,
};

/// Callers at a time, each with another way to ask.
const CALLERS: usize = 4;

const INBOXES: usize = 13;

/// Rows that belong to the inboxes, so that a table that looks empty is noticed.
const MORE: &str = "
INSERT INTO portals (id, account_id, name, slug, created_at, updated_at)
    VALUES (1, 1, 'Help', 'help', '2026-01-01', '2026-01-01');
UPDATE inboxes SET portal_id = 1;
INSERT INTO working_hours (inbox_id, account_id, day_of_week, created_at, updated_at)
    SELECT id, 1, 1, '2026-01-01', '2026-01-01' FROM inboxes;
INSERT INTO agent_bots (id, name, created_at, updated_at) VALUES (1, 'Bot', '2026-01-01', '2026-01-01');
INSERT INTO agent_bot_inboxes (inbox_id, agent_bot_id, created_at, updated_at)
    SELECT id, 1, '2026-01-01', '2026-01-01' FROM inboxes;
INSERT INTO active_storage_blobs (id, key, filename, content_type, byte_size, service_name, created_at)
    VALUES (1, 'k', 'a.png', 'image/png', 1, 'local', '2026-01-01');
INSERT INTO active_storage_attachments (name, record_type, record_id, blob_id, created_at)
    SELECT 'avatar', 'Inbox', id, 1, '2026-01-01' FROM inboxes;
";

/// A table that came back, as Rails makes it when it undoes a migration.
const VOICE: [&str; 2] = [
    "CREATE TABLE channel_voice (id bigserial PRIMARY KEY, account_id integer NOT NULL,
        phone_number varchar NOT NULL, provider varchar NOT NULL DEFAULT 'twilio')",
    "CREATE TABLE channel_voice (id INTEGER PRIMARY KEY, account_id INTEGER NOT NULL,
        phone_number TEXT NOT NULL, provider TEXT NOT NULL DEFAULT 'twilio')",
];

/// Changes of types, which rewrite a table where the values change.
const WIDENED: [&str; 13] = [
    "ALTER TABLE accounts ALTER COLUMN id TYPE bigint",
    "ALTER TABLE accounts ALTER COLUMN domain TYPE text",
    "ALTER TABLE account_users ALTER COLUMN role TYPE bigint",
    "ALTER TABLE inboxes ALTER COLUMN id TYPE bigint, ALTER COLUMN account_id TYPE bigint",
    "ALTER TABLE inboxes ALTER COLUMN channel_id TYPE bigint",
    "ALTER TABLE inboxes ALTER COLUMN name TYPE text",
    "ALTER TABLE inbox_members ALTER COLUMN inbox_id TYPE bigint, ALTER COLUMN user_id TYPE bigint",
    "ALTER TABLE agent_bot_inboxes ALTER COLUMN status TYPE bigint",
    "ALTER TABLE working_hours ALTER COLUMN day_of_week TYPE bigint",
    "ALTER TABLE portals ALTER COLUMN account_id TYPE bigint",
    "ALTER TABLE channel_web_widgets ALTER COLUMN feature_flags TYPE bigint",
    "ALTER TABLE channel_api ALTER COLUMN webhook_url TYPE text",
    "ALTER TABLE channel_whatsapp ALTER COLUMN account_id TYPE bigint",
];

/// A table that is made anew beside the old one, and takes its place.
const REPLACED: &str = "BEGIN;
CREATE TABLE anew (LIKE channel_email INCLUDING INDEXES);
INSERT INTO anew SELECT * FROM channel_email;
DROP TABLE channel_email;
ALTER TABLE anew RENAME TO channel_email;
COMMIT";

fn changes(backend: Backend) -> Vec<String> {
    let newer = || {
        VERSIONS
            .iter()
            .flat_map(move |version| version.changes(backend))
    };
    let voice = VOICE[backend as usize];
    let mut changes: Vec<String> = newer().collect();
    changes.push(format!(
        "{voice}; INSERT INTO channel_voice (id, account_id, phone_number) VALUES (1, 1, '+1')"
    ));
    for (table, column) in leadchat_versions::NEWER {
        changes.push(format!("ALTER TABLE {table} DROP COLUMN {column}"));
    }
    // And once more to the newest, where it ends.
    changes.extend(newer());
    if backend == Backend::Postgres {
        changes.extend(WIDENED.map(ToOwned::to_owned));
        changes.push(REPLACED.to_owned());
        changes.push("VACUUM FULL inboxes".to_owned());
    }
    changes
}

pub(super) async fn no_call_fails_while_the_tables_change(backend: Backend) {
    whatever_changes(backend, Program::serving).await;
}

/// The tables behind the answers of a load.
pub async fn filled(backend: Backend) -> Database {
    let database = leadchat_versions::of_the_seed(backend).await;
    database.execute(ROWS).await;
    database.execute(MORE).await;
    database
}

/// The same with a server that reaches the database in some way.
pub async fn whatever_changes(backend: Backend, serving: impl FnOnce(&Database) -> Program) {
    let database = filled(backend).await;
    let server = serving(&database)
        .args(["--max-concurrent-reads", "16"])
        .start();
    let load = Load::begin(&server.client().await);

    let changes = changes(backend);
    let began = Instant::now();
    for change in &changes {
        // The second call of each caller begins after the change before this one.
        let going_on = async {
            for _ in 0..2 {
                assert!(load.goes_on().await, "a call has failed");
            }
            database.execute(change).await;
        };
        let in_time = tokio::time::timeout(WAIT_TIMEOUT, going_on).await;
        assert!(in_time.is_ok(), "{change}");
    }
    assert!(load.goes_on().await, "a call has failed");
    let calls = load.end().await;
    let took = began.elapsed();

    let log = server.log();
    let looks = log.matches("probed the schema again").count();
    println!(
        "schema changes {}: {} while {calls} calls went on, in {took:?}; {looks} looks at the tables",
        backend.name(),
        changes.len()
    );
    // That something was met at all.
    assert!(looks >= 2 * leadchat_versions::NEWER.len(), "{looks}");
    assert_eq!(failed_reads(&log), [""; 0]);
    // There is no Redis, which is said at the start.
    let others = complaints(&log)
        .into_iter()
        .filter(|line| !line.contains("read failed") && !line.contains("Rails keeps it in Redis"));
    assert_eq!(others.collect::<Vec<_>>(), [""; 0]);
    ends_like_a_fresh_start(&server.client().await, &database).await;
}

/// All is shown as by a program that knows no other tables.
async fn ends_like_a_fresh_start(client: &Client, database: &Database) {
    let fresh = Program::serving(database).start();
    let fresh = fresh.client().await;
    for viewer in [viewer::user(1), viewer::user(2), viewer::bot(1)] {
        let shown = client.all(1, viewer).await;
        assert!(shown == fresh.all(1, viewer).await);
        let newest = shown.iter().any(|inbox| {
            let Some(Channel::TwilioSms(channel)) = &inbox.channel else {
                return false;
            };
            channel.inbound_calls_enabled == Some(true) && channel.voice_enabled == Some(false)
        });
        assert!(newest);
    }
}

/// Callers that go on until they are told to end. Each counts its calls.
pub struct Load {
    end: Arc<AtomicBool>,
    counts: Vec<watch::Receiver<usize>>,
    callers: Vec<tokio::task::JoinHandle<()>>,
}

impl Load {
    pub fn begin(client: &Client) -> Self {
        let end = Arc::new(AtomicBool::new(false));
        let mut load = Self {
            end: Arc::clone(&end),
            counts: Vec::new(),
            callers: Vec::new(),
        };
        for caller in 0..CALLERS {
            let (client, end) = (client.clone(), Arc::clone(&end));
            let (counted, counts) = watch::channel(0);
            load.counts.push(counts);
            load.callers.push(tokio::spawn(async move {
                for number in 0.. {
                    if end.load(Ordering::Relaxed) {
                        break;
                    }
                    call(&client, caller, number).await;
                    counted.send_replace(number + 1);
                }
            }));
        }
        load
    }

    /// Waits until every caller has ended one more call, be it one that it had begun
    /// before. Not so when one has failed, which has said why.
    pub async fn goes_on(&self) -> bool {
        for counts in &self.counts {
            let mut counts = counts.clone();
            let before = *counts.borrow();
            if counts.wait_for(|count| *count > before).await.is_err() {
                return false;
            }
        }
        true
    }

    pub async fn end(self) -> usize {
        self.end.store(true, Ordering::Relaxed);
        for caller in self.callers {
            caller.await.unwrap();
        }
        self.counts.iter().map(|counts| *counts.borrow()).sum()
    }
}

/// One call, which shows all that no change takes away. Each caller asks in its own
/// way, and for one after the other where it asks for one. A caller that is told so asks again;
/// the log says whether it had to be.
async fn call(client: &Client, caller: usize, number: usize) {
    let list = |viewer| pb::ListInboxesRequest {
        account_id: 1,
        viewer: Some(viewer),
        ..Default::default()
    };
    let ids: Vec<_> = (1..=12).chain([14]).collect();
    let (inboxes, expected) = match caller {
        0 => {
            let viewers = [viewer::user(1), viewer::user(2), viewer::bot(1)];
            let viewer = viewers[number % viewers.len()];
            let listed = retried(|| client.list(list(viewer))).await;
            (listed.map(|listed| listed.message.inboxes), INBOXES)
        }
        1 => {
            let get = get_inbox(1, ids[number % ids.len()], viewer::user(2));
            let got = retried(|| client.get(get)).await;
            (got.map(|got| got.message.inbox.into_iter().collect()), 1)
        }
        2 => {
            let batch = pb::BatchGetInboxesRequest {
                account_id: 1,
                viewer: Some(viewer::bot(1)),
                inbox_ids: ids,
                ..Default::default()
            };
            let batched = retried(|| client.batch(batch.clone())).await;
            (batched.map(|batched| batched.message.inboxes), INBOXES)
        }
        _ => {
            let keys = [
                (None, Key::PhoneNumber("+15551001".to_owned())),
                (None, Key::WebsiteToken("widget-token".to_owned())),
                (Some(1), Key::Email("MAIL@example.test".to_owned())),
                (Some(1), Key::InboxIdentifier("identifier-1".to_owned())),
            ];
            let (account_id, key) = keys[number % keys.len()].clone();
            let find = pb::FindInboxesRequest {
                account_id,
                viewer: Some(viewer::service()),
                key: Some(key),
                ..Default::default()
            };
            let found = retried(|| client.find(find.clone())).await;
            (found.map(|found| found.message.inboxes), 1)
        }
    };
    let inboxes: Vec<pb::Inbox> = inboxes.unwrap();
    assert_eq!(inboxes.len(), expected);
    inboxes.iter().for_each(is_whole);
}

/// Nothing of it is lost, but what may come and go.
fn is_whole(inbox: &pb::Inbox) {
    let name = &inbox.name;
    assert_eq!(inbox.help_center.as_ref().unwrap().slug, "help", "{name}");
    assert_eq!(inbox.working_hours.len(), 1, "{name}");
    // Only an inbox without a picture says so.
    assert_ne!(inbox.avatar_url.as_deref(), Some(""), "{name}");
    let row = match inbox.channel.as_ref().unwrap() {
        Channel::WebWidget(channel) => channel.website_token.is_some(),
        Channel::Api(channel) => channel.inbox_identifier.is_some(),
        Channel::Email(channel) => channel.email.is_some(),
        Channel::TwilioSms(channel) => channel.medium.is_some(),
        Channel::Whatsapp(channel) => channel.phone_number.is_some(),
        Channel::Voice(_) => true,
        _ => false,
    };
    assert!(row, "{name} is without its channel");
}
