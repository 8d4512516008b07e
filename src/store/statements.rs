//! The SQL, made once at the start.
//!
//! Every column is named, and on PostgreSQL cast to the one type that its row
//! struct expects: a column that Rails adds is not seen, and one that it widens
//! does no harm. Statements differ between the databases in how a value is cast
//! and how a list of ids is bound; all else is shared.

use std::sync::Arc;

use super::{
    columns::{Column, Columns, Source, Type},
    rows::{
        self, AccountRow, AccountUserRow, AgentBotInboxRow, AgentBotRow, AvatarRow, InboxMemberRow,
        InboxRow, ReauthorizationRow, WorkingHoursRow,
    },
};
use crate::domain::channel::ChannelKind;

#[derive(Clone, Copy)]
pub(super) enum Dialect {
    Postgres,
    Sqlite,
}

/// Whether statements read a whole account (bound to `$1`), or some inboxes of
/// it (bound to `$2`) for one viewer (bound last).
#[derive(Clone, Copy)]
pub(super) enum Scope {
    Whole,
    Excerpt,
}

/// A statement, and the table that it is about, for the log.
#[derive(Clone)]
pub(super) struct Statement {
    pub sql: Arc<str>,
    pub table: Arc<str>,
}

/// A read of an account.
pub(super) struct Statements {
    pub account: Statement,
    pub roles: Statement,
    pub memberships: Statement,
    pub agent_bots: Statement,
    pub connections: Statement,
    pub inboxes: InboxStatements,
}

/// A read of inboxes of any account, for the calling service: both statements
/// are bound to ids alone (`$1`).
pub(super) struct Anywhere {
    pub accounts: Statement,
    pub inboxes: InboxStatements,
}

/// Inboxes, and what hangs on them.
pub(super) struct InboxStatements {
    pub inboxes: Statement,
    pub working_hours: Statement,
    pub avatars: Statement,
    pub reauthorizations: Statement,
    channels: [Statement; ChannelKind::ALL.len()],
}

impl Statements {
    pub fn new(dialect: Dialect, scope: Scope) -> Self {
        // Conditions on the viewer, where there is one.
        let (user, member, bot, connected) = match scope {
            Scope::Whole => ("", "", "", ""),
            Scope::Excerpt => (
                " AND t.user_id = $2",
                " AND t.user_id = $3",
                " AND t.id = $2",
                " AND t.agent_bot_id = $3",
            ),
        };
        let inboxes = match scope {
            Scope::Whole => "i.account_id = $1".to_owned(),
            Scope::Excerpt => format!("i.account_id = $1 AND {}", dialect.is_among("i.id", "$2")),
        };
        let inbox_ids = inbox_ids(&inboxes);

        Self {
            account: select::<AccountRow>(dialect, "FROM accounts t WHERE t.id = $1"),
            roles: select::<AccountUserRow>(
                dialect,
                &format!("FROM account_users t WHERE t.account_id = $1{user}"),
            ),
            memberships: select::<InboxMemberRow>(
                dialect,
                &format!("FROM inbox_members t WHERE t.inbox_id IN {inbox_ids}{member}"),
            ),
            // A bot without an account of its own is the system's, and exists
            // for every account.
            agent_bots: select::<AgentBotRow>(
                dialect,
                &format!(
                    "FROM agent_bots t WHERE (t.account_id = $1 OR t.account_id IS NULL){bot}"
                ),
            ),
            // Status 0 is active.
            connections: select::<AgentBotInboxRow>(
                dialect,
                &format!(
                    "FROM agent_bot_inboxes t WHERE t.status = 0 AND t.agent_bot_id IS NOT NULL \
                     AND t.inbox_id IN {inbox_ids}{connected}"
                ),
            ),
            inboxes: InboxStatements::new(dialect, &inboxes),
        }
    }
}

impl Anywhere {
    pub fn new(dialect: Dialect) -> Self {
        let accounts = dialect.is_among("t.id", "$1");
        Self {
            accounts: select::<AccountRow>(dialect, &format!("FROM accounts t WHERE {accounts}")),
            inboxes: InboxStatements::new(dialect, &dialect.is_among("i.id", "$1")),
        }
    }
}

