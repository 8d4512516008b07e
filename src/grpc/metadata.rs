//! Refuses a call whose metadata is too large, in our own form. HTTP/2 refuses what is
//! much larger before there is a call, with a status of its own.

use http::{
    Request, Response,
    uri::{Authority, PathAndQuery},
};
use tonic::body::Body;

use super::{
    around::Around,
    request_id,
    status::{CallError, answer},
};

/// The largest metadata that is taken, in bytes as HTTP/2 counts them.
const LARGEST: usize = 16 << 10;

/// The largest that is read at all. Callers are told this by HTTP/2, and some libraries
/// then refuse to send more.
pub const LARGEST_READ: u32 = 64 << 10;

/// A name and a value take so many bytes more.
const ENTRY: usize = 32;

#[derive(Clone, Copy)]
pub struct Metadata;

impl Around for Metadata {
    /// Whether it is too large.
    type Head = bool;

    fn read<B>(&self, request: &mut Request<B>) -> bool {
        size(request) > LARGEST
    }

    async fn answer<E: Send + 'static>(
        is_too_large: bool,
        answered: impl Future<Output = Result<Response<Body>, E>> + Send + 'static,
    ) -> Result<Response<Body>, E> {
        if is_too_large {
            return Ok(answer(CallError::TooLarge));
        }
        answered.await
    }
}

/// Of all that came before the message but the request id, which may be of our making.
fn size<B>(request: &Request<B>) -> usize {
    let uri = request.uri();
    let pseudo = [
        (":method", Some(request.method().as_str())),
        (":scheme", uri.scheme_str()),
        (":authority", uri.authority().map(Authority::as_str)),
        (":path", uri.path_and_query().map(PathAndQuery::as_str)),
    ];
    let pseudo = pseudo
        .into_iter()
        .filter_map(|(name, value)| Some(ENTRY + name.len() + value?.len()));
    let headers = request.headers().iter();
    let headers = headers.filter(|(name, _)| *name != request_id::header());
    let headers = headers.map(|(name, value)| ENTRY + name.as_str().len() + value.len());
    pseudo.chain(headers).sum()
}

#[cfg(test)]
mod tests {
    use http::Uri;

    use super::*;

    #[test]
    fn entries_are_counted_as_in_http2() {
        let request = Request::post(Uri::from_static("http://a.test/b.C/D?e"))
            .header("x-f", "gh")
            .header(request_id::header(), "not counted")
            .body(())
            .unwrap();
        let texts = ":methodPOST:schemehttp:authoritya.test:path/b.C/D?ex-fgh";
        assert_eq!(size(&request), texts.len() + 5 * ENTRY);
        assert_eq!(
            size(&Request::new(())),
            ":methodGET:path/".len() + 2 * ENTRY
        );
    }
}
