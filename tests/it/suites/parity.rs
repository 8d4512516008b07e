//! The same row, viewer and environment mean the same here as in the real view.
//!
//! Answers are turned back into the view's JSON by a table *key → field*, and compared
//! with it value by value. Differences are a closed list, and an entry that is never
//! needed fails, too.

mod compare;
mod dice;
pub mod table;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use compare::{Difference, Tally, compare};

use crate::support::{
    Backend, Client, Database, Program, get_inbox, golden,
    golden::Rendered,
    leadchat_versions,
    pb::{self, inbox::Channel},
    program::WAIT_TIMEOUT,
    redis::Redis,
    reviewed::reviewed,
    viewer, wire,
};

on_both_databases!(
    full_environment,
    environment_without_mail_domain,
    environment_with_encrypted_rows,
    flags_in_our_own_table,
    any_changed_value_is_seen
);

/// Accounts, each with users that see all inboxes: an administrator, and an agent.
/// Without such an agent, the service viewer is used, which gets the fields of an agent.
const ACCOUNTS: [(i64, i64); 3] = [(1, 1), (2, 5), (3, 9)];

const REAUTHORIZATION: &str = "reauthorization_required";

/// The counts of inboxes and values, by kind.
type Counts = BTreeMap<String, (usize, usize)>;

async fn full_environment(backend: Backend) {
    let database = taken_back(backend.golden()).await;
    mislead(&database).await;
    parity("full", &database, |database| {
        with_redis(Program::serving(database))
    })
    .await;
}

async fn environment_without_mail_domain(backend: Backend) {
    let database = taken_back(backend.golden()).await;
    mislead(&database).await;
    parity("nomail", &database, |database| {
        with_redis(Program::serving(database)).without_env("MAILER_INBOUND_EMAIL_DOMAIN")
    })
    .await;
}

async fn environment_with_encrypted_rows(backend: Backend) {
    let database = taken_back(backend.golden_encrypted()).await;
    mislead(&database).await;
    parity("enc", &database, |database| {
        with_redis(Program::serving(database)).with_keys()
    })
    .await;
}

/// Where there is no Redis, an own store has a table for what Rails keeps there.
async fn flags_in_our_own_table(backend: Backend) {
    let database = taken_back(backend.golden()).await;
    parity("full", &database, Program::serving).await;
}

/// Flags are where Rails keeps them.
fn with_redis(program: Program) -> Program {
    program.env("REDIS_URL", &Redis::golden().url())
}

/// Makes our own table tell the opposite of Redis, so that nobody can have
/// looked there.
async fn mislead(database: &Database) {
    let opposite = "UPDATE channel_reauthorizations SET required = NOT required";
    database.execute(opposite).await;
}

/// Whether a program answers as the view did, from the rows of an environment.
pub async fn parity(
    environment: &str,
    database: &Database,
    program: impl Fn(&Database) -> Program,
) {
    let server = program(database).with_cache().start();
    let client = server.client().await.asking_twice();

    let mut tally = Tally::default();
    let (mut counted, mut raising) = (Vec::new(), Vec::new());
    for role in ["administrator", "agent"] {
        let served = served(&client, role).await;
        let mut counts = Counts::new();
        let mut differences = Vec::new();
        for Rendered { inbox_id, view } in golden::rendered(environment, role) {
            let inbox = &served[&inbox_id];
            differences.extend(compare(inbox, &view, &mut tally));
            if view.contains_key("__raises__") {
                raising.push(format!("{role} {inbox_id}: {}", inbox.served_instead()));
                assert!(inbox.has_its_row(database).await, "inbox {inbox_id}");
            }
            let count = counts.entry(inbox.kind.clone()).or_default();
            count.0 += 1;
            count.1 += compare::values(&view);
        }
        assert!(differences.is_empty(), "{}", listing(&differences));
        for (kind, (inboxes, values)) in counts {
            counted.push(format!("{role} {kind}: {inboxes} inboxes, {values} values"));
        }
    }
    client.ask_again(&server).await;
    for line in &counted {
        println!("parity {environment} {} {line}", database.backend().name());
    }
    tally.assert_every_exception_was_needed(environment);
    // Where the view raises, what is served and what is said of the rest.
    reviewed(
        &format!("parity_raising_{environment}.txt"),
        &raising.join("\n"),
    );
    // That nothing was left out without anybody noticing.
    reviewed(&format!("parity_{environment}.txt"), &counted.join("\n"));
}

