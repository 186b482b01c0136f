//! The store that keeps each session in its own browser.
//!
//! The session cookie holds the ID, as with every store, and only a sign-in sets it. A second cookie
//! holds the sealed record of the session. It is written again with answers: when the session has
//! changed, and once a minute for the last use. A process that does not know the ID opens the record
//! and makes the session live.
//!
//! A record is worth nothing without its ID. So an answer that began before a sign-out and arrives
//! after it may bring a record, and nobody is signed in again; the same holds for an answer that a
//! cache repeats to someone else.

mod fit;
mod named;
mod record;
mod seal;
#[cfg(test)]
pub(super) mod tests;

use super::super::ended_keys::EndedKeys;
use super::super::kept_purposes::KeptPurposes;
use super::super::live::LiveSessions;
use super::super::person::PersonKey;
use super::super::record::{Session, Via};
use super::super::session_key::read as key_of;
use super::super::standing::{LeaseTurn, RecheckLease};
use super::admission::is_still_admitted;
use super::presented::PresentedSession;
use super::unavailable::StoreUnavailable;
use crate::base::identity::CutLists;
use crate::base::secret::Secret;
use crate::directory::Directory;
use arc_swap::ArcSwap;
use fit::{fit, forget_cut};
use named::NamedEntries;
pub use record::is_record;
use record::{RecordedSession, read};
pub use seal::{CookieSeal, MAX_SESSION_COOKIE_BYTES};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Maximum number of sessions that are loaded at the same time if the directory must be asked.
const MAX_LOADS: usize = 64;
/// Maximum time to wait for one of these places, and what clients are told afterwards, in seconds.
const LOAD_WAIT: Duration = Duration::from_secs(2);
const RETRY_AFTER_SECONDS: u64 = 1;

/// What the configuration says about the records of sessions.
#[derive(Debug)]
pub struct CookieStoreSettings {
    seal: CookieSeal,
    named: NamedEntries,
}

/// Sessions sealed in the browsers.
#[derive(Debug)]
pub struct CookieStore {
    live: Arc<LiveSessions>,
    ended: Arc<EndedKeys>,
    directory: Option<Directory>,
    settings: ArcSwap<CookieStoreSettings>,
    loads: Semaphore,
    /// Purposes of sign-ins that are too long for `state`.
    pub(super) purposes: KeptPurposes,
}

impl CookieStoreSettings {
    /// `named` are the groups and roles in the access rules.
    pub fn new(seal: CookieSeal, named: impl IntoIterator<Item = String>) -> Self {
        Self { seal, named: NamedEntries::new(named) }
    }
}

impl CookieStore {
    /// Creates the store. The directory is asked about the people of sessions that this process did
    /// not have.
    pub fn new(
        live: Arc<LiveSessions>,
        directory: Option<Directory>,
        settings: CookieStoreSettings,
    ) -> Self {
        let ended = Arc::new(EndedKeys::default());
        live.remember_ends_in(&ended);
        Self {
            live,
            ended,
            directory,
            settings: ArcSwap::from_pointee(settings),
            loads: Semaphore::new(MAX_LOADS),
            purposes: KeptPurposes::default(),
        }
    }

    /// Uses the settings of another configuration from now on.
    pub fn use_settings(&self, settings: CookieStoreSettings) {
        let before = self.settings.swap(Arc::new(settings));
        if before.named.digest() == self.settings.load().named.digest() {
            return;
        }
        let now = self.live.clock.now();
        let all = self.live.sessions.iter().map(|it| it.1);
        for session in all.filter(|it| it.identity().cut != CutLists::default()) {
            if !forget_cut(&session, now) {
                self.live.end_for_sign_in(&session, None);
            }
        }
    }

    pub(super) async fn load(
        &self,
        presented: &PresentedSession<'_>,
    ) -> Result<Option<Arc<Session>>, StoreUnavailable> {
        if let Some(session) = self.live.peek(presented.id) {
            return Ok(Some(session));
        }
        let Some(session) = self.open(presented) else { return Ok(None) };
        let _turn = match &self.directory {
            Some(_) => Some(self.turn().await?),
            None => None,
        };
        // Another request may have loaded it meanwhile.
        if let Some(session) = self.live.peek(presented.id) {
            return Ok(Some(session));
        }
        if !is_still_admitted(self.directory.as_ref(), &session).await? {
            self.ended.add(session.key, session.ends(), self.live.clock.now());
            return Ok(None);
        }
        let session = Arc::new(session);
        self.live.adopt(&session);
        // It may have ended while it was loaded.
        if self.ended.contains(&session.key) {
            self.live.end_quietly(&session.key);
        }
        Ok(self.live.peek(presented.id))
    }

