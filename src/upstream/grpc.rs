//! Calls of gRPC over HTTP/2, and `grpc-timeout`: how long their clients wait.

use http::HeaderMap;
use http::header::CONTENT_TYPE;
use std::time::Duration;

/// Maximum number of digits (gRPC over HTTP/2, "Timeout").
const MAX_DIGITS: usize = 8;

/// A shorter timeout would reset the stream as soon as it begins, and servers end a connection, which
/// others use too, on which many streams are reset.
const MIN_TIMEOUT: Duration = Duration::from_millis(50);

/// Whether a request is a call of gRPC. gRPC-Web is not: it needs no HTTP/2.
pub(super) fn is_call(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map_or(&b""[..], |it| it.as_bytes());
    kind.strip_prefix(b"application/grpc")
        .is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

/// Returns how long the client of a gRPC call waits, if it says so.
pub(super) fn timeout(headers: &HeaderMap) -> Option<Duration> {
    let timeout = headers.get("grpc-timeout")?.to_str().ok()?;
    if is_call(headers) { parse(timeout).map(|it| it.max(MIN_TIMEOUT)) } else { None }
}

fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > MAX_DIGITS || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(number * 3600)),
        "M" => Some(Duration::from_secs(number * 60)),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn a_timeout_is_at_most_eight_digits_and_a_unit() {
        for (text, expected) in [
            ("1H", Some(Duration::from_secs(3600))),
            ("2M", Some(Duration::from_secs(120))),
            ("15S", Some(Duration::from_secs(15))),
            ("99999999m", Some(Duration::from_millis(99_999_999))),
            ("7u", Some(Duration::from_micros(7))),
            ("7n", Some(Duration::from_nanos(7))),
            ("100000000m", None),
            ("-1S", None),
            ("+1S", None),
            ("S", None),
            ("1", None),
            ("1s", None),
            ("1\u{e9}", None),
            ("", None),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }

    #[test]
    fn only_calls_of_grpc_have_one() {
        let mut headers = HeaderMap::new();
        headers.insert("grpc-timeout", HeaderValue::from_static("5S"));
        assert_eq!(timeout(&headers), None);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html"));
        assert_eq!(timeout(&headers), None);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc-web"));
        assert_eq!(timeout(&headers), None);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc+proto"));
        assert_eq!(timeout(&headers), Some(Duration::from_secs(5)));
    }

    #[test]
    fn a_call_is_not_reset_as_soon_as_it_begins() {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        for (text, expected) in [("0n", 50), ("1n", 50), ("50m", 50), ("51m", 51)] {
            headers.insert("grpc-timeout", HeaderValue::from_static(text));
            assert_eq!(timeout(&headers), Some(Duration::from_millis(expected)), "{text}");
        }
    }
}
