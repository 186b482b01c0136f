//! Finds the session of a request.

use super::bearer::{self, BearerError, CookieError};
use super::exchange::Exchange;
use super::refusal::Refusal;
use super::refusal::challenge::RequiredProof;
use super::upkeep::groups;
use super::upkeep::recheck::{self, GraceExpired};
use crate::entra::claims_challenge::ClaimsChallenge;
use crate::session::live::SeenSession;
use crate::session::record::Session;
use crate::session::store::StoreUnavailable;
use crate::wire::cookies::{CookieMatch, find};
use std::sync::Arc;

impl<'a> Exchange<'a> {
    /// Returns the live session of the request's access token or cookie. If the request carries an
    /// Entrada access token, cookies are ignored.
    pub(super) async fn authenticate(&self) -> Result<Option<Arc<Session>>, BearerError> {
        let sidecar = self.sidecar;
        if let Some(bearer) = &sidecar.bearer
            && let Some(token) = bearer.token(self.headers)?
        {
            let session = bearer::authenticate(sidecar, bearer, token).await?;
            groups::request_if_due(sidecar, &session);
            return Ok(Some(session));
        }
        Ok(self.authenticate_by_cookie().await?)
    }

    /// Returns the live session of the request's cookie.
    pub(super) async fn authenticate_by_cookie(&self) -> Result<Option<Arc<Session>>, CookieError> {
        let sidecar = self.sidecar;
        let Some(id) = self.session_id() else { return Ok(None) };
        let live = &sidecar.process.live;
        sidecar.process.store.check_grace()?;
        let seen = match live.find(id) {
            // This process does not have it.
            None => Box::pin(self.load_session()).await?.and_then(|it| live.find_held(&it)),
            seen => seen,
        };
        let session = match seen {
            Some(SeenSession { session, is_due: true }) => {
                Box::pin(recheck::start_or_wait(sidecar, session)).await?
            }
            seen => seen.map(|it| it.session),
        };
        Ok(session.inspect(|it| groups::request_if_due(sidecar, it)))
    }

    /// Schedules the first recheck of a new session. Before it is saved: every process that has it
    /// then knows when to ask Entra.
    pub(super) fn session_begins(&self, session: &Arc<Session>) {
        recheck::start_in_background(self.sidecar, session);
    }

    /// Ends older sign-ins that were displaced to make room for a new session.
    pub(super) fn session_started(&self) {
        self.sidecar.process.end_rows_of_ended_sign_ins();
    }

    /// Requests the groups of a new session in the background if they are missing.
    pub(super) fn request_groups(&self, session: &Arc<Session>) {
        groups::request_if_due(self.sidecar, session);
    }

    /// Returns the session of the cookie, also if this process does not have it yet. Does not count
    /// as use of the session and does not ask Entra.
    pub(super) async fn load_session(&self) -> Result<Option<Arc<Session>>, StoreUnavailable> {
        match self.presented_session() {
            Some(presented) => self.sidecar.process.store.load(&presented).await,
            None => Ok(None),
        }
    }

    /// Returns the session of the cookie if it is live in this process. Does not count as use of the
    /// session and does not ask Entra.
    pub(super) fn session_of_cookie(&self) -> Option<Arc<Session>> {
        self.session_id().and_then(|id| self.sidecar.process.live.peek(id))
    }

    /// Returns the session of this browser that ended because Entra requires additional proof
    /// first.
    pub(super) fn ended_session(&self) -> Option<Arc<Session>> {
        self.session_id().and_then(|id| self.sidecar.process.live.ended(id))
    }

    /// Returns what Entra requires of the next sign-in, if the session of this browser ended for it.
    pub(super) fn required_proof(&self) -> Option<ClaimsChallenge> {
        self.ended_session()?.standing().again().flatten().cloned()
    }

    /// Returns the refusal of a signed-out client, which names what the next sign-in must prove.
    pub(super) fn signed_out(&self, start: String) -> Refusal {
        match self.required_proof() {
            Some(claims) => {
                let proof = RequiredProof { acrs: Arc::default(), claims: Some(claims) };
                Refusal::StepUp(start, proof)
            }
            None => Refusal::SignedOut(start),
        }
    }

    /// Returns the value of the session cookie. If there are two cookies with that name, one was
    /// planted, so both are ignored.
    pub(super) fn session_id(&self) -> Option<&'a str> {
        match find(self.headers, self.app.names.session()) {
            CookieMatch::One(id) => Some(id),
            CookieMatch::None | CookieMatch::Several => None,
        }
    }
}

impl From<StoreUnavailable> for Refusal {
    fn from(unavailable: StoreUnavailable) -> Self {
        Self::NoSessionStore(unavailable.retry_after)
    }
}

impl From<GraceExpired> for Refusal {
    fn from(closed: GraceExpired) -> Self {
        if closed.is_ours {
            Self::NotCheckable(closed.seconds)
        } else {
            Self::Closed(closed.seconds, closed.can_sign_in)
        }
    }
}
