//! Ids that tie an answer to the log.

use http::{HeaderName, HeaderValue, Request};
use tower_http::request_id::{MakeRequestId, RequestId};

const HEADER: &str = "x-request-id";

pub const fn header() -> HeaderName {
    HeaderName::from_static(HEADER)
}

/// Longer ids than this, and ids with odd characters, are replaced.
const LONGEST: usize = 128;

/// Makes ids of random numbers.
#[derive(Clone, Copy)]
pub struct Random(pub fn() -> Option<u128>);

impl MakeRequestId for Random {
    fn make_request_id<B>(&mut self, _: &Request<B>) -> Option<RequestId> {
        let id = format!("{:032x}", (self.0)()?);
        let mut id = HeaderValue::from_str(&id).ok()?;
        // No secret, but never the same again: HTTP/2 is not to remember it in
        // place of values that are.
        id.set_sensitive(true);
        Some(RequestId::new(id))
    }
}

/// Takes away an id that is not fit for a log.
pub fn discard_unfit<B>(mut request: Request<B>) -> Request<B> {
    let mut ids = request.headers().get_all(HEADER).iter();
    let fit = ids.next().is_some_and(is_fit) && ids.next().is_none();
    if !fit {
        request.headers_mut().remove(HEADER);
    }
    request
}

fn is_fit(id: &HeaderValue) -> bool {
    (1..=LONGEST).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic)
}

#[cfg(test)]
mod tests {
    mod fuzz;
}
