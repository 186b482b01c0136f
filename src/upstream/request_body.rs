//! A client's body on its way to the app: never buffered, with a limit on how long it may stall.

use super::error::{RequestBodyError, boxed};
use super::held_permit::{HeldPermit, PermitCheck};
use super::stall::{EndedWait, Stall};
use crate::headers::identity::{HeaderStripper, IdentityHeaders};
use crate::wire::body::BoxError;
use bytes::Bytes;
use http::HeaderValue;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use pin_project_lite::pin_project;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// A client's body on its way to the app. `None` for an empty body, which needs no memory and no
/// timer.
pub(super) struct RequestBody(Option<Pin<Box<dyn Body<Data = Bytes, Error = BoxError> + Send>>>);

pin_project! {
    struct Carried<C> {
        #[pin]
        from: Incoming,
        #[pin]
        stall: Stall,
        stripper: HeaderStripper,
        progress: BodyProgress,
        held: Option<HeldPermit<C>>,
    }
}

/// The progress of a client's body. The app's time limit is extended while it accepts parts of it.
#[derive(Clone, Debug, Default)]
pub(super) struct BodyProgress(Arc<(AtomicU8, AtomicU64)>);

/// Fields that would change how the request is framed, routed, judged or answered if an app read
/// them from a trailer (RFC 9110 section 6.5.1).
const NEVER_IN_TRAILERS: [&str; 16] = [
    "authorization",
    "cache-control",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "cookie",
    "expect",
    "host",
    "max-forwards",
    "origin",
    "range",
    "referer",
    "set-cookie",
    "trailer",
    "x-http-method-override",
];

/// Why a body ended early, in the first half of `BodyProgress`; 0 if it did not.
const BODY_STALLED: u8 = 1;
const BODY_BROKEN: u8 = 2;
const BODY_SESSION_ENDED: u8 = 3;
const BODY_NOT_ALLOWED: u8 = 4;

impl BodyProgress {
    /// Returns how the body ended early, if it did. hyper's HTTP/2 errors do not carry this as
    /// their cause.
    pub(super) fn broke(&self) -> Option<RequestBodyError> {
        match self.0.0.load(Ordering::Acquire) {
            BODY_STALLED => Some(RequestBodyError::Stalled),
            BODY_BROKEN => Some(RequestBodyError::Off),
            BODY_SESSION_ENDED => Some(RequestBodyError::SessionEnded),
            BODY_NOT_ALLOWED => Some(RequestBodyError::NotAllowed),
            _ => None,
        }
    }

    fn ended(&self, how: u8) {
        self.0.0.store(how, Ordering::Release);
    }

    fn breaks(
        &self,
        how: u8,
        broke: RequestBodyError,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.ended(how);
        Poll::Ready(Some(Err(boxed(broke))))
    }

    fn is_refused<C: PermitCheck>(
        &self,
        held: &HeldPermit<C>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if held.session_is_over() {
            self.breaks(BODY_SESSION_ENDED, RequestBodyError::SessionEnded)
        } else {
            self.breaks(BODY_NOT_ALLOWED, RequestBodyError::NotAllowed)
        }
    }

    /// The number of frames so far.
    pub(super) fn frames(&self) -> u64 {
        self.0.1.load(Ordering::Relaxed)
    }

    pub(super) fn moved(&self) {
        self.0.1.fetch_add(1, Ordering::Relaxed);
    }
}

impl RequestBody {
    /// Wraps a client's body. Removes headers from trailers that clients may not send. The body
    /// continues only as long as its request would be allowed.
    pub(super) fn new<C: PermitCheck>(
        from: Incoming,
        timeout: Duration,
        identity: &IdentityHeaders,
        check: &C,
        request_id: &HeaderValue,
    ) -> (Self, Option<BodyProgress>) {
        if from.is_end_stream() {
            return (Self::empty(), None);
        }
        let progress = BodyProgress::default();
        let (stripper, held) =
            (identity.stripper(), HeldPermit::of_upload(identity, check, request_id));
        let carried = Carried {
            from,
            stall: Stall::new(timeout),
            stripper,
            progress: progress.clone(),
            held,
        };
        (Self(Some(Box::pin(carried))), Some(progress))
    }

    /// A body of these frames; without any, there is none.
    #[cfg(test)]
    pub(super) fn of_frames(frames: Vec<Frame<Bytes>>) -> Self {
        if frames.is_empty() {
            return Self::empty();
        }
        let frames = futures_util::stream::iter(frames.into_iter().map(Ok::<_, BoxError>));
        Self(Some(Box::pin(http_body_util::StreamBody::new(frames))))
    }

    /// A request without a body.
    pub(super) fn empty() -> Self {
        Self(None)
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.0.as_mut().map_or(Poll::Ready(None), |it| it.as_mut().poll_frame(context))
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or(SizeHint::with_exact(0), http_body::Body::size_hint)
    }
}

impl<C: PermitCheck> Body for Carried<C> {
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
            return match (ended, this.held) {
                (EndedWait::NotPermitted, Some(held)) => this.progress.is_refused(held),
                _ => this.progress.breaks(BODY_STALLED, RequestBodyError::Stalled),
            };
        }
        this.stall.moved();
        if let Some(held) = this.held.as_mut()
            && !held.still_permits()
        {
            return this.progress.is_refused(held);
        }
        let frame = match ready!(polled) {
            Some(Ok(frame)) => Some(Ok(plain(frame, this.stripper))),
            Some(Err(_)) => return this.progress.breaks(BODY_BROKEN, RequestBodyError::Off),
            None => None,
        };
        this.progress.moved();
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.from.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.from.size_hint()
    }
}

/// The app may treat a trailer as a header, so Entrada's names are removed from trailers too.
fn plain(frame: Frame<Bytes>, stripper: &HeaderStripper) -> Frame<Bytes> {
    match frame.into_trailers() {
        Ok(mut trailers) => {
            super::hop_by_hop::strip(&mut trailers);
            for name in NEVER_IN_TRAILERS {
                trailers.remove(name);
            }
            stripper.strip(&mut trailers);
            Frame::trailers(trailers)
        }
        Err(frame) => frame,
    }
}
