//! The size limits of request heads, the same for both versions of HTTP.

use http::Request;
use http::header::COOKIE;
use hyper::body::Incoming;

/// The size limits of a request head.
#[derive(Clone, Copy, Debug)]
pub(super) struct HeadLimits {
    pub(super) bytes: usize,
    pub(super) headers: usize,
}

/// What a field has beside its name and value, in bytes: a colon, a space and the line end.
const FIELD_BYTES: usize = 4;

impl HeadLimits {
    /// Whether the head exceeds the limits. hyper itself reads up to twice as many bytes before it
    /// rejects a head, and over HTTP/2 any number of fields.
    pub(super) fn exceeded(self, request: &Request<Incoming>) -> bool {
        let headers = request.headers();
        let target = request.uri().path_and_query().map_or(0, |it| it.as_str().len());
        let bytes =
            headers.iter().map(|it| it.0.as_str().len() + it.1.len() + FIELD_BYTES).sum::<usize>();
        if headers.len() <= self.headers && bytes + target <= self.bytes {
            return false;
        }
        // Over HTTP/2, browsers send each cookie in a field of its own (RFC 9113 section 8.2.3).
        // They count as the one line that they are over HTTP/1.1.
        let crumbs = headers.get_all(COOKIE).iter().count().saturating_sub(1);
        let saved = crumbs * (COOKIE.as_str().len() + FIELD_BYTES - "; ".len());
        headers.len() - crumbs > self.headers || bytes + target - saved > self.bytes
    }
}
