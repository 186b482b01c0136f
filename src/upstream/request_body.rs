//! A client's body on its way to the app: never buffered, with a limit on how long it may stall.

use super::error::{RequestBodyError, boxed};
use super::held_permit::{HeldPermit, PermitCheck};
use super::share::HeldShare;
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
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// A client's body on its way to the app. `None` for an empty body, which needs no memory and no
/// timer.
pub(super) struct RequestBody {
    carried: Option<Pin<Box<dyn Body<Data = Bytes, Error = BoxError> + Send>>>,
    share: Option<HeldShare>,
}

pin_project! {
    struct Carried<C> {
        #[pin]
        from: Incoming,
        #[pin]
        stall: Stall,
        // The limit once the response has begun.
        quiet_timeout: Duration,
        stripper: HeaderStripper,
        progress: BodyProgress,
        held: Option<HeldPermit<C>>,
    }
}

/// The limits of the time in which a client sends nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct BodyTimeouts {
    /// While the app waits for the request.
    pub(super) before_response: Duration,
    /// Once the response has begun: a client that listens to a stream is no fault.
    pub(super) after_response: Duration,
}

/// The progress of a client's body. The app's time limit is extended while it accepts parts of it.
#[derive(Clone, Debug, Default)]
pub(super) struct BodyProgress(Arc<ProgressState>);

#[derive(Debug, Default)]
struct ProgressState {
    frames: AtomicU64,
    has_response: AtomicBool,
}

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

impl BodyProgress {
    /// The number of frames so far.
    pub(super) fn frames(&self) -> u64 {
        self.0.frames.load(Ordering::Relaxed)
    }

    /// Records that the response has begun.
    pub(super) fn has_response(&self) {
        self.0.has_response.store(true, Ordering::Relaxed);
    }

    pub(super) fn moved(&self) {
        self.0.frames.fetch_add(1, Ordering::Relaxed);
    }
}

impl RequestBody {
    /// Wraps a client's body. Removes headers from trailers that clients may not send. The body
    /// continues only as long as its request would be allowed.
    pub(super) fn new<C: PermitCheck>(
        from: Incoming,
        timeouts: BodyTimeouts,
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
            stall: Stall::new(timeouts.before_response),
            quiet_timeout: timeouts.after_response,
            stripper,
            progress: progress.clone(),
            held,
        };
        (Self { carried: Some(Box::pin(carried)), share: None }, Some(progress))
    }

    /// A body of these frames; without any, there is none.
    #[cfg(test)]
    pub(super) fn of_frames(frames: Vec<Frame<Bytes>>) -> Self {
        if frames.is_empty() {
            return Self::empty();
        }
        let frames = futures_util::stream::iter(frames.into_iter().map(Ok::<_, BoxError>));
        Self { carried: Some(Box::pin(http_body_util::StreamBody::new(frames))), share: None }
    }

    /// A request without a body.
    pub(super) fn empty() -> Self {
        Self { carried: None, share: None }
    }

    /// Counts the body in this share until it has ended.
    pub(super) fn counts_in(&mut self, share: HeldShare) {
        self.share = Some(share);
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        let polled =
            this.carried.as_mut().map_or(Poll::Ready(None), |it| it.as_mut().poll_frame(context));
        if !matches!(polled, Poll::Pending | Poll::Ready(Some(Ok(_)))) {
            this.share = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.carried.as_ref().is_none_or(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.carried.as_ref().map_or(SizeHint::with_exact(0), http_body::Body::size_hint)
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
            let mut ended = ready!(this.stall.as_mut().poll_while_permitted(context, this.held));
            if ended == EndedWait::TimedOut
                && this.progress.0.has_response.load(Ordering::Relaxed)
                && this.stall.as_mut().extend(*this.quiet_timeout)
            {
                ended = ready!(this.stall.as_mut().poll_while_permitted(context, this.held));
            }
            return ended_early(match (ended, this.held) {
                (EndedWait::NotPermitted, Some(held)) => refusal(held),
                _ => RequestBodyError::Stalled,
            });
        }
        this.stall.moved();
        if let Some(held) = this.held.as_mut()
            && !held.still_permits()
        {
            return ended_early(refusal(held));
        }
        let frame = match ready!(polled) {
            Some(Ok(frame)) => Some(Ok(plain(frame, this.stripper))),
            Some(Err(_)) => return ended_early(RequestBodyError::Off),
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

fn ended_early(cause: RequestBodyError) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
    Poll::Ready(Some(Err(boxed(cause))))
}

fn refusal<C: PermitCheck>(held: &HeldPermit<C>) -> RequestBodyError {
    if held.session_is_over() {
        RequestBodyError::SessionEnded
    } else {
        RequestBodyError::NotAllowed
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
