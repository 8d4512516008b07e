//! What becomes of a read that met other tables than its statements were made
//! for: the tables are looked at again, and it begins anew.
//!
//! Rails' migrations run while this does. A statement is refused because a column
//! is gone; or all went well, but a column has come, or a table was rewritten and
//! looked empty. Those who meet the same change share one look.
//!
//! And of a read that the database ended, through no fault of its own: as a standby
//! does that has to replay something, or a server that is started again. It begins
//! anew too.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::{Mutex, watch};
use tracing::{debug, error, info};

use super::{
    Store,
    error::{CutOff, Outdated, StoreError},
    patience::Patience,
    plan::Plan,
};

/// How often a read begins anew. Once is enough for one change; of a row of
/// migrations, each may come in the way of the same read.
const MOST: u32 = 4;

impl CutOff {
    /// How often a read begins anew for it. A standby may have more to replay; a table
    /// may stay locked; and a statement that a server did not survive is not for the
    /// next one.
    const fn most(self) -> u32 {
        match self {
            Self::Conflict => 3,
            Self::Lock => 2,
            Self::Connection => 1,
        }
    }
}

/// How long what a standby replays is let pass; the next time, four times as long.
const PAUSE: Duration = Duration::from_millis(10);

/// The plan in use, and how it comes to be replaced.
pub(super) struct Plans {
    current: watch::Sender<Arc<Plan>>,
    /// Looks at the tables that were begun.
    begun: AtomicU64,
    /// The last one that came to an end; held while one is under way.
    ended: Mutex<Ended>,
}

/// A look that came to an end.
#[derive(Default)]
struct Ended {
    number: u64,
    /// Why it saw nothing.
    failed: Option<String>,
}

impl Plans {
    pub fn new(plan: Plan) -> Self {
        Self {
            current: watch::Sender::new(Arc::new(plan)),
            begun: AtomicU64::new(0),
            ended: Mutex::default(),
        }
    }

    fn current(&self) -> Arc<Plan> {
        Arc::clone(&self.current.borrow())
    }
}

/// The tries of one read.
pub(super) struct Tries<'a> {
    store: &'a Store,
    patience: &'a Patience,
    plan: Arc<Plan>,
    left: u32,
    /// Whether the last try was made again with the very same statements.
    repeated: bool,
    /// How often it was cut off.
    cuts: u32,
}

impl Store {
    /// Runs every statement once, so that what cannot be served is found at the
    /// start and not by a caller.
    pub(super) async fn try_statements(&self) -> Result<(), StoreError> {
        let patience = Patience::endless();
        let mut tries = self.tries(&patience);
        loop {
            let plan = tries.plan();
            if let Some(done) = tries.settled(self.try_all(&plan).await).await {
                return done;
            }
        }
    }

    pub(super) fn tries<'a>(&'a self, patience: &'a Patience) -> Tries<'a> {
        Tries {
            store: self,
            patience,
            plan: self.plans.current(),
            left: MOST,
            repeated: false,
            cuts: 0,
        }
    }

    /// A plan for the tables as they are now, or were at some time after this was
    /// asked for. It is the one in use where they are as before, unless its
    /// statements are `spoilt`. Whose caller is gone does not wait for the look of
    /// another; its own it brings to an end, for all who wait for that.
    async fn replanned(
        &self,
        used: &Arc<Plan>,
        spoilt: bool,
        patience: &Patience,
    ) -> Result<Arc<Plan>, StoreError> {
        let plans = &self.plans;
        let begun = plans.begun.load(Ordering::SeqCst);
        let mut ended = tokio::select! {
            biased;
            () = patience.ended() => return Err(StoreError::Abandoned),
            ended = plans.ended.lock() => ended,
        };
        let current = plans.current();
        if spoilt && !Arc::ptr_eq(&current, used) {
            return Ok(current);
        }
        if ended.number > begun {
            return match &ended.failed {
                None => Ok(current),
                Some(reason) => Err(StoreError::Unavailable(reason.clone())),
            };
        }
        let look = plans.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let looked = match self.wanted.look_at(&self.pool).await {
            // Whoever waits looks for himself, as this one will.
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
        if schema == current.schema && !spoilt {
            return Ok(current);
        }
        if !schema.lacks.is_empty() && schema.lacks != current.schema.lacks {
            error!(lacks = %schema.lacks, "the tables are no longer leadchat's");
        }
        let plan = Arc::new(Plan::new(self.dialect, self.order, schema, look));
        plans.current.send_replace(Arc::clone(&plan));
        Ok(plan)
    }
}

impl Tries<'_> {
    pub fn plan(&self) -> Arc<Plan> {
        Arc::clone(&self.plan)
    }

    /// What came of a try, unless there is to be another one.
    pub async fn settled<T>(
        &mut self,
        answer: Result<T, StoreError>,
    ) -> Option<Result<T, StoreError>> {
        let cause = match answer {
            Err(StoreError::Outdated(cause)) => cause,
            Err(StoreError::CutOff { cause, reason }) => {
                return self.begins_anew(cause, reason).await.map(Err);
            }
            answer => return Some(answer),
        };
        let is_spoilt = matches!(cause, Outdated::Planned(_));
        let replanned = self.store.replanned(&self.plan, is_spoilt, self.patience);
        let plan = match replanned.await {
            Ok(plan) => plan,
            // The look was cut off; the next try meets the change again.
            Err(StoreError::CutOff { cause, reason }) => {
                return self.begins_anew(cause, reason).await.map(Err);
            }
            Err(error) => return Some(Err(error.settled())),
        };
        let is_same = Arc::ptr_eq(&plan, &self.plan);
        // What was refused twice will be again.
        let is_hopeless = is_same && self.repeated && matches!(cause, Outdated::Refused(_));
        if self.left == 0 || is_hopeless {
            return Some(Err(StoreError::Outdated(cause).settled()));
        }
        self.left -= 1;
        self.repeated = is_same;
        self.plan = plan;
        None
    }

    /// What is to be said of a read that was cut off, unless there is to be another
    /// try.
    async fn begins_anew(&mut self, cause: CutOff, reason: String) -> Option<StoreError> {
        if self.cuts >= cause.most() {
            return Some(StoreError::Unavailable(reason));
        }
        debug!(%reason, "a read begins anew");
        if cause == CutOff::Conflict {
            // There may be a row of them, as of a VACUUM of many tables.
            tokio::time::sleep(PAUSE * 4_u32.pow(self.cuts)).await;
        }
        self.cuts += 1;
        None
    }
}
