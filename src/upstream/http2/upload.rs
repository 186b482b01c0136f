//! A client's body on its way into an HTTP/2 stream.

use super::connection::{BlockedUpload, Http2Connection};
use super::kept_body::{BodyPart, KeptBody};
use crate::upstream::error::Error;
use crate::upstream::request_body::RequestBody;
use bytes::Bytes;
use h2::{Reason, SendStream};
use http_body::Body as _;
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// A body that is being sent.
pub(super) struct Http2Upload {
    body: RequestBody,
    kept: KeptBody,
    /// What is sent again before the rest of the body.
    again: VecDeque<BodyPart>,
    is_empty: bool,
    is_finished: bool,
    /// Number of parts that were given to h2.
    parts: u64,
    blocked: Option<BlockedUpload>,
}

/// Why a body could not be sent.
#[derive(Debug)]
pub(super) enum Http2UploadError {
    /// The client's body ended early.
    Client(Error),
    /// The app accepts no more of it. It may have responded before that.
    App,
}

impl Http2Upload {
    pub(super) fn new(body: RequestBody) -> Self {
        let is_empty = body.is_end_stream();
        Self {
            body,
            kept: KeptBody::default(),
            again: VecDeque::new(),
            is_empty,
            is_finished: is_empty,
            parts: 0,
            blocked: None,
        }
    }

    /// Whether the request has no body.
    pub(super) fn is_empty(&self) -> bool {
        self.is_empty
    }

    /// Whether everything was given to h2, or the app accepts no more.
    pub(super) fn is_finished(&self) -> bool {
        self.is_finished
    }

    /// Whether nothing was taken from the client.
    pub(super) fn is_untouched(&self) -> bool {
        self.kept.is_untouched()
    }

    /// Whether the app's window is full, rather than the client quiet.
    pub(super) fn waits_for_app(&self) -> bool {
        self.blocked.is_some()
    }

    /// Number of parts that were given to h2.
    pub(super) fn parts(&self) -> u64 {
        self.parts
    }

    /// Begins again, for another stream, if everything that was taken from the client is still
    /// there.
    pub(super) fn rewind(&mut self) -> bool {
        let Some(again) = self.kept.parts() else { return false };
        self.again = again;
        self.is_finished = self.is_empty;
        self.blocked = None;
        true
    }

    /// The request will not be sent again.
    pub(super) fn forgets(&mut self) {
        self.kept.forget();
    }

    /// Sends as much as the client has sent and the app accepts. Is ready when everything was
    /// given to h2.
    pub(super) fn poll_send(
        &mut self,
        stream: &mut SendStream<Bytes>,
        connection: &Arc<Http2Connection>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), Http2UploadError>> {
        while !self.is_finished {
            let sent = ready!(self.poll_part(stream, connection, context));
            if let Err(error) = sent {
                self.is_finished = true;
                self.blocked = None;
                if matches!(error, Http2UploadError::Client(_)) {
                    stream.send_reset(Reason::CANCEL);
                }
                return Poll::Ready(Err(error));
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_part(
        &mut self,
        stream: &mut SendStream<Bytes>,
        connection: &Arc<Http2Connection>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), Http2UploadError>> {
        // Nothing is taken from the client before the app accepts it.
        ready!(self.poll_window(stream, connection, context))?;
        let part = match self.again.pop_front() {
            Some(part) => part,
            None => ready!(self.poll_body(context))?,
        };
        self.parts += 1;
        self.is_finished = part.is_last();
        let sent = match part {
            BodyPart::Data { data, is_last } => stream.send_data(data, is_last),
            BodyPart::Trailers(trailers) => stream.send_trailers(trailers),
        };
        Poll::Ready(sent.map_err(|_| Http2UploadError::App))
    }

    fn poll_body(&mut self, context: &mut Context<'_>) -> Poll<Result<BodyPart, Http2UploadError>> {
        let part = loop {
            let polled = ready!(Pin::new(&mut self.body).poll_frame(context));
            match polled.transpose() {
                // Servers end a connection on which too many empty frames arrive, and other people
                // use it too.
                Ok(Some(frame))
                    if frame.data_ref().is_some_and(Bytes::is_empty)
                        && !self.body.is_end_stream() => {}
                Ok(Some(frame)) => break BodyPart::of(frame, self.body.is_end_stream()),
                Ok(None) => break BodyPart::end(),
                Err(error) => {
                    let error = Error::of_request_body(error);
                    return Poll::Ready(Err(Http2UploadError::Client(error)));
                }
            }
        };
        self.kept.keep(&part);
        Poll::Ready(Ok(part))
    }

    fn poll_window(
        &mut self,
        stream: &mut SendStream<Bytes>,
        connection: &Arc<Http2Connection>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), Http2UploadError>> {
        stream.reserve_capacity(1);
        while stream.capacity() == 0 {
            match stream.poll_capacity(context) {
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(_) => return Poll::Ready(Err(Http2UploadError::App)),
                Poll::Pending => {
                    self.blocked.get_or_insert_with(|| connection.blocks_upload());
                    return Poll::Pending;
                }
            }
        }
        self.blocked = None;
        match stream.poll_reset(context) {
            Poll::Ready(_) => Poll::Ready(Err(Http2UploadError::App)),
            Poll::Pending => Poll::Ready(Ok(())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body::Frame;
    use std::future::poll_fn;

    #[tokio::test]
    async fn empty_frames_are_not_passed_on_unless_they_end_the_body() {
        let frames = ["", "a", "", "", "b", ""];
        let frames = frames.map(|text| Frame::data(Bytes::from_static(text.as_bytes())));
        let mut upload = Http2Upload::new(RequestBody::of_frames(frames.into()));
        let mut sent = Vec::new();
        loop {
            let part = poll_fn(|context| upload.poll_body(context)).await.unwrap();
            let is_last = part.is_last();
            let BodyPart::Data { data, .. } = part else { panic!("trailers") };
            sent.push(data);
            if is_last {
                break;
            }
        }
        assert_eq!(sent, ["a", "b", ""]);
    }
}
