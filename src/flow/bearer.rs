//! Requests with an access token: their sessions, rechecked if that is due.

use super::refusal::Refusal;
use super::upkeep::recheck::{self, GraceExpired};
use crate::base::guid::Guid;
use crate::bearer::access_token::BadAccessToken;
use crate::bearer::sessions::BearerSessions;
use crate::directory;
use crate::session::live::SeenSession;
use crate::session::record::Session;
use crate::session::store::StoreUnavailable;
use crate::sidecar::Sidecar;
use std::sync::Arc;

/// Why a request with a cookie could not be authenticated.
#[derive(Debug, thiserror::Error)]
pub(super) enum CookieError {
    /// Entra was unreachable for longer than the grace period.
    #[error("Entra could not be asked about the session")]
    Closed(GraceExpired),
    /// The session store does not answer.
    #[error(transparent)]
    Store(#[from] StoreUnavailable),
}

/// Why a request with an access token or a cookie could not be authenticated.
#[derive(Debug, thiserror::Error)]
pub(super) enum BearerError {
    /// The session of the cookie, or of the token, could not be confirmed.
    #[error(transparent)]
    Session(#[from] CookieError),
    /// The access token was rejected.
    #[error(transparent)]
    Token(#[from] BadAccessToken),
    /// The directory is unavailable.
    #[error(transparent)]
    Directory(#[from] directory::Error),
}

impl From<GraceExpired> for CookieError {
    fn from(closed: GraceExpired) -> Self {
        Self::Closed(closed)
    }
}

impl From<GraceExpired> for BearerError {
    fn from(closed: GraceExpired) -> Self {
        Self::Session(closed.into())
    }
}

impl From<CookieError> for Refusal {
    fn from(error: CookieError) -> Self {
        match error {
            CookieError::Closed(it) => it.into(),
            CookieError::Store(it) => it.into(),
        }
    }
}

impl From<BearerError> for Refusal {
    fn from(not_seen: BearerError) -> Self {
        match not_seen {
            BearerError::Session(it) => it.into(),
            BearerError::Token(it) => Self::BadToken(it),
            BearerError::Directory(it) => it.into(),
        }
    }
}

/// Maximum number of sessions of one sign-in that a request waits for, one after another: each can
/// become idle during its recheck.
pub(super) const MAX_SESSIONS_PER_REQUEST: usize = 3;

/// Returns the live session that a token belongs to.
pub(super) async fn authenticate(
    sidecar: &Sidecar,
    bearer: &BearerSessions,
    token: &str,
) -> Result<Arc<Session>, BearerError> {
    for _ in 0..MAX_SESSIONS_PER_REQUEST {
        let seen = match bearer.recall(token, &sidecar.process.live)? {
            Some(seen) => seen,
            None => Box::pin(look_up(sidecar, bearer, token)).await?,
        };
        if !seen.is_due {
            return Ok(seen.session);
        }
        // Without a session, only the row says whether the sign-in has ended.
        if let Some(session) = Box::pin(recheck::start_or_wait(sidecar, seen.session)).await? {
            return Ok(session);
        }
    }
    Err(GraceExpired { seconds: 1, can_sign_in: false, is_ours: false }.into())
}

async fn look_up(
    sidecar: &Sidecar,
    bearer: &BearerSessions,
    token: &str,
) -> Result<SeenSession, BearerError> {
    let verified = bearer.verify(token)?;
    let seen = session_of_sign_in(sidecar, verified.sign_in()).await?;
    bearer.remember(token, verified, seen.as_ref().map(|it| Arc::clone(&it.session)));
    Ok(seen.ok_or(BadAccessToken::SignInEnded)?)
}

/// Returns the session of a sign-in, and schedules the recheck of a new one.
pub(super) async fn session_of_sign_in(
    sidecar: &Sidecar,
    sign_in: Guid,
) -> Result<Option<SeenSession>, directory::Error> {
    let Some(bearer) = &sidecar.bearer else { return Ok(None) };
    let process = &sidecar.process;
    let on_start = |session: &Arc<Session>, answered| {
        process.end_rows_of_ended_sign_ins();
        recheck::answered_before(sidecar, session, answered);
    };
    bearer.session_of(sign_in, &process.live, process.directory.as_ref(), on_start).await
}
