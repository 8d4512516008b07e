//! The statements of accounts and inboxes, made once for the tables as they are, of
//! constants alone.
//!
//! Every column is named, and on PostgreSQL cast to the type of its row struct. So added
//! columns are ignored, and widened ones do no harm. A column that the tables may be
//! without is left out where they are. Statements differ between the databases in computed
//! columns, casts and bound lists.

use enum_map::EnumMap;

use super::{Dialect, Statement};
use crate::{
    domain::channel::ChannelKind,
    store::schema::{
        Schema,
        columns::{Column, Columns, Source, Type},
        rows::{
            AccountRow, AccountUserRow, AgentBotInboxRow, AgentBotRow, AvatarRow, InboxMemberRow,
            InboxRow, ReauthorizationRow, WorkingHoursRow,
        },
        tables,
    },
};

/// The target of statements.
#[derive(Clone, Copy)]
pub(in crate::store) struct Target<'a> {
    pub dialect: Dialect,
    pub schema: &'a Schema,
    /// The number of the probe. Statements of another one are not the same to a database,
    /// which may have planned them.
    pub probe_number: u64,
}

/// Whether statements read a whole account (bound to `$1`), or some inboxes of
/// it (bound to `$2`) for one viewer (bound last).
#[derive(Clone, Copy)]
pub(in crate::store) enum StatementScope {
    Whole,
    Excerpt,
}

/// A read of an account.
pub(in crate::store) struct AccountStatements {
    pub account: Statement,
    pub roles: Statement,
    pub memberships: Statement,
    pub agent_bots: Statement,
    pub bot_inboxes: Statement,
    pub inboxes: InboxStatements,
}

/// A read of inboxes of any account, for the calling service: both statements
/// are bound to ids alone (`$1`).
pub(in crate::store) struct CrossAccount {
    pub accounts: Statement,
    pub inboxes: InboxStatements,
}

/// Inboxes, and what hangs on them.
pub(in crate::store) struct InboxStatements {
    pub inboxes: Statement,
    pub working_hours: Statement,
    pub avatars: Statement,
    pub reauthorizations: Statement,
    channels: EnumMap<ChannelKind, Option<Statement>>,
}

impl AccountStatements {
    pub fn new(target: Target<'_>, scope: StatementScope) -> Self {
        // Conditions on the viewer, where there is one.
        let (user, member, bot, connected) = match scope {
            StatementScope::Whole => ("", "", "", ""),
            StatementScope::Excerpt => (
                " AND t.user_id = $2",
                " AND t.user_id = $3",
                " AND t.id = $2",
                " AND t.agent_bot_id = $3",
            ),
        };
        let inboxes = match scope {
            StatementScope::Whole => "i.account_id = $1".to_owned(),
            StatementScope::Excerpt => format!(
                "i.account_id = $1 AND {}",
                target.dialect.is_among("i.id", "$2")
            ),
        };
        let inbox_ids = inbox_ids(&inboxes);

        Self {
            account: select::<AccountRow>(target, "FROM accounts t WHERE t.id = $1"),
            // Rails deletes the row of `users` first and memberships in a job, which may be
            // lost: a membership counts only while its user exists.
            roles: select::<AccountUserRow>(
                target,
                &format!(
                    "FROM account_users t JOIN users u ON u.id = t.user_id \
                     WHERE t.account_id = $1{user}"
                ),
            ),
            memberships: select::<InboxMemberRow>(
                target,
                &format!("FROM inbox_members t WHERE t.inbox_id IN {inbox_ids}{member}"),
            ),
            // A bot without an account of its own is the system's, and exists
            // for every account.
            agent_bots: select::<AgentBotRow>(
                target,
                &format!(
                    "FROM agent_bots t WHERE (t.account_id = $1 OR t.account_id IS NULL){bot}"
                ),
            ),
            // Status 0 is active.
            bot_inboxes: select::<AgentBotInboxRow>(
                target,
                &format!(
                    "FROM agent_bot_inboxes t WHERE t.status = 0 AND t.agent_bot_id IS NOT NULL \
                     AND t.inbox_id IN {inbox_ids}{connected}"
                ),
            ),
            inboxes: InboxStatements::new(target, &inboxes),
        }
    }
}

