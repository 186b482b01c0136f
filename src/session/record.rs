//! The session record.

use super::groups_age::GroupsAge;
use super::record_age::RecordAge;
use super::session_ids::SecretName;
use super::standing::{EntraStanding, PersonMismatch};
use crate::base::guid::Guid;
use crate::base::identity::{CutLists, DirectoryMember, Identity, PersonGroups};
use crate::base::string_list::StringList;
use crate::entra::graph::GroupMembership;
use crate::entra::verified::VerifiedUser;
use arc_swap::{ArcSwap, ArcSwapOption, Guard};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::any::Any;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use tokio_util::sync::CancellationToken;

/// Data that another module stores with a session, created once and read on every request (the
/// prebuilt headers).
pub type Attachment = dyn Any + Send + Sync;

/// How the requests of a session prove that they belong to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// With the session cookie of a browser.
    Browser,
    /// With access tokens of this sign-in on one of the app's own clients.
    Client(Guid),
}

impl Via {
    /// Whether a browser sends the proof by itself, so that pages of other sites can cause requests
    /// of the session.
    pub fn is_by_cookie(self) -> bool {
        self == Self::Browser
    }

    /// Returns the sign-in on one of the app's own clients.
    pub fn client_sign_in(self) -> Option<Guid> {
        match self {
            Self::Browser => None,
            Self::Client(sign_in) => Some(sign_in),
        }
    }
}

/// A signed-in person. Only the live sessions create them.
#[derive(Debug)]
pub struct Session {
    /// Key of the session: the digest of the session ID, which gives no access.
    pub(in crate::session) key: [u8; 32],
    /// The secret with which the ID was made: a store keeps the session under it.
    pub(in crate::session) secret: SecretName,
    pub(in crate::session) via: Via,
    pub(in crate::session) identity: ArcSwap<Identity>,
    pub(in crate::session) user: Box<str>,
    #[allow(
        clippy::struct_field_names,
        reason = "the name of the parameter (OpenID Connect Session Management)"
    )]
    /// The `session_state` of the sign-in, if it differs from the token's `sid`.
    pub(in crate::session) session_state: Option<Box<str>>,
    pub(in crate::session) started_at: u64,
    pub(in crate::session) ends: AtomicU64,
    pub(in crate::session) last_seen: AtomicU64,
    pub(in crate::session) end: SessionEnd,
    pub(in crate::session) attached: ArcSwapOption<Box<Attachment>>,
    pub(in crate::session) standing: EntraStanding,
    pub(in crate::session) groups_age: GroupsAge,
    pub(in crate::session) answered: OnceLock<Box<str>>,
    pub(in crate::session) reauthenticated: AtomicBool,
    pub(in crate::session) record_age: RecordAge,
}

impl Session {
    /// Returns the identity, as of the last response from Entra.
    pub fn identity(&self) -> Guard<Arc<Identity>> {
        self.identity.load()
    }

    /// Adopts what Entra answered to another process about the same session, if it is newer. What the
    /// directory says stays.
    pub(in crate::session) fn adopt_answer(&self, other: &Self) {
        let newer = other.identity.load_full();
        if !self.is_of(newer.oid, newer.tid) || !self.standing.adopt(&other.standing) {
            return;
        }
        let (at, due_at) = other.groups_age.times();
        self.groups_age.set(at, due_at);
        self.identity.rcu(|it| Identity { member: it.member.clone(), ..Identity::clone(&newer) });
    }

    /// Replaces the identity with Entra's current data. Roles, groups and names change; the time
    /// and method of authentication stay as they were at sign-in, because a refreshed token proves
    /// neither (OpenID Connect Core section 12.2). If the token does not contain the groups, the
    /// known ones stay until Graph returns new ones.
    ///
    /// # Errors
    /// `PersonMismatch` if the token belongs to another person: nothing changes.
    pub fn renew(&self, user: VerifiedUser) -> Result<(), PersonMismatch> {
        let now = user.into_identity();
        if !self.is_of(now.oid, now.tid) {
            return Err(PersonMismatch);
        }
        let missing = now.groups == PersonGroups::Overage;
        self.groups_age.renewed(missing, self.standing.answered());
        self.identity.rcu(|before| renewed(before, now.clone()));
        Ok(())
    }

