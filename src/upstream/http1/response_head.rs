//! Reads the head of an app's response and decides where its body ends (RFC 9112 section 6.3).

use crate::upstream::hop_by_hop;
use bytes::{Buf as _, Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use httparse::{EMPTY_HEADER, Header, ParserConfig};
use hyper::ext::ReasonPhrase;
use memchr::memchr;
use std::mem::MaybeUninit;

/// Maximum size of a response head, in bytes, for both protocols. It is the only limit: the number
/// of fields has none of its own.
pub(in crate::upstream) const MAX_HEAD_BYTES: usize = 128 * 1024;

/// Maximum number of interim responses (1xx) before the final one.
const MAX_INTERIM_RESPONSES: u32 = 64;

/// Maximum number of names in `Connection`.
const MAX_CONNECTION_OPTIONS: usize = 64;

/// Number of fields that are parsed without an allocation.
const INLINE_FIELDS: usize = 64;

/// Length of the shortest field, `a:` and a line feed, in bytes.
const MIN_FIELD_BYTES: usize = 3;

/// What is wrong with a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::upstream) enum BadResponse {
    #[error("the head is not HTTP/1.1")]
    Head,
    #[error("the head is larger than {MAX_HEAD_BYTES} bytes")]
    HeadTooLarge,
    #[error("more than {MAX_INTERIM_RESPONSES} interim responses")]
    TooManyInterim,
    #[error("Content-Length is not one number")]
    ContentLength,
    #[error("Transfer-Encoding is not chunked alone")]
    TransferEncoding,
    #[error("101 without a request for an upgrade")]
    UnaskedUpgrade,
    #[error("a chunk is not well-formed")]
    Chunk,
    #[error("the trailers are not well-formed, or too large")]
    Trailers,
    #[error("the app closed the connection in the middle of the response")]
    Incomplete,
}

/// The facts about a request on which the framing of its response depends.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RequestFraming {
    pub(super) is_head: bool,
    pub(super) wants_upgrade: bool,
}

/// Where the body of a response ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyFraming {
    /// At once.
    Empty,
    /// After this number of bytes.
    Length(u64),
    /// After the last chunk and the trailers.
    Chunked,
    /// When the app closes the connection.
    UntilClose,
}

/// A response head without hop-by-hop headers. A 101 keeps its `Upgrade`.
#[derive(Debug)]
pub(super) struct ResponseHead {
    pub(super) head: Response<()>,
    pub(super) framing: BodyFraming,
    /// Whether the connection can be used for another request after the body.
    pub(super) reusable: bool,
}

/// Reads the head of one response, however it is cut into pieces.
#[derive(Debug, Default)]
pub(super) struct HeadReader {
    /// Number of bytes in which no end of a head begins.
    scanned: usize,
    interim: u32,
}

impl HeadReader {
    /// Takes the final head from `incoming` once it is complete. Skips interim responses (1xx):
    /// hyper's server cannot send them.
    ///
    /// # Errors
    /// `BadResponse` if the response cannot be forwarded.
    pub(super) fn read(
        &mut self,
        incoming: &mut BytesMut,
        request: RequestFraming,
    ) -> Result<Option<ResponseHead>, BadResponse> {
        loop {
            if self.scanned == 0 {
                skip_empty_lines(incoming);
            }
            let Some(end) = head_end(incoming, self.scanned) else {
                // The end is at most three bytes long, of which one is missing.
                self.scanned = incoming.len().saturating_sub(2);
                return if incoming.len() >= MAX_HEAD_BYTES {
                    Err(BadResponse::HeadTooLarge)
                } else {
                    Ok(None)
                };
            };
            if end > MAX_HEAD_BYTES {
                return Err(BadResponse::HeadTooLarge);
            }
            // One copy that all values share: the buffer stays with the connection.
            let head = Bytes::copy_from_slice(incoming.get(..end).unwrap_or_default());
            let read = parse(&head, request)?;
            incoming.advance(end);
            self.scanned = 0;
            if !read.head.status().is_informational() || read.head.status() == SWITCHING {
                return Ok(Some(read));
            }
            self.interim += 1;
            if self.interim > MAX_INTERIM_RESPONSES {
                return Err(BadResponse::TooManyInterim);
            }
        }
    }

    /// Number of interim responses that were skipped.
    pub(super) fn interim(&self) -> u32 {
        self.interim
    }
}

