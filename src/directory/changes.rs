//! Tells when anything has changed, where the store can say so without a read: by a number
//! that changes with every commit.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use tokio::{sync::watch, time::sleep};
use tokio_util::task::AbortOnDropHandle;

use super::poll_source::{PollSource, VersionReader};
use crate::domain::freshness::{BootInstant, Clock};

/// The interval between two looks at the number, while anything is watched.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// The delay until the next try, after a number could not be read.
const RETRY_DELAY: Duration = Duration::from_millis(500);

/// A number, and the connection that it is of: numbers of two connections say nothing together.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct DataVersionNumber {
    connection: u64,
    number: i64,
}

/// The number at a moment. All that was committed before the moment has it.
struct DataMoment {
    version: DataVersionNumber,
    as_of: BootInstant,
}

/// Numbers that were there before the newest one, and are remembered: those of three seconds, while
/// there is a change at each look.
const REMEMBERED_NUMBERS: usize = 64;

/// The newest number. It is read until this is dropped.
pub struct Changes {
    /// By their last moments, the newest first.
    numbers: watch::Receiver<VecDeque<DataMoment>>,
    _task: AbortOnDropHandle<()>,
}

impl Changes {
    /// `None` where the source has no such number.
    pub fn of<S: PollSource>(source: &Arc<S>, clock: Clock) -> Option<Self> {
        if !source.has_version() {
            return None;
        }
        let (sender, numbers) = watch::channel(VecDeque::new());
        let task = tokio::spawn(look(Arc::clone(source), sender, clock));
        Some(Self {
            numbers,
            _task: AbortOnDropHandle::new(task),
        })
    }

    /// The newest number that could be read.
    pub fn newest(&self) -> Option<DataVersionNumber> {
        self.numbers.borrow().front().map(|newest| newest.version)
    }

    /// The last moment at which this number was the newest one.
    pub fn last_moment_of(&self, version: DataVersionNumber) -> Option<BootInstant> {
        let numbers = self.numbers.borrow();
        let of_version = numbers.iter().find(|it| it.version == version);
        of_version.map(|it| it.as_of)
    }

    /// Waits for a number other than this one.
    pub async fn differs_from(&self, version: Option<DataVersionNumber>) {
        let mut numbers = self.numbers.clone();
        let differs = |numbers: &VecDeque<DataMoment>| {
            numbers
                .front()
                .is_some_and(|newest| Some(newest.version) != version)
        };
        // The task ends only with this.
        let _ = numbers.wait_for(differs).await;
    }
}

async fn look<S: PollSource>(
    source: Arc<S>,
    numbers: watch::Sender<VecDeque<DataMoment>>,
    clock: Clock,
) {
    for connection in 0.. {
        if let Some(mut version) = source.open_version().await {
            loop {
                let as_of = clock.now();
                let Some(number) = version.read().await else {
                    break;
                };
                let version = DataVersionNumber { connection, number };
                numbers.send_if_modified(|numbers| {
                    if let Some(newest) = numbers.front_mut().filter(|it| it.version == version) {
                        newest.as_of = as_of;
                        return false;
                    }
                    numbers.truncate(REMEMBERED_NUMBERS);
                    numbers.push_front(DataMoment { version, as_of });
                    true
                });
                sleep(LOOK_INTERVAL).await;
            }
        }
        sleep(RETRY_DELAY).await;
    }
}
