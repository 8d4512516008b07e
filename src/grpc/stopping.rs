//! Lets calls under way end when the server stops, and tells a caller whose call
//! is cut off, instead of leaving it with a broken connection.

use http::{Request, Response};
use tokio_util::{
    sync::CancellationToken,
    task::{TaskTracker, task_tracker::TaskTrackerToken},
};
use tonic::body::Body;

use super::{
    around::Around,
    status::{CallError, answer},
    translate::is_standard,
};

/// The calls under way, and what gives them up.
#[derive(Clone, Default)]
pub struct Stopping {
    under_way: TaskTracker,
    given_up: CancellationToken,
}

impl Stopping {
    /// Returns when no call is under way. Health and reflection do not count:
    /// who watches the health watches it to the end.
    pub async fn have_ended(&self) {
        self.under_way.close();
        self.under_way.wait().await;
    }

    pub fn give_up(&self) {
        self.given_up.cancel();
    }
}

impl Around for Stopping {
    type Head = (CancellationToken, Option<TaskTrackerToken>);

    fn read<B>(&self, request: &mut Request<B>) -> Self::Head {
        let counts = !is_standard(request.uri().path());
        let under_way = counts.then(|| self.under_way.token());
        (self.given_up.clone(), under_way)
    }

    async fn answer<E: Send + 'static>(
        (given_up, _under_way): Self::Head,
        answered: impl Future<Output = Result<Response<Body>, E>> + Send + 'static,
    ) -> Result<Response<Body>, E> {
        tokio::select! {
            biased;
            answered = answered => answered,
            () = given_up.cancelled() => Ok(answer(CallError::ShuttingDown)),
        }
    }
}
