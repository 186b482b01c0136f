//! Finds HTTP/2 frame headers (RFC 9113 section 4.1) in a byte stream. Payloads are skipped and not
//! stored.

/// Length of a frame header, in bytes.
const FRAME_HEADER_BYTES: usize = 9;
/// The flag on DATA and HEADERS that the stream ends with this frame (RFC 9113 sections 6.1 and
/// 6.2).
const END_STREAM: u8 = 1;
/// The flag that the head ends with this frame (RFC 9113 sections 6.2 and 6.10).
const END_HEADERS: u8 = 4;

/// The frame types that are relevant here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FrameKind {
    Data,
    Headers,
    Reset,
    Continuation,
    Other,
}

/// A frame, as its header describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) kind: FrameKind,
    /// The sender sends nothing more on this stream.
    pub(super) ends_stream: bool,
    pub(super) end_headers: bool,
    pub(super) stream: u32,
    /// Length of the payload, in bytes, including padding.
    pub(super) length: usize,
}

/// The position in a stream of frames.
#[derive(Debug)]
pub(super) struct FrameReader {
    header: [u8; FRAME_HEADER_BYTES],
    /// Number of header bytes received so far.
    filled: usize,
    /// Number of bytes to skip before the next header.
    skip: usize,
    /// A frame with a part of a head whose payload is still incomplete.
    partial: Option<Frame>,
}

impl FrameReader {
    /// Creates a reader for a stream whose first frame begins after `skip` bytes.
    pub(super) fn after(skip: usize) -> Self {
        Self { header: [0; FRAME_HEADER_BYTES], filled: 0, skip, partial: None }
    }

    /// Reads more bytes and reports every frame whose header is complete. HEADERS and CONTINUATION
    /// are reported only when their payload is complete, because an incomplete part of a head has
    /// no effect.
    pub(super) fn read(&mut self, mut bytes: &[u8], mut report: impl FnMut(Frame)) {
        while !bytes.is_empty() {
            let passed = self.skip.min(bytes.len());
            self.skip -= passed;
            bytes = bytes.get(passed..).unwrap_or_default();
            if self.skip == 0
                && let Some(frame) = self.partial.take()
            {
                report(frame);
            }
            let wanted = (FRAME_HEADER_BYTES - self.filled).min(bytes.len());
            let (part, rest) = bytes.split_at_checked(wanted).unwrap_or((bytes, &[]));
            if let Some(to) = self.header.get_mut(self.filled..self.filled + part.len()) {
                to.copy_from_slice(part);
            }
            self.filled += part.len();
            bytes = rest;
            if self.filled == FRAME_HEADER_BYTES {
                let frame = Frame::parse(self.header);
                (self.filled, self.skip) = (0, frame.length);
                if frame.length > 0
                    && matches!(frame.kind, FrameKind::Headers | FrameKind::Continuation)
                {
                    self.partial = Some(frame);
                } else {
                    report(frame);
                }
            }
        }
    }
}

impl Frame {
    fn parse([a, b, c, kind, flags, stream @ ..]: [u8; FRAME_HEADER_BYTES]) -> Self {
        let kind = match kind {
            0 => FrameKind::Data,
            1 => FrameKind::Headers,
            3 => FrameKind::Reset,
            9 => FrameKind::Continuation,
            _ => FrameKind::Other,
        };
        // The highest bit is reserved.
        let stream = u32::from_be_bytes(stream) & !(1 << 31);
        let length = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        let ends_stream = match kind {
            FrameKind::Data | FrameKind::Headers => flags & END_STREAM != 0,
            FrameKind::Reset => true,
            FrameKind::Continuation | FrameKind::Other => false,
        };
        Self { kind, ends_stream, end_headers: flags & END_HEADERS != 0, stream, length }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Regression: a head used to be reported at its frame header. If the rest came with a later
    // read, hyper had not called the service for it yet, and its identifier was assigned to the
    // next stream.
    #[test]
    fn a_part_of_a_head_is_reported_once_the_rest_has_arrived() {
        for kind in [1, 9] {
            let mut reader = FrameReader::after(0);
            let mut reported = |bytes: &[u8]| {
                let mut count = 0;
                reader.read(bytes, |_| count += 1);
                count
            };
            assert_eq!(
                (reported(&[0, 0, 3, kind, 4, 0, 0, 0, 1]), reported(&[7, 7]), reported(&[7])),
                (0, 0, 1),
                "{kind}"
            );
            assert_eq!(reported(&[0, 0, 0, kind, 4, 0, 0, 0, 1]), 1, "{kind}");
            assert_eq!((reported(&[0, 0, 2, 0, 0, 0, 0, 0, 1]), reported(&[7, 7])), (1, 0), "DATA");
        }
    }

    #[test]
    fn frames_are_found_wherever_the_bytes_are_cut() {
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        bytes.extend([0, 0, 0, 4, 0, 0, 0, 0, 0]);
        bytes.extend([0, 0, 3, 1, 0, 0x80, 0, 0, 1, 7, 7, 7]);
        bytes.extend([0, 0, 1, 9, 4, 0, 0, 0, 1, 7]);
        bytes.extend([0, 0, 2, 0, 1, 0, 1, 0, 3, 7, 7]);
        bytes.extend([0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 8]);
        let frame = |kind, ends_stream, end_headers, stream, length| Frame {
            kind,
            ends_stream,
            end_headers,
            stream,
            length,
        };
        let wanted = [
            frame(FrameKind::Other, false, false, 0, 0),
            frame(FrameKind::Headers, false, false, 1, 3),
            frame(FrameKind::Continuation, false, true, 1, 1),
            frame(FrameKind::Data, true, false, 0x1_0003, 2),
            frame(FrameKind::Reset, true, false, 1, 4),
        ];
        for size in 1..=bytes.len() {
            let (mut reader, mut found) = (FrameReader::after(24), Vec::new());
            bytes.chunks(size).for_each(|part| reader.read(part, |it| found.push(it)));
            assert_eq!(found, wanted, "{size}");
        }
    }
}
