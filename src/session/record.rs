//! One sign-in that holds.

use super::groups_age::GroupsAge;
use super::standing::{EntraStanding, PersonMismatch};
use crate::base::guid::Guid;
use crate::base::identity::{DirectoryMember, Identity, PersonGroups};
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

/// What another module keeps with a session, made once and read on every request (the prebuilt headers).
pub type Attachment = dyn Any + Send + Sync;

/// A person who is signed in. Made by the store only.
#[derive(Debug)]
pub struct Session {
    /// Where it is kept: the digest of its id, which opens nothing.
    pub(in crate::session) key: [u8; 32],
    /// The sign-in on a client of the app's own; nothing where a browser's cookie leads here.
    pub(in crate::session) client_sign_in: Option<Guid>,
    pub(in crate::session) identity: ArcSwap<Identity>,
    pub(in crate::session) user: Box<str>,
    /// The `session_state` of the sign-in, where it is not the `sid` of the token.
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
}

impl Session {
    /// Who it is, as Entra last said.
    pub fn identity(&self) -> Guard<Arc<Identity>> {
        self.identity.load()
    }

    /// Takes over what Entra says of the person now. Roles, groups and names follow; when and how they proved who they are stays as it was
    /// at sign-in, since a refreshed token is no proof of either (OpenID Connect Core section 12.2). Where it does not tell the groups, those
    /// that are known stay until Graph tells them anew.
    ///
    /// # Errors
    /// `PersonMismatch`, where the token is about somebody else: nothing changes.
    pub fn renew(&self, user: VerifiedUser) -> Result<(), PersonMismatch> {
        let now = user.into_identity();
        if !self.is_of((now.oid, now.tid)) {
            return Err(PersonMismatch);
        }
        let missing = now.groups == PersonGroups::Overage;
        self.groups_age.renewed(missing, self.standing.answered());
        self.identity.rcu(|before| renewed(before, now.clone()));
        Ok(())
    }

    /// Takes over all groups that Graph told as of `at`; it is to be asked again at `again`. Both in seconds since 1970.
    ///
    /// # Errors
    /// `PersonMismatch`, where they are somebody else's: nothing changes.
    pub fn set_groups_from_graph(&self, membership: &GroupMembership, at: u64, again: u64) -> Result<(), PersonMismatch> {
        if !self.is_of(membership.person()) {
            return Err(PersonMismatch);
        }
        // The same ones are no news: the headers that were made of them stay.
        if self.identity().groups.ids() != Some(membership.ids()) {
            self.set_groups(&PersonGroups::Known(membership.ids().clone()));
        }
        self.groups_age.set(at, again);
        Ok(())
    }

    /// Takes over what the directory says of the person now. The same once more is no news: the headers that were made of it stay.
    pub fn set_member(&self, member: &DirectoryMember) {
        if self.identity().member.as_deref() != Some(member) {
            let member = Arc::new(member.clone());
            self.identity.rcu(|it| Identity { member: Some(Arc::clone(&member)), ..Identity::clone(it) });
        }
    }

    /// Lets go of groups that are too old to be believed: nobody knows them, which is not the same as none.
    pub fn forget_groups(&self) {
        self.set_groups(&PersonGroups::Overage);
        self.groups_age.forgotten();
    }

    fn set_groups(&self, groups: &PersonGroups) {
        self.identity.rcu(|it| Identity { groups: groups.clone(), ..Identity::clone(it) });
    }

    fn is_of(&self, person: (Guid, Guid)) -> bool {
        let who = self.identity.load();
        (who.oid, who.tid) == person
    }

    /// When Graph told the groups, and when it is asked again.
    pub fn groups_age(&self) -> &GroupsAge {
        &self.groups_age
    }

    /// Claims the asking for somebody who does not wait for the answer; `None` where another one has.
    pub fn claim(self: &Arc<Self>) -> Option<RecheckClaim> {
        self.standing.claim().then(|| RecheckClaim(Arc::clone(self)))
    }

    /// Takes over what the same person proved in the session that this one follows: a step-up brings what it was asked for, and no more.
    /// What is not proven anew counts until that session would have ended, and so this one ends then: else one proof would do for ever.
    /// Another person's is left alone, and so is one of another organization: another app registration asked for that proof.
    pub fn follow(&self, former: &Session) {
        let before = former.identity.load();
        let now = self.identity();
        let organization = |it: &Identity| it.member.as_deref().map(|it| it.organization);
        if !self.is_of((before.oid, before.tid)) || organization(&before) != organization(&now) || before.acrs.iter().all(|it| now.acrs.contains(it)) {
            return;
        }
        self.ends.fetch_min(former.ends(), Ordering::Relaxed);
        self.identity.rcu(|now| Identity { acrs: joined(&before.acrs, &now.acrs), ..Identity::clone(now) });
    }

