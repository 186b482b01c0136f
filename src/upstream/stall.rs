//! Limits how long a body may stall, with periodic checks meanwhile.

use super::held_permit::{HeldPermit, PERMIT_CHECK_INTERVAL, PermitCheck};
use pin_project_lite::pin_project;
use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

pin_project! {
    /// Limits the wait for the next frame. The timer is created at the first wait and only reset
    /// afterwards.
    pub(super) struct Stall {
        timeout: Duration,
        // The time limit for the next frame; `None` if no frame is awaited.
        until: Option<Instant>,
        #[pin]
        sleep: Option<Sleep>,
    }
}

/// Why a wait ended before a frame arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EndedWait {
    /// The time limit was reached.
    TimedOut,
    /// The permit of the request no longer holds.
    NotPermitted,
}

impl Stall {
    pub(super) fn new(timeout: Duration) -> Self {
        Self { timeout, until: None, sleep: None }
    }

    /// Waits for as long as the time limit and the permit allow. The permit is checked at the
    /// interval `PERMIT_CHECK_INTERVAL`.
    pub(super) fn poll_while_permitted<C: PermitCheck>(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        held: &mut Option<HeldPermit<C>>,
    ) -> Poll<EndedWait> {
        let every = held.as_ref().map(|_| PERMIT_CHECK_INTERVAL);
        loop {
            if ready!(self.as_mut().poll_every(context, every)) {
                return Poll::Ready(EndedWait::TimedOut);
            }
            if held.as_mut().is_some_and(|held| !held.still_holds()) {
                return Poll::Ready(EndedWait::NotPermitted);
            }
        }
    }

    /// Is ready at the interval `every`, and at the time limit, which it reports with `true`.
    fn poll_every(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        every: Option<Duration>,
    ) -> Poll<bool> {
        let mut this = self.project();
        let next = |now: Instant, until: Instant| every.map_or(until, |it| until.min(now + it));
        let until = if let Some(until) = *this.until {
            until
        } else {
            let now = Instant::now();
            let until = now + *this.timeout;
            *this.until = Some(until);
            match this.sleep.as_mut().as_pin_mut() {
                Some(sleep) => sleep.reset(next(now, until)),
                None => this.sleep.set(Some(tokio::time::sleep_until(next(now, until)))),
            }
            until
        };
        let Some(mut sleep) = this.sleep.as_pin_mut() else { return Poll::Pending };
        ready!(sleep.as_mut().poll(context));
        let now = Instant::now();
        if now >= until {
            return Poll::Ready(true);
        }
        sleep.reset(next(now, until));
        Poll::Ready(false)
    }

    /// Extends the limit of this wait, and of later ones, to `timeout`. Returns false if it is not
    /// longer.
    pub(super) fn extend(self: Pin<&mut Self>, timeout: Duration) -> bool {
        let this = self.project();
        let Some(more) = timeout.checked_sub(*this.timeout).filter(|it| !it.is_zero()) else {
            return false;
        };
        *this.timeout = timeout;
        *this.until = this.until.map(|until| until + more);
        true
    }

    pub(super) fn moved(self: Pin<&mut Self>) {
        *self.project().until = None;
    }
}
