//! The live sessions of this process.
//!
//! Every request reads them: nothing here waits, and no lock is held while anything waits.

use super::end_recorder::EndRecorder;
use super::ended_sign_ins::EndedSignIns;
use super::groups_age::GroupsAge;
use super::index::SessionIndex;
use super::overlap::Overlap;
use super::recheck_outcome::RecheckOutcome;
use super::record::{Session, SessionEnd, Via};
use super::record_age::RecordAge;
use super::session_ids::{SecretName, SessionIds};
use super::session_key::{SessionKey, client_sign_in_key, key, read};
use super::standing::EntraStanding;
use crate::base::clock::Clock;
use crate::base::guid::Guid;
use crate::base::identity::{DirectoryMember, Identity, PersonGroups};
use crate::base::random::RandomSource;
use crate::base::secret::Secret;
use crate::config;
use crate::directory::client_sign_in::ClientSignIn;
use crate::directory::client_sign_ins::MORE_THAN_PER_PERSON;
use crate::entra::claims_challenge::ClaimsChallenge;
use crate::entra::verified::VerifiedUser;
use crate::seal::keyring::Keyring;
use arc_swap::{ArcSwap, ArcSwapOption};
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Sessions in this process by the SHA-256 digest of their IDs: memory contents give no access.
#[derive(Debug)]
pub struct LiveSessions {
    pub(super) sessions: Cache<SessionKey, Arc<Session>>,
    pub(super) index: Arc<SessionIndex>,
    pub(super) clock: Clock,
    ids: SessionIds,
    idle: u64,
    pub(super) lifetime: u64,
    /// `[session] per_person`.
    max_per_person: usize,
    /// Whether that is less than the capacity. Otherwise one person may have all sessions.
    is_limited_per_person: bool,
    /// Sign-ins on native clients that ended here and not yet in their rows, with the reason.
    ended_sign_ins: EndedSignIns,
    /// Records the sessions that ended, where they are kept over a restart.
    pub(super) recorder: OnceLock<EndRecorder>,
    /// The other process, while two have the sessions: the one before, or the one that follows.
    pub(super) overlap: ArcSwapOption<Overlap>,
}

/// A sign-in that starts a browser's session.
#[derive(Debug)]
pub struct NewSession<'a> {
    /// The person who signed in.
    pub user: VerifiedUser,
    /// The person in the directory, if there is one.
    pub member: Option<DirectoryMember>,
    /// The refresh token for later questions to Entra.
    pub refresh_token: Option<Secret>,
    /// The name of the session at Entra, from the callback.
    pub session_state: Option<&'a str>,
}

impl From<VerifiedUser> for NewSession<'_> {
    fn from(user: VerifiedUser) -> Self {
        Self { user, member: None, refresh_token: None, session_state: None }
    }
}

/// A live session that a request belongs to.
#[derive(Debug)]
pub struct SeenSession {
    /// The session.
    pub session: Arc<Session>,
    /// Whether a recheck with Entra is due.
    pub is_due: bool,
}

impl LiveSessions {
    /// Creates the cache, empty. If it is full, the session that was unused for the longest time is
    /// evicted: a new one is never rejected (LRU, not TinyLFU).
    ///
    /// The library drops idle sessions; `is_live` checks the absolute lifetime, which costs less
    /// memory per session.
    pub fn new(
        config: &config::session::SessionConfig,
        clock: Clock,
        random: RandomSource,
    ) -> Self {
        let index = Arc::new(SessionIndex::new(&random));
        let found = Arc::clone(&index);
        let sessions = Cache::builder()
            .max_capacity(config.capacity)
            .eviction_policy(EvictionPolicy::lru())
            .time_to_idle(config.idle + Duration::from_secs(1))
            .eviction_listener(move |_, session: Arc<Session>, _| {
                session.end.notify();
                found.remove(&session);
            })
            .build();
        Self {
            sessions,
            index,
            clock,
            ids: SessionIds::new(&Keyring::new(&config.secrets, &random), random),
            idle: config.idle.as_secs(),
            lifetime: config.lifetime.as_secs(),
            max_per_person: usize::try_from(config.per_person).unwrap_or(usize::MAX),
            ended_sign_ins: EndedSignIns::default(),
            recorder: OnceLock::new(),
            overlap: ArcSwapOption::empty(),
            is_limited_per_person: config.per_person < config.capacity,
        }
    }

    /// Makes a session with a new ID, which is sent to the browser and not kept here. The session is
    /// live when its store has saved it.
    pub fn prepare(&self, new: NewSession<'_>) -> (Secret, Arc<Session>) {
        let (id, secret) = self.ids.generate();
        let identity = Identity { member: new.member.map(Arc::new), ..new.user.into_identity() };
        let session_state = new
            .session_state
            .filter(|it| identity.entra_sid.as_deref() != Some(*it))
            .map(Box::from);
        let session = Session {
            secret,
            session_state,
            ..self.session(
                key(id.expose()),
                Via::Browser,
                identity,
                new.refresh_token,
                self.clock.now().saturating_add(self.lifetime),
            )
        };
        (id, Arc::new(session))
    }

