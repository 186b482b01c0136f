//! Limits the app's response time without a timer for each request.

use super::error::Error;
use super::held_permit::{PERMIT_CHECK_INTERVAL, UnderWay};
use super::request_body::BodyProgress;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep_until, timeout_at};

/// A timer that a connection keeps from one request to the next. It may fire for a request that is
/// long over, and only then is set for the current one: setting a timer for each request takes the
/// lock of the timer driver and wakes it.
#[derive(Debug)]
pub(super) struct ConnectionTimer(Pin<Box<Sleep>>);

impl ConnectionTimer {
    fn poll(&mut self, until: Instant, context: &mut Context<'_>) -> Poll<()> {
        // Sets the timer earlier if the previous request had no session and therefore no checks, or
        // if a reload shortened the timeout.
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

/// The time limit of one request. It is extended while the app accepts parts of the body.
pub(super) struct RequestDeadline<'a> {
    started_at: Instant,
    until: Instant,
    /// The observer that is notified every `PERMIT_CHECK_INTERVAL` while the request is in progress, and the
    /// number of notifications due so far. Kept small, because it is moved with every request.
    told: Option<&'a dyn UnderWay>,
    told_times: u32,
    timeout: Duration,
    progress: Option<&'a BodyProgress>,
    frames: u64,
}

impl<'a> RequestDeadline<'a> {
    pub(super) fn new(timeout: Duration, progress: Option<&'a BodyProgress>) -> Self {
        let began = Instant::now();
        Self {
            started_at: began,
            until: began + timeout,
            told: None,
            told_times: 0,
            timeout,
            progress,
            frames: 0,
        }
    }

    /// Notifies this observer while the request is in progress.
    pub(super) fn telling(self, told: Option<&'a dyn UnderWay>) -> Self {
        Self { told, ..self }
    }

    /// When the request began to wait.
    pub(super) fn started_at(&self) -> Instant {
        self.started_at
    }

    /// Returns a timer for a new connection.
    pub(super) fn timer(&self) -> ConnectionTimer {
        ConnectionTimer(Box::pin(sleep_until(self.next())))
    }

    /// Waits with a separate timer, for operations that are rare or shared with other requests.
    pub(super) async fn run<T>(
        &mut self,
        mut future: Pin<&mut impl Future<Output = T>>,
    ) -> Result<T, Error> {
        loop {
            match timeout_at(self.next(), future.as_mut()).await {
                Ok(outcome) => return Ok(outcome),
                Err(_) => self.goes_on()?,
            }
        }
    }

    /// Waits with the connection's timer.
    pub(super) async fn run_with_timer<T>(
        &mut self,
        timer: &mut ConnectionTimer,
        mut future: Pin<&mut impl Future<Output = T>>,
    ) -> Result<T, Error> {
        poll_fn(|context| {
            loop {
                if let Poll::Ready(outcome) = future.as_mut().poll(context) {
                    return Poll::Ready(Ok(outcome));
                }
                ready!(timer.poll(self.next(), context));
                self.goes_on()?;
            }
        })
        .await
    }

    /// Returns when the next action is due, unless the response comes first.
    fn next(&self) -> Instant {
        if self.told.is_some() {
            self.until.min(self.started_at + PERMIT_CHECK_INTERVAL * (self.told_times + 1))
        } else {
            self.until
        }
    }

    fn goes_on(&mut self) -> Result<(), Error> {
        let now = Instant::now();
        let due =
            now.duration_since(self.started_at).as_millis() / PERMIT_CHECK_INTERVAL.as_millis();
        if let Some(told) = self.told
            && due > u128::from(self.told_times)
        {
            told.is_use();
            self.told_times = u32::try_from(due).unwrap_or(u32::MAX - 1);
        }
        if now >= self.until { self.extend() } else { Ok(()) }
    }

    fn extend(&mut self) -> Result<(), Error> {
        let frames = self.progress.map_or(0, BodyProgress::frames);
        if frames <= self.frames {
            return Err(Error::ResponseTimeout);
        }
        self.frames = frames;
        self.until = Instant::now() + self.timeout;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, ready};
    use std::pin::pin;

    const SHORT: Duration = Duration::from_millis(40);

    #[tokio::test]
    async fn a_timer_that_rings_for_a_request_long_over_does_not_end_the_next() {
        let mut first = RequestDeadline::new(SHORT, None);
        let mut timer = first.timer();
        assert_eq!(first.run_with_timer(&mut timer, pin!(ready(1))).await.unwrap(), 1);
        tokio::time::sleep(SHORT / 2).await;
        // The timer fires in the middle of this request, which still gets its full time.
        let begin = Instant::now();
        let ended = RequestDeadline::new(SHORT, None)
            .run_with_timer(&mut timer, pin!(pending::<()>()))
            .await;
        assert!(matches!(ended, Err(Error::ResponseTimeout)));
        assert!(begin.elapsed() >= SHORT);
    }

    #[tokio::test]
    async fn one_that_has_less_time_than_the_last_is_not_given_more() {
        let mut timer = RequestDeadline::new(Duration::from_secs(600), None).timer();
        let ended = RequestDeadline::new(SHORT, None)
            .run_with_timer(&mut timer, pin!(pending::<()>()))
            .await;
        assert!(matches!(ended, Err(Error::ResponseTimeout)));
    }

    /// The steps are much shorter than the limit, so that a delay of half a second on a slow
    /// machine does not end the request early.
    #[tokio::test]
    async fn as_long_as_the_app_takes_the_body_it_is_given_time() {
        const BOUND: Duration = Duration::from_millis(600);
        let progress = BodyProgress::default();
        let mut deadline = RequestDeadline::new(BOUND, Some(&progress));
        let mut timer = deadline.timer();
        let begin = Instant::now();
        let uploading = async {
            for _ in 0..16 {
                tokio::time::sleep(BOUND / 8).await;
                progress.moved();
            }
            pending::<()>().await;
        };
        assert!(deadline.run_with_timer(&mut timer, pin!(uploading)).await.is_err());
        assert!(begin.elapsed() >= BOUND * 3);
    }
}
