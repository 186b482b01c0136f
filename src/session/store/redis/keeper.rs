//! The task that connects to the server, follows its changes and writes what this process changed.
//!
//! After an outage it first writes what ended here, also what was confirmed not long ago, because the
//! server may be another one. Then it reads what ended elsewhere, then looks all live sessions up, and
//! only then does the server count as answering.

use super::super::super::session_key::SessionKey;
use super::super::unavailable::StoreUnavailable;
use super::changes::{self, BEGINNING, Change, ChangePage};
use super::keys::SessionPlace;
use super::link::RedisLink;
use super::pending::PendingBatch;
use super::recent::EndedSession;
use super::redis_store::{Calls, RedisStore, SLACK_SECONDS};
use futures_util::TryStreamExt as _;
use redis::{AsyncCommands as _, RedisError, RedisResult};
use std::convert::Infallible as Never;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long a read waits for the next change, and so the longest time between two.
const FOLLOW_WAIT: Duration = Duration::from_secs(2);
/// Time between two writings of the last uses.
const TOUCH_INTERVAL: Duration = Duration::from_mins(1);
/// How long before its idle end a session is looked up: another process may have used it since.
const IDLE_MARGIN_SECONDS: u64 = 130;
/// The first and the longest pause between two attempts to connect, in milliseconds.
const FIRST_PAUSE_MS: u64 = 50;
const LONGEST_PAUSE_MS: u64 = 5_000;
/// How long the other processes may take to connect to a server that came back without its data, and
/// to write their sessions: more than the longest pause. Meanwhile an unknown session is 503, not a
/// sign-out.
const RECOVERY_SECONDS: u64 = 15;
/// Number of writes at the same time.
const CONCURRENT: usize = 32;
/// Maximum time that the shutdown waits for the last writes.
const LAST_WRITES_TIMEOUT: Duration = Duration::from_secs(5);

/// Why the server does not count as answering.
#[derive(Debug, thiserror::Error)]
enum Outage {
    #[error("{0}")]
    Redis(#[from] RedisError),
    #[error("a command failed")]
    Command,
}

impl From<StoreUnavailable> for Outage {
    fn from(_: StoreUnavailable) -> Self {
        Self::Command
    }
}

impl RedisStore {
    /// Keeps the connection until `stop`. `report` is called when the server stops to answer, and
    /// when it answers again.
    pub async fn run(
        self: Arc<Self>,
        stop: CancellationToken,
        report: impl Fn(bool) + Send + Sync,
    ) {
        let mut pause = FIRST_PAUSE_MS;
        let mut is_first = true;
        while !stop.is_cancelled() {
            let connected = Instant::now();
            let mut was_up = false;
            let kept = self.keep(&report, is_first, &mut was_up);
            let Some(Err(outage)) = stop.run_until_cancelled(kept).await else { break };
            self.health.set_down();
            if was_up || is_first {
                tracing::error!(error = %outage, "the session store does not answer; signed-in people go on, and nobody else can sign in");
                report(true);
            }
            is_first = false;
            if connected.elapsed() > Duration::from_millis(LONGEST_PAUSE_MS) {
                pause = FIRST_PAUSE_MS;
            }
            self.pause(pause, &stop).await;
            pause = (pause * 2).min(LONGEST_PAUSE_MS);
        }
        let _ = tokio::time::timeout(LAST_WRITES_TIMEOUT, self.write_last()).await;
    }

    /// Waits for about `pause` milliseconds, so that processes do not come back all at once.
    async fn pause(&self, pause: u64, stop: &CancellationToken) {
        let jitter =
            pause * u64::from(u16::from_be_bytes(self.random.bytes())) / u64::from(u16::MAX);
        let pause = Duration::from_millis(pause / 2 + jitter);
        let pause = pause.min(self.health.grace_left().max(Duration::from_millis(FIRST_PAUSE_MS)));
        let _ = stop.run_until_cancelled(tokio::time::sleep(pause)).await;
        if self.health.check_grace() {
            tracing::error!(
                "the session store has not answered for session.store_grace: requests are answered with 503 until it does"
            );
        }
    }

