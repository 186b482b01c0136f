//! The beginning of a client's body, kept in case the app does not process the request.

use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;
use std::collections::VecDeque;

/// How much of a body is kept, in bytes. Most calls of gRPC are smaller.
const MAX_KEPT_BYTES: usize = 8 * 1024;

/// A part of a body.
#[derive(Debug)]
pub(super) enum BodyPart {
    Data { data: Bytes, is_last: bool },
    Trailers(HeaderMap),
}

/// All parts of a body that were taken from the client, or none if they are too large.
#[derive(Debug, Default)]
pub(super) struct KeptBody {
    /// Copied: the parts share the memory from which they were cut.
    data: Vec<u8>,
    is_complete: bool,
    trailers: Option<HeaderMap>,
    /// Whether anything was taken.
    is_started: bool,
    is_forgotten: bool,
}

impl BodyPart {
    /// Turns a frame into a part. `is_last` says whether anything follows.
    pub(super) fn of(frame: Frame<Bytes>, is_last: bool) -> Self {
        match frame.into_data() {
            Ok(data) => Self::Data { data, is_last },
            Err(frame) => Self::Trailers(frame.into_trailers().unwrap_or_default()),
        }
    }

    /// The end of a body without trailers.
    pub(super) fn end() -> Self {
        Self::Data { data: Bytes::new(), is_last: true }
    }

    /// Whether nothing follows.
    pub(super) fn is_last(&self) -> bool {
        match self {
            Self::Data { is_last, .. } => *is_last,
            Self::Trailers(_) => true,
        }
    }
}

impl KeptBody {
    /// Keeps a part, or forgets everything if that is too much.
    pub(super) fn keep(&mut self, part: &BodyPart) {
        self.is_started = true;
        if self.is_forgotten {
            return;
        }
        self.is_complete = part.is_last();
        match part {
            BodyPart::Data { data, .. } if self.data.len() + data.len() > MAX_KEPT_BYTES => {
                self.forget();
            }
            BodyPart::Data { data, .. } => self.data.extend_from_slice(data),
            BodyPart::Trailers(trailers) => self.trailers = Some(trailers.clone()),
        }
    }

    /// Whether nothing was taken from the client.
    pub(super) fn is_untouched(&self) -> bool {
        !self.is_started
    }

    /// Gives the memory back.
    pub(super) fn forget(&mut self) {
        self.is_forgotten = true;
        self.data = Vec::new();
        self.trailers = None;
    }

    /// Returns everything that was taken from the client, unless it was forgotten.
    pub(super) fn parts(&self) -> Option<VecDeque<BodyPart>> {
        if self.is_forgotten {
            return None;
        }
        let mut parts = VecDeque::new();
        let is_last = self.is_complete && self.trailers.is_none();
        if !self.data.is_empty() || is_last {
            parts.push_back(BodyPart::Data { data: Bytes::copy_from_slice(&self.data), is_last });
        }
        parts.extend(self.trailers.clone().map(BodyPart::Trailers));
        Some(parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(text: &str, is_last: bool) -> BodyPart {
        BodyPart::Data { data: Bytes::copy_from_slice(text.as_bytes()), is_last }
    }

    fn kept(parts: &[BodyPart]) -> Option<String> {
        let mut kept = KeptBody::default();
        for part in parts {
            kept.keep(part);
        }
        Some(kept.parts()?.iter().map(|it| format!("{it:?} ")).collect())
    }

    #[test]
    fn a_body_is_sent_again_as_it_came() {
        assert_eq!(kept(&[]).unwrap(), "");
        let begun = kept(&[data("one ", false), data("two", false)]).unwrap();
        assert!(begun.contains("one two") && begun.contains("is_last: false"), "{begun}");
        let whole = kept(&[data("one", false), BodyPart::end()]).unwrap();
        assert!(whole.contains("one") && whole.contains("is_last: true"), "{whole}");
        assert!(kept(&[BodyPart::end()]).unwrap().contains("is_last: true"));
        let trailers = HeaderMap::from_iter([(http::header::ETAG, "x".parse().unwrap())]);
        let whole = kept(&[data("one", false), BodyPart::Trailers(trailers)]).unwrap();
        assert!(whole.contains("is_last: false") && whole.contains("etag"), "{whole}");
    }

    #[test]
    fn a_large_body_is_not_kept() {
        let half = "x".repeat(MAX_KEPT_BYTES / 2);
        assert!(kept(&[data(&half, false), data(&half, false)]).is_some());
        assert!(kept(&[data(&half, false), data(&half, false), data("x", true)]).is_none());
    }
}