    /// Notes which claims challenge of the app the sign-in answered, by a mark of it.
    pub fn answers(&self, challenge: Box<str>) {
        self.answered.get_or_init(|| challenge);
    }

    /// Notes that Entra was asked to have the person prove again who they are (`prompt=login`) for the sign-in that began it.
    pub fn set_reauthenticated(&self) {
        self.reauthenticated.store(true, Ordering::Relaxed);
    }

    /// Whether Entra was asked so.
    pub fn is_reauthenticated(&self) -> bool {
        self.reauthenticated.load(Ordering::Relaxed)
    }

    /// The mark of the claims challenge that the sign-in answered.
    pub fn answered(&self) -> Option<&str> {
        self.answered.get().map(AsRef::as_ref)
    }

    /// What Entra calls the session there in which this one began: `sid` of the token and `session_state` of the callback, which should be the same.
    pub(in crate::session) fn sids(&self) -> impl Iterator<Item = Box<str>> {
        self.identity.load().entra_sid.clone().into_iter().chain(self.session_state.clone())
    }

    /// What Entra last said of the session, and when it is to be asked again.
    pub fn standing(&self) -> &EntraStanding {
        &self.standing
    }

    /// The sign-in on a client of the app's own that it stands for; nothing where it is a browser's.
    pub fn client_sign_in(&self) -> Option<Guid> {
        self.client_sign_in
    }

    /// `oid` as text, made once.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Our own id for the outside: never the cookie's, never Entra's. Made when it is asked for, which is once in an assertion's life.
    pub fn sid(&self) -> String {
        let digest = digest(&SHA256, &[b"sid of the assertion".as_slice(), &self.key].concat());
        URL_SAFE_NO_PAD.encode(digest.as_ref().first_chunk::<16>().unwrap_or(&[0; 16]))
    }

    /// When it began, seconds since 1970.
    pub fn started_at(&self) -> u64 {
        self.started_at
    }

    /// When it ends at the latest, seconds since 1970.
    pub fn ends(&self) -> u64 {
        self.ends.load(Ordering::Relaxed)
    }

    /// When somebody last used it, seconds since 1970.
    pub fn last_seen(&self) -> u64 {
        self.last_seen.load(Ordering::Relaxed)
    }

    /// Whether it has ended, as far as anybody has noticed.
    pub fn is_over(&self) -> bool {
        self.end.is_over()
    }

    /// Is canceled when the session ends: tunnels end with it.
    pub fn ended(&self) -> CancellationToken {
        self.end.token()
    }

    /// What is attached.
    pub fn attached(&self) -> arc_swap::Guard<Option<Arc<Box<Attachment>>>> {
        self.attached.load()
    }

    /// Attaches something, in place of what was there.
    pub fn attach(&self, it: Arc<Box<Attachment>>) {
        self.attached.store(Some(it));
    }

    /// Lets go of what is attached; whoever needs it makes it again.
    pub fn detach(&self) {
        self.attached.store(None);
    }
}

/// What of the earlier token outlives a refresh.
fn renewed(before: &Identity, mut now: Identity) -> Identity {
    if now.groups == PersonGroups::Overage {
        now.groups = before.groups.clone();
    }
    now.auth_time = before.auth_time;
    now.has_auth_time = before.has_auth_time;
    // The directory is asked beside Entra.
    now.member.clone_from(&before.member);
    now.acrs = joined(&before.acrs, &now.acrs);
    // The session at Entra in which this one began; it is found by that until it ends.
    now.entra_sid.clone_from(&before.entra_sid);
    now.login_hint = now.login_hint.or_else(|| before.login_hint.clone());
    now
}

/// Somebody asks Entra about a session already, or will: freed when dropped.
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

/// Whether a session is over. Most have nothing that hangs on them: the token is made for the first that has.
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

    /// Looks after making the token: whoever told meanwhile may not have seen it.
    fn token(&self) -> CancellationToken {
        let token = self.token.get_or_init(Box::default);
        if self.is_over() {
            token.cancel();
        }
        token.as_ref().clone()
    }
}
