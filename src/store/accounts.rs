//! The fourth shape of a read: which accounts there are, page by page.
//!
//! Nobody is served by it; it is for whoever goes through all accounts once. By
//! the primary key, so that the last page costs what the first does.

use super::{
    Store,
    error::StoreError,
    patience::Patience,
    plan::Plan,
    rows::{AccountIdRow, NumberRow},
    snapshot::{Argument, Row},
    statements::{Statement, Target, select},
};
use crate::domain::id::AccountId;

/// How many accounts a page has.
const PAGE: usize = 500;

/// Statements over all accounts.
pub(super) struct Listing {
    count: Statement,
    /// Those behind an id (`$1`).
    page: Statement,
}

impl Listing {
    pub fn new(target: Target<'_>) -> Self {
        Self {
            count: target.statement(
                "accounts",
                "SELECT CAST(count(t.id) AS bigint) AS number FROM accounts t",
            ),
            page: select::<AccountIdRow>(
                target,
                &format!("FROM accounts t WHERE t.id > $1 ORDER BY t.id LIMIT {PAGE}"),
            ),
        }
    }
}

impl Store {
    /// How many accounts there are.
    pub async fn account_count(&self, patience: &Patience) -> Result<u64, StoreError> {
        let rows: Vec<NumberRow> = self.listed(|it| &it.count, &[], patience).await?;
        let count = rows.first().and_then(|row| row.number.get().ok()?.copied());
        Ok(count.unwrap_or_default().try_into().unwrap_or_default())
    }

    /// The accounts behind another one, by id; none where it is the last.
    pub async fn account_ids(
        &self,
        after: Option<AccountId>,
        patience: &Patience,
    ) -> Result<Vec<AccountId>, StoreError> {
        let after = [Argument::Id(after.map_or(i64::MIN, |id| id.0))];
        let rows: Vec<AccountIdRow> = self.listed(|it| &it.page, &after, patience).await?;
        Ok(rows.iter().map(|row| AccountId(row.id)).collect())
    }

    async fn listed<R: Row>(
        &self,
        statement: impl Fn(&Listing) -> &Statement,
        arguments: &[Argument],
        patience: &Patience,
    ) -> Result<Vec<R>, StoreError> {
        let mut tries = self.tries(patience);
        loop {
            let plan = tries.plan();
            let rows = self.try_listed(&plan, statement(&plan.listing), arguments, patience);
            if let Some(rows) = tries.outcome(rows.await).await {
                return rows;
            }
        }
    }

    async fn try_listed<R: Row>(
        &self,
        plan: &Plan,
        statement: &Statement,
        arguments: &[Argument],
        patience: &Patience,
    ) -> Result<Vec<R>, StoreError> {
        let mut connection = self.pool.acquire(patience).await?;
        let mut snapshot = connection.begin(patience).await?;
        let rows = snapshot.fetch(statement, arguments).await?;
        snapshot.end(plan).await?;
        Ok(rows)
    }
}
