//! The right to use a session's refresh token, among all processes that have the session.
//!
//! Entra may accept a refresh token only once. So one process at a time uses it, and stores the new
//! one before it judges Entra's answer.

use super::recheck_outcome::RecheckOutcome;
use super::record::{Session, Via};
use super::standing::{LeaseTurn, RecheckLease};
use super::store::SessionStore;
use crate::base::guid::Guid;
use crate::base::identity::{Identity, PersonGroups};
use crate::base::secret::Secret;
use crate::directory::refresh_lease::RefreshLease;
use crate::directory::{Directory, Error};
use std::time::Duration;

/// Maximum number of checks whether another process has finished, and the time between two.
const MAX_LEASE_POLLS: u32 = 40;
const LEASE_POLL_INTERVAL: Duration = Duration::from_millis(100);

/// The place that keeps a session's lease, with its refresh token.
#[derive(Clone, Copy, Debug)]
pub enum LeaseKeeper<'a> {
    /// The store of the sessions of browsers.
    Store(&'a SessionStore),
    /// The directory's row of a sign-in on one of the app's own clients.
    Row(&'a Directory, Guid),
}

impl<'a> LeaseKeeper<'a> {
    /// Returns the place that keeps the lease of a session.
    pub fn of(
        session: &Session,
        store: &'a SessionStore,
        directory: Option<&'a Directory>,
    ) -> Self {
        match (session.via(), directory) {
            (Via::Client(sign_in), Some(directory)) => Self::Row(directory, sign_in),
            (Via::Client(_), None) | (Via::Browser, _) => Self::Store(store),
        }
    }

    /// Acquires the lease if it is free. The caller already has the right within this process,
    /// `lease`, which then holds the newest refresh token.
    ///
    /// # Errors
    /// The directory cannot be read or changed.
    pub async fn lease(
        self,
        session: &Session,
        lease: &mut RecheckLease<'_>,
    ) -> Result<LeaseTurn, Error> {
        let (directory, sign_in) = match self {
            Self::Store(store) => return Ok(store.lease(session, lease).await),
            Self::Row(directory, sign_in) => (directory, sign_in),
        };
        Ok(match directory.lease_refresh(sign_in).await? {
            RefreshLease::Held(newest) => {
                if let Some(newest) = newest {
                    lease.store_refresh_token(newest);
                }
                LeaseTurn::Held
            }
            RefreshLease::Elsewhere => LeaseTurn::Elsewhere,
            RefreshLease::Ended => LeaseTurn::Ended,
        })
    }

    /// Like [`lease`](Self::lease), but waits up to 4 seconds if another process has the lease.
    ///
    /// # Errors
    /// The directory cannot be read or changed.
    pub async fn wait(
        self,
        session: &Session,
        lease: &mut RecheckLease<'_>,
    ) -> Result<LeaseTurn, Error> {
        for _ in 0..MAX_LEASE_POLLS {
            match self.lease(session, lease).await? {
                LeaseTurn::Elsewhere if !self.is_left_to_another() => {
                    tokio::time::sleep(LEASE_POLL_INTERVAL).await;
                }
                turn => return Ok(turn),
            }
        }
        Ok(LeaseTurn::Elsewhere)
    }

    /// Whether this process gets no lease any more, so that waiting is in vain.
    fn is_left_to_another(self) -> bool {
        match self {
            Self::Store(store) => store.is_handed_over(),
            Self::Row(..) => false,
        }
    }

    /// Stores the refresh token that replaces the previous one, for the next holder of the lease.
    ///
    /// # Errors
    /// The directory cannot be changed.
    pub async fn keep_refresh_token(
        self,
        session: &Session,
        lease: &mut RecheckLease<'_>,
        token: Secret,
    ) -> Result<(), Error> {
        match self {
            Self::Store(store) => {
                store.keep_refresh_token(session, lease, token).await;
                Ok(())
            }
            Self::Row(directory, sign_in) => {
                let kept = directory.store_refresh_token(sign_in, &token).await;
                // This process uses the new one even if it was not stored.
                lease.store_refresh_token(token);
                kept
            }
        }
    }

    /// Releases the lease after a question that changed nothing but the refresh token.
    ///
    /// # Errors
    /// The directory cannot be changed.
    pub async fn release(self, session: &Session) -> Result<(), Error> {
        match self {
            Self::Store(store) => {
                store.release(session).await;
                Ok(())
            }
            Self::Row(directory, sign_in) => directory.release_refresh(sign_in).await,
        }
    }

    /// Stores the result of a recheck for other processes, and for this one after a restart, and
    /// releases the lease. `groups` are those in the refreshed token, if there is one: groups from
    /// Graph are requested again.
    ///
    /// Only the outcome ends a sign-in. The session itself may have ended in the meantime because it
    /// was idle or evicted, after which the next request starts it again.
    ///
    /// # Errors
    /// The directory cannot be changed.
    pub async fn finish(
        self,
        session: &Session,
        outcome: RecheckOutcome,
        groups: Option<PersonGroups>,
    ) -> Result<(), Error> {
        if let Self::Row(directory, sign_in) = self {
            let why = match outcome {
                RecheckOutcome::Ended => Some(RecheckOutcome::ENDED_BY_ENTRA),
                RecheckOutcome::SignInNeeded => Some(RecheckOutcome::SIGN_IN_REQUIRED),
                RecheckOutcome::Fresh | RecheckOutcome::Later => None,
            };
            if let Some(why) = why {
                return directory.end_sign_in(sign_in, why).await;
            }
            if let Some(groups) = groups {
                let who = Identity { groups, ..Identity::clone(&session.identity()) };
                directory.refresh_succeeded(sign_in, &who).await?;
            }
        }
        self.release(session).await
    }
}