    /// Stores all groups that Graph returned as of `at`; the next request is due at `again`. Both
    /// are in seconds since 1970.
    ///
    /// # Errors
    /// `PersonMismatch` if the groups belong to another person: nothing changes.
    pub fn set_groups_from_graph(
        &self,
        membership: &GroupMembership,
        at: u64,
        again: u64,
    ) -> Result<(), PersonMismatch> {
        if !self.is_of(membership.oid(), membership.tid()) {
            return Err(PersonMismatch);
        }
        // Unchanged groups keep the headers that were built from them.
        let who = self.identity();
        if who.groups.ids() != Some(membership.ids()) || who.cut.groups {
            self.set_groups(&PersonGroups::Known(membership.ids().clone()));
        }
        self.groups_age.set(at, again);
        Ok(())
    }

    /// Stores the person's current data from the directory. Unchanged data keeps the headers that
    /// were built from it.
    pub fn set_member(&self, member: &DirectoryMember) {
        if self.identity().member.as_deref() != Some(member) {
            let member = Arc::new(member.clone());
            self.identity
                .rcu(|it| Identity { member: Some(Arc::clone(&member)), ..Identity::clone(it) });
        }
    }

    /// Drops groups that are too old to be trusted: they are then unknown, which is not the same as
    /// none.
    pub fn forget_groups(&self) {
        self.set_groups(&PersonGroups::Overage);
        self.groups_age.forgotten();
    }

    fn set_groups(&self, groups: &PersonGroups) {
        self.identity.rcu(|it| Identity {
            groups: groups.clone(),
            cut: CutLists { groups: false, ..it.cut },
            ..Identity::clone(it)
        });
        self.record_age.changed();
    }

    fn is_of(&self, oid: Guid, tid: Guid) -> bool {
        let who = self.identity.load();
        who.oid == oid && who.tid == tid
    }

    /// Returns when Graph provided the groups, and when to ask it again.
    pub fn groups_age(&self) -> &GroupsAge {
        &self.groups_age
    }

    /// Claims the recheck for a caller that does not wait for the response; `None` if another
    /// caller has claimed it.
    pub fn claim(self: &Arc<Self>) -> Option<RecheckClaim> {
        self.standing.claim().then(|| RecheckClaim(Arc::clone(self)))
    }

    /// Adopts the proofs of the same person in the session that this one replaces: a step-up proves
    /// only what it was asked for. Proofs that were not repeated stay valid until the former
    /// session would have ended, and so this session ends then: otherwise a single proof would last
    /// forever. Sessions of another person are ignored, and so are those of another organization,
    /// because another app registration requested their proofs.
    pub fn adopt_proofs(&self, former: &Session) {
        let before = former.identity.load();
        let now = self.identity();
        let organization = |it: &Identity| it.member.as_deref().map(|it| it.organization);
        if !self.is_of(before.oid, before.tid)
            || organization(&before) != organization(&now)
            || before.acrs.iter().all(|it| now.acrs.contains(it))
        {
            return;
        }
        self.ends.fetch_min(former.ends(), Ordering::Relaxed);
        self.identity
            .rcu(|now| Identity { acrs: joined(&before.acrs, &now.acrs), ..Identity::clone(now) });
    }

    /// Records a mark of the claims challenge that the sign-in answered.
    pub fn answers(&self, challenge: Box<str>) {
        self.answered.get_or_init(|| challenge);
    }

    /// Records that Entra was asked to authenticate the person again (`prompt=login`) in the
    /// sign-in that started the session.
    pub fn set_reauthenticated(&self) {
        self.reauthenticated.store(true, Ordering::Relaxed);
    }

    /// Whether Entra was asked to authenticate the person again.
    pub fn is_reauthenticated(&self) -> bool {
        self.reauthenticated.load(Ordering::Relaxed)
    }

    /// Returns the mark of the claims challenge that the sign-in answered.
    pub fn answered(&self) -> Option<&str> {
        self.answered.get().map(AsRef::as_ref)
    }

