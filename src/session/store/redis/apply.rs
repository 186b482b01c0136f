//! Applies the changes of other processes to the live sessions of this one.

use super::super::super::record::{Session, Via};
use super::super::unavailable::StoreUnavailable;
use super::changes::Change;
use super::keys::SessionPlace;
use super::recent::EndedSession;
use super::redis_store::{Calls, RedisStore};
use super::scripts::Touched;
use crate::base::guid::Guid;
use futures_util::TryStreamExt as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Number of sessions that are asked about at the same time.
const CONCURRENT: usize = 64;

impl RedisStore {
    /// Applies a change. It may be one of this process, or one that was applied before.
    ///
    /// # Errors
    /// The server does not answer.
    pub(super) async fn apply(
        &self,
        calls: &Calls<'_>,
        change: Change,
    ) -> Result<(), StoreUnavailable> {
        self.ended.fetch_add(1, Ordering::SeqCst);
        match change {
            Change::Session(key) => self.live.end_quietly(&key),
            Change::Person { oid, tid, at } => {
                let (oid, tid) = (Guid::of_bytes(oid), Guid::of_bytes(tid));
                let mut found = self.live.index.by_object(oid);
                found.retain(|it| it.identity().tid == tid);
                self.apply_until(calls, found, at).await?;
            }
            Change::Sid { sid, at } => {
                self.apply_until(calls, self.live.index.by_sid(&sid), at).await?;
            }
            Change::Places { oid, places } => {
                for session in self.live.index.by_object(Guid::of_bytes(oid)) {
                    if self
                        .place_of(&session)
                        .is_some_and(|it| places.iter().any(|place| place == it.name()))
                    {
                        self.live.end_quietly(&session.key);
                    }
                }
            }
        }
        Ok(())
    }

    /// Ends sessions that began before a time, in seconds since 1970. The server knows which of those
    /// that began in the same second are meant.
    async fn apply_until(
        &self,
        calls: &Calls<'_>,
        sessions: Vec<Arc<Session>>,
        at: u64,
    ) -> Result<(), StoreUnavailable> {
        for session in sessions.iter().filter(|it| it.via() == Via::Browser) {
            if session.started_at() < at {
                // The index that named the others may have lost it in a failover.
                let ended = EndedSession { is_news: false, ..EndedSession::news(session) };
                self.pending.end(session.key, ended);
                self.live.end_quietly(&session.key);
            } else if session.started_at() == at {
                self.touch(calls, session).await?;
            }
        }
        Ok(())
    }

    /// Compares sessions with the server: ends those that ended elsewhere, learns of uses elsewhere,
    /// and saves those that are missing.
    ///
    /// # Errors
    /// The server does not answer.
    pub(super) async fn touch_all(
        &self,
        calls: &Calls<'_>,
        sessions: Vec<Arc<Session>>,
    ) -> Result<(), StoreUnavailable> {
        let all = futures_util::stream::iter(sessions.into_iter().map(Ok));
        all.try_for_each_concurrent(CONCURRENT, async |it: Arc<Session>| {
            self.touch(calls, &it).await
        })
        .await
    }

    /// # Errors
    /// The server does not answer.
    async fn touch(
        &self,
        calls: &Calls<'_>,
        session: &Arc<Session>,
    ) -> Result<(), StoreUnavailable> {
        let Some(place) = self.place_of(session).filter(|_| !session.is_over()) else {
            return Ok(());
        };
        let last_seen = session.last_seen();
        let lives_ms = self.lives_ms(session, last_seen);
        let touched = calls
            .run(async |link| self.scripts.touch(link, &place, last_seen, lives_ms).await)
            .await?;
        match touched {
            Touched::Used(at) => {
                session.last_seen.fetch_max(at, Ordering::Relaxed);
            }
            Touched::Ended => self.live.end_quietly(&session.key),
            Touched::Missing => {
                // What the server lost is gone; the session goes on without it.
                session.standing.set_token_stored(false);
                self.pending.save(session);
            }
        }
        Ok(())
    }

    /// Returns the live sessions of browsers that `wanted` selects. Scans all sessions: not for the
    /// request path.
    pub(super) fn sessions(&self, wanted: impl Fn(&Session) -> bool) -> Vec<Arc<Session>> {
        let all = self.live.sessions.iter().map(|it| it.1);
        all.filter(|it| it.via() == Via::Browser && !it.is_over() && wanted(it)).collect()
    }

    fn place_of(&self, session: &Session) -> Option<SessionPlace> {
        let secrets = self.secrets.load();
        Some(secrets.of(session.secret)?.place(&self.prefix, &session.key))
    }
}
