//! A client's body on its way to the app: never held, and it may not stand still forever.

use super::error::{Broke, boxed};
use super::held::CHECK_EVERY;
use super::stall::Stall;
use crate::headers::identity::{IdentityHeaders, Stripper};
use crate::session::record::Session;
use crate::wire::body::BoxError;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use pin_project_lite::pin_project;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::Instant;

/// A client's body on its way to the app. `None` where there is none, which needs no memory and no timer.
pub(super) struct Outgoing(Option<Pin<Box<Carried>>>);

pin_project! {
    struct Carried {
        #[pin]
        from: Incoming,
        #[pin]
        stall: Stall,
        stripper: Stripper,
        progress: Progress,
        session: Option<Arc<Session>>,
        began: Instant,
    }
}

/// How far a client's body has come: the connection can be used again only when it was sent whole, and the app is given time as long as
/// it takes some of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress(Arc<(AtomicU8, AtomicU64)>);

/// How a body ended, in the first half of `Progress`; 0 while it goes on.
const WHOLE: u8 = 1;
const STALLED: u8 = 2;
const BROKE: u8 = 3;
const SESSION_ENDED: u8 = 4;

impl Progress {
    pub(super) fn is_whole(&self) -> bool {
        self.0.0.load(Ordering::Acquire) == WHOLE
    }

    /// How it ended early, where it did. hyper's errors of HTTP/2 do not carry this as their cause.
    pub(super) fn broke(&self) -> Option<Broke> {
        match self.0.0.load(Ordering::Acquire) {
            STALLED => Some(Broke::Stalled),
            BROKE => Some(Broke::Off),
            SESSION_ENDED => Some(Broke::SessionEnded),
            _ => None,
        }
    }

    fn ended(&self, how: u8) {
        self.0.0.store(how, Ordering::Release);
    }

    /// Grows by each frame.
    pub(super) fn frames(&self) -> u64 {
        self.0.1.load(Ordering::Relaxed)
    }

    pub(super) fn moved(&self) {
        self.0.1.fetch_add(1, Ordering::Relaxed);
    }
}

impl Outgoing {
    /// Takes a client's body; trailers are stripped of what no client may say. It ends with the session of its request.
    pub(super) fn new(from: Incoming, timeout: Duration, identity: &IdentityHeaders) -> (Self, Option<Progress>) {
        if from.is_end_stream() {
            return (Self::empty(), None);
        }
        let progress = Progress::default();
        let (stripper, session) = (identity.stripper(), identity.session().cloned());
        let carried = Carried { from, stall: Stall::new(timeout), stripper, progress: progress.clone(), session, began: Instant::now() };
        (Self(Some(Box::pin(carried))), Some(progress))
    }

    /// No body at all.
    pub(super) fn empty() -> Self {
        Self(None)
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Some(carried) = &mut self.0 else { return Poll::Ready(None) };
        let mut this = carried.as_mut().project();
        let polled = this.from.as_mut().poll_frame(context);
        if polled.is_pending() {
            ready!(this.stall.poll(context));
            this.progress.ended(STALLED);
            return Poll::Ready(Some(Err(boxed(Broke::Stalled))));
        }
        this.stall.moved();
        if this.session.as_ref().is_some_and(|it| it.is_over()) && this.began.elapsed() >= CHECK_EVERY {
            this.progress.ended(SESSION_ENDED);
            return Poll::Ready(Some(Err(boxed(Broke::SessionEnded))));
        }
        let frame = match ready!(polled) {
            Some(Ok(frame)) => Some(Ok(plain(frame, this.stripper))),
            Some(Err(_)) => {
                this.progress.ended(BROKE);
                return Poll::Ready(Some(Err(boxed(Broke::Off))));
            }
            None => None,
        };
        this.progress.moved();
        if frame.is_none() || this.from.is_end_stream() {
            this.progress.ended(WHOLE);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(|it| it.from.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or(SizeHint::with_exact(0), |it| it.from.size_hint())
    }
}

/// A trailer can be read as a header by the app: ours are taken out there too.
fn plain(frame: Frame<Bytes>, stripper: &Stripper) -> Frame<Bytes> {
    match frame.into_trailers() {
        Ok(mut trailers) => {
            super::hop::strip(&mut trailers);
            stripper.strip(&mut trailers);
            Frame::trailers(trailers)
        }
        Err(frame) => frame,
    }
}