    /// Returns the names of the session at Entra in which this one started: `sid` from the token
    /// and `session_state` from the callback, which should be equal.
    pub(in crate::session) fn sids(&self) -> impl Iterator<Item = Box<str>> {
        self.identity.load().entra_sid.clone().into_iter().chain(self.session_state.clone())
    }

    /// Returns Entra's last response about the session, and the time of the next recheck.
    pub fn standing(&self) -> &EntraStanding {
        &self.standing
    }

    /// Returns how the requests of the session prove that they belong to it.
    pub fn via(&self) -> Via {
        self.via
    }

    /// Returns `oid` as text, converted only once.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Returns the session ID for assertions: neither the cookie's nor Entra's. Computed on demand,
    /// once in the lifetime of an assertion.
    pub fn sid(&self) -> String {
        let digest = digest(&SHA256, &[b"sid of the assertion".as_slice(), &self.key].concat());
        URL_SAFE_NO_PAD.encode(digest.as_ref().first_chunk::<16>().unwrap_or(&[0; 16]))
    }

    /// Returns the start time, in seconds since 1970.
    pub fn started_at(&self) -> u64 {
        self.started_at
    }

    /// Returns the latest end, in seconds since 1970.
    pub fn ends(&self) -> u64 {
        self.ends.load(Ordering::Relaxed)
    }

    /// Returns the time of the last use, in seconds since 1970.
    pub fn last_seen(&self) -> u64 {
        self.last_seen.load(Ordering::Relaxed)
    }

    /// Whether the session is known to have ended.
    pub fn is_over(&self) -> bool {
        self.end.is_over()
    }

    /// Returns a token that is canceled when the session ends; tunnels end with it.
    pub fn ended(&self) -> CancellationToken {
        self.end.token()
    }

    /// Returns the attached data.
    pub fn attached(&self) -> arc_swap::Guard<Option<Arc<Box<Attachment>>>> {
        self.attached.load()
    }

    /// Attaches data, and replaces the previous data.
    pub fn attach(&self, attachment: Arc<Box<Attachment>>) {
        self.attached.store(Some(attachment));
    }

    /// Drops the attached data, which is built again when it is needed.
    pub fn detach(&self) {
        self.attached.store(None);
    }
}

/// Merges the parts of the previous identity that outlive a refresh.
fn renewed(before: &Identity, mut now: Identity) -> Identity {
    if now.groups == PersonGroups::Overage {
        now.groups = before.groups.clone();
        now.cut.groups = before.cut.groups;
    }
    now.auth_time = before.auth_time;
    now.has_auth_time = before.has_auth_time;
    // Comes from the directory, not from Entra.
    now.member.clone_from(&before.member);
    now.acrs = joined(&before.acrs, &now.acrs);
    // The session at Entra in which this one started; the index uses it until the session ends.
    now.entra_sid.clone_from(&before.entra_sid);
    now.login_hint = now.login_hint.or_else(|| before.login_hint.clone());
    now
}

/// A claimed recheck of a session; released when dropped.
#[derive(Debug)]
pub struct RecheckClaim(Arc<Session>);

impl Drop for RecheckClaim {
    fn drop(&mut self) {
        self.0.standing.free();
    }
}

fn joined(before: &StringList, now: &StringList) -> StringList {
    before.iter().chain(now.iter().filter(|it| !before.contains(it))).collect()
}

/// Whether a session has ended. Most sessions have no dependents: the token is created for the
/// first one.
#[derive(Debug, Default)]
pub(in crate::session) struct SessionEnd {
    over: AtomicBool,
    token: OnceLock<Box<CancellationToken>>,
}

impl SessionEnd {
    pub(in crate::session) fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    pub(in crate::session) fn notify(&self) {
        self.over.store(true, Ordering::SeqCst);
        if let Some(token) = self.token.get() {
            token.cancel();
        }
    }

    /// Checks again after creating the token, because a concurrent `notify` may not have seen it.
    fn token(&self) -> CancellationToken {
        let token = self.token.get_or_init(Box::default);
        if self.is_over() {
            token.cancel();
        }
        token.as_ref().clone()
    }
}
