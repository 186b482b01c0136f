//! Requests with an Entrada access token.
//!
//! A token is verified once and then found by its digest. It belongs to a session, as a cookie
//! does. Tokens from other issuers are ignored.

use super::exchange::Exchange;
use super::refusal::Refusal;
use super::upkeep::recheck::{self, GraceExpired};
use crate::base::guid::Guid;
use crate::directory;
use crate::directory::client_sign_ins::MORE_THAN_PER_PERSON;
use crate::headers::access_token::BadAccessToken;
use crate::session::bearer_cache::KnownBearer;
use crate::session::live::SeenSession;
use crate::session::record::Session;
use crate::sidecar::Sidecar;
use http::header::AUTHORIZATION;
use std::sync::Arc;

/// Why a request with an access token or a cookie could not be authenticated.
#[derive(Debug, thiserror::Error)]
pub(super) enum BearerError {
    /// Entra was unreachable for longer than the grace period.
    #[error("Entra could not be asked about the session")]
    Closed(GraceExpired),
    /// The access token was rejected.
    #[error(transparent)]
    Token(#[from] BadAccessToken),
    /// The directory is unavailable.
    #[error(transparent)]
    Directory(#[from] directory::Error),
}

impl From<GraceExpired> for BearerError {
    fn from(closed: GraceExpired) -> Self {
        Self::Closed(closed)
    }
}

impl From<BearerError> for Refusal {
    fn from(not_seen: BearerError) -> Self {
        match not_seen {
            BearerError::Closed(it) => it.into(),
            BearerError::Token(it) => Self::BadToken(it),
            BearerError::Directory(it) => it.into(),
        }
    }
}

/// Returns the Entrada access token of a request. If there is one, cookies are ignored.
pub(super) fn token<'a>(exchange: &Exchange<'a>) -> Result<Option<&'a str>, BadAccessToken> {
    let Some(passes) = &exchange.sidecar.access_tokens else { return Ok(None) };
    let mut all = exchange.headers.get_all(AUTHORIZATION).iter();
    let Some(first) = all.next() else { return Ok(None) };
    let ours =
        |it: &'a http::HeaderValue| bearer(it.as_bytes()).filter(|it| passes.is_own_token(it));
    match (ours(first), all.next()) {
        (token, None) => Ok(token),
        (None, Some(second)) if ours(second).is_none() && all.all(|it| ours(it).is_none()) => {
            Ok(None)
        }
        (_, Some(_)) => Err(BadAccessToken::Several),
    }
}

/// RFC 6750 section 2.1. The scheme is case-insensitive (RFC 9110 section 11.1).
fn bearer(value: &[u8]) -> Option<&str> {
    let (scheme, token) = value.split_at_checked(7)?;
    if scheme.eq_ignore_ascii_case(b"Bearer ") {
        std::str::from_utf8(token).ok().map(|it| it.trim_matches(' '))
    } else {
        None
    }
}

/// Returns the live session that a token belongs to.
pub(super) async fn authenticate(
    sidecar: &Sidecar,
    token: &str,
) -> Result<Arc<Session>, BearerError> {
    let seen = match sidecar.bearers.find(token) {
        Some(known) => remembered(sidecar, token, known).await?,
        None => verified(sidecar, token).await?,
    };
    if seen.is_due {
        return Box::pin(recheck::attend(sidecar, seen.session))
            .await?
            .ok_or(BearerError::Token(BadAccessToken::Over));
    }
    Ok(seen.session)
}

async fn remembered(
    sidecar: &Sidecar,
    token: &str,
    known: KnownBearer,
) -> Result<SeenSession, BearerError> {
    if sidecar.process.clock.now() >= known.ends {
        return Err(BadAccessToken::Expired.into());
    }
    let session = known.session.as_ref().ok_or(BadAccessToken::Over)?;
    match sidecar.process.live.find_held(session) {
        Some(seen) => Ok(seen),
        // The session was idle for too long or was ended. Its database row shows which.
        None => Box::pin(enter(sidecar, token, known.client_sign_in, known.ends)).await,
    }
}

async fn verified(sidecar: &Sidecar, token: &str) -> Result<SeenSession, BearerError> {
    let read = sidecar.access_tokens.as_ref().ok_or(BadAccessToken::Invalid)?.read(token)?;
    // The client may have been removed from the configuration since the token was issued.
    sidecar.native.as_ref().and_then(|it| it.client(&read.client)).ok_or(BadAccessToken::Over)?;
    Box::pin(enter(sidecar, token, read.sign_in, read.ends)).await
}

async fn enter(
    sidecar: &Sidecar,
    token: &str,
    client_sign_in: Guid,
    ends: u64,
) -> Result<SeenSession, BearerError> {
    let seen = session_of_sign_in(sidecar, client_sign_in).await?;
    let session = seen.as_ref().map(|it| Arc::clone(&it.session));
    sidecar.bearers.insert(token, KnownBearer { session, client_sign_in, ends });
    Ok(seen.ok_or(BadAccessToken::Over)?)
}

/// Returns the session of a sign-in: the one in this process, or a new one created from its
/// database row. Concurrent requests read the row only once.
pub(super) async fn session_of_sign_in(
    sidecar: &Sidecar,
    id: Guid,
) -> Result<Option<SeenSession>, directory::Error> {
    if let Some(seen) = sidecar.process.live.find_client_sign_in(id) {
        return Ok(Some(seen));
    }
    let _door = sidecar.bearers.enter(id).await;
    if let Some(seen) = sidecar.process.live.find_client_sign_in(id) {
        return Ok(Some(seen));
    }
    if sidecar.process.live.is_displaced(id) {
        return Ok(None);
    }
    let Some(directory) = &sidecar.process.directory else { return Ok(None) };
    let Some(client_sign_in) = directory.sign_in(id).await? else { return Ok(None) };
    let answered = client_sign_in.answered;
    let session = sidecar.process.live.create_for_client(client_sign_in);
    end_displaced_sign_ins(sidecar);
    recheck::answered_before(sidecar, &session, answered);
    Ok(sidecar.process.live.find_held(&session))
}

/// Ends the rows of sign-ins that were displaced by a newer sign-in of the same person. Runs in the
/// background, apart from the request that began the newer one.
pub(super) fn end_displaced_sign_ins(sidecar: &Sidecar) {
    let displaced = sidecar.process.live.displaced_sign_ins();
    let Some(directory) = sidecar.process.directory.clone().filter(|_| !displaced.is_empty())
    else {
        return;
    };
    let live = Arc::clone(&sidecar.process.live);
    sidecar.process.background.spawn(async move {
        for client_sign_in in displaced {
            match directory.end_sign_in(client_sign_in, MORE_THAN_PER_PERSON).await {
                Ok(()) => live.forget_displaced(client_sign_in),
                // The sign-in stays ended in this process. The next displacement tries again.
                Err(cause) => tracing::error!(%client_sign_in, %cause, "cannot end a native client sign-in beyond [session] per_person in the directory"),
            }
        }
    });
}
