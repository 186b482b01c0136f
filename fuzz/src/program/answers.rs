//! Parses the responses that a connection received.

use super::hpack::{Block, Reader};
use std::collections::BTreeMap;

/// The header that identifies the echo app's responses, and its Huffman code (RFC 7541 appendix B).
pub const MARKER: &str = "x-app";
const MARKER_CODE: &[u8] = &[0xf2, 0xb0, 0xeb, 0xaf];
const FRAME_HEAD_BYTES: usize = 9;

/// One response, as far as it was received.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub head_bytes: usize,
    pub body_bytes: usize,
    pub cookies: usize,
    pub of_app: bool,
}

/// Returns the HTTP/1.1 responses in order. A body ends at the next status line: none of Entrada's
/// pages contains one.
pub fn http1(received: &[u8]) -> Vec<Answer> {
    let begins: Vec<_> =
        (0..received.len()).filter(|at| status_line(&received[*at..]).is_some()).collect();
    let ends = begins.iter().skip(1).copied().chain([received.len()]);
    begins.iter().zip(ends).map(|(begin, end)| answer1(&received[*begin..end])).collect()
}

fn status_line(bytes: &[u8]) -> Option<u16> {
    let rest = bytes.strip_prefix(b"HTTP/1.1 ").or_else(|| bytes.strip_prefix(b"HTTP/1.0 "))?;
    std::str::from_utf8(rest.get(..3)?).ok()?.parse().ok()
}

fn answer1(bytes: &[u8]) -> Answer {
    let end = bytes.windows(4).position(|it| it == b"\r\n\r\n").map_or(bytes.len(), |it| it + 4);
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    let named = |name: &str| head.lines().filter(|it| it.split(':').next() == Some(name)).count();
    Answer {
        status: status_line(bytes).unwrap_or_default(),
        head_bytes: end,
        body_bytes: bytes.len() - end,
        cookies: named("set-cookie"),
        of_app: named(MARKER) > 0,
    }
}

/// Returns the HTTP/2 responses keyed by stream, and whether each one is complete.
pub fn http2(received: &[u8]) -> BTreeMap<u32, (Answer, bool)> {
    let (mut reader, mut block) = (Reader::default(), Vec::new());
    let mut answers = BTreeMap::<u32, (Answer, bool)>::new();
    for (kind, flags, stream, payload) in frames(received) {
        let (answer, ended) = answers.entry(stream).or_default();
        match kind {
            0 => answer.body_bytes += payload.len(),
            1 | 9 => {
                block.extend_from_slice(payload);
                if flags & 4 != 0 {
                    let read = reader.read(&block, MARKER_CODE).unwrap_or_else(|| {
                        panic!("a header block that cannot be read: {block:x?}")
                    });
                    add(answer, &read);
                    block.clear();
                }
            }
            3 => *ended = true,
            _ => {}
        }
        *ended |= kind <= 1 && flags & 1 != 0;
    }
    answers.remove(&0);
    answers
}

fn add(answer: &mut Answer, block: &Block) {
    answer.status = block.status.unwrap_or(answer.status);
    answer.head_bytes += block.bytes;
    answer.cookies += block.cookies;
    answer.of_app |= block.of_app;
}

/// Returns whether the other side closes the connection (GOAWAY).
pub fn is_given_up(received: &[u8]) -> bool {
    frames(received).any(|it| it.0 == 7)
}

/// Returns the type, flags, stream and payload of each whole frame.
fn frames(received: &[u8]) -> impl Iterator<Item = (u8, u8, u32, &[u8])> {
    let mut rest = received;
    std::iter::from_fn(move || {
        let (head, after) = rest.split_at_checked(FRAME_HEAD_BYTES)?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let (payload, after) = after.split_at_checked(length)?;
        rest = after;
        Some((
            head[3],
            head[4],
            u32::from_be_bytes([head[5], head[6], head[7], head[8]]) & 0x7fff_ffff,
            payload,
        ))
    })
}
