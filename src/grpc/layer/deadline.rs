//! Keeps a call within its deadline: what `grpc-timeout` asks for.
//!
//! tonic enforces `grpc-timeout`, too, and answers CANCELLED above all layers of this
//! crate. So the deadline of this layer is a millisecond earlier. It is set where tonic
//! sets its own: when the call arrives, not when it is first polled.

use std::time::Duration;

use axum::{extract::Request, middleware::Next, response::Response};
use http::{Extensions, HeaderValue};
use tokio::time::Instant;

use crate::grpc::status::{CallError, response};

/// The longest time-out, and that of a call without one.
const MAX_TIMEOUT: Duration = Duration::from_secs(30);

/// How much earlier than tonic this layer answers.
const LEAD_WINDOW: Duration = Duration::from_millis(1);

/// With less time than this, an answer could not come before tonic's.
const MIN_TIMEOUT: Duration = Duration::from_millis(2);

/// When a call has to be answered, in the extensions of its request.
#[derive(Clone, Copy)]
struct Deadline(Instant);

/// When a stream has to end: the caller's own deadline, however late.
#[derive(Clone, Copy)]
struct StreamDeadline(Instant);

/// The deadline of the call with these extensions.
pub fn deadline_of(extensions: &Extensions) -> std::time::Instant {
    let deadline = extensions.get::<Deadline>();
    deadline
        .map_or_else(|| Instant::now() + MAX_TIMEOUT, |deadline| deadline.0)
        .into_std()
}

/// The deadline of the stream that answers the call with these extensions. `None` if the caller
/// has none.
pub fn stream_deadline_of(extensions: &Extensions) -> Option<Instant> {
    let deadline = extensions.get::<StreamDeadline>();
    deadline.map(|deadline| deadline.0)
}

/// Notes the deadline of a call that arrives.
pub fn set<B>(mut request: http::Request<B>) -> http::Request<B> {
    let timeout = request
        .headers()
        .get("grpc-timeout")
        .and_then(parse_timeout);
    if let Some(deadline) = timeout.and_then(|timeout| Instant::now().checked_add(timeout)) {
        request.extensions_mut().insert(StreamDeadline(deadline));
    }
    let timeout = timeout.map_or(MAX_TIMEOUT, |timeout| timeout.min(MAX_TIMEOUT));
    // A call with nearly no time left is answered without being run.
    let is_late = timeout < MIN_TIMEOUT;
    let timeout = if is_late {
        Duration::ZERO
    } else {
        timeout.saturating_sub(LEAD_WINDOW)
    };
    let deadline = Deadline(Instant::now() + timeout);
    request.extensions_mut().insert(deadline);
    request
}

/// Answers DEADLINE_EXCEEDED when a call takes too long.
pub async fn enforce(request: Request, next: Next) -> Response {
    let deadline = Instant::from_std(deadline_of(request.extensions()));
    if Instant::now() >= deadline {
        return response(CallError::DeadlineExceeded);
    }
    // On a busy machine the answer may be polled before the timer although the deadline
    // has passed; it is late all the same.
    match tokio::time::timeout_at(deadline, next.run(request)).await {
        Ok(answered) if Instant::now() < deadline => answered,
        _ => response(CallError::DeadlineExceeded),
    }
}

/// `grpc-timeout`: at most eight digits and a unit; other values are ignored. The first
/// may be a plus, which tonic accepts against the specification.
fn parse_timeout(header: &HeaderValue) -> Option<Duration> {
    let text = header.to_str().ok()?;
    let unit = text.chars().next_back()?;
    let digits = text.strip_suffix(unit).filter(|digits| {
        digits.len() <= 8 && digits.bytes().all(|it| it.is_ascii_digit() || it == b'+')
    })?;
    // `parse` accepts one plus before digits.
    let amount: u64 = digits.parse().ok()?;
    Some(match unit {
        'H' => Duration::from_hours(amount),
        'M' => Duration::from_mins(amount),
        'S' => Duration::from_secs(amount),
        'm' => Duration::from_millis(amount),
        'u' => Duration::from_micros(amount),
        'n' => Duration::from_nanos(amount),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    mod fuzz;

    use super::*;

    fn read(text: &'static str) -> Option<Duration> {
        parse_timeout(&HeaderValue::from_static(text))
    }

    #[test]
    fn timeouts_have_up_to_eight_digits_and_a_unit() {
        assert_eq!(read("1S"), Some(Duration::from_secs(1)));
        assert_eq!(read("99999999H"), Some(Duration::from_hours(99_999_999)));
        assert_eq!(read("250m"), Some(Duration::from_millis(250)));
        assert_eq!(read("7u"), Some(Duration::from_micros(7)));
        assert_eq!(read("0n"), Some(Duration::ZERO));
        assert_eq!(read("+1S"), Some(Duration::from_secs(1)));
        for odd in [
            "",
            "S",
            "1",
            "1s",
            "123456789S",
            "-1S",
            "+S",
            "++1S",
            "1+S",
            "+12345678S",
            "1 S",
            "1.5S",
        ] {
            assert_eq!(read(odd), None, "{odd}");
        }
    }
}
