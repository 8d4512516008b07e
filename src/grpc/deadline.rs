//! Keeps a call within its deadline: what `grpc-timeout` asks for.

use std::time::Duration;

use http::{Extensions, HeaderValue, Request, Response};
use tokio::time::Instant;
use tonic::body::Body;

use super::{
    around::Around,
    status::{CallError, answer},
};

/// Calls without a deadline of their own get this one.
const LONGEST: Duration = Duration::from_secs(30);

#[derive(Clone, Copy)]
pub struct Deadline;

/// By when a call has to be answered, in the extensions of its request.
#[derive(Clone, Copy)]
struct AnswerBy(Instant);

/// By when the call with these extensions has to be answered.
pub fn of(extensions: &Extensions) -> std::time::Instant {
    let by = extensions.get::<AnswerBy>();
    by.map_or_else(|| Instant::now() + LONGEST, |by| by.0)
        .into_std()
}

impl Around for Deadline {
    /// By when the call has to be answered.
    type Head = Instant;

    fn read<B>(&self, request: &mut Request<B>) -> Instant {
        let asked = request.headers().get("grpc-timeout").and_then(timeout);
        let by = Instant::now() + asked.unwrap_or(LONGEST).min(LONGEST);
        request.extensions_mut().insert(AnswerBy(by));
        by
    }

    async fn answer<E: Send + 'static>(
        by: Instant,
        answered: impl Future<Output = Result<Response<Body>, E>> + Send + 'static,
    ) -> Result<Response<Body>, E> {
        // Nothing is done for a call that is late already.
        if Instant::now() >= by {
            return Ok(answer(CallError::DeadlineExceeded));
        }
        // On a busy machine the answer may be polled before the timer although the
        // deadline has passed; it is late all the same.
        match tokio::time::timeout_at(by, answered).await {
            Ok(answered) if Instant::now() < by => answered,
            _ => Ok(answer(CallError::DeadlineExceeded)),
        }
    }
}

/// `grpc-timeout`: at most eight digits and a unit. What is not of this form is
/// ignored. A digit may be a plus in front: gRPC knows of none, but tonic's own servers
/// take it.
fn timeout(header: &HeaderValue) -> Option<Duration> {
    let text = header.to_str().ok()?;
    let unit = text.chars().next_back()?;
    let digits = text.strip_suffix(unit).filter(|digits| {
        digits.len() <= 8 && digits.bytes().all(|it| it.is_ascii_digit() || it == b'+')
    })?;
    // Of a plus, it takes one in front of digits.
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
        timeout(&HeaderValue::from_static(text))
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