impl InboxStatements {
    /// For the inboxes `i` of which a condition holds.
    fn new(dialect: Dialect, condition: &str) -> Self {
        let inbox_ids = inbox_ids(condition);
        Self {
            inboxes: select::<InboxRow>(
                dialect,
                &format!(
                    "FROM inboxes i LEFT JOIN portals p ON p.id = i.portal_id WHERE {condition}"
                ),
            ),
            working_hours: select::<WorkingHoursRow>(
                dialect,
                &format!(
                    "FROM working_hours t WHERE t.inbox_id IN {inbox_ids} \
                     ORDER BY t.day_of_week, t.id"
                ),
            ),
            avatars: select::<AvatarRow>(
                dialect,
                &format!(
                    "FROM active_storage_attachments t \
                     JOIN active_storage_blobs b ON b.id = t.blob_id \
                     WHERE t.record_type = 'Inbox' AND t.name = 'avatar' \
                     AND t.record_id IN {inbox_ids} ORDER BY t.id"
                ),
            ),
            reauthorizations: select::<ReauthorizationRow>(
                dialect,
                &format!(
                    "FROM channel_reauthorizations t \
                     JOIN inboxes i ON i.channel_type = t.channel_type \
                     AND i.channel_id = t.channel_id WHERE {condition}"
                ),
            ),
            channels: ChannelKind::ALL.map(|kind| {
                let (table, columns) = rows::channel_table(kind);
                select_columns(
                    dialect,
                    columns,
                    &format!(
                        "FROM {table} t WHERE t.id IN (SELECT i.channel_id FROM inboxes i \
                         WHERE {condition} AND i.channel_type = '{}')",
                        kind.class_name()
                    ),
                )
            }),
        }
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "a statement a kind, in the order of the variants"
    )]
    pub fn channel(&self, kind: ChannelKind) -> &Statement {
        &self.channels[kind as usize]
    }
}

impl Dialect {
    /// Whether a column holds one of the values in a list that is bound.
    pub fn is_among(self, column: &str, list: &str) -> String {
        match self {
            Self::Postgres => format!("{column} = ANY({list})"),
            Self::Sqlite => format!("{column} IN (SELECT value FROM json_each({list}))"),
        }
    }
}

fn inbox_ids(condition: &str) -> String {
    format!("(SELECT i.id FROM inboxes i WHERE {condition})")
}

pub(super) fn select<R: Columns>(dialect: Dialect, from: &str) -> Statement {
    select_columns(dialect, R::COLUMNS, from)
}

fn select_columns(dialect: Dialect, columns: &[Column], from: &str) -> Statement {
    let columns: Vec<_> = columns.iter().map(|column| column.sql(dialect)).collect();
    let sql = format!("SELECT {} {from}", columns.join(", ")).into();
    let table = from.split_whitespace().nth(1).unwrap_or_default().into();
    Statement { sql, table }
}

impl Column {
    fn sql(&self, dialect: Dialect) -> String {
        let name = self.name;
        let value = match (&self.source, dialect) {
            (Source::Same, _) => format!("t.{name}"),
            (Source::Expression(sql), _) => (*sql).to_owned(),
            (Source::PerDialect { postgres, .. }, Dialect::Postgres) => (*postgres).to_owned(),
            (Source::PerDialect { sqlite, .. }, Dialect::Sqlite) => (*sqlite).to_owned(),
        };
        let cast = match (dialect, self.r#type) {
            // SQLite would make a number of anything, the user 5 of `5x`, and a
            // text of bytes that it does not compare as one. What it has is
            // looked at when it is read.
            (Dialect::Sqlite, _) => format!("({value})"),
            (Dialect::Postgres, Type::Integer) => format!("CAST({value} AS bigint)"),
            (Dialect::Postgres, Type::Text | Type::Encrypted) => format!("CAST({value} AS text)"),
            (Dialect::Postgres, Type::Boolean) => format!("CAST({value} AS boolean)"),
        };
        format!("{cast} AS \"{name}\"")
    }
}

#[cfg(test)]
mod tests {
    use super::ChannelKind;

    #[test]
    fn kinds_are_in_the_order_of_their_variants() {
        for (index, kind) in ChannelKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, index, "{kind:?}");
        }
    }
}
