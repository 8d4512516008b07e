//! Adds leadchat's flags to answers: which channels must be connected again.
//!
//! They are read when the answer is there, so that no transaction waits for Redis.

use std::{sync::Arc, time::Instant};

use crate::{
    domain::{
        address::Address,
        directory::{Answer, DirectoryError, InboxDirectory},
        id::{AccountId, InboxId},
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
    async fn with_flags(&self, mut answers: Vec<Answer>) -> Vec<Answer> {
        let accounts = answers.iter();
        let keys = accounts.flat_map(|answer| answer.account.flag_keys());
        let flags = Arc::new(self.flags.read(keys.collect()).await);
        for answer in &mut answers {
            answer.flags = Arc::clone(&flags);
        }
        answers
    }

    async fn with_its_flags(&self, answer: Option<Answer>) -> Option<Answer> {
        let answers = self.with_flags(answer.into_iter().collect()).await;
        answers.into_iter().next()
    }
}

impl<D: InboxDirectory> InboxDirectory for FlagsDirectory<D> {
    async fn account(
        &self,
        account: AccountId,
        deadline: Instant,
    ) -> Result<Option<Answer>, DirectoryError> {
        let answer = self.inner.account(account, deadline).await?;
        Ok(self.with_its_flags(answer).await)
    }

    async fn inboxes(
        &self,
        account: AccountId,
        viewer: Viewer,
        inboxes: &[InboxId],
        deadline: Instant,
    ) -> Result<Option<Answer>, DirectoryError> {
        let answer = self.inner.inboxes(account, viewer, inboxes, deadline);
        Ok(self.with_its_flags(answer.await?).await)
    }

    async fn find(
        &self,
        account: AccountId,
        viewer: Viewer,
        address: Address,
        deadline: Instant,
    ) -> Result<Option<Answer>, DirectoryError> {
        let answer = self.inner.find(account, viewer, address, deadline);
        Ok(self.with_its_flags(answer.await?).await)
    }

    async fn find_everywhere(
        &self,
        address: Address,
        deadline: Instant,
    ) -> Result<Vec<Answer>, DirectoryError> {
        let answers = self.inner.find_everywhere(address, deadline).await?;
        Ok(self.with_flags(answers).await)
    }
}
