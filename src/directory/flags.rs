//! Adds leadchat's flags to answers: which channels must be connected again.
//!
//! They are read when the answer is there, so that no transaction waits for Redis.

use std::sync::Arc;

use crate::{
    domain::{
        account::Account,
        address::Address,
        directory::{Answer, CrossAccountAnswer, DirectoryError, InboxDirectory},
        freshness::ReadOptions,
        id::{AccountId, InboxId},
        reauthorization::ReauthorizationFlags,
        viewer::Viewer,
    },
    store::RedisFlags,
};

pub struct FlagsDirectory<D> {
    inner: D,
    flags: RedisFlags,
}

impl<D: InboxDirectory> FlagsDirectory<D> {
    pub const fn new(inner: D, flags: RedisFlags) -> Self {
        Self { inner, flags }
    }

    /// In one round trip for all of them.
    async fn read<'a>(
        &self,
        accounts: impl IntoIterator<Item = &'a Arc<Account>> + Send,
    ) -> Arc<ReauthorizationFlags> {
        let accounts = accounts.into_iter();
        let keys = accounts.flat_map(|account| account.flag_keys()).collect();
        Arc::new(self.flags.read(keys).await)
    }

    async fn with_flags(&self, mut answer: Answer) -> Answer {
        answer.flags = self.read(&answer.account).await;
        answer
    }
}

impl<D: InboxDirectory> InboxDirectory for FlagsDirectory<D> {
    async fn account(
        &self,
        account: AccountId,
        options: ReadOptions,
    ) -> Result<Answer, DirectoryError> {
        let answer = self.inner.account(account, options).await?;
        Ok(self.with_flags(answer).await)
    }

    async fn inboxes(
        &self,
        account: AccountId,
        viewer: Viewer,
        inboxes: &[InboxId],
        options: ReadOptions,
    ) -> Result<Answer, DirectoryError> {
        let answer = self.inner.inboxes(account, viewer, inboxes, options);
        Ok(self.with_flags(answer.await?).await)
    }

    async fn find(
        &self,
        account: AccountId,
        viewer: Viewer,
        address: Address,
        options: ReadOptions,
    ) -> Result<Answer, DirectoryError> {
        let answer = self.inner.find(account, viewer, address, options);
        Ok(self.with_flags(answer.await?).await)
    }

    async fn find_everywhere(
        &self,
        address: Address,
        options: ReadOptions,
    ) -> Result<CrossAccountAnswer, DirectoryError> {
        let mut answer = self.inner.find_everywhere(address, options).await?;
        answer.flags = self.read(&answer.accounts).await;
        Ok(answer)
    }
}
