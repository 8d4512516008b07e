//! Which accounts there are, page by page: for a check, which reads all of them once.
//!
//! By the primary key, so that the last page costs what the first does.

use crate::{
    domain::id::AccountId,
    store::{
        Read, ReadOperation, Store,
        error::StoreError,
        schema::rows::{AccountIdRow, NumberRow},
        snapshot::context::ReadContext,
        sql::Argument,
    },
};

impl Store {
    /// How many accounts there are.
    pub async fn account_count(&self, context: ReadContext) -> Result<u64, StoreError> {
        let rows = self.read(&context, &Count).await?;
        let count = rows.first().and_then(|row| row.number.get().ok()?.copied());
        Ok(count.unwrap_or_default().try_into().unwrap_or_default())
    }

    /// The accounts behind another one, by id; none where it is the last.
    pub async fn account_ids(
        &self,
        after: Option<AccountId>,
        context: ReadContext,
    ) -> Result<Vec<AccountId>, StoreError> {
        let after = after.map_or(i64::MIN, |id| id.0);
        let rows = self.read(&context, &Page { after }).await?;
        Ok(rows.iter().map(|row| AccountId(row.id)).collect())
    }
}

struct Count;

impl ReadOperation for Count {
    type Output = Vec<NumberRow>;

    async fn attempt(&self, read: &mut Read<'_>) -> Result<Self::Output, StoreError> {
        read.fetch(&read.plan.account_list.count, &[]).await
    }
}

struct Page {
    after: i64,
}

impl ReadOperation for Page {
    type Output = Vec<AccountIdRow>;

    async fn attempt(&self, read: &mut Read<'_>) -> Result<Self::Output, StoreError> {
        let after = [Argument::Id(self.after)];
        read.fetch(&read.plan.account_list.page, &after).await
    }
}
