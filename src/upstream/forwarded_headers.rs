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

/// Appends the fields to a head of HTTP/1.1. The client's own were removed before; `headers` are the
/// others.
pub(super) fn append(out: &mut Vec<u8>, headers: &mut HeaderMap, proxy_context: &ProxyContext) {
    FieldWriter { out, values: None }.write_all(headers, proxy_context);
}

/// Writes the headers. The client's own were removed before.
pub(super) fn insert(headers: &mut HeaderMap, proxy_context: &ProxyContext) {
    let (mut text, mut values) = (Vec::with_capacity(512), Vec::with_capacity(9));
    FieldWriter { out: &mut text, values: Some(&mut values) }.write_all(headers, proxy_context);
    let text = Bytes::from(text);
    for (name, place) in values {
        if let Ok(value) = HeaderValue::from_maybe_shared(text.slice(place)) {
            headers.insert(name, value);
        }
    }
}

/// Writes fields of HTTP/1.1, and notes where their values are if somebody wants to know.
struct FieldWriter<'a> {
    out: &'a mut Vec<u8>,
    values: Option<&'a mut Vec<(HeaderName, Range<usize>)>>,
}

impl FieldWriter<'_> {
    fn write_all(&mut self, headers: &mut HeaderMap, proxy_context: &ProxyContext) {
        let proto: &[u8] = if proxy_context.https { b"https" } else { b"http" };
        let passed = proxy_context.passed.as_deref();
        let request_id = passed.and_then(|it| it.request_id.as_ref());
        let request_id = request_id.unwrap_or(&proxy_context.request_id).as_bytes();
        self.field(X_FORWARDED_PROTO, |out| out.extend_from_slice(proto));
        self.field(X_FORWARDED_HOST, |out| out.extend_from_slice(proxy_context.host.as_bytes()));
        self.field(X_REQUEST_ID, |out| out.extend_from_slice(request_id));
        if let Some(prefix) = passed.and_then(|it| it.prefix.as_ref()) {
            self.field(X_FORWARDED_PREFIX, |out| out.extend_from_slice(prefix.as_bytes()));
        }
        if let Some(port) = passed.and_then(|it| it.port.as_ref()) {
            self.field(X_FORWARDED_PORT, |out| out.extend_from_slice(port.as_bytes()));
        }
        if proxy_context.chain.is_some() || proxy_context.peer.is_some() {
            self.field(X_FORWARDED_FOR, |out| chain(out, proxy_context));
        }
        self.field(FORWARDED, |out| forwarded(out, proxy_context, proto));
        if let Some(client) = proxy_context.client {
            self.field(X_REAL_IP, |out| address(out, client));
        }
        let traced = headers.get(TRACEPARENT).is_some_and(is_traceparent)
            && headers.get_all(TRACEPARENT).iter().count() == 1;
        if !traced {
            headers.remove(TRACEPARENT);
            self.field(TRACEPARENT, |out| traceparent(out, &proxy_context.request_id));
        }
    }

    fn field(&mut self, name: HeaderName, value: impl FnOnce(&mut Vec<u8>)) {
        self.out.extend_from_slice(name.as_str().as_bytes());
        self.out.extend_from_slice(b": ");
        let start = self.out.len();
        value(self.out);
        if let Some(values) = &mut self.values {
            values.push((name, start..self.out.len()));
        }
        self.out.extend_from_slice(b"\r\n");
    }
}

/// Appends the chain from a trusted peer, followed by the peer's address.
fn chain(out: &mut Vec<u8>, proxy_context: &ProxyContext) {
    let chain = proxy_context.chain.as_ref().and_then(|it| it.to_str().ok()).unwrap_or_default();
    out.extend_from_slice(chain.as_bytes());
    if let Some(peer) = proxy_context.peer {
        if !chain.is_empty() {
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

/// Appends `Forwarded` (RFC 7239 section 4).
fn forwarded(out: &mut Vec<u8>, proxy_context: &ProxyContext, proto: &[u8]) {
    out.extend_from_slice(b"for=");
    match proxy_context.client {
        Some(it @ IpAddr::V4(_)) => address(out, it),
        Some(it @ IpAddr::V6(_)) => {
            out.extend_from_slice(b"\"[");
            address(out, it);
            out.extend_from_slice(b"]\"");
        }
        None => out.extend_from_slice(b"unknown"),
    }
    out.extend_from_slice(b";host=\"");
    // The host was matched against Entrada's own names, so it contains no quotes.
    out.extend_from_slice(proxy_context.host.as_bytes());
    out.extend_from_slice(b"\";proto=");
    out.extend_from_slice(proto);
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
            insert(&mut headers, &proxy_context);
            let ours = headers.get(TRACEPARENT).unwrap();
            assert!(is_traceparent(ours), "{ours:?}");
            assert_eq!(ours == theirs, kept);
        }
    }

    #[test]
    fn a_head_of_http_1_has_the_same_fields() {
        let mut proxy_context = ProxyContext::sample();
        proxy_context.chain = Some(HeaderValue::from_static("1.2.3.4"));
        proxy_context.client = Some("2001:db8::1".parse().unwrap());
        for trace in
            [None, Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"), Some("junk")]
        {
            let client = || {
                let mut headers = HeaderMap::new();
                headers.extend(trace.map(|it| (TRACEPARENT, HeaderValue::from_static(it))));
                headers
            };
            let (mut inserted, mut rest, mut text) = (client(), client(), Vec::new());
            insert(&mut inserted, &proxy_context);
            append(&mut text, &mut rest, &proxy_context);
            for line in std::str::from_utf8(&text).unwrap().split_terminator("\r\n") {
                let (name, value) = line.split_once(": ").unwrap();
                rest.append(
                    HeaderName::from_bytes(name.as_bytes()).unwrap(),
                    value.parse().unwrap(),
                );
            }
            assert_eq!(inserted, rest);
        }
    }

    #[test]
    fn the_chain_grows_by_the_peer() {
        let mut proxy_context = ProxyContext::sample();
        let mut headers = HeaderMap::new();
        insert(&mut headers, &proxy_context);
        assert_eq!(headers.get("x-forwarded-for").unwrap(), "192.0.2.1");
        assert_eq!(headers.get("x-real-ip").unwrap(), "192.0.2.1");
        assert_eq!(
            headers.get("forwarded").unwrap(),
            "for=192.0.2.1;host=\"app.example.com\";proto=https"
        );
        proxy_context.chain = Some(HeaderValue::from_static("1.2.3.4"));
        proxy_context.client = Some("2001:db8::1".parse().unwrap());
        insert(&mut headers, &proxy_context);
        assert_eq!(headers.get("x-forwarded-for").unwrap(), "1.2.3.4, 192.0.2.1");
        assert_eq!(headers.get("x-real-ip").unwrap(), "2001:db8::1");
        assert_eq!(
            headers.get("forwarded").unwrap(),
            "for=\"[2001:db8::1]\";host=\"app.example.com\";proto=https"
        );
    }
}
