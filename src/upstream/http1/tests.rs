//! Responses as apps send them, well-formed and not, in one piece and cut at every byte.

mod differential;
mod framing;
mod link;
mod upload;

use super::body_decoder::{BodyDecoder, DecodedPart};
use super::response_head::{BadResponse, HeadReader, RequestFraming};
use bytes::BytesMut;
use http::{HeaderMap, Response};

const GET: RequestFraming = RequestFraming { is_head: false, wants_upgrade: false };
const HEAD: RequestFraming = RequestFraming { is_head: true, wants_upgrade: false };
const UPGRADE: RequestFraming = RequestFraming { is_head: false, wants_upgrade: true };

/// What was received before the app closed the connection.
#[derive(Debug)]
struct Received {
    head: Response<()>,
    body: Vec<u8>,
    trailers: Option<HeaderMap>,
    /// Whether the connection could be used again.
    reusable: bool,
}

/// Receives a response in the given pieces; the app closes the connection after them.
fn receive<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
    request: RequestFraming,
) -> Result<Received, BadResponse> {
    let mut incoming = BytesMut::new();
    let mut reader = HeadReader::default();
    let mut pieces = pieces.into_iter();
    let head = loop {
        if let Some(head) = reader.read(&mut incoming, request)? {
            break head;
        }
        incoming.extend_from_slice(pieces.next().ok_or(BadResponse::Incomplete)?);
    };
    let mut decoder = BodyDecoder::new(head.framing);
    let (mut body, mut trailers) = (Vec::new(), None);
    while !decoder.is_end() {
        match decoder.decode(&mut incoming)? {
            DecodedPart::Data(data) => body.extend_from_slice(&data),
            DecodedPart::Trailers(fields) => trailers = Some(fields),
            DecodedPart::End => break,
            DecodedPart::Incomplete => match pieces.next() {
                Some(piece) => incoming.extend_from_slice(piece),
                None => decoder.close()?,
            },
        }
    }
    let surplus = !incoming.is_empty() || pieces.next().is_some();
    Ok(Received { head: head.head, body, trailers, reusable: head.reusable && !surplus })
}

fn whole(bytes: &[u8], request: RequestFraming) -> Result<Received, BadResponse> {
    receive([bytes], request)
}
