//! An account of odd rows. Only what says who may see what is in order: ids,
//! roles, memberships and connections of those who look.

use super::values::Values;
use crate::support::{
    Backend, Database,
    dice::Dice,
    schema::{Column, Schema},
};

/// The first id of everything: far from those of the healthy accounts.
pub const FIRST: i64 = 1_000_001;

pub const ACCOUNT: i64 = FIRST;
pub const ADMINISTRATOR: i64 = FIRST;
/// A member of every inbox.
pub const AGENT: i64 = FIRST + 1;
/// An agent of the inboxes that chance made it a member of.
pub const BYSTANDER: i64 = FIRST + 2;
/// Connected with every inbox.
pub const AGENT_BOT: i64 = FIRST;

/// How many inboxes an account gets.
const INBOXES: i64 = 52;

/// Each kind's class name and table.
const KINDS: [(&str, &str); 13] = [
    ("Channel::WebWidget", "channel_web_widgets"),
    ("Channel::Api", "channel_api"),
    ("Channel::Email", "channel_email"),
    ("Channel::FacebookPage", "channel_facebook_pages"),
    ("Channel::Instagram", "channel_instagram"),
    ("Channel::Tiktok", "channel_tiktok"),
    ("Channel::TwilioSms", "channel_twilio_sms"),
    ("Channel::TwitterProfile", "channel_twitter_profiles"),
    ("Channel::Telegram", "channel_telegram"),
    ("Channel::Line", "channel_line"),
    ("Channel::Sms", "channel_sms"),
    ("Channel::Whatsapp", "channel_whatsapp"),
    ("Channel::Voice", "channel_voice"),
];

/// Fills every table, in one transaction.
pub async fn fill(database: &Database, backend: Backend, schema: &Schema, dice: &Dice) {
    let ids = FIRST..FIRST + INBOXES;
    let values = Values {
        dice,
        backend,
        ids: ids.clone(),
    };
    let mut rows = Rows {
        schema,
        values,
        statements: vec![
            match backend {
                // Nothing has to be there that is referred to.
                Backend::Postgres => "SET session_replication_role = replica; BEGIN",
                Backend::Sqlite => "PRAGMA foreign_keys = OFF; BEGIN",
            }
            .to_owned(),
        ],
    };
    rows.account();
    for id in ids {
        rows.inbox(id);
    }
    rows.statements.push("COMMIT".to_owned());
    let script = rows.statements.join(";\n");
    let before = counts(database, schema).await;
    if let Err(error) = database.try_execute(&script).await {
        panic!("{error}");
    }
    // Some rows had their like, but not so many that nothing is tried.
    for ((table, after), before) in schema
        .keys()
        .zip(counts(database, schema).await)
        .zip(before)
    {
        let least = match *table {
            "inboxes" | "working_hours" | "portals" => INBOXES / 2,
            _ => 1,
        };
        assert!(
            after - before >= least,
            "{table}: {before} rows, then {after}"
        );
    }
}

async fn counts(database: &Database, schema: &Schema) -> Vec<i64> {
    let tables = schema.keys();
    let counts = tables.map(|table| format!("SELECT '{table}' AS t, count(*) AS id FROM {table}"));
    let counts = counts.collect::<Vec<_>>().join(" UNION ALL ");
    database.numbers(&format!("{counts} ORDER BY t")).await
}

struct Rows<'a> {
    schema: &'a Schema,
    values: Values<'a>,
    statements: Vec<String>,
}