/// Rows of the oracle, in tables as old as the leadchat that rendered them.
async fn taken_back(database: Database) -> Database {
    leadchat_versions::take_back(&database).await;
    database
}

/// The test of the test: whatever single value of the view is changed, the
/// comparison says so.
async fn any_changed_value_is_seen(backend: Backend) {
    let database = taken_back(backend.golden_encrypted()).await;
    let server = Program::caching(&database).with_keys().start();
    let client = server.client().await.asking_twice();
    let dice = dice::Dice::new();
    for role in ["administrator", "agent"] {
        let served = served(&client, role).await;
        let rendered = golden::rendered("enc", role);
        let mut changed = 0;
        while changed < 300 {
            let Rendered { inbox_id, view } = dice.pick(&rendered);
            let Some((view, what)) = dice.change(view) else {
                continue;
            };
            let differences = compare(&served[inbox_id], &view, &mut Tally::default());
            assert!(
                !differences.is_empty(),
                "{role}, inbox {inbox_id}: {what}, {dice:?}"
            );
            changed += 1;
        }
    }
    client.ask_again(&server).await;
}

/// An inbox as served: seen through its descriptors, and its degradations.
pub struct Served {
    pub kind: String,
    pub inbox: prost_reflect::DynamicMessage,
    pub degradations: BTreeMap<String, pb::DegradationReason>,
}

impl Served {
    /// The fields that say something, and the degradations.
    fn served_instead(&self) -> String {
        let fields = wire::present(&self.inbox).into_iter();
        let fields: Vec<_> = fields
            .filter(|path| !path.starts_with("degradations"))
            .collect();
        let reasons: Vec<_> = self
            .degradations
            .iter()
            .map(|(field, reason)| format!("{field} {}", reason.as_str_name()))
            .collect();
        format!("{}; {}", reasons.join(", "), fields.join(" "))
    }

    /// Whether the common values are those of the row.
    async fn has_its_row(&self, database: &Database) -> bool {
        let text = |path: &str| {
            wire::at(&self.inbox, path).map(|(_, value)| match value {
                prost_reflect::Value::I64(number) => number.to_string(),
                prost_reflect::Value::Bool(value) => value.to_string(),
                value => format!("'{}'", value.as_str().unwrap().replace('\'', "''")),
            })
        };
        let id = text("id").unwrap();
        let mut sql = format!("SELECT id FROM inboxes WHERE id = {id}");
        for column in [
            "account_id",
            "channel_id",
            "channel_type",
            "name",
            "greeting_enabled",
            "greeting_message",
            "working_hours_enabled",
            "enable_email_collect",
            "csat_survey_enabled",
            "enable_auto_assignment",
            "out_of_office_message",
            "timezone",
            "allow_messages_after_resolved",
            "lock_to_single_conversation",
            "business_name",
        ] {
            let condition = text(column).map_or("IS NULL".to_owned(), |text| format!("= {text}"));
            sql = format!("{sql} AND {column} {condition}");
        }
        !database.numbers(&sql).await.is_empty()
    }
}

