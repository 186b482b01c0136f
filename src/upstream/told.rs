//! What the app is told about the way a request came.

use super::trip::Trip;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use std::fmt::Write as _;
use std::net::IpAddr;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED: HeaderName = HeaderName::from_static("forwarded");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Writes them. Theirs have been taken out before.
pub(super) fn write(headers: &mut HeaderMap, trip: &Trip) {
    let proto = if trip.https { "https" } else { "http" };
    headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(proto));
    headers.insert(X_FORWARDED_HOST, trip.host.clone());
    headers.insert(X_REQUEST_ID, trip.request_id.clone());
    // One buffer for the three that are made for each request.
    let mut text = String::with_capacity(192);
    chain(&mut text, trip);
    let chain_end = text.len();
    forwarded(&mut text, trip, proto);
    let forwarded_end = text.len();
    let traced = headers.get(TRACEPARENT).is_some_and(is_traceparent) && headers.get_all(TRACEPARENT).iter().count() == 1;
    if !traced {
        traceparent(&mut text, &trip.request_id);
    }
    let text = Bytes::from(text);
    insert(headers, X_FORWARDED_FOR, text.slice(..chain_end));
    insert(headers, FORWARDED, text.slice(chain_end..forwarded_end));
    if !traced {
        insert(headers, TRACEPARENT, text.slice(forwarded_end..));
    }
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: Bytes) {
    match HeaderValue::from_maybe_shared(value) {
        Ok(value) if !value.is_empty() => headers.insert(name, value),
        _ => headers.remove(name),
    };
}

/// The chain that a trusted peer told, and the peer.
fn chain(out: &mut String, trip: &Trip) {
    if let Some(chain) = trip.chain.as_ref().and_then(|it| it.to_str().ok()) {
        out.push_str(chain);
    }
    if let Some(peer) = trip.peer {
        if !out.is_empty() {
            out.push_str(", ");
        }
        // Writing to a string cannot fail.
        let _ = write!(out, "{peer}");
    }
}

/// RFC 7239 4.
fn forwarded(out: &mut String, trip: &Trip, proto: &str) {
    let _ = match trip.client {
        Some(IpAddr::V4(it)) => write!(out, "for={it}"),
        Some(IpAddr::V6(it)) => write!(out, "for=\"[{it}]\""),
        None => write!(out, "for=unknown"),
    };
    // The host was matched against our own names: no quote stands in it.
    let _ = write!(out, ";host=\"{}\";proto={proto}", trip.host.to_str().unwrap_or_default());
}

/// A trace of our own (W3C Trace Context 3.2), so that the app's log and ours can be joined: the reference, in hexadecimal.
fn traceparent(out: &mut String, request_id: &HeaderValue) {
    out.push_str("00-");
    let id = request_id.as_bytes().iter().copied().chain(std::iter::repeat(b'0'));
    for (at, byte) in id.take(24).enumerate() {
        if at == 16 {
            out.push('-');
        }
        out.extend([byte >> 4, byte & 15].into_iter().filter_map(|it| char::from_digit(u32::from(it), 16)));
    }
    out.push_str("-00");
}

fn is_traceparent(value: &HeaderValue) -> bool {
    let parts: Vec<_> = value.as_bytes().split(|it| *it == b'-').collect();
    let hex = |it: &[u8]| it.iter().all(|it| it.is_ascii_digit() || (b'a'..=b'f').contains(it));
    let some = |it: &[u8]| it.iter().any(|it| *it != b'0');
    match parts.as_slice() {
        [b"00", trace, parent, flags] => {
            (trace.len(), parent.len(), flags.len()) == (32, 16, 2) && hex(trace) && hex(parent) && hex(flags) && some(trace) && some(parent)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_goes_on_and_nonsense_is_replaced() {
        let trip = Trip::sample();
        for (theirs, kept) in [("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", true), ("00-0-0-1", false), ("junk", false)] {
            let mut headers = HeaderMap::new();
            headers.insert(TRACEPARENT, HeaderValue::from_static(theirs));
            write(&mut headers, &trip);
            let ours = headers.get(TRACEPARENT).unwrap();
            assert!(is_traceparent(ours), "{ours:?}");
            assert_eq!(ours == theirs, kept);
        }
    }

    #[test]
    fn the_chain_grows_by_the_peer() {
        let mut trip = Trip::sample();
        let mut headers = HeaderMap::new();
        write(&mut headers, &trip);
        assert_eq!(headers.get("x-forwarded-for").unwrap(), "192.0.2.1");
        assert_eq!(headers.get("forwarded").unwrap(), "for=192.0.2.1;host=\"app.example.com\";proto=https");
        trip.chain = Some(HeaderValue::from_static("1.2.3.4"));
        trip.client = Some("2001:db8::1".parse().unwrap());
        write(&mut headers, &trip);
        assert_eq!(headers.get("x-forwarded-for").unwrap(), "1.2.3.4, 192.0.2.1");
        assert_eq!(headers.get("forwarded").unwrap(), "for=\"[2001:db8::1]\";host=\"app.example.com\";proto=https");
    }
}
