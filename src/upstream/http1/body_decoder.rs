//! Finds the end of a response's body, and takes the framing of this hop off it (RFC 9112 section 7).

use super::response_head::{BadResponse, BodyFraming};
use bytes::{Buf as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};

/// Maximum length of the line before a chunk, with its extensions, in bytes.
const MAX_CHUNK_LINE_BYTES: usize = 4 * 1024;

/// Maximum size of the trailers, in bytes.
const MAX_TRAILER_BYTES: usize = 16 * 1024;

/// Maximum number of trailers.
const MAX_TRAILERS: usize = 128;

/// Up to this size, in bytes, a part is copied: the buffer stays with the connection.
const MAX_COPIED_BYTES: usize = 4 * 1024;

/// The end of a chunk and of the whole body, if there are no trailers.
const LAST_BYTES: &[u8] = b"\r\n0\r\n\r\n";

/// The decoder for one body.
#[derive(Debug)]
pub(super) struct BodyDecoder(DecoderState);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DecoderState {
    /// Number of bytes left.
    Length(u64),
    ChunkLine,
    /// Number of bytes left in the chunk, at least one.
    ChunkData(u64),
    /// The line feed after the data of a chunk.
    ChunkEnd,
    Trailers,
    UntilClose,
    End,
}

/// What the next bytes of a body are.
#[derive(Debug)]
pub(super) enum DecodedPart {
    Data(Bytes),
    Trailers(HeaderMap),
    End,
    /// More bytes are needed.
    Incomplete,
}

impl BodyDecoder {
    pub(super) fn new(framing: BodyFraming) -> Self {
        Self(match framing {
            BodyFraming::Empty | BodyFraming::Length(0) => DecoderState::End,
            BodyFraming::Length(length) => DecoderState::Length(length),
            BodyFraming::Chunked => DecoderState::ChunkLine,
            BodyFraming::UntilClose => DecoderState::UntilClose,
        })
    }

    /// Whether the body has ended.
    pub(super) fn is_end(&self) -> bool {
        self.0 == DecoderState::End
    }

    /// The exact number of bytes left, if it is known.
    pub(super) fn remaining(&self) -> Option<u64> {
        match self.0 {
            DecoderState::Length(left) => Some(left),
            DecoderState::End => Some(0),
            _ => None,
        }
    }

    /// Takes the next part of the body from `incoming`.
    ///
    /// # Errors
    /// `BadResponse` if the framing is not well-formed.
    pub(super) fn decode(&mut self, incoming: &mut BytesMut) -> Result<DecodedPart, BadResponse> {
        loop {
            match self.0 {
                DecoderState::End => return Ok(DecodedPart::End),
                DecoderState::Length(_) | DecoderState::ChunkData(_) | DecoderState::UntilClose => {
                    return Ok(self.data(incoming));
                }
                DecoderState::ChunkLine => match chunk_size(incoming)? {
                    None => return Ok(DecodedPart::Incomplete),
                    Some(0) => self.0 = DecoderState::Trailers,
                    Some(size) => self.0 = DecoderState::ChunkData(size),
                },
                DecoderState::ChunkEnd => match incoming.get(..2) {
                    Some(b"\r\n") => {
                        incoming.advance(2);
                        self.0 = DecoderState::ChunkLine;
                    }
                    None if matches!(**incoming, [] | [b'\r']) => {
                        return Ok(DecodedPart::Incomplete);
                    }
                    _ => return Err(BadResponse::Chunk),
                },
                DecoderState::Trailers => return self.trailers(incoming),
            }
        }
    }

    /// The app has closed the connection, and no bytes are left.
    ///
    /// # Errors
    /// `BadResponse::Incomplete`, unless this is how the body ends.
    pub(super) fn close(&mut self) -> Result<(), BadResponse> {
        match self.0 {
            DecoderState::End => Ok(()),
            DecoderState::UntilClose => {
                self.0 = DecoderState::End;
                Ok(())
            }
            _ => Err(BadResponse::Incomplete),
        }
    }

