//! leadchat's tables in each version: at the seed's commit, and as its own migrations
//! changed them since.

use std::sync::OnceLock;

use super::{Backend, Database, cluster::Cluster};

/// The migrations of leadchat on one day.
pub struct LeadchatVersion {
    /// The day; for the first one, leadchat's version.
    pub name: &'static str,
    changes: &'static [&'static str],
}

pub const VERSIONS: [LeadchatVersion; 5] = [
    LeadchatVersion {
        name: "4.8.0",
        changes: &[],
    },
    LeadchatVersion {
        name: "2026-03-24",
        changes: &[
            "ALTER TABLE agent_bots ADD COLUMN secret varchar",
            "ALTER TABLE channel_api ADD COLUMN secret varchar",
        ],
    },
    LeadchatVersion {
        name: "2026-03-26",
        changes: &[
            "ALTER TABLE channel_twilio_sms ADD COLUMN voice_enabled boolean NOT NULL DEFAULT false",
            "ALTER TABLE channel_twilio_sms ADD COLUMN twiml_app_sid varchar",
            "ALTER TABLE channel_twilio_sms ADD COLUMN api_key_secret varchar",
            DROP_VOICE,
        ],
    },
    LeadchatVersion {
        name: "2026-05-07",
        changes: &[
            "ALTER TABLE channel_email ADD COLUMN imap_authentication varchar DEFAULT 'plain'",
        ],
    },
    LeadchatVersion {
        name: "2026-06-04",
        changes: &["ALTER TABLE channel_twilio_sms ADD COLUMN provider_config jsonb DEFAULT '{}'"],
    },
];

const DROP_VOICE: &str = "DROP TABLE channel_voice";

/// The columns that came since the seed's commit.
pub const NEWER: [(&str, &str); 7] = [
    ("agent_bots", "secret"),
    ("channel_api", "secret"),
    ("channel_twilio_sms", "voice_enabled"),
    ("channel_twilio_sms", "twiml_app_sid"),
    ("channel_twilio_sms", "api_key_secret"),
    ("channel_email", "imap_authentication"),
    ("channel_twilio_sms", "provider_config"),
];

impl LeadchatVersion {
    /// As statements that a database takes, one by one: Rails runs each migration
    /// in a transaction.
    pub fn changes(&self, backend: Backend) -> Vec<String> {
        let of_sqlite = |change: &str| {
            change
                .replace(" varchar", " TEXT")
                .replace(" boolean", " BOOLEAN")
                .replace(" jsonb", " TEXT")
        };
        self.changes
            .iter()
            .map(|change| match backend {
                Backend::Postgres => (*change).to_owned(),
                Backend::Sqlite => of_sqlite(change),
            })
            .collect()
    }

    pub async fn comes_to(&self, database: &Database, backend: Backend) {
        for change in self.changes(backend) {
            database.execute(&change).await;
        }
    }

    /// But for what goes away: an own store keeps it.
    pub fn additions(&self) -> Vec<String> {
        let mut additions = self.changes(Backend::Postgres);
        additions.retain(|change| change != DROP_VOICE);
        additions
    }
}

/// leadchat wants a `uid` of each user, which an own store has no column for.
const DEFAULT_UIDS: &str = "ALTER TABLE users ALTER COLUMN uid SET DEFAULT gen_random_uuid()";

/// Tables of the seed's version: leadchat's own on PostgreSQL, which is attached then,
/// and an own store on SQLite.
pub async fn of_the_seed(backend: Backend) -> Database {
    match backend {
        Backend::Postgres => {
            let database = Database::unique();
            Cluster::shared().create_database(database.name(), Some(seed_template()));
            database
        }
        Backend::Sqlite => {
            let database = backend.empty();
            take_back(&database).await;
            database
        }
    }
}

/// The database that those of the seed's version are copied from, made once a run.
pub fn seed_template() -> &'static str {
    static TEMPLATE: OnceLock<&str> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let (cluster, name) = (Cluster::shared(), "template_leadchat");
        cluster.create_database(name, None);
        cluster.psql(name, include_str!("../../golden/leadchat_tables.sql"));
        cluster.psql(name, DEFAULT_UIDS);
        name
    })
}

/// Makes an own store as old as the seed.
pub async fn take_back(database: &Database) {
    let dropped = NEWER.map(|(table, column)| format!("ALTER TABLE {table} DROP COLUMN {column}"));
    database.execute(&dropped.join(";\n")).await;
}

/// Rows in the seed's version. Account 1 has the feature `channel_voice`; user 1 is an
/// administrator, user 2 an agent and member of every inbox.
pub const ROWS: &str = r#"
INSERT INTO accounts (id, name, feature_flags, created_at, updated_at) VALUES
    (1, 'One', 17592186044416, '2026-01-01', '2026-01-01'),
    (2, 'Two', 4, '2026-01-01', '2026-01-01');
INSERT INTO users (id, name, created_at, updated_at) VALUES
    (1, 'Administrator', '2026-01-01', '2026-01-01'), (2, 'Agent', '2026-01-01', '2026-01-01');
