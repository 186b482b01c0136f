//! What is said between two neighbors only (RFC 9110 7.6.1) ends here, in both directions.

use http::header::{CONNECTION, HeaderMap, HeaderName, HeaderValue, TE};

/// Names that `Connection` may list that are not hop-by-hop: a caller must not talk us out of them (RFC 9110 7.6.1: "MUST NOT").
const END_TO_END_NAMES: [&str; 6] = ["host", "content-length", "content-type", "authorization", "cookie", "origin"];

/// Takes out hop-by-hop headers and whatever `Connection` names. Must be called before ours are written.
pub(super) fn strip(headers: &mut HeaderMap) {
    // One look over all names: most heads have none of these, and each removal is a search of its own.
    let mut gone: Vec<HeaderName> = Vec::new();
    for name in headers.keys().filter(|it| is_hop_by_hop(it.as_str())) {
        gone.push(name.clone());
    }
    if gone.contains(&CONNECTION) {
        gone.extend(headers.get_all(CONNECTION).iter().flat_map(listed));
    }
    for name in gone {
        headers.remove(name);
    }
}

/// Hop-by-hop, whatever `Connection` says.
fn is_hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "transfer-encoding"
            | "upgrade"
            | "te"
            | "proxy-authorization"
            | "proxy-authenticate"
            | "http2-settings"
    )
}

/// Whether the client takes trailers: the only `TE` that is passed on, and to HTTP/2 only.
pub(super) fn takes_trailers(headers: &HeaderMap) -> bool {
    headers.get_all(TE).iter().flat_map(tokens).any(|it| it.eq_ignore_ascii_case("trailers"))
}

fn listed(value: &HeaderValue) -> impl Iterator<Item = HeaderName> {
    // What nearly everybody lists goes anyway.
    let further = tokens(value).filter(|it| !it.eq_ignore_ascii_case("keep-alive"));
    further.filter_map(|it| HeaderName::from_bytes(it.as_bytes()).ok()).filter(|it| !END_TO_END_NAMES.contains(&it.as_str()))
}

fn tokens(value: &HeaderValue) -> impl Iterator<Item = &str> {
    value.to_str().unwrap_or_default().split(',').map(str::trim).filter(|it| !it.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbors_talk_goes_and_the_rest_stays() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, X-One"),
            ("connection", "x-two,cookie"),
            ("x-one", "1"),
            ("x-two", "2"),
            ("cookie", "a=b"),
            ("te", "trailers"),
            ("keep-alive", "timeout=5"),
            ("proxy-authorization", "Basic x"),
            ("proxy-connection", "close"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("http2-settings", "AAMAAABkAARAAAAAAAIAAAAA"),
            ("accept", "*/*"),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        assert!(takes_trailers(&headers));
        strip(&mut headers);
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["accept", "cookie"]);
    }
}
