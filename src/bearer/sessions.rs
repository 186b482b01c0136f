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
        if live.ended_sign_ins().contains(sign_in) {
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
    use super::super::access_token::tests::{ORIGIN, access_tokens, live, live_limited, token};
    use super::*;
    use crate::base::identity::Identity;
    use crate::directory::tests::ClientSignInFixture;
    use crate::entra::verified::VerifiedUser;
    use http::HeaderValue;
    use http::header::AUTHORIZATION;
    use std::sync::Mutex;

    fn sessions(client: &str, clock: &Clock) -> BearerSessions {
        let tokens = access_tokens(&["one"], ORIGIN, clock);
        BearerSessions::new(tokens, [client.to_owned()].into(), clock.clone())
    }

    #[test]
    fn a_token_is_recalled_with_its_session_until_either_ends() {
        let clock = Clock::stopped();
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
        clock.shift(299);
        assert_eq!(bearer.recall(token, &live).unwrap_err(), BadAccessToken::SignInEnded);
        assert_eq!(bearer.verify(token), Ok(verified));
        clock.shift(1);
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

    #[test]
    fn the_token_of_a_request_is_taken_from_its_header() {
        let bearer = sessions("phone", &Clock::system());
        let token = token(bearer.tokens());
        let mut headers = HeaderMap::new();
        assert_eq!(bearer.token(&headers), Ok(None));
        let value = HeaderValue::try_from(format!("Bearer {}", token.expose())).unwrap();
        headers.append(AUTHORIZATION, value.clone());
        assert_eq!(bearer.token(&headers), Ok(Some(token.expose())));
        headers.append(AUTHORIZATION, value);
        assert_eq!(bearer.token(&headers), Err(BadAccessToken::Several));
    }

    /// Looks up a session, and records the calls of `on_start`.
    struct Lookup<'a> {
        bearer: BearerSessions,
        live: &'a LiveSessions,
        directory: Option<&'a Directory>,
        started: Mutex<Vec<(Arc<Session>, u64)>>,
    }

    impl<'a> Lookup<'a> {
        fn new(live: &'a LiveSessions, directory: Option<&'a Directory>) -> Self {
            let bearer = sessions("phone", &Clock::system());
            Self { bearer, live, directory, started: Mutex::default() }
        }

        async fn session_of(&self, sign_in: Guid) -> Option<Arc<Session>> {
            let on_start = |session: &Arc<Session>, answered| {
                self.started.lock().unwrap().push((Arc::clone(session), answered));
            };
            let found = self.bearer.session_of(sign_in, self.live, self.directory, on_start).await;
            found.unwrap().map(|it| it.session)
        }

        fn started(&self) -> usize {
            self.started.lock().unwrap().len()
        }
    }

    #[tokio::test]
    async fn a_session_starts_once_from_its_row_and_is_then_found() {
        let row = ClientSignInFixture::new().await;
        let (live, id) = (live(), row.sign_in.id);
        let lookup = Lookup::new(&live, Some(&row.directory));
        let (one, two) = tokio::join!(lookup.session_of(id), lookup.session_of(id));
        let (one, two) = (one.unwrap(), two.unwrap());
        assert!(Arc::ptr_eq(&one, &two), "concurrent requests have the same session");
        let again = lookup.session_of(id).await.unwrap();
        assert!(Arc::ptr_eq(&one, &again));
        assert_eq!(one.via().client_sign_in(), Some(id));
        assert_eq!(
            (one.ends(), one.identity().oid),
            (row.sign_in.ends, row.sign_in.identity().oid)
        );
        assert_eq!(lookup.started(), 1);
        let (session, answered) = lookup.started.lock().unwrap()[0].clone();
        assert!(Arc::ptr_eq(&session, &one));
        assert_eq!(answered, row.sign_in.answered);
    }

    #[tokio::test]
    async fn no_session_starts_without_a_row_that_is_valid() {
        let row = ClientSignInFixture::new().await;
        let (live, id) = (live(), row.sign_in.id);
        let unknown = Guid::from_random([7; 16]);
        row.directory.end_sign_in(id, "a test").await.unwrap();
        for (name, directory, sign_in) in [
            ("unknown", Some(&row.directory), unknown),
            ("ended", Some(&row.directory), id),
            ("no directory", None, id),
        ] {
            let lookup = Lookup::new(&live, directory);
            assert!(lookup.session_of(sign_in).await.is_none(), "{name}");
            assert_eq!(lookup.started(), 0, "{name}");
        }
    }

    #[tokio::test]
    async fn a_displaced_sign_in_does_not_start_again_from_its_row() {
        let row = ClientSignInFixture::new().await;
        let (live, id) = (live_limited(1), row.sign_in.id);
        let lookup = Lookup::new(&live, Some(&row.directory));
        assert!(lookup.session_of(id).await.is_some());
        let newer = VerifiedUser::pretended(row.sign_in.identity().clone());
        live.create(newer.into());
        assert!(lookup.session_of(id).await.is_none());
        assert_eq!(lookup.started(), 1);
        // Only the displacement prevents it: the row is still valid.
        live.ended_sign_ins().forget(id);
        assert!(lookup.session_of(id).await.is_some());
    }

    /// Regression: a request that arrived between Entra's refusal and the end of the row was served.
    #[tokio::test]
    async fn a_sign_in_that_entra_refused_does_not_start_again_while_its_row_is_still_valid() {
        for needs_sign_in in [true, false] {
            let row = ClientSignInFixture::new().await;
            let (live, id) = (live(), row.sign_in.id);
            let lookup = Lookup::new(&live, Some(&row.directory));
            let session = lookup.session_of(id).await.unwrap();
            if needs_sign_in {
                live.end_for_sign_in(&session, None);
            } else {
                live.end_refused(&session);
            }
            assert!(lookup.session_of(id).await.is_none(), "{needs_sign_in}");
            // A session that became idle starts again.
            live.ended_sign_ins().forget(id);
            assert!(lookup.session_of(id).await.is_some(), "{needs_sign_in}");
        }
    }
}
