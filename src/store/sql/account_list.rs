//! The statements that list accounts.

use super::{
    Statement,
    select::{Target, select},
};
use crate::store::schema::rows::AccountIdRow;

/// How many accounts a page has.
const MAX_PAGE_SIZE: usize = 500;

/// Statements over all accounts.
pub(in crate::store) struct AccountList {
    pub count: Statement,
    /// The accounts behind an id (`$1`).
    pub page: Statement,
}

impl AccountList {
    pub fn new(target: Target<'_>) -> Self {
        Self {
            count: target.statement(
                "accounts",
                "SELECT CAST(count(t.id) AS bigint) AS number FROM accounts t",
            ),
            page: select::<AccountIdRow>(
                target,
                &format!("FROM accounts t WHERE t.id > $1 ORDER BY t.id LIMIT {MAX_PAGE_SIZE}"),
            ),
        }
    }
}