    fn data(&mut self, incoming: &mut BytesMut) -> DecodedPart {
        if incoming.is_empty() {
            return DecodedPart::Incomplete;
        }
        let left = match self.0 {
            DecoderState::Length(left) | DecoderState::ChunkData(left) => left,
            _ => u64::MAX,
        };
        let data = take(incoming, left);
        let left = left - data.len() as u64;
        self.0 = match (self.0, left) {
            (DecoderState::Length(_), 0) => DecoderState::End,
            (DecoderState::Length(_), _) => DecoderState::Length(left),
            (DecoderState::ChunkData(_), 0) => DecoderState::ChunkEnd,
            (DecoderState::ChunkData(_), _) => DecoderState::ChunkData(left),
            (state, _) => state,
        };
        // hyper's server does not poll again if the frame that it has is known to be the last.
        if self.0 == DecoderState::ChunkEnd && incoming.starts_with(LAST_BYTES) {
            incoming.advance(LAST_BYTES.len());
            self.0 = DecoderState::End;
        }
        DecodedPart::Data(data)
    }

    fn trailers(&mut self, incoming: &mut BytesMut) -> Result<DecodedPart, BadResponse> {
        if incoming.starts_with(b"\r\n") {
            incoming.advance(2);
            self.0 = DecoderState::End;
            return Ok(DecodedPart::End);
        }
        let end = incoming.windows(4).position(|it| it == b"\r\n\r\n").map(|it| it + 4);
        match end {
            Some(end) if end <= MAX_TRAILER_BYTES => {
                let block = incoming.split_to(end);
                self.0 = DecoderState::End;
                parse_trailers(&block).map(DecodedPart::Trailers)
            }
            None if incoming.len() < MAX_TRAILER_BYTES => Ok(DecodedPart::Incomplete),
            _ => Err(BadResponse::Trailers),
        }
    }
}

fn take(incoming: &mut BytesMut, most: u64) -> Bytes {
    let count = usize::try_from(most).unwrap_or(usize::MAX).min(incoming.len());
    if count > MAX_COPIED_BYTES {
        return incoming.split_to(count).freeze();
    }
    let data = Bytes::copy_from_slice(incoming.get(..count).unwrap_or_default());
    incoming.advance(count);
    data
}

/// Takes the line before a chunk and returns the chunk's size. Extensions are dropped (RFC 9112
/// section 7.1.1). Only CR LF ends the line: what else does differs from server to server.
fn chunk_size(incoming: &mut BytesMut) -> Result<Option<u64>, BadResponse> {
    let searched = incoming.get(..MAX_CHUNK_LINE_BYTES).unwrap_or(incoming);
    let Some(end) = searched.iter().position(|it| *it == b'\n') else {
        return if searched.len() < MAX_CHUNK_LINE_BYTES {
            Ok(None)
        } else {
            Err(BadResponse::Chunk)
        };
    };
    let line =
        searched.get(..end).and_then(|it| it.strip_suffix(b"\r")).ok_or(BadResponse::Chunk)?;
    let digits = line.iter().take_while(|it| it.is_ascii_hexdigit()).count();
    let (size, rest) = line.split_at_checked(digits).ok_or(BadResponse::Chunk)?;
    let rest = rest.trim_ascii_start();
    if !(rest.is_empty() || rest.starts_with(b";")) || rest.iter().any(u8::is_ascii_control) {
        return Err(BadResponse::Chunk);
    }
    let size = hexadecimal(size).ok_or(BadResponse::Chunk)?;
    incoming.advance(end + 1);
    Ok(Some(size))
}

fn hexadecimal(digits: &[u8]) -> Option<u64> {
    // Sixteen digits are the whole range of the type.
    if digits.len() > 16 {
        return None;
    }
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

fn parse_trailers(block: &[u8]) -> Result<HeaderMap, BadResponse> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_TRAILERS];
    let Ok(httparse::Status::Complete((length, fields))) =
        httparse::parse_headers(block, &mut fields)
    else {
        return Err(BadResponse::Trailers);
    };
    // The parser may see an end before the one that was searched.
    if length != block.len() {
        return Err(BadResponse::Trailers);
    }
    let mut out = HeaderMap::with_capacity(fields.len());
    for field in fields {
        let name = HeaderName::from_bytes(field.name.as_bytes());
        let value = HeaderValue::from_bytes(field.value);
        let (Ok(name), Ok(value)) = (name, value) else { return Err(BadResponse::Trailers) };
        out.append(name, value);
    }
    Ok(out)
}