    /// Connects, catches up and follows the server until it fails.
    async fn keep(
        &self,
        report: &(impl Fn(bool) + Sync),
        is_first: bool,
        is_up: &mut bool,
    ) -> Result<Never, Outage> {
        let link = self.connector.connect(Duration::ZERO).await?;
        let mut follower = self.connector.connect(FOLLOW_WAIT).await?;
        self.check_for_loss(&link, is_first).await?;
        let last = self.catch_up(link.clone(), &mut follower).await?;
        self.health.set_up(link);
        *is_up = true;
        if !is_first {
            tracing::info!("the session store answers again");
        }
        report(false);
        tokio::select! {
            outcome = self.follow(&mut follower, last) => outcome,
            outcome = self.write_changes() => outcome,
            outcome = self.touch_uses() => outcome,
            () = self.health.down() => Err(Outage::Command),
        }
    }

    /// Finds out whether the server has lost its data a short time ago. A process that has just
    /// started has no sessions that a server could have lost.
    async fn check_for_loss(&self, link: &RedisLink, is_first: bool) -> Result<(), Outage> {
        let (mut link, now) = (link.clone(), self.live.clock.now());
        let mark = format!("{}m", self.prefix);
        let _: bool = link.set_nx(&mark, now).await?;
        let with_data_since: Option<u64> = link.get(&mark).await?;
        let age = now.abs_diff(with_data_since.unwrap_or(now));
        if !is_first && age < RECOVERY_SECONDS {
            self.health.recovers(Duration::from_secs(RECOVERY_SECONDS));
        }
        Ok(())
    }

    /// Brings this process and the server together after an outage, or at the start. Returns the ID
    /// of the last change.
    async fn catch_up(&self, link: RedisLink, follower: &mut RedisLink) -> Result<String, Outage> {
        let calls = Calls { link, health: &self.health };
        let batch = self.pending.take_with_recent();
        let last = self.catch_up_with(&calls, follower, &batch).await?;
        batch.was_written();
        Ok(last)
    }

    async fn catch_up_with(
        &self,
        calls: &Calls<'_>,
        follower: &mut RedisLink,
        batch: &PendingBatch<'_>,
    ) -> Result<String, Outage> {
        self.write_ends(calls, batch).await?;
        let mut last = BEGINNING.to_owned();
        loop {
            let page = self.read_changes(follower, &last, None).await?;
            last = page.last.unwrap_or(last);
            for change in page.changes {
                self.apply(calls, change).await?;
            }
            if !page.is_full {
                break;
            }
        }
        // The stream may have lost changes, and the server sessions.
        self.touch_all(calls, self.sessions(|_| true)).await?;
        self.write_sessions(calls, batch).await?;
        // What the comparison found missing: the other processes must find it from the start.
        self.write_pending(calls).await?;
        Ok(last)
    }

    async fn follow(&self, follower: &mut RedisLink, mut last: String) -> Result<Never, Outage> {
        loop {
            let page = self.read_changes(follower, &last, Some(FOLLOW_WAIT)).await?;
            last = page.last.unwrap_or(last);
            for change in page.changes {
                self.apply(&self.calls()?, change).await?;
            }
        }
    }

    async fn read_changes(
        &self,
        follower: &mut RedisLink,
        last: &str,
        wait: Option<Duration>,
    ) -> RedisResult<ChangePage> {
        let secrets = self.secrets.load_full();
        changes::read(follower, &self.stream(), &secrets.changes, last, wait).await
    }

    /// Writes what changes here, until it fails.
    async fn write_changes(&self) -> Result<Never, Outage> {
        loop {
            let due = tokio::time::timeout(FOLLOW_WAIT, self.pending.is_due.notified());
            let _ = due.await;
            if !self.pending.is_empty() {
                self.write_pending(&self.calls()?).await?;
            }
        }
    }

    /// Writes everything that waits.
    async fn write_pending(&self, calls: &Calls<'_>) -> Result<(), StoreUnavailable> {
        let batch = self.pending.take();
        self.write_ends(calls, &batch).await?;
        self.write_sessions(calls, &batch).await?;
        batch.was_written();
        Ok(())
    }

