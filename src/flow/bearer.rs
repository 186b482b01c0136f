//! A request with an access token of ours.
//!
//! Verified once, then found by its digest: a session stands behind it, as behind a cookie. No token of anybody else's is looked at.

use super::exchange::Exchange;
use super::refusal::Refusal;
use super::upkeep::recheck::{self, GraceExpired};
use crate::base::guid::Guid;
use crate::directory;
use crate::directory::client_sign_ins::MORE_THAN_PER_PERSON;
use crate::headers::access_token::BadAccessToken;
use crate::session::bearer_cache::KnownBearer;
use crate::session::record::Session;
use crate::session::store::SeenSession;
use crate::sidecar::Sidecar;
use http::header::AUTHORIZATION;
use std::sync::Arc;

/// Why nobody is known by a request.
#[derive(Debug, thiserror::Error)]
pub(super) enum BearerError {
    /// Entra could not be asked for too long.
    #[error("Entra could not be asked about the session")]
    Closed(GraceExpired),
    /// The access token is not taken.
    #[error(transparent)]
    Token(#[from] BadAccessToken),
    /// The directory cannot tell.
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

/// The access token of ours that a request carries. Where there is one, no cookie counts.
pub(super) fn token<'a>(exchange: &Exchange<'a>) -> Result<Option<&'a str>, BadAccessToken> {
    let Some(passes) = &exchange.sidecar.access_tokens else { return Ok(None) };
    let mut all = exchange.headers.get_all(AUTHORIZATION).iter();
    let Some(first) = all.next() else { return Ok(None) };
    let ours = |it: &'a http::HeaderValue| bearer(it.as_bytes()).filter(|it| passes.is_own_token(it));
    match (ours(first), all.next()) {
        (token, None) => Ok(token),
        (None, Some(second)) if ours(second).is_none() && all.all(|it| ours(it).is_none()) => Ok(None),
        (_, Some(_)) => Err(BadAccessToken::Several),
    }
}

/// RFC 6750 2.1; the scheme in any case (RFC 9110 11.1).
fn bearer(value: &[u8]) -> Option<&str> {
    let (scheme, token) = value.split_at_checked(7)?;
    if scheme.eq_ignore_ascii_case(b"Bearer ") { std::str::from_utf8(token).ok().map(|it| it.trim_matches(' ')) } else { None }
}

/// The live session that a token stands for.
pub(super) async fn authenticate(sidecar: &Sidecar, token: &str) -> Result<Arc<Session>, BearerError> {
    let seen = match sidecar.bearers.find(token) {
        Some(known) => remembered(sidecar, token, known).await?,
        None => verified(sidecar, token).await?,
    };
    if seen.is_due {
        return Box::pin(recheck::attend(sidecar, seen.session)).await?.ok_or(BearerError::Token(BadAccessToken::Over));
    }
    Ok(seen.session)
}

async fn remembered(sidecar: &Sidecar, token: &str, known: KnownBearer) -> Result<SeenSession, BearerError> {
    if sidecar.process.clock.now() >= known.ends {
        return Err(BadAccessToken::Expired.into());
    }
    let session = known.session.as_ref().ok_or(BadAccessToken::Over)?;
    match sidecar.process.store.find_held(session) {
        Some(seen) => Ok(seen),
        // It rested for too long, or was ended: its row tells.
        None => Box::pin(enter(sidecar, token, known.client_sign_in, known.ends)).await,
    }
}

async fn verified(sidecar: &Sidecar, token: &str) -> Result<SeenSession, BearerError> {
    let read = sidecar.access_tokens.as_ref().ok_or(BadAccessToken::Invalid)?.read(token)?;
    // It may have been registered when the token was made.
    sidecar.native.as_ref().and_then(|it| it.client(&read.client)).ok_or(BadAccessToken::Over)?;
    Box::pin(enter(sidecar, token, read.sign_in, read.ends)).await
}

async fn enter(sidecar: &Sidecar, token: &str, client_sign_in: Guid, ends: u64) -> Result<SeenSession, BearerError> {
    let seen = session_of_sign_in(sidecar, client_sign_in).await?;
    let session = seen.as_ref().map(|it| Arc::clone(&it.session));
    sidecar.bearers.insert(token, KnownBearer { session, client_sign_in, ends });
    Ok(seen.ok_or(BadAccessToken::Over)?)
}

/// The session of a sign-in: the one that this process has, or one begun from its row. However many ask, the row is read once.
pub(super) async fn session_of_sign_in(sidecar: &Sidecar, id: Guid) -> Result<Option<SeenSession>, directory::Error> {
    if let Some(seen) = sidecar.process.store.find_client_sign_in(id) {
        return Ok(Some(seen));
    }
    let _door = sidecar.bearers.enter(id).await;
    if let Some(seen) = sidecar.process.store.find_client_sign_in(id) {
        return Ok(Some(seen));
    }
    if sidecar.process.store.is_displaced(id) {
        return Ok(None);
    }
    let Some(directory) = &sidecar.process.directory else { return Ok(None) };
    let Some(client_sign_in) = directory.sign_in(id).await? else { return Ok(None) };
    let answered = client_sign_in.answered;
    let session = sidecar.process.store.create_for_client(client_sign_in);
    end_displaced_sign_ins(sidecar);
    recheck::answered_before(sidecar, &session, answered);
    Ok(sidecar.process.store.find_held(&session))
}

/// Ends the rows of sign-ins that made room for a newer one of their person, apart from the request that began that one.
pub(super) fn end_displaced_sign_ins(sidecar: &Sidecar) {
    let displaced = sidecar.process.store.displaced_sign_ins();
    let Some(directory) = sidecar.process.directory.clone().filter(|_| !displaced.is_empty()) else { return };
    let store = Arc::clone(&sidecar.process.store);
    sidecar.process.background.spawn(async move {
        for client_sign_in in displaced {
            match directory.end_sign_in(client_sign_in, MORE_THAN_PER_PERSON).await {
                Ok(()) => store.forget_displaced(client_sign_in),
                // It stays over in this process, and the next one that makes room tries again.
                Err(cause) => tracing::error!(%client_sign_in, %cause, "cannot end a native client sign-in beyond [session] per_person in the directory"),
            }
        }
    });
}
