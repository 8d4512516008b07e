//! Tells a caller whose call is cut off by a stop, instead of leaving it with a
//! broken connection.

use http::{Request, Response};
use tokio_util::sync::CancellationToken;
use tonic::body::Body;

use super::{
    around::Around,
    status::{CallError, answer},
};

/// Holds what says that calls under way are given up.
#[derive(Clone)]
pub struct Stopping(pub CancellationToken);

impl Around for Stopping {
    type Head = CancellationToken;

    fn read<B>(&self, _: &mut Request<B>) -> CancellationToken {
        self.0.clone()
    }

    async fn answer<E: Send + 'static>(
        given_up: CancellationToken,
        answered: impl Future<Output = Result<Response<Body>, E>> + Send + 'static,
    ) -> Result<Response<Body>, E> {
        tokio::select! {
            biased;
            answered = answered => answered,
            () = given_up.cancelled() => Ok(answer(CallError::ShuttingDown)),
        }
    }
}
