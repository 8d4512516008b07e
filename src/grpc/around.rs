//! A layer that looks at a call's head and then deals with its answer: what
//! tower wants of a layer, written once.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use http::{Request, Response};
use tonic::body::Body;
use tower::{Layer, Service};

/// What a layer does with a call.
pub trait Around: Clone + Send + 'static {
    /// What it needs to know of the request.
    type Head: Send + 'static;

    fn read<B>(&self, request: &mut Request<B>) -> Self::Head;

    /// Nothing of the call happens before `answered` is awaited.
    fn answer<E: Send + 'static>(
        head: Self::Head,
        answered: impl Future<Output = Result<Response<Body>, E>> + Send + 'static,
    ) -> impl Future<Output = Result<Response<Body>, E>> + Send + 'static;
}

/// The layer that does `A`.
#[derive(Clone)]
pub struct AroundLayer<A>(A);

#[derive(Clone)]
pub struct AroundService<A, S> {
    inner: S,
    around: A,
}

pub const fn layer<A: Around>(around: A) -> AroundLayer<A> {
    AroundLayer(around)
}

impl<A: Around, S> Layer<S> for AroundLayer<A> {
    type Service = AroundService<A, S>;

    fn layer(&self, inner: S) -> Self::Service {
        AroundService {
            inner,
            around: self.0.clone(),
        }
    }
}

impl<A, S, B> Service<Request<B>> for AroundService<A, S>
where
    A: Around,
    S: Service<Request<B>, Response = Response<Body>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let head = self.around.read(&mut request);
        Box::pin(A::answer(head, self.inner.call(request)))
    }
}
