//! Writes the head of a request to the app, with the framing of this hop.

use crate::config::upstream::HeaderCase;
use crate::upstream::request_body::RequestBody;
use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Method, Request};
use http_body::Body as _;
use std::io::Write as _;

/// How a request's body is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyEncoding {
    /// No body.
    Empty,
    /// Number of bytes that are still to be written.
    Length(u64),
    Chunked,
}

/// Appends the head of `request` with further fields, and returns how its body must be framed.
pub(super) fn write(
    out: &mut Vec<u8>,
    request: &Request<RequestBody>,
    own_fields: &[u8],
    case: HeaderCase,
) -> BodyEncoding {
    out.extend_from_slice(request.method().as_str().as_bytes());
    out.push(b' ');
    let path = request.uri().path_and_query().map_or("/", |it| it.as_str());
    out.extend_from_slice(path.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    write_fields(out, request.headers(), case);
    out.extend_from_slice(own_fields);
    let encoding = encoding(request);
    match encoding {
        BodyEncoding::Length(length) => write_length(out, length, case),
        BodyEncoding::Chunked => {
            write_name(out, TRANSFER_ENCODING.as_str(), case);
            out.extend_from_slice(b": chunked\r\n");
        }
        BodyEncoding::Empty if states_emptiness(request) => write_length(out, 0, case),
        BodyEncoding::Empty => {}
    }
    out.extend_from_slice(b"\r\n");
    encoding
}

fn encoding(request: &Request<RequestBody>) -> BodyEncoding {
    let body = request.body();
    if body.is_end_stream() {
        return BodyEncoding::Empty;
    }
    body.size_hint().exact().map_or(BodyEncoding::Chunked, BodyEncoding::Length)
}

/// RFC 9110 section 8.6: a request without a body says so if its method expects one. Many HTTP/1.1
/// servers answer 411 otherwise, and HTTP/2 clients need not say it.
fn states_emptiness(request: &Request<RequestBody>) -> bool {
    matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH)
        || request.headers().contains_key(CONTENT_LENGTH)
}

/// `Host` is written first (RFC 9112 section 3.2). The length is written with the framing.
fn write_fields(out: &mut Vec<u8>, headers: &HeaderMap, case: HeaderCase) {
    if let Some(host) = headers.get(HOST) {
        write_field(out, HOST.as_str(), host, case);
    }
    for (name, value) in headers {
        if *name != HOST && *name != CONTENT_LENGTH {
            write_field(out, name.as_str(), value, case);
        }
    }
}

pub(super) fn write_field(out: &mut Vec<u8>, name: &str, value: &HeaderValue, case: HeaderCase) {
    write_name(out, name, case);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Names compare without case (RFC 9110 section 5.1), but not in every app.
fn write_name(out: &mut Vec<u8>, name: &str, case: HeaderCase) {
    let start = out.len();
    out.extend_from_slice(name.as_bytes());
    if case == HeaderCase::Title {
        let words = out.get_mut(start..).unwrap_or_default().split_mut(|it| *it == b'-');
        for first in words.filter_map(<[u8]>::first_mut) {
            first.make_ascii_uppercase();
        }
    }
}

fn write_length(out: &mut Vec<u8>, length: u64, case: HeaderCase) {
    write_name(out, CONTENT_LENGTH.as_str(), case);
    // Writing to memory cannot fail.
    drop(write!(out, ": {length}\r\n"));
}