INSERT INTO account_users (account_id, user_id, role, created_at, updated_at) VALUES
    (1, 1, 1, '2026-01-01', '2026-01-01'), (1, 2, 0, '2026-01-01', '2026-01-01'),
    (2, 1, 1, '2026-01-01', '2026-01-01'), (2, 2, 0, '2026-01-01', '2026-01-01');
INSERT INTO channel_web_widgets (id, account_id, website_token, feature_flags, created_at, updated_at) VALUES
    (1, 1, 'widget-token', 31, '2026-01-01', '2026-01-01');
INSERT INTO channel_api (id, account_id, identifier, hmac_token, created_at, updated_at) VALUES
    (1, 1, 'identifier-1', 'hmac-1', '2026-01-01', '2026-01-01'),
    (2, 1, 'identifier-2', 'hmac-2', '2026-01-01', '2026-01-01');
INSERT INTO channel_email (id, account_id, email, forward_to_email, created_at, updated_at) VALUES
    (1, 1, 'mail@example.test', 'forward@example.test', '2026-01-01', '2026-01-01');
INSERT INTO channel_twilio_sms (id, account_id, phone_number, messaging_service_sid, auth_token,
        account_sid, api_key_sid, medium, created_at, updated_at) VALUES
    (1, 1, '+15550001', NULL, 'auth-1', 'AC1', 'SK1', 0, '2026-01-01', '2026-01-01'),
    (2, 1, 'whatsapp:+15550002', NULL, 'auth-2', 'AC2', NULL, 1, '2026-01-01', '2026-01-01'),
    (3, 1, NULL, 'MG3', 'auth-3', 'AC3', NULL, 0, '2026-01-01', '2026-01-01');
INSERT INTO channel_whatsapp (id, account_id, phone_number, provider, provider_config, created_at, updated_at) VALUES
    (1, 1, '+15551001', 'whatsapp_cloud', '{"source": "embedded_signup", "calling_enabled": true}', '2026-01-01', '2026-01-01'),
    (2, 1, '+15551002', 'whatsapp_cloud', '{"calling_enabled": true, "inbound_calls_enabled": false}', '2026-01-01', '2026-01-01'),
    (3, 1, '+15551003', 'whatsapp_cloud', '{"calling_enabled": ""}', '2026-01-01', '2026-01-01'),
    (4, 1, '+15551004', 'default', '{"calling_enabled": true}', '2026-01-01', '2026-01-01'),
    (5, 1, '+15551005', 'whatsapp_cloud', NULL, '2026-01-01', '2026-01-01'),
    (6, 2, '+15551006', 'whatsapp_cloud', '{"calling_enabled": true}', '2026-01-01', '2026-01-01');
INSERT INTO channel_voice (id, account_id, phone_number, provider_config, created_at, updated_at) VALUES
    (1, 1, '+15552001', '{}', '2026-01-01', '2026-01-01');
INSERT INTO inboxes (id, account_id, channel_id, channel_type, name, created_at, updated_at) VALUES
    (1, 1, 1, 'Channel::WebWidget', 'widget with five features', '2026-01-01', '2026-01-01'),
    (2, 1, 1, 'Channel::Api', 'API', '2026-01-01', '2026-01-01'),
    (3, 1, 2, 'Channel::Api', 'API, its secret encrypted with a lost key', '2026-01-01', '2026-01-01'),
    (4, 1, 1, 'Channel::Email', 'mail', '2026-01-01', '2026-01-01'),
    (5, 1, 1, 'Channel::TwilioSms', 'Twilio, set up for calls', '2026-01-01', '2026-01-01'),
    (6, 1, 2, 'Channel::TwilioSms', 'Twilio, never called', '2026-01-01', '2026-01-01'),
    (7, 1, 3, 'Channel::TwilioSms', 'Twilio, set up without a number', '2026-01-01', '2026-01-01'),
    (8, 1, 1, 'Channel::Whatsapp', 'WhatsApp, signed up here', '2026-01-01', '2026-01-01'),
    (9, 1, 2, 'Channel::Whatsapp', 'WhatsApp, set up by hand', '2026-01-01', '2026-01-01'),
    (10, 1, 3, 'Channel::Whatsapp', 'WhatsApp, calls left blank', '2026-01-01', '2026-01-01'),
    (11, 1, 4, 'Channel::Whatsapp', 'WhatsApp at 360dialog', '2026-01-01', '2026-01-01'),
    (12, 1, 5, 'Channel::Whatsapp', 'WhatsApp without settings', '2026-01-01', '2026-01-01'),
    (13, 2, 6, 'Channel::Whatsapp', 'WhatsApp of an account without calls', '2026-01-01', '2026-01-01'),
    (14, 1, 1, 'Channel::Voice', 'voice', '2026-01-01', '2026-01-01');
INSERT INTO inbox_members (user_id, inbox_id, created_at, updated_at)
    SELECT 2, id, '2026-01-01', '2026-01-01' FROM inboxes;
"#;