    /// Adds a session that is complete, unless it is live already or has ended.
    pub(super) fn insert(&self, session: &Arc<Session>) {
        if session.is_over() {
            return;
        }
        // First: the cache can evict the session at once, and then removes it from the index.
        self.index.insert(session);
        let entry = self.sessions.entry(session.key).or_insert_with(|| Arc::clone(session));
        if !entry.is_fresh() {
            // Another request was faster: its session is the one that is found.
            self.index.insert(entry.value());
        }
        // It may have ended since the first check.
        if session.is_over() {
            self.sessions.invalidate(&session.key);
        }
        if entry.is_fresh() {
            self.make_room(session);
        }
    }

    /// Keeps a person within the limit of sessions: repeated sign-ins displace the person's own
    /// sessions, in browsers and on native clients, not those of other people. A displaced native
    /// session ends permanently: if it were started again from its row, it would displace another
    /// one at its next request, and the two would alternate forever.
    fn make_room(&self, newest: &Arc<Session>) {
        if !self.is_limited_per_person {
            return;
        }
        let who = newest.identity();
        let mut own = self.index.by_object(who.oid);
        own.retain(|it| it.identity().tid == who.tid && !Arc::ptr_eq(it, newest));
        let too_many = (own.len() + 1).saturating_sub(self.max_per_person);
        if too_many == 0 {
            return;
        }
        own.sort_by_key(|it| (it.last_seen(), it.started_at()));
        own.truncate(too_many);
        for session in &own {
            self.ended_sign_ins.add(session, MORE_THAN_PER_PERSON);
        }
        let ended = self.end_each(own);
        tracing::warn!(ended, user = %who.oid, "person exceeded [session] per_person; the sessions unused longest ended");
    }

    /// Starts the session of a sign-in on one of the app's own clients, from its row; no cookie
    /// value leads to it. It is not indexed with the session at Entra: a sign-out in a browser
    /// there does not sign out a phone.
    pub fn create_for_client(&self, client_sign_in: ClientSignIn) -> Arc<Session> {
        let (id, ends) = (client_sign_in.id, client_sign_in.ends);
        let (identity, refresh_token) = client_sign_in.into_parts();
        self.start_for_client(id, identity, refresh_token, ends)
    }

    pub(super) fn start_for_client(
        &self,
        id: Guid,
        identity: Identity,
        refresh_token: Option<Secret>,
        ends: u64,
    ) -> Arc<Session> {
        let session = Arc::new(self.session(
            client_sign_in_key(id),
            Via::Client(id),
            Identity { entra_sid: None, ..identity },
            refresh_token,
            ends,
        ));
        // Replaces a session that has been idle for too long.
        self.index.insert(&session);
        self.sessions.insert(session.key, Arc::clone(&session));
        self.make_room(&session);
        session
    }

    /// `[session] per_person`: maximum number of live sign-ins per person.
    pub fn max_per_person(&self) -> usize {
        self.max_per_person
    }

    /// Makes and recognizes the IDs of sessions.
    pub fn ids(&self) -> &SessionIds {
        &self.ids
    }

    /// Returns the sign-ins on native clients that ended here, perhaps before their rows.
    pub fn ended_sign_ins(&self) -> &EndedSignIns {
        &self.ended_sign_ins
    }

    fn session(
        &self,
        key: SessionKey,
        via: Via,
        identity: Identity,
        refresh_token: Option<Secret>,
        ends: u64,
    ) -> Session {
        let now = self.clock.now();
        Session {
            key,
            secret: SecretName::default(),
            via,
            user: identity.oid.to_string().into(),
            groups_age: GroupsAge::new(identity.groups == PersonGroups::Overage),
            session_state: None,
            identity: ArcSwap::from_pointee(identity),
            started_at: now,
            ends: AtomicU64::new(ends),
            last_seen: AtomicU64::new(now),
            end: SessionEnd::default(),
            attached: ArcSwapOption::empty(),
            standing: EntraStanding::new(now, refresh_token),
            answered: OnceLock::new(),
            reauthenticated: AtomicBool::new(false),
            record_age: RecordAge::default(),
        }
    }

    /// Returns the live session of a native sign-in started in this process; records the use.
    pub fn find_client_sign_in(&self, client_sign_in: Guid) -> Option<SeenSession> {
        self.seen(self.sessions.get(&client_sign_in_key(client_sign_in))?)
    }

