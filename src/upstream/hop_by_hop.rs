//! Removes hop-by-hop headers (RFC 9110 section 7.6.1) in both directions.

use http::header::{CONNECTION, HeaderMap, HeaderName, HeaderValue, TE};

/// Header names that are not hop-by-hop even if `Connection` lists them: a client must not be able
/// to remove them (RFC 9110 section 7.6.1: "MUST NOT").
const END_TO_END_NAMES: [&str; 6] =
    ["host", "content-length", "content-type", "authorization", "cookie", "origin"];

/// Whether a header stays even if `Connection` names it.
pub(super) fn is_end_to_end(name: &str) -> bool {
    END_TO_END_NAMES.contains(&name)
}

/// Removes hop-by-hop headers and all headers that `Connection` names. Must be called before
/// Entrada's headers are written.
pub(super) fn strip(headers: &mut HeaderMap) {
    // A single pass over all names: most heads have none of these headers, and each removal is a
    // separate search.
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

/// Whether a header is hop-by-hop even if `Connection` does not name it.
pub(super) fn is_hop_by_hop(name: &str) -> bool {
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

/// Whether the client accepts trailers. This is the only `TE` value that is forwarded, and only to
/// HTTP/2.
pub(super) fn takes_trailers(headers: &HeaderMap) -> bool {
    headers.get_all(TE).iter().flat_map(tokens).any(|it| it.eq_ignore_ascii_case("trailers"))
}

fn listed(value: &HeaderValue) -> impl Iterator<Item = HeaderName> {
    // Almost every client lists this name, which is removed anyway.
    let further = tokens(value).filter(|it| !it.eq_ignore_ascii_case("keep-alive"));
    further
        .filter_map(|it| HeaderName::from_bytes(it.as_bytes()).ok())
        .filter(|it| !is_end_to_end(it.as_str()))
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
