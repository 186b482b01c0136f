//! The body of an answer, watched: a request is over when this ends, not when the handler returns.

use super::state::State;
use crate::wire::body::{Body, BoxError};
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// A request under way, until it is dropped.
#[derive(Debug)]
pub(super) struct InFlight {
    state: Arc<State>,
    handed: bool,
}

impl InFlight {
    /// A request begins.
    pub(super) fn begin(state: &Arc<State>, multiplexed: bool, has_body: bool) -> Self {
        state.begins(multiplexed, has_body);
        Self { state: Arc::clone(state), handed: false }
    }

    /// Its connection.
    pub(super) fn state(&self) -> &State {
        &self.state
    }

    fn hand_out(&mut self) {
        if !self.handed {
            self.handed = true;
            self.state.hands_out();
        }
    }

    fn is_asked(&mut self) {
        if self.handed {
            self.handed = false;
            self.state.is_asked();
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.is_asked();
        self.state.ends();
    }
}

/// A body that tells its connection when it waits for the client, and when it has ended.
#[derive(Debug)]
pub(super) struct Tracked {
    inner: Body,
    request: Option<InFlight>,
}

impl Tracked {
    /// The answer to `request`. It waits for the client from the start: over HTTP/2 a client can withhold even the first window.
    pub(super) fn new(inner: Body, mut request: Option<InFlight>) -> Self {
        if let Some(request) = &mut request {
            request.hand_out();
        }
        Self { inner, request }
    }
}

impl http_body::Body for Tracked {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        if let Some(request) = &mut this.request {
            request.is_asked();
        }
        let polled = Pin::new(&mut this.inner).poll_frame(context);
        match &polled {
            Poll::Pending => {}
            // hyper does not ask again after the last frame.
            Poll::Ready(Some(Ok(_))) if !this.inner.is_end_stream() => {
                if let Some(request) = &mut this.request {
                    request.hand_out();
                }
            }
            Poll::Ready(_) => this.request = None,
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
