//! The app's body on its way to the client: never buffered, with a limit on how long it may stall.

use super::error::{AppStalled, PermitRevoked, boxed};
use super::held_permit::{HeldPermit, PermitCheck};
use super::link::ReplyBody;
use super::response_ending::{BreakCause, ResponseEnding};
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
        ending: ResponseEnding,
    }
}

impl<C: PermitCheck> ResponseBody<C> {
    pub(super) fn new(
        from: ReplyBody,
        timeout: Duration,
        held: Option<HeldPermit<C>>,
        mut ending: ResponseEnding,
    ) -> Self {
        if from.is_end_stream() {
            ending.is_complete();
        }
        Self { from, stall: Stall::new(timeout), held, ending }
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
                EndedWait::TimedOut => {
                    this.ending.broke(BreakCause::Stalled, &AppStalled);
                    boxed(AppStalled)
                }
                EndedWait::NotPermitted => {
                    this.ending.broke(BreakCause::Permit, &PermitRevoked);
                    boxed(PermitRevoked)
                }
            })));
        }
        if this.held.as_mut().is_some_and(|it| !it.still_permits()) {
            this.ending.broke(BreakCause::Permit, &PermitRevoked);
            return Poll::Ready(Some(Err(boxed(PermitRevoked))));
        }
        this.stall.moved();
        match ready!(polled) {
            Some(Ok(mut frame)) => {
                if let Some(trailers) = frame.trailers_mut() {
                    super::hop_by_hop::strip(trailers);
                }
                if let Some(data) = frame.data_ref() {
                    this.ending.passed(data.len());
                }
                // A server need not ask again after the last byte.
                if this.from.is_end_stream() || this.from.size_hint().exact() == Some(0) {
                    this.ending.is_complete();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            None => {
                this.ending.is_complete();
                Poll::Ready(None)
            }
            Some(Err(error)) => {
                this.ending.broke(BreakCause::App, &error);
                Poll::Ready(Some(Err(error)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.from.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.from.size_hint()
    }
}
