//! How long the app may take to answer, without a timer for each request.

use super::body::Progress;
use super::error::Error;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep_until, timeout_at};

/// A timer that stays with a connection from one request to the next. It is left to ring for a request that is long over, and only
/// then set for the one that waits: setting a timer for each request takes the driver's lock, and wakes the driver.
#[derive(Debug)]
pub(super) struct Patience(Pin<Box<Sleep>>);

impl Patience {
    fn poll(&mut self, until: Instant, context: &mut Context<'_>) -> Poll<()> {
        // Only after a reload that asks for less patience.
        if self.0.deadline() > until {
            self.0.as_mut().reset(until);
        }
        loop {
            ready!(self.0.as_mut().poll(context));
            if self.0.deadline() >= until {
                return Poll::Ready(());
            }
            self.0.as_mut().reset(until);
        }
    }
}

/// The time that one request is given. As long as the app takes some of its body, it is given more.
pub(super) struct Bound<'a> {
    began: Instant,
    until: Instant,
    timeout: Duration,
    progress: Option<&'a Progress>,
    frames: u64,
}

impl<'a> Bound<'a> {
    pub(super) fn new(timeout: Duration, progress: Option<&'a Progress>) -> Self {
        let began = Instant::now();
        Self { began, until: began + timeout, timeout, progress, frames: 0 }
    }

    /// When the request began to wait.
    pub(super) fn began(&self) -> Instant {
        self.began
    }

    /// A timer for a new connection.
    pub(super) fn patience(&self) -> Patience {
        Patience(Box::pin(sleep_until(self.until)))
    }

    /// Waits with a timer of its own: for what is rare, or shared with other requests.
    pub(super) async fn hold<T>(&mut self, mut it: Pin<&mut impl Future<Output = T>>) -> Result<T, Error> {
        loop {
            match timeout_at(self.until, it.as_mut()).await {
                Ok(outcome) => return Ok(outcome),
                Err(_) => self.extend()?,
            }
        }
    }

    /// Waits with the connection's timer.
    pub(super) async fn hold_by<T>(&mut self, patience: &mut Patience, mut it: Pin<&mut impl Future<Output = T>>) -> Result<T, Error> {
        poll_fn(|context| {
            loop {
                if let Poll::Ready(outcome) = it.as_mut().poll(context) {
                    return Poll::Ready(Ok(outcome));
                }
                ready!(patience.poll(self.until, context));
                self.extend()?;
            }
        })
        .await
    }

    fn extend(&mut self) -> Result<(), Error> {
        let frames = self.progress.map_or(0, Progress::frames);
        if frames <= self.frames {
            return Err(Error::ResponseTimeout);
        }
        self.frames = frames;
        self.until = Instant::now() + self.timeout;
        Ok(())
    }
}