    /// Returns a session that the caller already has, if it is live, and records the use.
    pub fn find_held(&self, session: &Arc<Session>) -> Option<SeenSession> {
        // Keeps the cache from treating it as idle.
        let _ = self.sessions.get(&session.key);
        self.seen(Arc::clone(session))
    }

    fn seen(&self, session: Arc<Session>) -> Option<SeenSession> {
        let now = self.clock.now();
        self.is_live(&session, now, true)
            .then(|| SeenSession { is_due: session.standing.is_due(now), session })
    }

    /// Ends the session of a sign-in on a client.
    pub fn end_client_sign_in(&self, client_sign_in: Guid) {
        if let Some(session) = self.sessions.get(&client_sign_in_key(client_sign_in)) {
            self.end_held(&session);
        }
    }

    /// Returns the live session with an ID, and records the use.
    pub fn find(&self, id: &str) -> Option<SeenSession> {
        let key = read(id)?;
        let session = self.sessions.get(&key)?;
        let now = self.clock.now();
        if self.is_live(&session, now, true) {
            return Some(SeenSession { is_due: session.standing.is_due(now), session });
        }
        if session.standing.again().is_none() || self.is_past(&session, now) {
            self.sessions.invalidate(&key);
        }
        None
    }

    /// Returns an ended session whose person must sign in again; it holds the required proof.
    pub fn ended(&self, id: &str) -> Option<Arc<Session>> {
        let session = self.sessions.get(&read(id)?)?;
        (session.standing.again().is_some() && !self.is_past(&session, self.clock.now()))
            .then_some(session)
    }

    /// Returns the live session without recording a use: asking for its end must not postpone it.
    pub fn peek(&self, id: &str) -> Option<Arc<Session>> {
        let session = self.sessions.get(&read(id)?)?;
        self.is_live(&session, self.clock.now(), false).then_some(session)
    }

    /// Whether the session of a running request is live; data transfer is use, for the cache too.
    pub fn is_still_live(&self, session: &Session, used: bool) -> bool {
        if used {
            let _ = self.sessions.get(&session.key);
        }
        self.is_live(session, self.clock.now(), used)
    }

    /// Whether a session that the caller has is still live; `used` records a use. Notifies the
    /// dependents of a session that is not.
    pub(super) fn is_live(&self, session: &Session, now: u64, used: bool) -> bool {
        if session.end.is_over() || self.is_past(session, now) {
            session.end.notify();
            return false;
        }
        if used && now > session.last_seen() {
            session.last_seen.store(now, Ordering::Relaxed);
        }
        true
    }

    fn is_past(&self, session: &Session, now: u64) -> bool {
        now >= session.ends() || now >= session.last_seen().saturating_add(self.idle)
    }

    /// Ends a session that the caller has, with all its dependents.
    pub fn end_held(&self, session: &Session) {
        session.end.notify();
        self.record_end(session);
        self.sessions.invalidate(&session.key);
    }

    /// Ends a session that the caller has because Entra ended the person's access.
    pub fn end_refused(&self, session: &Session) {
        self.ended_sign_ins.add(session, RecheckOutcome::ENDED_BY_ENTRA);
        self.end_held(session);
    }

    /// Ends a session that the caller has because the person must sign in again; `claims` is what
    /// must be proven then, if Entra says so. The record stays for the sign-in.
    pub fn end_for_sign_in(&self, session: &Session, claims: Option<ClaimsChallenge>) {
        self.ended_sign_ins.add(session, RecheckOutcome::SIGN_IN_REQUIRED);
        session.standing.needs_sign_in(claims);
        session.end.notify();
        self.record_end(session);
    }

    /// Ends the session with an ID, and all its dependents.
    pub fn end(&self, id: &str) -> Option<Arc<Session>> {
        let session = self.sessions.remove(&read(id)?)?;
        session.end.notify();
        self.record_end(&session);
        Some(session)
    }

    /// Returns the time when an unused session becomes idle, in seconds since 1970.
    pub fn idle_deadline(&self, session: &Session) -> u64 {
        session.last_seen().saturating_add(self.idle).min(session.ends())
    }

    /// Makes a session live without a store.
    #[cfg(test)]
    pub fn create(&self, new: NewSession<'_>) -> (Secret, Arc<Session>) {
        let (id, session) = self.prepare(new);
        self.insert(&session);
        (id, session)
    }

    /// Returns the number of entries in the index.
    #[cfg(test)]
    pub(in crate::session) fn places(&self) -> usize {
        self.index.len()
    }

    /// Runs the cache's pending tasks.
    #[cfg(test)]
    pub(in crate::session) fn settle(&self) {
        self.sessions.run_pending_tasks();
    }

    /// Returns the approximate number of sessions.
    pub fn count(&self) -> u64 {
        self.sessions.entry_count()
    }
}