const SWITCHING: StatusCode = StatusCode::SWITCHING_PROTOCOLS;

/// RFC 9112 section 2.2: empty lines may precede a message.
fn skip_empty_lines(incoming: &mut BytesMut) {
    let empty = incoming.iter().take_while(|it| matches!(it, b'\r' | b'\n')).count();
    incoming.advance(empty);
}

/// Returns the position after the first empty line. `from` is where the search begins.
fn head_end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        at += memchr(b'\n', bytes.get(at..)?)? + 1;
        match bytes.get(at..)? {
            [b'\n', ..] => return Some(at + 1),
            [b'\r', b'\n', ..] => return Some(at + 2),
            _ => {}
        }
    }
}

fn parse(head: &Bytes, request: RequestFraming) -> Result<ResponseHead, BadResponse> {
    let mut usual = [const { MaybeUninit::uninit() }; INLINE_FIELDS];
    let mut response = httparse::Response::new(&mut []);
    let config = ParserConfig::default();
    match config.parse_response_with_uninit_headers(&mut response, head, &mut usual) {
        Err(httparse::Error::TooManyHeaders) => {}
        parsed => return complete(head, parsed).and_then(|()| build(head, &response, request)),
    }
    let mut all = vec![EMPTY_HEADER; head.len() / MIN_FIELD_BYTES];
    let mut response = httparse::Response::new(&mut all);
    let parsed = response.parse(head);
    complete(head, parsed).and_then(|()| build(head, &response, request))
}

/// The parser must see the same end as `head_end`.
fn complete(head: &Bytes, parsed: httparse::Result<usize>) -> Result<(), BadResponse> {
    match parsed {
        Ok(httparse::Status::Complete(length)) if length == head.len() => Ok(()),
        _ => Err(BadResponse::Head),
    }
}

fn build(
    bytes: &Bytes,
    parsed: &httparse::Response<'_, '_>,
    request: RequestFraming,
) -> Result<ResponseHead, BadResponse> {
    let status =
        parsed.code.and_then(|it| StatusCode::from_u16(it).ok()).ok_or(BadResponse::Head)?;
    if status == SWITCHING && !request.wants_upgrade {
        return Err(BadResponse::UnaskedUpgrade);
    }
    let mut head = Response::new(());
    *head.status_mut() = status;
    let HopFields { connection, body } = copy_fields(bytes, parsed.headers, &mut head)?;
    let framing = if request.is_head || has_no_body(status) {
        BodyFraming::Empty
    } else if body.chunked {
        BodyFraming::Chunked
    } else {
        body.length.map_or(BodyFraming::UntilClose, BodyFraming::Length)
    };
    if body.chunked || status == StatusCode::NO_CONTENT {
        // RFC 9112 section 6.3: Transfer-Encoding overrides Content-Length, which must be removed.
        // RFC 9110 section 8.6: none in a 204.
        head.headers_mut().remove(CONTENT_LENGTH);
    } else if let Some(length) = body.length.filter(|_| body.lengths > 1) {
        head.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    keep_reason(bytes, parsed.reason, &mut head);
    let is_http_11 = parsed.version == Some(1);
    let persists = !connection.close && (is_http_11 || connection.keep_alive);
    Ok(ResponseHead {
        framing,
        // RFC 9112 section 6.1: chunked from HTTP/1.0, or beside a length, may be an attack.
        reusable: persists
            && framing != BodyFraming::UntilClose
            // A body is announced where none may be: its bytes may still come.
            && !(has_no_body(status) && body.chunked)
            && !(status == StatusCode::NO_CONTENT && body.length.is_some_and(|it| it > 0))
            && status != SWITCHING
            && !(body.chunked && (body.lengths > 0 || !is_http_11)),
        head,
    })
}

/// RFC 9110 sections 15.2, 15.3.5 and 15.4.5.
fn has_no_body(status: StatusCode) -> bool {
    status.is_informational()
        || status == StatusCode::NO_CONTENT
        || status == StatusCode::NOT_MODIFIED
}

/// Passes on a reason phrase that says more than the status. HTTP/2 has none.
fn keep_reason(bytes: &Bytes, reason: Option<&str>, head: &mut Response<()>) {
    let Some(reason) = reason else { return };
    if head.status().canonical_reason() == Some(reason) {
        return;
    }
    if let Ok(reason) = ReasonPhrase::try_from(shared(bytes, reason.as_bytes())) {
        head.extensions_mut().insert(reason);
    }
}

/// A part of the head, without a copy.
fn shared(bytes: &Bytes, part: &[u8]) -> Bytes {
    // Bytes panics on an empty slice from elsewhere.
    if part.is_empty() { Bytes::new() } else { bytes.slice_ref(part) }
}

/// The fields of a response that say how its body is framed.
#[derive(Debug, Default)]
struct BodyHeaders {
    chunked: bool,
    length: Option<u64>,
    /// The number of lengths, all equal.
    lengths: usize,
}

impl BodyHeaders {
    /// Only `chunked`, once: other codings apply to this hop only (RFC 9112 section 6.1),
    /// and Entrada supports none.
    fn add_coding(&mut self, value: &[u8]) -> Result<(), BadResponse> {
        if self.chunked || !value.trim_ascii().eq_ignore_ascii_case(b"chunked") {
            return Err(BadResponse::TransferEncoding);
        }
        self.chunked = true;
        Ok(())
    }

    /// RFC 9112 section 6.3, item 5: a list of equal numbers counts as one number.
    fn add_length(&mut self, value: &[u8]) -> Result<(), BadResponse> {
        for part in value.split(|it| *it == b',') {
            let length = decimal(part.trim_ascii()).ok_or(BadResponse::ContentLength)?;
            if self.length.is_some_and(|it| it != length) {
                return Err(BadResponse::ContentLength);
            }
            self.length = Some(length);
            self.lengths += 1;
        }
        Ok(())
    }
}

/// `str::parse` would also accept a sign.
fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |sum, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    })
}