    async fn write_sessions(
        &self,
        calls: &Calls<'_>,
        batch: &PendingBatch<'_>,
    ) -> Result<(), StoreUnavailable> {
        let all = futures_util::stream::iter(batch.sessions.iter().map(Ok));
        all.try_for_each_concurrent(CONCURRENT, async |it| self.write_session(calls, it).await)
            .await
    }

    /// Writes the ended sessions of a batch, then its changes.
    async fn write_ends(
        &self,
        calls: &Calls<'_>,
        batch: &PendingBatch<'_>,
    ) -> Result<(), StoreUnavailable> {
        let all = futures_util::stream::iter(batch.ended.iter().map(Ok));
        all.try_for_each_concurrent(CONCURRENT, async |(key, ended)| {
            self.write_end(calls, key, *ended).await
        })
        .await?;
        for name in &batch.places {
            if let Some(place) = SessionPlace::named(&self.prefix, name) {
                self.end_place(calls, &place).await?;
            }
        }
        for change in &batch.changes {
            // What the indexes name: in an outage nobody could look.
            self.end_named(calls, change).await?;
            self.add_change(calls, change).await?;
        }
        Ok(())
    }

    async fn write_end(
        &self,
        calls: &Calls<'_>,
        key: &SessionKey,
        ended: EndedSession,
    ) -> Result<(), StoreUnavailable> {
        let secrets = self.secrets.load_full();
        // With a secret that is gone, no cookie of the session is valid.
        let Some(keys) = secrets.of(ended.secret) else { return Ok(()) };
        let place = keys.place(&self.prefix, key);
        let left = ended.ends.saturating_sub(self.live.clock.now());
        let lives_ms = left.saturating_add(SLACK_SECONDS).saturating_mul(1000);
        calls.run(async |link| self.scripts.end(link, &place, lives_ms).await).await?;
        if ended.is_news {
            self.add_change(calls, &Change::session(*key)).await?;
        }
        Ok(())
    }

    async fn end_named(&self, calls: &Calls<'_>, change: &Change) -> Result<(), StoreUnavailable> {
        for index in self.indexes_of(change) {
            // Not what began afterwards, for example at a process that was not cut off.
            self.end_places(calls, &index, change.at()).await?;
        }
        Ok(())
    }

    async fn add_change(&self, calls: &Calls<'_>, change: &Change) -> Result<(), StoreUnavailable> {
        let secrets = self.secrets.load_full();
        let stream = self.stream();
        calls.run(async |link| changes::add(link, &stream, &secrets.changes, change).await).await
    }

    /// Writes the last uses once a minute, and learns of uses elsewhere before a session is idle.
    async fn touch_uses(&self) -> Result<Never, Outage> {
        let mut written_at = self.live.clock.now();
        loop {
            tokio::time::sleep(TOUCH_INTERVAL).await;
            let now = self.live.clock.now();
            self.touch_used(now, written_at).await?;
            written_at = now;
        }
    }

    async fn touch_used(&self, now: u64, written_at: u64) -> Result<(), Outage> {
        let nearly_idle = now.saturating_add(IDLE_MARGIN_SECONDS).saturating_sub(self.idle);
        let wanted = self.sessions(|it| {
            let last_seen = it.last_seen();
            last_seen >= written_at || last_seen <= nearly_idle
        });
        Ok(self.touch_all(&self.calls()?, wanted).await?)
    }

    /// Writes what is left when the process ends.
    async fn write_last(&self) {
        let Ok(calls) = self.calls() else { return };
        let used_since = self.live.clock.now().saturating_sub(2 * TOUCH_INTERVAL.as_secs());
        let used = self.sessions(|it| it.last_seen() >= used_since);
        let touched = self.touch_all(&calls, used).await;
        let written = self.write_pending(&calls).await;
        if touched.is_err() || written.is_err() {
            tracing::warn!("the last changes of sessions were not stored");
        }
    }

    /// The key of the stream of changes.
    fn stream(&self) -> String {
        format!("{}c", self.prefix)
    }
}
