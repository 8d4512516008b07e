//! Reads after a schema change: the tables are probed again, and the read is repeated
//! with a new plan.
//!
//! Rails' migrations run while this does. A change shows in one of two ways. Either a
//! statement is refused because of a dropped column. Or all statements succeed, but a
//! column was added, or a table was rewritten and looked empty. Concurrent reads share
//! one probe.
//!
//! `retry` decides whether a read that the database interrupted is attempted again.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tokio::sync::{Mutex, watch};
use tracing::{error, info};

use super::{context::ReadContext, retry::RetryPolicy};
use crate::store::{
    error::{StalePlan, StoreError},
    schema::probe::{Probed, SchemaProbe},
    snapshot::Pool,
    sql::{Dialect, address_lookup::Collation, plan::Plan},
};

/// How often a read is planned anew. Once is enough for one change; of a row of
/// migrations, each may come in the way of the same read.
const MAX_REPLANS: u32 = 4;

/// The plan in use, and how it is replaced when the tables change.
pub(in crate::store) struct Planner {
    pool: Pool,
    dialect: Dialect,
    collation: Collation,
    probe: SchemaProbe,
    current: watch::Sender<Arc<Plan>>,
    /// The number of probes that were started.
    started: AtomicU64,
    /// The last probe that has ended; locked while one runs.
    finished: Mutex<FinishedProbe>,
}

/// A probe that has ended.
#[derive(Default)]
struct FinishedProbe {
    number: u64,
    /// Why it failed, if it did.
    failed: Option<String>,
}

impl Planner {
    pub fn new(probed: Probed) -> Self {
        let Probed {
            pool,
            dialect,
            collation,
            ownership: _,
            probe,
            schema,
            table_schemas: _,
        } = probed;
        let plan = Plan::new(dialect, collation, schema, 0);
        Self {
            pool,
            dialect,
            collation,
            probe,
            current: watch::Sender::new(Arc::new(plan)),
            started: AtomicU64::new(0),
            finished: Mutex::default(),
        }
    }

    fn current(&self) -> Arc<Plan> {
        Arc::clone(&self.current.borrow())
    }

    /// Returns a plan for the current schema. If the schema has not changed, this is the
    /// plan in use, unless it is `stale`. Then its statements get different SQL texts, so
    /// that the database prepares them again. A cancelled call stops waiting for a probe.
    /// A probe that it started runs to its end, since other reads may wait for it.
    async fn current_or_reprobed(
        &self,
        used: &Arc<Plan>,
        stale: bool,
        context: &ReadContext,
    ) -> Result<Arc<Plan>, StoreError> {
        let started = self.started.load(Ordering::SeqCst);
        let mut finished = tokio::select! {
            biased;
            () = context.cancelled_by_caller() => return Err(StoreError::Cancelled),
            finished = self.finished.lock() => finished,
        };
        let current = self.current();
        if stale && !Arc::ptr_eq(&current, used) {
            return Ok(current);
        }
        if finished.number > started {
            return match &finished.failed {
                None => Ok(current),
                Some(reason) => Err(StoreError::Unavailable(reason.clone())),
            };
        }
        let probe_number = self.started.fetch_add(1, Ordering::SeqCst) + 1;
        let probed = match self.probe.probe(&self.pool).await {
            // Each waiting read then probes for itself.
            Err(interrupted @ StoreError::Interrupted { .. }) => return Err(interrupted),
            probed => probed,
        };
        let failed = match &probed {
            Ok(_) => None,
            Err(StoreError::Unavailable(reason)) => Some(reason.clone()),
            Err(other) => Some(other.to_string()),
        };
        *finished = FinishedProbe {
            number: probe_number,
            failed,
        };
        let schema = probed?;
        info!(probe_number, omitted = %schema.omitted_names(), "probed the schema again");
        if schema == current.schema && !stale {
            return Ok(current);
        }
        if !schema.missing.is_empty() && schema.missing != current.schema.missing {
            error!(
                missing = %schema.missing,
                "the tables can no longer be read as leadchat's; \
                 `leadchat-inbox check` lists the causes"
            );
        }
        let plan = Arc::new(Plan::new(
            self.dialect,
            self.collation,
            schema,
            probe_number,
        ));
        self.current.send_replace(Arc::clone(&plan));
        Ok(plan)
    }
}

/// The attempts of one read.
pub(in crate::store) struct Attempts<'a> {
    planner: &'a Planner,
    context: &'a ReadContext,
    plan: Arc<Plan>,
    replans_left: u32,
    /// Whether the last attempt was made with the same statements as the one before.
    is_same_plan: bool,
    retry_policy: RetryPolicy,
}

impl<'a> Attempts<'a> {
    pub fn new(planner: &'a Planner, context: &'a ReadContext) -> Self {
        Self {
            planner,
            context,
            plan: planner.current(),
            replans_left: MAX_REPLANS,
            is_same_plan: false,
            retry_policy: RetryPolicy::new(),
        }
    }

    pub fn plan(&self) -> Arc<Plan> {
        Arc::clone(&self.plan)
    }

    /// The result of an attempt, or `None` if another one follows.
    pub async fn next_attempt<T>(
        &mut self,
        answer: Result<T, StoreError>,
    ) -> Option<Result<T, StoreError>> {
        let failed = match answer {
            Err(StoreError::StalePlan(cause)) => match self.replan(cause).await {
                Ok(()) => return None,
                // Its probe may have been interrupted; the next attempt notices the
                // change again.
                Err(failed) => failed,
            },
            Err(failed @ StoreError::Interrupted { .. }) => failed,
            answer => return Some(answer),
        };
        if let StoreError::Interrupted { cause, reason } = &failed
            && self.retry_policy.should_retry(*cause, reason).await
        {
            return None;
        }
        Some(Err(failed.into_final()))
    }

    /// Makes the next attempt one by a plan for the tables as they are.
    async fn replan(&mut self, cause: StalePlan) -> Result<(), StoreError> {
        let is_stale = matches!(cause, StalePlan::Planned(_));
        let plan = self
            .planner
            .current_or_reprobed(&self.plan, is_stale, self.context)
            .await?;
        let is_same = Arc::ptr_eq(&plan, &self.plan);
        // A statement that was refused twice is not tried again.
        let is_hopeless = is_same && self.is_same_plan && matches!(cause, StalePlan::Refused(_));
        if self.replans_left == 0 || is_hopeless {
            return Err(cause.into());
        }
        self.replans_left -= 1;
        self.is_same_plan = is_same;
        self.plan = plan;
        Ok(())
    }
}