    async fn turn(&self) -> Result<SemaphorePermit<'_>, StoreUnavailable> {
        let turn = tokio::time::timeout(LOAD_WAIT, self.loads.acquire()).await;
        let unavailable = StoreUnavailable { retry_after: RETRY_AFTER_SECONDS };
        turn.ok().and_then(Result::ok).ok_or(unavailable)
    }

    /// Opens the record of a session that is not live here and has not ended. The tag of its ID is
    /// checked first, so what strangers make up costs no more than that.
    fn open(&self, presented: &PresentedSession<'_>) -> Option<Session> {
        let secret = self.live.ids().recognize(presented.id)?;
        let key = key_of(presented.id)?;
        if self.ended.contains(&key) {
            return None;
        }
        let settings = self.settings.load();
        let plain = settings.seal.open(&key, presented.record?)?;
        let RecordedSession { mut session, named } =
            read(&plain).filter(|it| it.session.key == key)?;
        session.secret = secret;
        // A lifetime that is shorter now counts for records too: nothing else can take them back.
        let latest = session.started_at().saturating_add(self.live.lifetime);
        session.ends.fetch_min(latest, Ordering::Relaxed);
        if self.has_ended_with_all(&session, latest) {
            return None;
        }
        let now = self.live.clock.now();
        let is_named_the_same = named == settings.named.digest();
        (self.live.is_live(&session, now, false)
            && (is_named_the_same || forget_cut(&session, now)))
        .then_some(session)
    }

    /// Whether a session that could have lasted until `latest` ended with all others of its person.
    fn has_ended_with_all(&self, session: &Session, latest: u64) -> bool {
        let who = session.identity();
        let person = PersonKey { oid: who.oid, tid: who.tid };
        self.ended.person_end(&person).is_some_and(|it| latest <= it)
    }

    pub(super) fn save(&self, id: Secret, session: &Arc<Session>) -> Secret {
        if session.standing().read_refresh_token(|it| it.is_none()) == Some(true) {
            session.standing().set_ends_at_recheck();
        }
        self.live.insert(session);
        id
    }

    /// Returns the record that the next answer to the browser must carry, if one is due.
    pub(super) fn record_for_answer(&self, session: &Session) -> Option<Secret> {
        let now = self.live.clock.now();
        if session.via() != Via::Browser || session.is_over() {
            return None;
        }
        let turn = session.record_age.take(now)?;
        let settings = self.settings.load();
        let before = session.identity.load_full();
        let fitted =
            session.standing.read_refresh_token(|token| fit(session, token, &settings.named));
        let Some(fitted) = fitted else {
            // A recheck is using the refresh token, and changes the session in a moment.
            session.record_age.give_back(&turn);
            return None;
        };
        let Some(fitted) = fitted else {
            tracing::warn!(
                user = session.user(),
                "session does not fit into its cookie; it ends with this process, and other replicas do not know it"
            );
            session.record_age.give_up(&turn);
            return None;
        };
        if let Some(reduced) = fitted.reduced {
            // If the session changed meanwhile, so is its record due again.
            session.identity.compare_and_swap(&before, Arc::new(reduced));
        }
        let sealed = settings.seal.seal(&session.key, &fitted.plain)?;
        (!session.is_over()).then(|| Secret::new(sealed))
    }

    /// Ends a session in this process. Returns it, also if it was not live here.
    pub(super) fn end(&self, presented: &PresentedSession<'_>) -> Option<Arc<Session>> {
        let live = self.live.peek(presented.id);
        let stored = if live.is_none() { self.open(presented) } else { None };
        if let Some(key) = key_of(presented.id)
            && (live.is_some() || self.live.ids().recognize(presented.id).is_some())
        {
            let now = self.live.clock.now();
            let ends = live.as_deref().or(stored.as_ref()).map(Session::ends);
            // First: a request that is loading the session looks there afterwards.
            self.ended.add(key, ends.unwrap_or(now.saturating_add(self.live.lifetime)), now);
        }
        self.live.end(presented.id).or(stored.map(Arc::new))
    }

    pub(super) fn end_by_sid(&self, sid: &str) -> usize {
        self.live.end_by_sid(sid)
    }

    /// Also ends the person's sessions that this process does not know yet.
    pub(super) fn end_by_person(&self, person: PersonKey) -> usize {
        let now = self.live.clock.now();
        self.ended.add_person(person, now.saturating_add(self.live.lifetime), now);
        self.live.end_all_of(person)
    }

    /// Each process uses the refresh token by itself: Entra's can be used several times.
    pub(super) fn lease(&self, session: &Session, _: &RecheckLease<'_>) -> LeaseTurn {
        if session.is_over() { LeaseTurn::Ended } else { LeaseTurn::Held }
    }

    /// What a recheck changed is in the next answer.
    pub(super) fn release(&self, session: &Session) {
        session.record_age.changed();
    }
}
