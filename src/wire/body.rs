//! The body of a response: empty, a complete text, or a stream that is passed through.

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll};

/// The reason why a stream broke off.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A stream of bytes from another party; it is passed through without being stored.
pub type ByteStream = Pin<Box<dyn http_body::Body<Data = Bytes, Error = BoxError> + Send>>;

/// The body of a response.
pub struct Body(BodyKind);

enum BodyKind {
    Full(Option<Bytes>),
    Stream(ByteStream),
}

impl Body {
    /// An empty body.
    pub fn empty() -> Self {
        Self(BodyKind::Full(None))
    }

    /// A complete body in memory.
    pub fn full(text: impl Into<Bytes>) -> Self {
        Self(BodyKind::Full(Some(text.into()).filter(|it| !it.is_empty())))
    }

    /// Returns the text of a complete body, or else the body itself.
    ///
    /// # Errors
    /// The body is a stream.
    pub fn into_full(self) -> Result<Bytes, Self> {
        match self.0 {
            BodyKind::Full(text) => Ok(text.unwrap_or_default()),
            stream @ BodyKind::Stream(_) => Err(Self(stream)),
        }
    }

    /// A body that is streamed.
    pub fn stream(
        stream: impl http_body::Body<Data = Bytes, Error = BoxError> + Send + 'static,
    ) -> Self {
        Self(BodyKind::Stream(Box::pin(stream)))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.0 {
            BodyKind::Full(text) => Poll::Ready(text.take().map(|it| Ok(Frame::data(it)))),
            BodyKind::Stream(stream) => stream.as_mut().poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            BodyKind::Full(text) => text.is_none(),
            BodyKind::Stream(stream) => stream.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            BodyKind::Full(text) => {
                SizeHint::with_exact(text.as_ref().map_or(0, |it| it.len() as u64))
            }
            BodyKind::Stream(stream) => stream.size_hint(),
        }
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Body")
    }
}
