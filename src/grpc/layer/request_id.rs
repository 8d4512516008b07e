//! Request ids, which connect a response with the log.

use http::{HeaderName, HeaderValue, Request};
use tower_http::request_id::{MakeRequestId, RequestId};

const HEADER: &str = "x-request-id";

pub const fn header() -> HeaderName {
    HeaderName::from_static(HEADER)
}

/// The maximum length of an id. Longer ids, and ids with other characters, are replaced.
const MAX_ID_BYTES: usize = 128;

/// Makes ids of random numbers.
#[derive(Clone, Copy)]
pub struct RandomIds(pub fn() -> Option<u128>);

impl MakeRequestId for RandomIds {
    fn make_request_id<B>(&mut self, _: &Request<B>) -> Option<RequestId> {
        let id = format!("{:032x}", (self.0)()?);
        let mut id = HeaderValue::from_str(&id).ok()?;
        // Marked so that HPACK does not index a value that never occurs again.
        id.set_sensitive(true);
        Some(RequestId::new(id))
    }
}

/// Removes an id that is not fit for a log.
pub fn remove_invalid<B>(mut request: Request<B>) -> Request<B> {
    let mut ids = request.headers().get_all(HEADER).iter();
    let is_single_valid = ids.next().is_some_and(is_valid) && ids.next().is_none();
    if !is_single_valid {
        request.headers_mut().remove(HEADER);
    }
    request
}

fn is_valid(id: &HeaderValue) -> bool {
    (1..=MAX_ID_BYTES).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic)
}

#[cfg(test)]
mod tests {
    mod fuzz;
}
