//! One sign-in that holds.

use crate::base::identity::Identity;
use arc_swap::ArcSwapOption;
use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio_util::sync::CancellationToken;

/// What another module keeps with a session, made once and read on every request (the prebuilt headers).
pub type Attachment = dyn Any + Send + Sync;

/// A person who is signed in. Made by the store only.
#[derive(Debug)]
pub struct Session {
    pub(in crate::session) identity: Identity,
    pub(in crate::session) user: String,
    pub(in crate::session) sid: String,
    pub(in crate::session) began: u64,
    pub(in crate::session) ends: u64,
    pub(in crate::session) last_seen: AtomicU64,
    pub(in crate::session) ended: CancellationToken,
    pub(in crate::session) attached: ArcSwapOption<Box<Attachment>>,
}

impl Session {
    /// Who it is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// `oid` as text, made once.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Our own id for the outside: never the cookie's, never Entra's.
    pub fn sid(&self) -> &str {
        &self.sid
    }

    /// When it began, seconds since 1970.
    pub fn began(&self) -> u64 {
        self.began
    }

    /// When it ends at the latest, seconds since 1970.
    pub fn ends(&self) -> u64 {
        self.ends
    }

    /// When somebody last used it, seconds since 1970.
    pub fn last_seen(&self) -> u64 {
        self.last_seen.load(Ordering::Relaxed)
    }

    /// Is canceled when the session ends: tunnels end with it.
    pub fn ended(&self) -> &CancellationToken {
        &self.ended
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