impl Rows<'_> {
    /// A row with these values, and odd ones in all other columns but its id.
    /// Where an index has its like already, there is one row less.
    fn row(&mut self, table: &str, fixed: &[(&str, String)]) {
        let is_fixed = |name: &str| fixed.iter().any(|(fixed, _)| *fixed == name);
        let columns = self.schema[table].iter();
        let columns: Vec<_> = columns
            .filter(|column| column.name != "id" || is_fixed("id"))
            .collect();
        for (name, _) in fixed {
            assert!(columns.iter().any(|column| column.name == *name), "{name}");
        }
        let value = |column: &&Column| {
            let fixed = fixed.iter().find(|(name, _)| *name == column.name);
            fixed.map_or_else(|| self.values.of(column), |(_, value)| value.clone())
        };
        let names: Vec<_> = columns.iter().map(|column| column.name.as_str()).collect();
        let values: Vec<_> = columns.iter().map(value).collect();
        self.statements.push(format!(
            "INSERT INTO {table} ({}) VALUES ({}) ON CONFLICT DO NOTHING",
            names.join(", "),
            values.join(", ")
        ));
    }

    fn account(&mut self) {
        // Any status but a suspended account's.
        let status = self.one_of(&["NULL", "0", "2", "-1", "2147483647"], &["'1x'", "1.5"]);
        let id = ("id", ACCOUNT.to_string());
        self.row("accounts", &[id, ("status", status)]);
        let agents = ["NULL", "0", "2", "-1", "2147483647"];
        for user in [ADMINISTRATOR, AGENT, BYSTANDER] {
            // An administrator's role is 1 and no other.
            let role = if user == ADMINISTRATOR {
                "1".to_owned()
            } else {
                self.one_of(&agents, &["'x'", "'1x'", "1.5", "x'31'"])
            };
            let keys = [
                ("account_id", ACCOUNT.to_string()),
                ("user_id", user.to_string()),
                ("role", role),
            ];
            self.row("account_users", &keys);
            self.row("users", &[("id", user.to_string())]);
        }
        // A bot of nobody exists for every account.
        let keys = [
            ("id", AGENT_BOT.to_string()),
            ("account_id", "NULL".to_owned()),
        ];
        self.row("agent_bots", &keys);
    }

    /// An inbox and what hangs on it, and more that may or may not.
    fn inbox(&mut self, id: i64) {
        let index = usize::try_from(id - FIRST).unwrap();
        let (class_name, table) = KINDS[index % KINDS.len()];
        let own = |name| (name, id.to_string());
        let account = ("account_id", ACCOUNT.to_string());

        let mut keys = vec![own("id")];
        if self.values.dice.happens(92) {
            keys.push(account.clone());
        }
        if self.values.dice.happens(80) {
            keys.push(("channel_id", id.to_string()));
        }
        let class_name = if self.values.dice.happens(75) {
            format!("'{class_name}'")
        } else {
            let lower = format!("'{}'", class_name.to_lowercase());
            let blob = format!("CAST('{class_name}' AS BLOB)");
            let any = self.values.text(None);
            let odd = ["NULL", "'Channel::Nope'", "' '", &lower, &any];
            self.one_of(&odd, &[&blob, "CAST(x'ff' AS TEXT)"])
        };
        keys.push(("channel_type", class_name));
        self.row("inboxes", &keys);

        // The first one of each kind is there.
        if index < KINDS.len() || self.values.dice.happens(85) {
            self.row(table, &[own("id")]);
        }
        let member = [own("inbox_id"), ("user_id", AGENT.to_string())];
        self.row("inbox_members", &member);
        let active = ("status", "0".to_owned());
        let connected = [
            own("inbox_id"),
            ("agent_bot_id", AGENT_BOT.to_string()),
            active,
        ];
        self.row("agent_bot_inboxes", &connected);
        for _ in 0..self.values.dice.roll(4) {
            self.row("working_hours", &[own("inbox_id")]);
        }
        self.row("active_storage_blobs", &[own("id")]);
        let mut keys = vec![own("id")];
        for (name, value) in [
            ("record_type", "'Inbox'".to_owned()),
            ("name", "'avatar'".to_owned()),
            own("record_id"),
            own("blob_id"),
        ] {
            if self.values.dice.happens(85) {
                keys.push((name, value));
            }
        }
        self.row("active_storage_attachments", &keys);
        let class_name = (
            "channel_type",
            format!("'{}'", KINDS[index % KINDS.len()].0),
        );
        let reauthorization = [class_name, own("channel_id")];
        let sound = if self.values.dice.happens(80) { 2 } else { 1 };
        self.row("channel_reauthorizations", &reauthorization[..sound]);

        // Rows with ids of their own and any references.
        self.row("portals", &[own("id")]);
        for table in [
            "account_users",
            "agent_bots",
            "inbox_members",
            "agent_bot_inboxes",
            "working_hours",
        ] {
            self.row(table, &[]);
        }
    }

    /// One of these; on SQLite of those too.
    fn one_of(&self, both: &[&str], sqlite: &[&str]) -> String {
        let all = match self.values.backend {
            Backend::Postgres => both.to_vec(),
            Backend::Sqlite => [both, sqlite].concat(),
        };
        (*self.values.dice.pick(&all)).to_owned()
    }
}
