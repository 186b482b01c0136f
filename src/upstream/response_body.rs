//! The app's body on its way to the client: never buffered, with a limit on how long it may stall.

use super::error::{AppStalled, PermitRevoked, boxed};
use super::held_permit::{HeldPermit, PermitCheck};
use super::link::ReplyBody;
use super::stall::{EndedWait, Stall};
use crate::wire::body::BoxError;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

pin_project! {
    /// The app's body on its way to the client. It continues only as long as its request would be
    /// allowed: otherwise HTTP/1.1 closes the connection, and HTTP/2 resets the stream.
    pub(super) struct ResponseBody<C> {
        #[pin]
        from: ReplyBody,
        #[pin]
        stall: Stall,
        held: Option<HeldPermit<C>>,
    }
}

impl<C: PermitCheck> ResponseBody<C> {
    pub(super) fn new(from: ReplyBody, timeout: Duration, held: Option<HeldPermit<C>>) -> Self {
        Self { from, stall: Stall::new(timeout), held }
    }
}

impl<C: PermitCheck> Body for ResponseBody<C> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut this = self.project();
        let polled = this.from.as_mut().poll_frame(context);
        if polled.is_pending() {
            let ended = ready!(this.stall.as_mut().poll_while_permitted(context, this.held));
            return Poll::Ready(Some(Err(match ended {
                EndedWait::TimedOut => boxed(AppStalled),
                EndedWait::NotPermitted => boxed(PermitRevoked),
            })));
        }
        if this.held.as_mut().is_some_and(|it| !it.still_permits()) {
            return Poll::Ready(Some(Err(boxed(PermitRevoked))));
        }
        this.stall.moved();
        match ready!(polled) {
            Some(Ok(mut frame)) => {
                if let Some(trailers) = frame.trailers_mut() {
                    super::hop_by_hop::strip(trailers);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            other => Poll::Ready(other),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.from.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.from.size_hint()
    }
}
