//! Inputs of the `program` target: lines of text that describe the bytes that one connection sends.
//! Any bytes are a valid input.
//!
//! The first line selects the sidecar (`full`, otherwise the plain one) and the protocol (`h2`,
//! otherwise HTTP/1.1). Each further line is an operation, one byte, and its operand:
//!
//! | operation | meaning |
//! |---|---|
//! | `>` | begins a request: method and target; a third word is sent as the version (HTTP/1.1) |
//! | `h` | its host, instead of the sidecar's own; empty: none |
//! | `c`, `a`, `:` | a cookie line, `Authorization`, any other field or pseudo-header |
//! | `+` | splits its header block into frames of that many bytes (HTTP/2) |
//! | `b` | the whole body |
//! | `k`, `z` | one chunk or DATA frame; the end of the body, with trailers if there is an operand |
//! | `F` | a frame: type, flags, stream (`.` is the current one) and payload (HTTP/2) |
//! | `r` | raw bytes |
//! | `w` | a pause |
//! | `#` | a comment |
//!
//! An operand may contain `\r`, `\n`, `\\` and `\xHH`, names such as `{session}` (see `operand::Names`), and
//! `{1000}` for that number of letters.

use super::hpack::literal;
use super::operand::{MAX_SENT_BYTES, Names, expanded};
use std::ops::Range;

/// Maximum number of operations in one input.
const MAX_OPERATIONS: usize = 64;
/// The name of the session in an input.
const SESSION: &[u8] = b"{session}";
/// Maximum number of pauses in one input.
const MAX_PAUSES: usize = 2;
/// The largest frame that a peer must accept (RFC 9113 section 4.2).
const MAX_FRAME_BYTES: usize = 16 * 1024;
/// The header that identifies the request and its input.
pub const NUMBER: &str = "x-fuzz-number";

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// The bytes that one connection sends.
pub struct Script {
    /// Whether the input is for the sidecar with every feature.
    pub full: bool,
    /// Whether the protocol is HTTP/2.
    pub http2: bool,
    /// The bytes, with a pause after each part.
    pub parts: Vec<Vec<u8>>,
    /// The stream of the last request, which is added to every input (HTTP/2).
    pub last_stream: u32,
    /// Whether the input uses the session outside of a cookie line: a path, for example, is written
    /// to the log.
    pub names_session_elsewhere: bool,
    /// The number of each request, and the bytes that describe it.
    pub requests: Vec<(u64, Range<usize>)>,
}

impl Script {
    /// Parses an input. Requests are numbered from `first`.
    pub fn parse(data: &[u8], names: impl Fn(bool) -> Names, first: u64) -> Self {
        let mut lines = data.split(|it| *it == b'\n');
        let choice = lines.next().unwrap_or_default();
        let contains = |word: &[u8]| choice.windows(word.len()).any(|it| it == word);
        let (full, http2) = (contains(b"full"), contains(b"h2"));
        let names = names(full);
        let (mut writer, mut elsewhere) = (Writer::new(http2, &names, first), false);
        for line in lines.take(MAX_OPERATIONS) {
            let Some((operation, operand)) = line.split_first() else { continue };
            let cookie = *operation == b'c' && !operand.contains(&b'\\');
            elsewhere |= !cookie && operand.windows(SESSION.len()).any(|it| it == SESSION);
            writer.operation(
                *operation,
                &expanded(operand.strip_prefix(b" ").unwrap_or(operand), &names),
            );
        }
        Self { names_session_elsewhere: elsewhere, ..writer.finish(full) }
    }

    /// Returns whether the bytes of a request contain this text.
    pub fn request_contains(&self, request: &Range<usize>, text: &str) -> bool {
        let all = self.parts.concat();
        all[request.clone()].windows(text.len()).any(|it| it == text.as_bytes())
    }
}

/// The head of a request that has not been sent yet.
struct Head {
    line: Vec<u8>,
    host: Vec<u8>,
    fields: Vec<(Vec<u8>, Vec<u8>)>,
    split: usize,
}

/// The part of a request that follows its head.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Body {
    None,
    Whole(usize),
    Chunked,
}

struct Writer<'a> {
    http2: bool,
    names: &'a Names,
    head: Option<Head>,
    parts: Vec<Vec<u8>>,
    next_stream: u32,
    next_number: u64,
    requests: Vec<(u64, usize)>,
}

