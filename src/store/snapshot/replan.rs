//! What becomes of a read that met other tables than its statements were made
//! for: the tables are looked at again, and it begins anew.
//!
//! Rails' migrations run while this does. A statement is refused because a column
//! is gone; or all went well, but a column has come, or a table was rewritten and
//! looked empty. Those who meet the same change share one look.
//!
//! And of a read that the database ended through no fault of its own: it begins anew
//! too, as `retries` has it.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tokio::sync::{Mutex, watch};
use tracing::{error, info};

use super::{context::Patience, retry::Retries};
use crate::store::{
    error::{Outdated, StoreError},
    schema::probe::{Looked, SchemaProbe},
    snapshot::Pool,
    sql::{Dialect, address_lookup::Order, plan::Plan},
};

/// How often a read is planned anew. Once is enough for one change; of a row of
/// migrations, each may come in the way of the same read.
const MOST: u32 = 4;

/// The plan in use, and how it is replaced when the tables change.
pub(in crate::store) struct Planner {
    pool: Pool,
    dialect: Dialect,
    order: Order,
    probe: SchemaProbe,
    current: watch::Sender<Arc<Plan>>,
    /// The number of looks at the tables that were begun.
    begun: AtomicU64,
    /// The last look that has ended; locked while one is under way.
    ended: Mutex<Ended>,
}

/// A look that has ended.
#[derive(Default)]
struct Ended {
    number: u64,
    /// Why it failed, if it did.
    failed: Option<String>,
}

impl Planner {
    pub fn new(looked: Looked) -> Self {
        let Looked {
            pool,
            dialect,
            order,
            ownership: _,
            probe,
            schema,
            table_schemas: _,
        } = looked;
        let plan = Plan::new(dialect, order, schema, 0);
        Self {
            pool,
            dialect,
            order,
            probe,
            current: watch::Sender::new(Arc::new(plan)),
            begun: AtomicU64::new(0),
            ended: Mutex::default(),
        }
    }

    fn current(&self) -> Arc<Plan> {
        Arc::clone(&self.current.borrow())
    }

    /// A plan for the tables as they are now, or were at some time after this was
    /// asked for. It is the one in use where they are as before, unless that is
    /// `stale`: then its statements need other texts, so that the database prepares
    /// them anew. A caller who has left does not wait for somebody else's look; one
    /// that it began itself is finished, since others may wait for it.
    async fn replanned(
        &self,
        used: &Arc<Plan>,
        stale: bool,
        patience: &Patience,
    ) -> Result<Arc<Plan>, StoreError> {
        let begun = self.begun.load(Ordering::SeqCst);
        let mut ended = tokio::select! {
            biased;
            () = patience.ended() => return Err(StoreError::Abandoned),
            ended = self.ended.lock() => ended,
        };
        let current = self.current();
        if stale && !Arc::ptr_eq(&current, used) {
            return Ok(current);
        }
        if ended.number > begun {
            return match &ended.failed {
                None => Ok(current),
                Some(reason) => Err(StoreError::Unavailable(reason.clone())),
            };
        }
        let look = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let looked = match self.probe.look_at(&self.pool).await {
            // Each read that waits then looks for itself.
            Err(cut_off @ StoreError::CutOff { .. }) => return Err(cut_off),
            looked => looked,
        };
        let failed = match &looked {
            Ok(_) => None,
            Err(StoreError::Unavailable(reason)) => Some(reason.clone()),
            Err(other) => Some(other.to_string()),
        };
        *ended = Ended {
            number: look,
            failed,
        };
        let schema = looked?;
        info!(look, left_out = %schema.left_out(), "the tables were looked at again");
        if schema == current.schema && !stale {
            return Ok(current);
        }
        if !schema.lacks.is_empty() && schema.lacks != current.schema.lacks {
            error!(lacks = %schema.lacks, "the tables can no longer be read as leadchat's");
        }
        let plan = Arc::new(Plan::new(self.dialect, self.order, schema, look));
        self.current.send_replace(Arc::clone(&plan));
        Ok(plan)
    }
}

/// The attempts of one read.
pub(in crate::store) struct Tries<'a> {
    planner: &'a Planner,
    patience: &'a Patience,
    plan: Arc<Plan>,
    left: u32,
    /// Whether the last try was made again with the very same statements.
    repeated: bool,
    retries: Retries,
}

impl<'a> Tries<'a> {
    pub fn new(planner: &'a Planner, patience: &'a Patience) -> Self {
        Self {
            planner,
            patience,
            plan: planner.current(),
            left: MOST,
            repeated: false,
            retries: Retries::new(),
        }
    }

    pub fn plan(&self) -> Arc<Plan> {
        Arc::clone(&self.plan)
    }

    /// What came of a try, unless there is to be another one.
    pub async fn outcome<T>(
        &mut self,
        answer: Result<T, StoreError>,
    ) -> Option<Result<T, StoreError>> {
        let failed = match answer {
            Err(StoreError::Outdated(cause)) => match self.plan_anew(cause).await {
                Ok(()) => return None,
                // Its look may have been cut off; the next try meets the change again.
                Err(failed) => failed,
            },
            Err(failed @ StoreError::CutOff { .. }) => failed,
            answer => return Some(answer),
        };
        if let StoreError::CutOff { cause, reason } = &failed
            && self.retries.allow(*cause, reason).await
        {
            return None;
        }
        Some(Err(failed.without_tries()))
    }

    /// Makes the next try one by a plan for the tables as they are.
    async fn plan_anew(&mut self, cause: Outdated) -> Result<(), StoreError> {
        let is_stale = matches!(cause, Outdated::Planned(_));
        let plan = self
            .planner
            .replanned(&self.plan, is_stale, self.patience)
            .await?;
        let is_same = Arc::ptr_eq(&plan, &self.plan);
        // What was refused twice will be again.
        let is_hopeless = is_same && self.repeated && matches!(cause, Outdated::Refused(_));
        if self.left == 0 || is_hopeless {
            return Err(cause.into());
        }
        self.left -= 1;
        self.repeated = is_same;
        self.plan = plan;
        Ok(())
    }
}
