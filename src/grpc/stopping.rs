//! Lets calls under way end when the server stops, and tells a caller whose call
//! is cut off, instead of leaving it with a broken connection.

use std::time::{Duration, Instant};

use http::{Request, Response};
use http_body::Body as _;
use tokio::{sync::mpsc, time::sleep};
use tokio_util::{
    sync::CancellationToken,
    task::{TaskTracker, task_tracker::TaskTrackerToken},
};
use tonic::body::Body;

use super::{
    around::Around,
    deadline,
    sending::Sending,
    status::{CallError, answer},
    translate::is_standard,
};

/// How long calls under way may take after the server is told to stop.
const DRAIN: Duration = Duration::from_secs(10);

/// How long the last answers may take to be written.
const FAREWELL: Duration = Duration::from_millis(500);

/// The calls under way, and what gives them up.
#[derive(Clone, Default)]
pub struct Stopping {
    under_way: TaskTracker,
    given_up: CancellationToken,
}

impl Stopping {
    /// Returns when no call is under way. Told again to stop, or after a while, calls
    /// are given up.
    pub async fn end(&self, mut told_to_stop: mpsc::Receiver<()>) {
        tokio::select! {
            () = self.have_ended() => return,
            () = sleep(DRAIN) => {}
            Some(()) = told_to_stop.recv() => {}
        }
        self.given_up.cancel();
        sleep(FAREWELL).await;
    }

    /// When the last answer has left. Health and reflection do not count: who watches
    /// the health watches it to the end.
    async fn have_ended(&self) {
        self.under_way.close();
        loop {
            self.under_way.wait().await;
            // A caller learns of the stop a moment later, and may have begun a call
            // until then.
            sleep(FAREWELL).await;
            if self.under_way.is_empty() {
                return;
            }
        }
    }
}

/// What a call needs to know of a stop.
pub struct Head {
    given_up: CancellationToken,
    by: Instant,
    under_way: Option<TaskTrackerToken>,
}

impl Around for Stopping {
    type Head = Head;

    fn read<B>(&self, request: &mut Request<B>) -> Head {
        let counts = !is_standard(request.uri().path());
        Head {
            given_up: self.given_up.clone(),
            by: deadline::of(request.extensions()),
            under_way: counts.then(|| self.under_way.token()),
        }
    }

    async fn answer<E: Send + 'static>(
        head: Head,
        answered: impl Future<Output = Result<Response<Body>, E>> + Send + 'static,
    ) -> Result<Response<Body>, E> {
        let answered = tokio::select! {
            biased;
            answered = answered => answered?,
            () = head.given_up.cancelled() => return Ok(answer(CallError::ShuttingDown)),
        };
        Ok(match head.under_way {
            // Whose head is all has left with it.
            Some(under_way) if !answered.body().is_end_stream() => {
                answered.map(|body| Sending::body(body, head.by, head.given_up, under_way))
            }
            _ => answered,
        })
    }
}
