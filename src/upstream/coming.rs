//! The app's body on its way to the client: never held, and it may not stand still forever.

use super::error::{Silent, boxed};
use super::pool::Returning;
use super::stall::Stall;
use crate::wire::body::BoxError;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use pin_project_lite::pin_project;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

pin_project! {
    /// The app's body on its way to the client; gives the connection back when it has ended.
    pub(super) struct Coming {
        #[pin]
        from: Incoming,
        #[pin]
        stall: Stall,
        returning: Option<Returning>,
    }
}

impl Coming {
    pub(super) fn new(from: Incoming, timeout: Duration, mut returning: Option<Returning>) -> Self {
        if from.is_end_stream() {
            give_back(&mut returning);
        }
        Self { from, stall: Stall::new(timeout), returning }
    }
}

fn give_back(returning: &mut Option<Returning>) {
    if let Some(returning) = returning.take() {
        returning.give_back();
    }
}

impl Body for Coming {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut this = self.project();
        let polled = this.from.as_mut().poll_frame(context);
        if polled.is_pending() {
            return this.stall.poll(context).map(|()| Some(Err(boxed(Silent))));
        }
        this.stall.moved();
        match ready!(polled) {
            Some(Ok(mut frame)) => {
                if let Some(trailers) = frame.trailers_mut() {
                    super::hop::strip(trailers);
                }
                // hyper's server asks no more once the last frame says so.
                if this.from.is_end_stream() {
                    give_back(this.returning);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(error)) => Poll::Ready(Some(Err(boxed(error)))),
            None => {
                give_back(this.returning);
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
