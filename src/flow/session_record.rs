//! The cookie with the sealed record of a session, if the store keeps sessions in their browsers.

use super::exchange::Exchange;
use crate::session::record::Session;
use crate::session::store::PresentedSession;
use crate::wire::body::Body;
use crate::wire::cookies::{CookieMatch, find};
use http::header::{CACHE_CONTROL, LOCATION, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use std::sync::Arc;

impl<'a> Exchange<'a> {
    /// Returns what the browser presents of its session. If there are two cookies of one name, one
    /// was planted, so both are ignored.
    pub(super) fn presented_session(&self) -> Option<PresentedSession<'a>> {
        let id = self.session_id()?;
        if !self.sidecar.process.store.has_records() {
            return Some(PresentedSession { id, record: None });
        }
        let record = match find(self.headers, &self.app.names.record()) {
            CookieMatch::One(record) => Some(record),
            CookieMatch::None | CookieMatch::Several => None,
        };
        Some(PresentedSession { id, record })
    }

    /// Adds the record of the session to a response if one is due. Called when the head is about to
    /// be sent, so the record of a session that has ended meanwhile is not.
    pub(super) fn renew_record(
        &self,
        session: Option<&Arc<Session>>,
        response: &mut Response<Body>,
    ) {
        let Some(session) = session.filter(|_| self.sidecar.process.store.has_records()) else {
            return;
        };
        if can_carry_record(response.status(), response.headers())
            && let Some(cookie) = self.record_cookie(session)
        {
            response.headers_mut().append(SET_COOKIE, cookie);
        }
    }

    /// Returns the cookie with the record of the session if one is due.
    pub(super) fn record_cookie(&self, session: &Session) -> Option<HeaderValue> {
        let record = self.sidecar.process.store.record_for_answer(session)?;
        let names = &self.app.names;
        names.set(&names.record(), record.expose(), self.cookie_lifetime(session))
    }

    /// How long the cookies of a session last, in seconds. `None`: until the browser is closed.
    pub(super) fn cookie_lifetime(&self, session: &Session) -> Option<u64> {
        let now = self.sidecar.process.clock.now();
        self.app.persistent_cookie.then(|| session.ends().saturating_sub(now))
    }
}

/// Whether a response may carry a record. A redirect could become too long for a front proxy, and
/// the response after it can carry the record. What shared caches store is the same for everyone. A
/// page that links from a frame to a sign-in, like every 401, sets no cookie.
fn can_carry_record(status: StatusCode, headers: &HeaderMap) -> bool {
    let is_shared = |value: &HeaderValue| {
        let directives = value.as_bytes().split(|it| *it == b',').map(<[u8]>::trim_ascii);
        directives.into_iter().any(|it| {
            it.eq_ignore_ascii_case(b"public")
                || it.get(..8).is_some_and(|it| it.eq_ignore_ascii_case(b"s-maxage"))
        })
    };
    status != StatusCode::UNAUTHORIZED
        && !headers.contains_key(LOCATION)
        && !headers.get_all(CACHE_CONTROL).iter().any(is_shared)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::MAX_SESSION_COOKIE_BYTES;
    use crate::wire::cookies::CookieNames;

    #[test]
    fn what_shared_caches_store_and_redirects_carry_no_record() {
        for (name, value, can) in [
            ("x", "y", true),
            ("cache-control", "no-store", true),
            ("cache-control", "private, max-age=60", true),
            ("cache-control", "public, max-age=60", false),
            ("cache-control", "max-age=60, PUBLIC", false),
            ("cache-control", "max-age=0, S-MaxAge=60", false),
            ("cache-control", "publicity", true),
            ("location", "/", false),
        ] {
            let mut headers = HeaderMap::new();
            let name = http::HeaderName::from_static(name);
            headers.append(CACHE_CONTROL, HeaderValue::from_static("max-age=1"));
            headers.append(name.clone(), HeaderValue::from_static(value));
            assert_eq!(can_carry_record(StatusCode::OK, &headers), can, "{name}: {value}");
            assert!(!can_carry_record(StatusCode::UNAUTHORIZED, &headers));
        }
    }

    /// The store does not know the names of cookies, and leaves room for them.
    #[test]
    fn the_names_of_a_sessions_cookies_fit_into_their_limit() {
        let mut longest = 0;
        for (https, port) in [(true, 443), (true, 65535), (false, 65535)] {
            let names = CookieNames::new(https, port);
            longest = longest.max(names.session().len() + names.record().len() + 2);
        }
        assert_eq!((longest, MAX_SESSION_COOKIE_BYTES), (32, 3200));
    }
}