/// What `Connection` says (RFC 9110 section 7.6.1).
#[derive(Debug, Default)]
struct ConnectionOptions<'a> {
    close: bool,
    keep_alive: bool,
    /// Names of fields that concern this connection only.
    named: Vec<&'a [u8]>,
}

impl<'a> ConnectionOptions<'a> {
    fn add(&mut self, value: &'a [u8]) -> Result<(), BadResponse> {
        for option in value.split(|byte| *byte == b',') {
            let option = option.trim_ascii();
            if option.eq_ignore_ascii_case(b"close") {
                self.close = true;
            } else if option.eq_ignore_ascii_case(b"keep-alive") {
                self.keep_alive = true;
            } else if !option.is_empty() {
                self.named.push(option);
            }
        }
        // Each of them is searched for.
        if self.named.len() > MAX_CONNECTION_OPTIONS { Err(BadResponse::Head) } else { Ok(()) }
    }

    /// Removes the fields that it names, except `kept` and those that are never hop-by-hop.
    fn remove_named(&self, headers: &mut HeaderMap, kept: Option<&HeaderName>) {
        for name in self.named.iter().filter_map(|it| HeaderName::from_bytes(it).ok()) {
            if Some(&name) != kept && !hop_by_hop::is_end_to_end(name.as_str()) {
                headers.remove(name);
            }
        }
    }
}

/// What the fields of a response say about this hop.
#[derive(Debug, Default)]
struct HopFields<'a> {
    connection: ConnectionOptions<'a>,
    body: BodyHeaders,
}

/// Copies the end-to-end fields, and reads those of this hop. A response that switches protocols
/// keeps `Upgrade`.
fn copy_fields<'a>(
    bytes: &Bytes,
    fields: &[Header<'a>],
    head: &mut Response<()>,
) -> Result<HopFields<'a>, BadResponse> {
    let kept = (head.status() == SWITCHING).then_some(&UPGRADE);
    let headers = head.headers_mut();
    headers.try_reserve(fields.len()).map_err(|_| BadResponse::Head)?;
    let mut hop = HopFields::default();
    for field in fields {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| BadResponse::Head)?;
        if name == CONTENT_LENGTH {
            hop.body.add_length(field.value)?;
        } else if name == TRANSFER_ENCODING {
            hop.body.add_coding(field.value)?;
            continue;
        } else if name == CONNECTION {
            hop.connection.add(field.value)?;
            continue;
        } else if Some(&name) != kept && hop_by_hop::is_hop_by_hop(name.as_str()) {
            continue;
        }
        let value = HeaderValue::from_maybe_shared(shared(bytes, field.value))
            .map_err(|_| BadResponse::Head)?;
        headers.try_append(name, value).map_err(|_| BadResponse::Head)?;
    }
    hop.connection.remove_named(headers, kept);
    Ok(hop)
}
