//! How long a body may stand still.

use pin_project_lite::pin_project;
use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

pin_project! {
    /// Bounds a wait for the next frame. The timer is made at the first wait and only moved afterwards.
    pub(super) struct Stall {
        timeout: Duration,
        waiting: bool,
        #[pin]
        sleep: Option<Sleep>,
    }
}

impl Stall {
    pub(super) fn new(timeout: Duration) -> Self {
        Self { timeout, waiting: false, sleep: None }
    }

    pub(super) fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        if !*this.waiting {
            *this.waiting = true;
            let until = Instant::now() + *this.timeout;
            match this.sleep.as_mut().as_pin_mut() {
                Some(sleep) => sleep.reset(until),
                None => this.sleep.set(Some(tokio::time::sleep_until(until))),
            }
        }
        match this.sleep.as_mut().as_pin_mut() {
            Some(sleep) => sleep.poll(context),
            None => Poll::Pending,
        }
    }

    pub(super) fn moved(self: Pin<&mut Self>) {
        *self.project().waiting = false;
    }
}
