//! Sessions in memory.

use super::groups_age::GroupsAge;
use super::index::SessionIndex;
use super::person::{AmbiguousPerson, EndedSessions, PersonKey, PersonName, PersonSelector};
use super::record::{Session, SessionEnd};
use super::standing::EntraStanding;
use crate::base::clock::Clock;
use crate::base::guid::Guid;
use crate::base::identity::{DirectoryMember, Identity, PersonGroups};
use crate::base::random::RandomSource;
use crate::base::secret::Secret;
use crate::config;
use crate::directory::client_sign_in::ClientSignIn;
use crate::entra::verified::VerifiedUser;
use arc_swap::{ArcSwap, ArcSwapOption};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use std::collections::{BTreeSet, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

/// Bytes of a session id (256 bits), and of its base64url text.
const ID_BYTES: usize = 32;
const ID_CHARS: usize = 43;

type SessionKey = [u8; 32];

/// Sessions in this process, found by the SHA-256 of the id in the cookie: what memory holds opens nothing.
#[derive(Debug)]
pub struct SessionStore {
    sessions: Cache<SessionKey, Arc<Session>>,
    index: Arc<SessionIndex>,
    clock: Clock,
    random: RandomSource,
    idle: u64,
    lifetime: u64,
    /// `[session] per_person`.
    max_per_person: usize,
    /// Nothing where one person may have all there are.
    per_person: Option<usize>,
    /// Sign-ins on native clients that made room for others of their person: over here, and to be ended in their rows.
    displaced_sign_ins: Mutex<HashSet<Guid>>,
}

/// A live session that a request belongs to.
#[derive(Debug)]
pub struct SeenSession {
    /// The session.
    pub session: Arc<Session>,
    /// Whether Entra is to be asked about it.
    pub is_due: bool,
}

impl SessionStore {
    /// An empty store. The one unused longest makes room when it is full: a newcomer is never turned away (LRU, not TinyLFU).
    ///
    /// The library drops what rests; the absolute life is looked at in `goes_on`, which costs each session less memory.
    pub fn new(config: &config::session::SessionConfig, clock: Clock, random: RandomSource) -> Self {
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
            random,
            idle: config.idle.as_secs(),
            lifetime: config.lifetime.as_secs(),
            max_per_person: usize::try_from(config.per_person).unwrap_or(usize::MAX),
            displaced_sign_ins: Mutex::default(),
            per_person: usize::try_from(config.per_person).ok().filter(|_| config.per_person < config.capacity),
        }
    }

    /// Begins a session under a new id; the id goes to the browser and is kept nowhere.
    /// `member` is who it is to the directory, where there is one;
    /// `grant` is what Entra is asked by later whether the person may still be here; `session_state` is what the callback called the session at Entra.
    pub fn create(&self, user: VerifiedUser, member: Option<DirectoryMember>, grant: Option<Secret>, session_state: Option<&str>) -> (Secret, Arc<Session>) {
        let id = URL_SAFE_NO_PAD.encode(self.random.bytes::<ID_BYTES>());
        let now = self.clock.now();
        let identity = Identity { member: member.map(Arc::new), ..user.into_identity() };
        let session_state = session_state.filter(|it| identity.entra_sid.as_deref() != Some(*it)).map(Box::from);
        let session = self.insert(key(&id), None, identity, grant, session_state, now.saturating_add(self.lifetime));
        self.make_room(&session);
        (Secret::new(id), session)
    }

    /// Whoever signs in again and again makes room among their own sessions, in browsers and on native clients alike, and pushes nobody else
    /// out. A native session that makes room is over for good: begun again from its row, it would push out another one at its next request,
    /// and two would take each other's place forever.
    fn make_room(&self, newest: &Arc<Session>) {
        let (who, Some(most)) = (newest.identity(), self.per_person) else { return };
        let mut own = self.index.by_object(who.oid);
        own.retain(|it| it.identity().tid == who.tid && !Arc::ptr_eq(it, newest));
        let Some(too_many) = (own.len() + 1).checked_sub(most).filter(|it| *it > 0) else { return };
        own.sort_by_key(|it| (it.last_seen(), it.started_at()));
        own.truncate(too_many);
        self.displaced().extend(own.iter().filter_map(|it| it.client_sign_in));
        let ended = self.end_each(own);
        tracing::warn!(ended, user = %who.oid, "person exceeded [session] per_person; the sessions unused longest ended");
    }

    /// Begins the session of a sign-in on a client of the app's own, which its row tells; whatever a cookie holds, it does not lead here.
    /// It is not found by the session at Entra: signing out of a browser there signs nobody out of a phone.
    pub fn create_for_client(&self, client_sign_in: ClientSignIn) -> Arc<Session> {
        let (id, ends) = (client_sign_in.id, client_sign_in.ends);
        let (identity, grant) = client_sign_in.into_parts();
        let session = self.insert(client_sign_in_key(id), Some(id), Identity { entra_sid: None, ..identity }, grant, None, ends);
        self.make_room(&session);
        session
    }

    /// `[session] per_person`: how many live sign-ins one person may have.
    pub fn most_of_person(&self) -> usize {
        self.max_per_person
    }

    /// Sign-ins on native clients that made room for others of their person, and whose rows are not known to have ended.
    pub fn displaced_sign_ins(&self) -> Vec<Guid> {
        self.displaced().iter().copied().collect()
    }

    /// Whether that sign-in on a native client made room for another one of its person.
    pub fn is_displaced(&self, client_sign_in: Guid) -> bool {
        self.displaced().contains(&client_sign_in)
    }

    /// The row of a sign-in that made room has ended.
    pub fn forget_displaced(&self, client_sign_in: Guid) {
        self.displaced().remove(&client_sign_in);
    }

    fn displaced(&self) -> MutexGuard<'_, HashSet<Guid>> {
        self.displaced_sign_ins.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn insert(
        &self,
        key: SessionKey,
        client_sign_in: Option<Guid>,
        identity: Identity,
        grant: Option<Secret>,
        session_state: Option<Box<str>>,
        ends: u64,
    ) -> Arc<Session> {
        let now = self.clock.now();
        let session = Arc::new(Session {
            key,
            client_sign_in,
            user: identity.oid.to_string().into(),
            groups_age: GroupsAge::new(identity.groups == PersonGroups::Overage),
            session_state,
            identity: ArcSwap::from_pointee(identity),
            started_at: now,
            ends: AtomicU64::new(ends),
            last_seen: AtomicU64::new(now),
            end: SessionEnd::default(),
            attached: ArcSwapOption::empty(),
            standing: EntraStanding::new(now, grant),
            answered: OnceLock::new(),
            reauthenticated: AtomicBool::new(false),
        });
        // First: the cache may let go of it at once, and then it is to be forgotten here too.
        self.index.insert(&session);
        self.sessions.insert(key, Arc::clone(&session));
        session
    }

    /// The live session of a sign-in on a client of the app's own, where this process has begun it; notes that it was used.
    pub fn find_client_sign_in(&self, client_sign_in: Guid) -> Option<SeenSession> {
        self.seen(self.sessions.get(&client_sign_in_key(client_sign_in))?)
    }

    /// A session that somebody holds, where it is live; notes that it was used.
    pub fn find_held(&self, session: &Arc<Session>) -> Option<SeenSession> {
        // So that the cache does not take it for one that rests.
        let _ = self.sessions.get(&session.key);
        self.seen(Arc::clone(session))
    }

    fn seen(&self, session: Arc<Session>) -> Option<SeenSession> {
        let now = self.clock.now();
        self.goes_on(&session, now, true).then(|| SeenSession { is_due: session.standing.is_due(now), session })
    }

    /// Ends the session of a sign-in on a client of the app's own.
    pub fn end_client_sign_in(&self, client_sign_in: Guid) {
        if let Some(session) = self.sessions.get(&client_sign_in_key(client_sign_in)) {
            self.end_held(&session);
        }
    }

    /// The live session of an id, and notes that it was used.
    pub fn find(&self, id: &str) -> Option<SeenSession> {
        let key = read(id)?;
        let session = self.sessions.get(&key)?;
        let now = self.clock.now();
        if self.goes_on(&session, now, true) {
            return Some(SeenSession { is_due: session.standing.is_due(now), session });
        }
        if session.standing.again().is_none() || self.is_past(&session, now) {
            self.sessions.invalidate(&key);
        }
        None
    }

    /// The session of an id that ended since the person has to sign in again; it tells what the sign-in has to prove.
    pub fn ended(&self, id: &str) -> Option<Arc<Session>> {
        let session = self.sessions.get(&read(id)?)?;
        (session.standing.again().is_some() && !self.is_past(&session, self.clock.now())).then_some(session)
    }

    /// The live session of an id, without noting a use: whoever asks how long it lasts does not make it last.
    pub fn peek(&self, id: &str) -> Option<Arc<Session>> {
        let session = self.sessions.get(&read(id)?)?;
        self.goes_on(&session, self.clock.now(), false).then_some(session)
    }

    /// Whether the session of a request that lasts goes on; what passes meanwhile is use, for the cache as well.
    pub fn still_goes_on(&self, session: &Session, used: bool) -> bool {
        if used {
            let _ = self.sessions.get(&session.key);
        }
        self.goes_on(session, self.clock.now(), used)
    }

    /// Whether a session that somebody holds is still live; `used` notes that it was used. One that is not live is told so.
    fn goes_on(&self, session: &Session, now: u64, used: bool) -> bool {
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

    /// Ends a session that somebody holds; whatever hangs on it ends too.
    pub fn end_held(&self, session: &Session) {
        session.end.notify();
        self.sessions.invalidate(&session.key);
    }

    /// Ends a session that somebody holds, since the person has to sign in again; `claims` is what has to be proven then, where Entra says it.
    /// The record stays for its time, to tell the sign-in.
    pub fn end_for_sign_in(&self, session: &Session, claims: Option<Box<str>>) {
        session.standing.needs_sign_in(claims);
        session.end.notify();
    }

    /// Ends the session of an id; whatever hangs on it ends too.
    pub fn end(&self, id: &str) -> Option<Arc<Session>> {
        let session = self.sessions.remove(&read(id)?)?;
        session.end.notify();
        Some(session)
    }

    /// Ends the sessions that began in that session at Entra, and says how many they were.
    pub fn end_by_sid(&self, sid: &str) -> usize {
        self.end_each(self.index.by_sid(sid))
    }

    /// Ends all sessions of one person, and says how many they were.
    pub fn end_all_of(&self, person: PersonKey) -> usize {
        let mut found = self.index.by_object(person.oid);
        found.retain(|it| it.identity().tid == person.tid);
        self.end_each(found)
    }

    /// The live sessions of a person of the directory, by our own id.
    pub fn of_person(&self, person: Guid) -> Vec<Arc<Session>> {
        self.live(self.index.by_person(person))
    }

    /// The live sessions of the people of these organizations. Looks through all sessions: not for the path of a request.
    pub fn of_organizations(&self, organizations: &HashSet<Guid>) -> Vec<Arc<Session>> {
        let belongs = |it: &Arc<Session>| it.identity().member.as_ref().is_some_and(|it| organizations.contains(&it.organization));
        self.live(self.sessions.iter().map(|it| it.1).filter(belongs))
    }

    /// Ends the sessions of a person of the directory that had begun by then, and says how many they were; without a time, all of them.
    pub fn end_all_of_person(&self, person: Guid, begun_by: Option<u64>) -> usize {
        let mut found = self.index.by_person(person);
        found.retain(|it| begun_by.is_none_or(|time| it.started_at() <= time));
        self.end_each(found)
    }

    fn live(&self, sessions: impl IntoIterator<Item = Arc<Session>>) -> Vec<Arc<Session>> {
        let now = self.clock.now();
        sessions.into_iter().filter(|it| self.goes_on(it, now, false)).collect()
    }

    /// Ends all sessions of whom an operator means. A name is looked for in all sessions, since nothing else needs it: not for the path of a request.
    ///
    /// # Errors
    /// `Ambiguous`, where several people are meant: nothing ends.
    pub fn revoke(&self, whom: &PersonSelector) -> Result<EndedSessions, AmbiguousPerson> {
        let mut people = match &whom.user {
            PersonName::Object(oid) => self.people(self.index.by_object(*oid)),
            PersonName::Name(name) => self.people(self.sessions.iter().map(|it| it.1).filter(|it| is_called(it, name))),
        };
        people.retain(|it| whom.tenant.is_none_or(|tenant| it.tid == tenant));
        match people.as_slice() {
            [] => Ok(EndedSessions { person: None, sessions: 0 }),
            [person] => Ok(EndedSessions { person: Some(*person), sessions: self.end_all_of(*person) }),
            _ => Err(AmbiguousPerson(people)),
        }
    }

    /// Whose live sessions these are, each person once.
    fn people(&self, sessions: impl IntoIterator<Item = Arc<Session>>) -> Vec<PersonKey> {
        let person = |it: Arc<Session>| {
            let identity = it.identity();
            PersonKey { oid: identity.oid, tid: identity.tid }
        };
        self.live(sessions).into_iter().map(person).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Ends sessions, and says how many were live.
    fn end_each(&self, sessions: Vec<Arc<Session>>) -> usize {
        let end = |session: &Arc<Session>| {
            let live = self.goes_on(session, self.clock.now(), false);
            session.end.notify();
            self.sessions.invalidate(&session.key);
            live
        };
        sessions.iter().filter(|it| end(it)).count()
    }

    /// When a session goes idle if nobody uses it, seconds since 1970.
    pub fn idle_deadline(&self, session: &Session) -> u64 {
        session.last_seen().saturating_add(self.idle).min(session.ends())
    }

    /// How many places of the index are taken.
    #[cfg(test)]
    pub(in crate::session) fn places(&self) -> usize {
        self.index.len()
    }

    /// Lets the cache do what it puts off.
    #[cfg(test)]
    pub(in crate::session) fn settle(&self) {
        self.sessions.run_pending_tasks();
    }

    /// About how many there are.
    pub fn count(&self) -> u64 {
        self.sessions.entry_count()
    }
}

fn is_called(session: &Session, name: &str) -> bool {
    session.identity().preferred_username.as_deref().is_some_and(|it| it.eq_ignore_ascii_case(name))
}

fn read(id: &str) -> Option<SessionKey> {
    (id.len() == ID_CHARS).then(|| key(id))
}

/// No cookie's digest: what is digested is of another length.
fn client_sign_in_key(client_sign_in: Guid) -> SessionKey {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, &[b"sign-in on a client of the app's own ".as_slice(), client_sign_in.bytes()].concat()).as_ref());
    out
}

/// Of the text, not of the bytes it stands for: nothing is decoded, and no second spelling of an id is found.
fn key(id: &str) -> SessionKey {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, id.as_bytes()).as_ref());
    out
}
