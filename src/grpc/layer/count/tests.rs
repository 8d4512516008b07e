//! Refusals are told from errors of calls that were answered.

use std::time::{Duration, SystemTime};

use axum::{Router, middleware::from_fn_with_state};
use http_body_util::Full;
use tower::ServiceExt;

use super::*;
use crate::{
    grpc::status::CallError,
    metrics::{Metrics, ProcessFacts},
};

/// The metrics after a call with this response.
async fn scraped(
    response: impl Fn(HeaderMap) -> Response + Clone + Send + Sync + 'static,
) -> String {
    let process = ProcessFacts {
        version: "1.2.3",
        clock: || SystemTime::UNIX_EPOCH,
        is_scraped: true,
        processor_time: || Duration::ZERO,
    };
    let metrics = Metrics::new(Duration::from_secs(2), process);
    let counter = CallCounter::new(Arc::default(), metrics.calls.clone());
    let error = Status::from(CallError::ShuttingDown).into_http::<()>();
    let headers = error.headers().clone();
    let service = Router::new()
        .fallback(move || async move { response(headers) })
        .layer(from_fn_with_state(counter, count));
    let response = service.oneshot(Request::new(Body::empty())).await.unwrap();
    response.into_body().collect().await.unwrap();
    metrics.scrape().unwrap()
}

#[tokio::test]
async fn a_watch_that_ends_was_not_refused() {
    let ended = "leadchat_inbox_refused_total{reason=\"shutting_down\"}";
    let text = scraped(|headers| {
        let mut response = Response::default();
        *response.headers_mut() = headers;
        response
    })
    .await;
    assert!(text.contains(&format!("{ended} 1\n")), "{text}");

    let text = scraped(|trailers| {
        let body = Full::from("an event").with_trailers(async move { Some(Ok(trailers)) });
        Response::new(Body::new(body))
    })
    .await;
    assert!(text.contains(&format!("{ended} 0\n")), "{text}");
    assert!(text.contains("grpc_code=\"UNAVAILABLE\""), "{text}");
}
