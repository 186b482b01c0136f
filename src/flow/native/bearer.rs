//! A request with an access token of ours.
//!
//! Verified once, then found by its digest: a session stands behind it, as behind a cookie. No token of anybody else's is looked at.

use super::super::recheck::{self, Closed};
use super::super::refusal::Refusal;
use crate::base::guid::Guid;
use crate::directory;
use crate::directory::families::MORE_THAN_PER_PERSON;
use crate::headers::pass::Bad;
use crate::session::bearers::Known;
use crate::session::record::Session;
use crate::session::store::Seen;
use crate::sidecar::Sidecar;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use std::sync::Arc;

/// Why nobody is known by a request.
#[derive(Debug, thiserror::Error)]
pub(in crate::flow) enum NotSeen {
    /// Entra could not be asked for too long.
    #[error("Entra could not be asked about the session")]
    Closed(Closed),
    /// The access token is not taken.
    #[error(transparent)]
    Token(#[from] Bad),
    /// The directory cannot tell.
    #[error(transparent)]
    Directory(#[from] directory::Error),
}

impl From<Closed> for NotSeen {
    fn from(closed: Closed) -> Self {
        Self::Closed(closed)
    }
}

impl From<NotSeen> for Refusal {
    fn from(not_seen: NotSeen) -> Self {
        match not_seen {
            NotSeen::Closed(it) => it.into(),
            NotSeen::Token(it) => Self::BadToken(it),
            NotSeen::Directory(it) => it.into(),
        }
    }
}

/// The access token of ours that a request carries. Where there is one, no cookie counts.
pub(in crate::flow) fn token<'a>(house: &Sidecar, headers: &'a HeaderMap) -> Result<Option<&'a str>, Bad> {
    let Some(passes) = &house.passes else { return Ok(None) };
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let Some(first) = all.next() else { return Ok(None) };
    let ours = |it: &'a http::HeaderValue| bearer(it.as_bytes()).filter(|it| passes.is_ours(it));
    match (ours(first), all.next()) {
        (token, None) => Ok(token),
        (None, Some(second)) if ours(second).is_none() && all.all(|it| ours(it).is_none()) => Ok(None),
        (_, Some(_)) => Err(Bad::Several),
    }
}

/// RFC 6750 2.1; the scheme in any case (RFC 9110 11.1).
fn bearer(value: &[u8]) -> Option<&str> {
    let (scheme, token) = value.split_at_checked(7)?;
    if scheme.eq_ignore_ascii_case(b"Bearer ") { std::str::from_utf8(token).ok().map(|it| it.trim_matches(' ')) } else { None }
}

/// The live session that a token stands for.
pub(in crate::flow) async fn authenticate(house: &Sidecar, token: &str) -> Result<Arc<Session>, NotSeen> {
    let seen = match house.bearers.find(token) {
        Some(known) => remembered(house, token, known).await?,
        None => verified(house, token).await?,
    };
    if seen.is_due {
        return Box::pin(recheck::attend(house, seen.session)).await?.ok_or(NotSeen::Token(Bad::Over));
    }
    Ok(seen.session)
}

async fn remembered(house: &Sidecar, token: &str, known: Known) -> Result<Seen, NotSeen> {
    if house.lasting.clock.now() >= known.ends {
        return Err(Bad::Expired.into());
    }
    let session = known.session.as_ref().ok_or(Bad::Over)?;
    match house.lasting.store.find_held(session) {
        Some(seen) => Ok(seen),
        // It rested for too long, or was ended: its row tells.
        None => Box::pin(enter(house, token, known.family, known.ends)).await,
    }
}

async fn verified(house: &Sidecar, token: &str) -> Result<Seen, NotSeen> {
    let read = house.passes.as_ref().ok_or(Bad::Invalid)?.read(token)?;
    // It may have been registered when the token was made.
    house.native.as_ref().and_then(|it| it.client(&read.client)).ok_or(Bad::Over)?;
    Box::pin(enter(house, token, read.family, read.ends)).await
}

async fn enter(house: &Sidecar, token: &str, family: Guid, ends: u64) -> Result<Seen, NotSeen> {
    let seen = of_family(house, family).await?;
    let session = seen.as_ref().map(|it| Arc::clone(&it.session));
    house.bearers.keep(token, Known { session, family, ends });
    Ok(seen.ok_or(Bad::Over)?)
}

/// The session of a sign-in: the one that this process has, or one begun from its row. However many ask, the row is read once.
pub(in crate::flow) async fn of_family(house: &Sidecar, id: Guid) -> Result<Option<Seen>, directory::Error> {
    if let Some(seen) = house.lasting.store.find_family(id) {
        return Ok(Some(seen));
    }
    let _door = house.bearers.enter(id).await;
    if let Some(seen) = house.lasting.store.find_family(id) {
        return Ok(Some(seen));
    }
    if house.lasting.store.is_displaced(id) {
        return Ok(None);
    }
    let Some(directory) = &house.lasting.directory else { return Ok(None) };
    let Some(family) = directory.family(id).await? else { return Ok(None) };
    let answered = family.answered;
    let session = house.lasting.store.begin_of_family(family);
    end_displaced(house);
    recheck::answered_before(house, &session, answered);
    Ok(house.lasting.store.find_held(&session))
}

/// Ends the rows of sign-ins that made room for a newer one of their person, apart from the request that began that one.
pub(in crate::flow) fn end_displaced(house: &Sidecar) {
    let displaced = house.lasting.store.displaced_families();
    let Some(directory) = house.lasting.directory.clone().filter(|_| !displaced.is_empty()) else { return };
    let store = Arc::clone(&house.lasting.store);
    house.lasting.background.spawn(async move {
        for family in displaced {
            match directory.end_family(family, MORE_THAN_PER_PERSON).await {
                Ok(()) => store.forget_displaced(family),
                // It stays over in this process, and the next one that makes room tries again.
                Err(cause) => tracing::error!(%family, %cause, "cannot end a native client sign-in beyond [session] per_person in the directory"),
            }
        }
    });
}
