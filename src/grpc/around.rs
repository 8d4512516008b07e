//! A layer that looks at a call's head and then deals with its answer: what
//! tower wants of a layer, written once.

use std::{
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll},
};

use http::{Request, Response};
use tonic::body::Body;
use tower::{Layer, Service};

/// What a layer does with a call.
pub trait Around: Send + 'static {
    /// What it needs to know of the request.
    type Head: Send + 'static;

    fn read<B>(request: &Request<B>) -> Self::Head;

    fn answer<E: Send + 'static>(
        head: Self::Head,
        answered: impl Future<Output = Result<Response<Body>, E>> + Send + 'static,
    ) -> impl Future<Output = Result<Response<Body>, E>> + Send + 'static;
}

/// The layer that does `A`.
pub struct AroundLayer<A>(PhantomData<fn() -> A>);

pub struct AroundService<A, S> {
    inner: S,
    around: PhantomData<fn() -> A>,
}

pub const fn layer<A: Around>() -> AroundLayer<A> {
    AroundLayer(PhantomData)
}

impl<A> Clone for AroundLayer<A> {
    fn clone(&self) -> Self {
        Self(PhantomData)
    }
}

impl<A, S: Clone> Clone for AroundService<A, S> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            around: PhantomData,
        }
    }
}

impl<A, S> Layer<S> for AroundLayer<A> {
    type Service = AroundService<A, S>;

    fn layer(&self, inner: S) -> Self::Service {
        AroundService {
            inner,
            around: PhantomData,
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

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let head = A::read(&request);
        Box::pin(A::answer(head, self.inner.call(request)))
    }
}