impl CrossAccount {
    pub fn new(target: Target<'_>) -> Self {
        let accounts = target.dialect.is_among("t.id", "$1");
        Self {
            accounts: select::<AccountRow>(target, &format!("FROM accounts t WHERE {accounts}")),
            inboxes: InboxStatements::new(target, &target.dialect.is_among("i.id", "$1")),
        }
    }
}

impl InboxStatements {
    /// For the inboxes `i` of which a condition holds.
    fn new(target: Target<'_>, condition: &str) -> Self {
        let inbox_ids = inbox_ids(condition);
        Self {
            inboxes: select::<InboxRow>(
                target,
                &format!(
                    "FROM inboxes i LEFT JOIN portals p ON p.id = i.portal_id WHERE {condition}"
                ),
            ),
            working_hours: select::<WorkingHoursRow>(
                target,
                &format!(
                    "FROM working_hours t WHERE t.inbox_id IN {inbox_ids} \
                     ORDER BY t.day_of_week, t.id"
                ),
            ),
            avatars: select::<AvatarRow>(
                target,
                &format!(
                    "FROM active_storage_attachments t \
                     JOIN active_storage_blobs b ON b.id = t.blob_id \
                     WHERE t.record_type = 'Inbox' AND t.name = 'avatar' \
                     AND t.record_id IN {inbox_ids} ORDER BY t.id"
                ),
            ),
            reauthorizations: select::<ReauthorizationRow>(
                target,
                &format!(
                    "FROM channel_reauthorizations t \
                     JOIN inboxes i ON i.channel_type = t.channel_type \
                     AND i.channel_id = t.channel_id WHERE {condition}"
                ),
            ),
            channels: EnumMap::from_fn(|kind: ChannelKind| {
                let (table, columns) = tables::channel_table(kind);
                let from = format!(
                    "FROM {table} t WHERE t.id IN (SELECT i.channel_id FROM inboxes i \
                     WHERE {condition} AND i.channel_type = '{}')",
                    kind.class_name()
                );
                let is_there = target.schema.has_channels(kind);
                is_there.then(|| select_columns(target, columns, &from))
            }),
        }
    }

    /// `None` where there is no such table.
    pub fn channel(&self, kind: ChannelKind) -> Option<&Statement> {
        self.channels[kind].as_ref()
    }
}

fn inbox_ids(condition: &str) -> String {
    format!("(SELECT i.id FROM inboxes i WHERE {condition})")
}

pub(in crate::store) fn select<R: Columns>(target: Target<'_>, from: &str) -> Statement {
    select_columns(target, R::COLUMNS, from)
}

fn select_columns(target: Target<'_>, columns: &[Column], from: &str) -> Statement {
    let table = from.split_whitespace().nth(1).unwrap_or_default();
    let columns: Vec<_> = columns
        .iter()
        .filter(|column| target.schema.has(column, table))
        .map(|column| column.sql(target.dialect))
        .collect();
    target.statement(table, &format!("SELECT {} {from}", columns.join(", ")))
}

impl Target<'_> {
    pub fn statement(self, table: &str, sql: &str) -> Statement {
        Statement {
            tables: self.schema.tables_in(sql),
            sql: match self.probe_number {
                0 => sql.into(),
                probe_number => format!("{sql} /* {probe_number} */").into(),
            },
            table: table.into(),
        }
    }
}

impl Column {
    fn sql(&self, dialect: Dialect) -> String {
        let name = self.name;
        let value = match (&self.source, dialect) {
            (Source::Same, _) => format!("t.{name}"),
            (Source::Expression(sql), _) => (*sql).to_owned(),
            (Source::Computed { postgres, .. }, Dialect::Postgres) => (*postgres).to_owned(),
            (Source::Computed { sqlite, .. }, Dialect::Sqlite) => (*sqlite).to_owned(),
        };
        let cast = match (dialect, self.r#type) {
            // SQLite would make a number of anything, the user 5 of `5x`, and a text of
            // bytes that it does not compare as one. Its content is checked when it is
            // read.
            (Dialect::Sqlite, _) => format!("({value})"),
            (Dialect::Postgres, Type::Integer) => format!("CAST({value} AS bigint)"),
            (Dialect::Postgres, Type::Text | Type::Encrypted) => format!("CAST({value} AS text)"),
            (Dialect::Postgres, Type::Boolean) => format!("CAST({value} AS boolean)"),
        };
        format!("{cast} AS \"{name}\"")
    }
}
