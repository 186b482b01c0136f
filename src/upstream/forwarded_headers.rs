//! Headers that inform the app about the network path of a request.

use super::proxy_context::ProxyContext;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use std::io::Write as _;
use std::net::IpAddr;
use std::ops::Range;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED: HeaderName = HeaderName::from_static("forwarded");
const X_FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Writes the headers. The client's own were removed before.
pub(super) fn write(headers: &mut HeaderMap, proxy_context: &ProxyContext) {
    let proto = if proxy_context.https { "https" } else { "http" };
    headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(proto));
    headers.insert(X_FORWARDED_HOST, proxy_context.host.clone());
    let passed = proxy_context.passed.as_deref();
    let request_id = passed.and_then(|it| it.request_id.as_ref());
    headers.insert(X_REQUEST_ID, request_id.unwrap_or(&proxy_context.request_id).clone());
    if let Some(prefix) = passed.and_then(|it| it.prefix.as_ref()) {
        headers.insert(X_FORWARDED_PREFIX, prefix.clone());
    }
    if let Some(port) = passed.and_then(|it| it.port.as_ref()) {
        headers.insert(X_FORWARDED_PORT, port.clone());
    }
    // One buffer for the three values that are built for each request.
    let mut text = Vec::with_capacity(192);
    chain(&mut text, proxy_context);
    let chain_end = text.len();
    let client = forwarded(&mut text, proxy_context, proto);
    let forwarded_end = text.len();
    let traced = headers.get(TRACEPARENT).is_some_and(is_traceparent)
        && headers.get_all(TRACEPARENT).iter().count() == 1;
    if !traced {
        traceparent(&mut text, &proxy_context.request_id);
    }
    let text = Bytes::from(text);
    insert(headers, X_FORWARDED_FOR, text.slice(..chain_end));
    insert(headers, FORWARDED, text.slice(chain_end..forwarded_end));
    if let Some(client) = client {
        insert(headers, X_REAL_IP, text.slice(client));
    }
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

/// Appends the chain from a trusted peer, followed by the peer's address.
fn chain(out: &mut Vec<u8>, proxy_context: &ProxyContext) {
    if let Some(chain) = proxy_context.chain.as_ref().and_then(|it| it.to_str().ok()) {
        out.extend_from_slice(chain.as_bytes());
    }
    if let Some(peer) = proxy_context.peer {
        if !out.is_empty() {
            out.extend_from_slice(b", ");
        }
        address(out, peer);
    }
}

/// Writes the same text as `Display`, without the formatting overhead in the common case.
fn address(out: &mut Vec<u8>, it: IpAddr) {
    match it {
        IpAddr::V4(it) => {
            for (at, octet) in it.octets().into_iter().enumerate() {
                if at > 0 {
                    out.push(b'.');
                }
                decimal(out, octet);
            }
        }
        // Writing to memory cannot fail.
        IpAddr::V6(it) => drop(write!(out, "{it}")),
    }
}

fn decimal(out: &mut Vec<u8>, it: u8) {
    if it >= 100 {
        out.push(b'0' + it / 100);
    }
    if it >= 10 {
        out.push(b'0' + it / 10 % 10);
    }
    out.push(b'0' + it % 10);
}

/// Appends `Forwarded` (RFC 7239 section 4). Returns where the client's address is in it.
fn forwarded(out: &mut Vec<u8>, proxy_context: &ProxyContext, proto: &str) -> Option<Range<usize>> {
    out.extend_from_slice(b"for=");
    let client = match proxy_context.client {
        Some(it @ IpAddr::V4(_)) => Some(located(out, it)),
        Some(it @ IpAddr::V6(_)) => {
            out.extend_from_slice(b"\"[");
            let client = located(out, it);
            out.extend_from_slice(b"]\"");
            Some(client)
        }
        None => {
            out.extend_from_slice(b"unknown");
            None
        }
    };
    out.extend_from_slice(b";host=\"");
    // The host was matched against Entrada's own names, so it contains no quotes.
    out.extend_from_slice(proxy_context.host.as_bytes());
    out.extend_from_slice(b"\";proto=");
    out.extend_from_slice(proto.as_bytes());
    client
}

fn located(out: &mut Vec<u8>, it: IpAddr) -> Range<usize> {
    let start = out.len();
    address(out, it);
    start..out.len()
}

/// Starts a new trace (W3C Trace Context section 3.2), so that the app's log and Entrada's can be
/// joined: the request ID in hexadecimal.
fn traceparent(out: &mut Vec<u8>, request_id: &HeaderValue) {
    out.extend_from_slice(b"00-");
    let id = request_id.as_bytes().iter().copied().chain(std::iter::repeat(b'0'));
    for (at, byte) in id.take(24).enumerate() {
        if at == 16 {
            out.push(b'-');
        }
        out.extend_from_slice(&[hexadecimal(byte >> 4), hexadecimal(byte & 15)]);
    }
    out.extend_from_slice(b"-00");
}

fn hexadecimal(digit: u8) -> u8 {
    if digit < 10 { b'0' + digit } else { b'a' + digit - 10 }
}

fn is_traceparent(value: &HeaderValue) -> bool {
    let parts: Vec<_> = value.as_bytes().split(|it| *it == b'-').collect();
    let hex = |it: &[u8]| it.iter().all(|it| it.is_ascii_digit() || (b'a'..=b'f').contains(it));
    let some = |it: &[u8]| it.iter().any(|it| *it != b'0');
    match parts.as_slice() {
        [b"00", trace, parent, flags] => {
            (trace.len(), parent.len(), flags.len()) == (32, 16, 2)
                && hex(trace)
                && hex(parent)
                && hex(flags)
                && some(trace)
                && some(parent)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_goes_on_and_nonsense_is_replaced() {
        let proxy_context = ProxyContext::sample();
        for (theirs, kept) in [
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", true),
            ("00-0-0-1", false),
            ("junk", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(TRACEPARENT, HeaderValue::from_static(theirs));
            write(&mut headers, &proxy_context);
            let ours = headers.get(TRACEPARENT).unwrap();
            assert!(is_traceparent(ours), "{ours:?}");
            assert_eq!(ours == theirs, kept);
        }
    }

    #[test]
    fn the_chain_grows_by_the_peer() {
        let mut proxy_context = ProxyContext::sample();
        let mut headers = HeaderMap::new();
        write(&mut headers, &proxy_context);
        assert_eq!(headers.get("x-forwarded-for").unwrap(), "192.0.2.1");
        assert_eq!(headers.get("x-real-ip").unwrap(), "192.0.2.1");
        assert_eq!(
            headers.get("forwarded").unwrap(),
            "for=192.0.2.1;host=\"app.example.com\";proto=https"
        );
        proxy_context.chain = Some(HeaderValue::from_static("1.2.3.4"));
        proxy_context.client = Some("2001:db8::1".parse().unwrap());
        write(&mut headers, &proxy_context);
        assert_eq!(headers.get("x-forwarded-for").unwrap(), "1.2.3.4, 192.0.2.1");
        assert_eq!(headers.get("x-real-ip").unwrap(), "2001:db8::1");
        assert_eq!(
            headers.get("forwarded").unwrap(),
            "for=\"[2001:db8::1]\";host=\"app.example.com\";proto=https"
        );
    }
}
