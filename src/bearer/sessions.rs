//! The sessions of requests with an access token.
//!
//! A token is verified once and then found by its digest, so that further requests with it cost as
//! much as those with a cookie.

use super::access_token::{AccessTokens, BadAccessToken};
use super::cache::{BearerCache, KnownBearer};
use super::header;
use crate::base::clock::Clock;
use crate::base::guid::Guid;
use crate::directory::{Directory, Error};
use crate::session::live::{LiveSessions, SeenSession};
use crate::session::record::Session;
use http::HeaderMap;
use std::collections::HashSet;
use std::sync::Arc;

/// Finds the sessions of requests with an access token.
#[derive(Debug)]
pub struct BearerSessions {
    tokens: AccessTokens,
    /// The IDs of the clients in `[native]`.
    clients: HashSet<String>,
    /// Valid for these clients.
    cache: BearerCache,
    clock: Clock,
}

/// The sign-in that a verified token belongs to. Only [`BearerSessions::verify`] creates it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifiedBearer {
    sign_in: Guid,
    ends: u64,
}

impl VerifiedBearer {
    /// Returns the ID of the sign-in.
    pub fn sign_in(&self) -> Guid {
        self.sign_in
    }
}

impl BearerSessions {
    /// Creates it with no verified tokens. `clients` are the clients whose tokens are accepted.
    pub fn new(tokens: AccessTokens, clients: HashSet<String>, clock: Clock) -> Self {
        Self { tokens, clients, cache: BearerCache::default(), clock }
    }

    /// Returns the access tokens, to issue them and to publish their keys.
    pub fn tokens(&self) -> &AccessTokens {
        &self.tokens
    }

    /// Returns the Entrada access token of a request, not yet verified.
    ///
    /// # Errors
    /// The request has several tokens.
    pub fn token<'a>(&self, headers: &'a HeaderMap) -> Result<Option<&'a str>, BadAccessToken> {
        header::token(headers, &self.tokens)
    }

    /// Returns the live session of a token that was verified before, and records the use. `None` if
    /// the token must be verified, or the session looked up: it may have been idle for too long.
    ///
    /// # Errors
    /// The token has expired, or its sign-in has ended.
    pub fn recall(
        &self,
        token: &str,
        live: &LiveSessions,
    ) -> Result<Option<SeenSession>, BadAccessToken> {
        let Some(known) = self.cache.find(token) else { return Ok(None) };
        self.unexpired(known.ends)?;
        Ok(live.find_held(known.session.as_ref().ok_or(BadAccessToken::SignInEnded)?))
    }

    /// Verifies a token.
    ///
    /// # Errors
    /// The reason why the token is rejected.
    pub fn verify(&self, token: &str) -> Result<VerifiedBearer, BadAccessToken> {
        if let Some(known) = self.cache.find(token) {
            self.unexpired(known.ends)?;
            return Ok(VerifiedBearer { sign_in: known.client_sign_in, ends: known.ends });
        }
        let read = self.tokens.read(token)?;
        // The client may have been removed from the configuration since the token was issued.
        if !self.clients.contains(&read.client) {
            return Err(BadAccessToken::SignInEnded);
        }
        Ok(VerifiedBearer { sign_in: read.sign_in, ends: read.ends })
    }

    /// Caches the session of a verified token; `None` if the sign-in has ended, which is permanent.
    pub fn remember(&self, token: &str, verified: VerifiedBearer, session: Option<Arc<Session>>) {
        let VerifiedBearer { sign_in, ends } = verified;
        self.cache.insert(token, KnownBearer { session, client_sign_in: sign_in, ends });
    }

    /// Returns the session of a sign-in: the live one, or a new one from its row in the directory.
    /// Concurrent requests read the row only once. `on_start` is called with a new session, and with
    /// the time when Entra last confirmed the person's access, before other requests use it.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub async fn session_of(
        &self,
        sign_in: Guid,
        live: &LiveSessions,
        directory: Option<&Directory>,
        on_start: impl FnOnce(&Arc<Session>, u64),
    ) -> Result<Option<SeenSession>, Error> {
        if let Some(seen) = live.find_client_sign_in(sign_in) {
            return Ok(Some(seen));
        }
        let _lock = self.cache.enter(sign_in).await;
        if let Some(seen) = live.find_client_sign_in(sign_in) {
            return Ok(Some(seen));
        }
        if live.is_displaced(sign_in) {
            return Ok(None);
        }
        let Some(directory) = directory else { return Ok(None) };
        let Some(row) = directory.sign_in(sign_in).await? else { return Ok(None) };
        let answered = row.answered;
        let session = live.create_for_client(row);
        on_start(&session, answered);
        Ok(live.find_held(&session))
    }

    fn unexpired(&self, ends: u64) -> Result<(), BadAccessToken> {
        if self.clock.now() < ends { Ok(()) } else { Err(BadAccessToken::Expired) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::access_token::tests::{ORIGIN, access_tokens, live, token};
    use super::*;
    use crate::base::identity::Identity;
    use crate::entra::verified::VerifiedUser;

    fn sessions(client: &str, clock: &Clock) -> BearerSessions {
        let tokens = access_tokens(&["one"], ORIGIN, clock);
        BearerSessions::new(tokens, [client.to_owned()].into(), clock.clone())
    }

    #[test]
    fn a_token_is_recalled_with_its_session_until_either_ends() {
        let clock = Clock::system();
        let (bearer, live) = (sessions("phone", &clock), live());
        let token = token(bearer.tokens());
        let token = token.expose();
        assert!(bearer.recall(token, &live).unwrap().is_none(), "it is not verified");
        let verified = bearer.verify(token).unwrap();
        assert_eq!(verified.sign_in(), Guid::from_random([7; 16]));
        let oid = Guid::from_random([7; 16]);
        let user = VerifiedUser::pretended(Identity::new(oid, oid));
        let (id, session) = live.create(user.into());
        bearer.remember(token, verified, Some(Arc::clone(&session)));
        let seen = bearer.recall(token, &live).unwrap().unwrap();
        assert!(Arc::ptr_eq(&seen.session, &session));
        live.end(id.expose()).unwrap();
        assert!(bearer.recall(token, &live).unwrap().is_none(), "the row says whether it goes on");
        assert_eq!(bearer.verify(token), Ok(verified));
        bearer.remember(token, verified, None);
        assert_eq!(bearer.recall(token, &live).unwrap_err(), BadAccessToken::SignInEnded);
        clock.shift(301);
        assert_eq!(bearer.recall(token, &live).unwrap_err(), BadAccessToken::Expired);
        assert_eq!(bearer.verify(token), Err(BadAccessToken::Expired));
    }

    #[test]
    fn a_token_of_a_client_that_was_removed_is_over() {
        let bearer = sessions("another phone", &Clock::system());
        let token = token(bearer.tokens());
        assert_eq!(bearer.verify(token.expose()), Err(BadAccessToken::SignInEnded));
        assert_eq!(bearer.verify("x"), Err(BadAccessToken::Invalid));
    }
}
