//! Limits how long a body may stall, with periodic checks meanwhile.

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

/// Why a wait was interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InterruptedWait {
    /// The time limit was reached.
    TimedOut,
    /// A check is due whether the wait may continue.
    CheckDue,
}

impl Stall {
    pub(super) fn new(timeout: Duration) -> Self {
        Self { timeout, until: None, sleep: None }
    }

    /// Waits until the time limit, interrupted at the interval `every`.
    pub(super) fn poll_every(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        every: Option<Duration>,
    ) -> Poll<InterruptedWait> {
        let mut this = self.project();
        let next = |now: Instant, until: Instant| every.map_or(until, |it| until.min(now + it));
        let until = match *this.until {
            Some(until) => until,
            None => {
                let now = Instant::now();
                let until = now + *this.timeout;
                *this.until = Some(until);
                match this.sleep.as_mut().as_pin_mut() {
                    Some(sleep) => sleep.reset(next(now, until)),
                    None => this.sleep.set(Some(tokio::time::sleep_until(next(now, until)))),
                }
                until
            }
        };
        let Some(mut sleep) = this.sleep.as_pin_mut() else { return Poll::Pending };
        ready!(sleep.as_mut().poll(context));
        let now = Instant::now();
        if now >= until {
            return Poll::Ready(InterruptedWait::TimedOut);
        }
        sleep.reset(next(now, until));
        Poll::Ready(InterruptedWait::CheckDue)
    }

    pub(super) fn moved(self: Pin<&mut Self>) {
        *self.project().until = None;
    }
}