/// Every inbox. Where Redis is too slow on a busy machine, all are asked for
/// again.
async fn served(client: &Client, role: &str) -> BTreeMap<i64, Served> {
    let end = Instant::now() + WAIT_TIMEOUT;
    loop {
        if let Some(served) = all_known(client, role).await {
            return served;
        }
        assert!(Instant::now() < end, "Redis was too slow, again and again");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// `None` if Redis did not tell of some inbox in time.
async fn all_known(client: &Client, role: &str) -> Option<BTreeMap<i64, Served>> {
    let mut served = BTreeMap::new();
    for (account_id, administrator) in ACCOUNTS {
        let viewer = if role == "agent" {
            viewer::service()
        } else {
            viewer::user(administrator)
        };
        for listed in client.all(account_id, viewer).await {
            if is_unknown(&listed) {
                return None;
            }
            let request = get_inbox(account_id, listed.id, viewer);
            let answer = client.get(request).await.unwrap();
            if is_unknown(answer.message.inbox.as_ref().unwrap()) {
                return None;
            }
            // A list shows the same inbox as a single look.
            assert!(
                answer.message.inbox.as_ref() == Some(&listed),
                "inbox {}",
                listed.id
            );
            assert_eq!(
                answer.message.disclosed_as().as_str_name(),
                format!("ROLE_{}", role.to_uppercase())
            );
            served.insert(
                listed.id,
                Served {
                    kind: kind(&listed).to_owned(),
                    inbox: wire::inbox(&answer.bytes),
                    degradations: listed
                        .degradations
                        .iter()
                        .map(|degradation| (degradation.field.clone(), degradation.reason()))
                        .collect(),
                },
            );
        }
    }
    Some(served)
}

fn is_unknown(inbox: &pb::Inbox) -> bool {
    let paths = &table::KEYS.iter().find(|(key, ..)| *key == REAUTHORIZATION);
    let (_, paths, _) = paths.unwrap();
    let inbox = wire::dynamic(inbox);
    let found = paths.iter().find_map(|path| wire::at(&inbox, path));
    found.is_some_and(|(_, state)| {
        let unknown = pb::Reauthorization::Unknown.into();
        state.as_enum_number() == Some(unknown)
    })
}

/// The kind for the counts; also that the enum, the class name and the oneof
/// tell the same.
fn kind(inbox: &pb::Inbox) -> &'static str {
    let (class_name, name) = match inbox.channel {
        None => return "None",
        Some(Channel::WebWidget(_)) => ("Channel::WebWidget", "WEB_WIDGET"),
        Some(Channel::Api(_)) => ("Channel::Api", "API"),
        Some(Channel::Email(_)) => ("Channel::Email", "EMAIL"),
        Some(Channel::FacebookPage(_)) => ("Channel::FacebookPage", "FACEBOOK_PAGE"),
        Some(Channel::Instagram(_)) => ("Channel::Instagram", "INSTAGRAM"),
        Some(Channel::Tiktok(_)) => ("Channel::Tiktok", "TIKTOK"),
        Some(Channel::TwilioSms(_)) => ("Channel::TwilioSms", "TWILIO_SMS"),
        Some(Channel::TwitterProfile(_)) => ("Channel::TwitterProfile", "TWITTER_PROFILE"),
        Some(Channel::Telegram(_)) => ("Channel::Telegram", "TELEGRAM"),
        Some(Channel::Line(_)) => ("Channel::Line", "LINE"),
        Some(Channel::Sms(_)) => ("Channel::Sms", "SMS"),
        Some(Channel::Whatsapp(_)) => ("Channel::Whatsapp", "WHATSAPP"),
        Some(Channel::Voice(_)) => ("Channel::Voice", "VOICE"),
    };
    assert_eq!(inbox.channel_type.as_deref(), Some(class_name));
    assert_eq!(
        inbox.channel_kind().as_str_name(),
        format!("CHANNEL_KIND_{name}")
    );
    class_name.trim_start_matches("Channel::")
}

fn listing(differences: &[Difference]) -> String {
    let lines: Vec<_> = differences.iter().map(ToString::to_string).collect();
    format!("{} differences:\n{}", lines.len(), lines.join("\n"))
}