impl<'a> Writer<'a> {
    fn new(http2: bool, names: &'a Names, first: u64) -> Self {
        let mut writer = Self {
            http2,
            names,
            head: None,
            parts: vec![Vec::new()],
            next_stream: 1,
            next_number: first,
            requests: Vec::new(),
        };
        if http2 {
            writer.raw(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
            writer.frame(SETTINGS, 0, 0, &[]);
        }
        writer
    }

    fn operation(&mut self, operation: u8, operand: &[u8]) {
        match operation {
            b'>' => {
                self.end_of_head(Body::None);
                let host =
                    self.names.get("host").map(|it| it.clone().into_bytes()).unwrap_or_default();
                self.head = Some(Head {
                    line: operand.to_vec(),
                    host,
                    fields: Vec::new(),
                    split: MAX_FRAME_BYTES,
                });
            }
            b'h' => self.of_head(|it| it.host = operand.to_vec()),
            b'c' => self.field(b"cookie", operand),
            b'a' => self.field(b"authorization", operand),
            b':' => {
                let colon = operand
                    .iter()
                    .skip(1)
                    .position(|it| *it == b':')
                    .map_or(operand.len(), |it| it + 1);
                let value = operand.get(colon + 1..).unwrap_or_default();
                self.field(&operand[..colon], value.strip_prefix(b" ").unwrap_or(value));
            }
            b'+' => self.of_head(|it| {
                it.split =
                    numbers(operand).next().map_or(1, |it| it as usize).clamp(1, MAX_FRAME_BYTES);
            }),
            b'b' => {
                self.end_of_head(Body::Whole(operand.len()));
                if self.http2 { self.data(operand, END_STREAM) } else { self.raw(operand) }
            }
            b'k' => {
                self.end_of_head(Body::Chunked);
                if self.http2 {
                    self.data(operand, 0);
                } else {
                    self.raw(
                        &[format!("{:x}\r\n", operand.len()).as_bytes(), operand, b"\r\n"].concat(),
                    );
                }
            }
            b'z' => self.end_of_body(operand),
            b'F' => self.any_frame(operand),
            b'w' => {
                self.end_of_head(Body::None);
                if self.parts.len() <= MAX_PAUSES {
                    self.parts.push(Vec::new());
                }
            }
            b'#' => {}
            _ => {
                self.end_of_head(Body::None);
                self.raw(operand);
            }
        }
    }

    fn of_head(&mut self, change: impl FnOnce(&mut Head)) {
        if let Some(head) = &mut self.head {
            change(head);
        }
    }

    fn field(&mut self, name: &[u8], value: &[u8]) {
        self.of_head(|it| it.fields.push((name.to_vec(), value.to_vec())));
    }

    fn stream(&self) -> u32 {
        self.next_stream.saturating_sub(2)
    }

    fn sent(&self) -> usize {
        self.parts.iter().map(Vec::len).sum()
    }

    fn raw(&mut self, bytes: &[u8]) {
        let left = MAX_SENT_BYTES.saturating_sub(self.sent());
        if let Some(part) = self.parts.last_mut() {
            part.extend_from_slice(&bytes[..bytes.len().min(left)]);
        }
    }

    fn end_of_head(&mut self, body: Body) {
        let Some(mut head) = self.head.take() else { return };
        self.requests.push((self.next_number, self.sent()));
        head.fields.insert(0, (NUMBER.into(), self.next_number.to_string().into_bytes()));
        self.next_number += 1;
        if self.http2 { self.head2(&head, body) } else { self.head1(&head, body) }
    }

    fn head1(&mut self, head: &Head, body: Body) {
        let version: &[u8] =
            if head.line.split(|it| *it == b' ').count() > 2 { b"\r\n" } else { b" HTTP/1.1\r\n" };
        let mut out = [&head.line, version].concat();
        let host = Some((b"host".to_vec(), head.host.clone())).filter(|it| !it.1.is_empty());
        let length = match body {
            Body::None => None,
            Body::Whole(length) => {
                Some((b"content-length".to_vec(), length.to_string().into_bytes()))
            }
            Body::Chunked => Some((b"transfer-encoding".to_vec(), b"chunked".to_vec())),
        };
        for (name, value) in host.iter().chain(&head.fields).chain(&length) {
            out.extend_from_slice(&[name.as_slice(), b": ", value, b"\r\n"].concat());
        }
        out.extend_from_slice(b"\r\n");
        self.raw(&out);
    }

    fn head2(&mut self, head: &Head, body: Body) {
        let (method, target) = head
            .line
            .split_at(head.line.iter().position(|it| *it == b' ').unwrap_or(head.line.len()));
        let mut block = [
            literal(b":method", method),
            literal(b":scheme", b"http"),
            literal(b":path", target.strip_prefix(b" ").unwrap_or(b"/")),
        ]
        .concat();
        if !head.host.is_empty() {
            block.extend(literal(b":authority", &head.host));
        }
        let (pseudo, plain): (Vec<_>, Vec<_>) =
            head.fields.iter().partition(|it| it.0.starts_with(b":"));
        for (name, value) in pseudo.into_iter().chain(plain) {
            block.extend(literal(name, value));
        }
        let stream = self.next_stream;
        self.next_stream += 2;
        let mut chunks = block.chunks(head.split).peekable();
        let (mut kind, mut flags) = (HEADERS, if body == Body::None { END_STREAM } else { 0 });
        while let Some(chunk) = chunks.next() {
            self.frame(
                kind,
                if chunks.peek().is_none() { flags | END_HEADERS } else { flags },
                stream,
                chunk,
            );
            (kind, flags) = (CONTINUATION, 0);
        }
    }

    fn end_of_body(&mut self, trailers: &[u8]) {
        self.end_of_head(Body::Chunked);
        match (self.http2, trailers.is_empty()) {
            (true, true) => self.data(&[], END_STREAM),
            (true, false) => {
                let colon = trailers.iter().position(|it| *it == b':').unwrap_or(trailers.len());
                let block = literal(
                    &trailers[..colon],
                    trailers.get(colon + 1..).unwrap_or_default().trim_ascii(),
                );
                self.frame(HEADERS, END_STREAM | END_HEADERS, self.stream(), &block);
            }
            (false, true) => self.raw(b"0\r\n\r\n"),
            (false, false) => self.raw(&[b"0\r\n", trailers, b"\r\n\r\n"].concat()),
        }
    }

    fn data(&mut self, bytes: &[u8], flags: u8) {
        let mut chunks = bytes.chunks(MAX_FRAME_BYTES).peekable();
        if chunks.peek().is_none() {
            self.frame(DATA, flags, self.stream(), &[]);
        }
        while let Some(chunk) = chunks.next() {
            self.frame(DATA, if chunks.peek().is_none() { flags } else { 0 }, self.stream(), chunk);
        }
    }

    fn any_frame(&mut self, operand: &[u8]) {
        self.end_of_head(Body::None);
        let mut words = operand.splitn(4, |it| *it == b' ');
        let mut number = || words.next().map_or(Some(0), |it| numbers(it).next());
        let (kind, flags, stream) = (number(), number(), number());
        let stream = stream.unwrap_or_else(|| self.stream());
        let payload = operand.splitn(4, |it| *it == b' ').nth(3).unwrap_or_default();
        let [.., kind] = kind.unwrap_or(0).to_be_bytes();
        let [.., flags] = flags.unwrap_or(0).to_be_bytes();
        self.frame(kind, flags, stream, payload);
    }

    fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let [.., high, middle, low] = payload.len().to_be_bytes();
        self.raw(
            &[&[high, middle, low][..], &[kind, flags], &stream.to_be_bytes(), payload].concat(),
        );
    }

    /// Ends every input with a request that closes the connection, so that the responses end if the
    /// framing is intact.
    fn finish(mut self, full: bool) -> Script {
        self.operation(b'>', b"GET /public/last");
        if !self.http2 {
            self.field(b"connection", b"close");
        }
        self.end_of_head(Body::None);
        let ends = self.requests.iter().skip(1).map(|it| it.1).chain([self.sent()]);
        let requests = self
            .requests
            .iter()
            .zip(ends)
            .map(|((number, begin), end)| (*number, *begin..end))
            .collect();
        Script {
            full,
            http2: self.http2,
            last_stream: self.stream(),
            parts: self.parts,
            names_session_elsewhere: false,
            requests,
        }
    }
}

/// Returns the decimal numbers in a text.
fn numbers(text: &[u8]) -> impl Iterator<Item = u32> {
    text.split(|it| !it.is_ascii_digit())
        .filter_map(|it| std::str::from_utf8(it).ok()?.parse().ok())
}
