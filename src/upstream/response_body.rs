//! The app's body on its way to the client: never buffered, with a limit on how long it may stall.

use super::error::{AppStalled, PermitRevoked, boxed};
use super::held_permit::{HeldPermit, PermitCheck};
use super::pool::BorrowedConnection;
use super::stall::{EndedWait, Stall};
use crate::wire::body::BoxError;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use pin_project_lite::pin_project;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

pin_project! {
    /// The app's body on its way to the client. Returns the connection to the pool at its end. It
    /// continues only as long as its request would be allowed: otherwise HTTP/1.1 closes the
    /// connection, and HTTP/2 resets the stream.
    pub(super) struct ResponseBody<C> {
        #[pin]
        from: Incoming,
        #[pin]
        stall: Stall,
        returning: Option<BorrowedConnection>,
        held: Option<HeldPermit<C>>,
    }
}

impl<C: PermitCheck> ResponseBody<C> {
    pub(super) fn new(
        from: Incoming,
        timeout: Duration,
        mut returning: Option<BorrowedConnection>,
        held: Option<HeldPermit<C>>,
    ) -> Self {
        if from.is_end_stream() {
            return_connection(&mut returning);
        }
        Self { from, stall: Stall::new(timeout), returning, held }
    }
}

fn return_connection(returning: &mut Option<BorrowedConnection>) {
    if let Some(returning) = returning.take() {
        returning.give_back();
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
                // hyper's server does not poll again if the last frame says that it is the last.
                if this.from.is_end_stream() {
                    return_connection(this.returning);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(error)) => Poll::Ready(Some(Err(boxed(error)))),
            None => {
                return_connection(this.returning);
                Poll::Ready(None)
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
