//! State that the endpoints share.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

use url::{Host, Url};

use crate::base::clock::Clock;
use crate::base::random::RandomSource;

use super::control::EmulatorControl;
use super::people::EmulatedPerson;
use super::registration::EmulatedRegistration;
use super::scopes::{GraphPage, GraphPermissions};
use super::tenants::TenantAddress;

/// Maximum number of entries in a table; beyond it, the oldest entry is removed.
const MAX_TABLE_ENTRIES: usize = 32_768;

/// An authorization request that has passed the first checks.
#[derive(Clone, Default)]
pub(super) struct AuthorizationRequest {
    /// The tenant segment in the requested address.
    pub(super) tenant: &'static str,
    /// The client ID of the requesting app.
    pub(super) client: String,
    pub(super) redirect_uri: String,
    pub(super) state: Option<String>,
    pub(super) nonce: Option<String>,
    pub(super) scope: String,
    pub(super) challenge: Option<String>,
    pub(super) form_post: bool,
    pub(super) correlation: String,
    /// The authentication contexts to name in the ID token, such as `c1`.
    pub(super) acrs: Vec<String>,
    /// The object ID of the person on the consent page.
    pub(super) consenting: Option<String>,
}

/// A session of a person at the emulator.
#[derive(Clone)]
pub(super) struct EmulatorSession {
    pub(super) oid: String,
    pub(super) sid: String,
    /// The round of grants that it belongs to; void once a later round has begun.
    pub(super) round: u64,
}

/// The meaning of a code or a refresh token.
#[derive(Clone)]
pub(super) struct IssuedGrant {
    pub(super) request: AuthorizationRequest,
    pub(super) session: EmulatorSession,
    pub(super) used: bool,
}

/// A bounded table whose entries have a creation time.
pub(super) struct BoundedTable<V>(Mutex<HashMap<String, (u64, V)>>);

impl<V: Clone> BoundedTable<V> {
    pub(super) fn new() -> Self {
        Self(Mutex::new(HashMap::new()))
    }

    /// Adds an entry; removes the oldest one if the table is full.
    pub(super) fn put(&self, key: String, now: u64, value: V) {
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if map.len() >= MAX_TABLE_ENTRIES
            && let Some(oldest) =
                map.iter().min_by_key(|(_, (born, _))| *born).map(|(key, _)| key.clone())
        {
            map.remove(&oldest);
        }
        map.insert(key, (now, value));
    }

    /// Returns the creation time and the value of an entry.
    pub(super) fn get(&self, key: &str) -> Option<(u64, V)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    /// Like `get`, but changes the entry in the same step, so that only one of two racing callers
    /// sees the old value.
    pub(super) fn update(&self, key: &str, change: impl FnOnce(&mut V)) -> Option<(u64, V)> {
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = map.get_mut(key)?;
        let old = entry.clone();
        change(&mut entry.1);
        Some(old)
    }

    /// Removes an entry and returns it.
    pub(super) fn take(&self, key: &str) -> Option<(u64, V)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key)
    }
}

/// State that the endpoints share.
pub(super) struct EmulatorState {
    pub(super) clock: Clock,
    pub(super) random: RandomSource,
    pub(super) redirect_uris: Vec<String>,
    pub(super) client_id: String,
    pub(super) client_secret: String,
    /// Additional apps.
    pub(super) registrations: Vec<EmulatedRegistration>,
    pub(super) authority: String,
    pub(super) people: Vec<EmulatedPerson>,
    pub(super) of_codes: Vec<EmulatedPerson>,
    /// Guests as objects in their home tenants.
    pub(super) guests_at_home: Vec<EmulatedPerson>,
    pub(super) control: EmulatorControl,
    pub(super) requests: BoundedTable<AuthorizationRequest>,
    pub(super) sessions: BoundedTable<EmulatorSession>,
    pub(super) codes: BoundedTable<IssuedGrant>,
    pub(super) refresh: BoundedTable<IssuedGrant>,
    /// Keyed by the digest of the access token.
    pub(super) graph_grants: BoundedTable<GraphPermissions>,
    /// Keyed by the token in the link.
    pub(super) pages: BoundedTable<GraphPage>,
}

/// A registered app that sends a request.
pub(super) struct RegisteredClient<'a> {
    pub(super) id: &'a str,
    pub(super) secret: &'a str,
}

impl EmulatorState {
    /// Returns the app with this ID, spelled as registered; every tenant knows the first one.
    pub(super) fn client_at(
        &self,
        tenant: TenantAddress,
        id: &str,
    ) -> Option<RegisteredClient<'_>> {
        if id.eq_ignore_ascii_case(&self.client_id) {
            return Some(RegisteredClient { id: &self.client_id, secret: &self.client_secret });
        }
        let home = tenant.home()?.id;
        let found = self
            .registrations
            .iter()
            .find(|it| id.eq_ignore_ascii_case(&it.client_id) && it.tenant == home);
        found.map(|it| RegisteredClient { id: &it.client_id, secret: &it.client_secret })
    }

    /// Returns a random GUID.
    pub(super) fn guid(&self) -> String {
        guid(&self.random)
    }

    /// Returns the person with this object ID.
    pub(super) fn person(&self, oid: &str) -> Option<EmulatedPerson> {
        self.people
            .iter()
            .chain(&self.of_codes)
            .chain(&self.guests_at_home)
            .find(|it| it.oid == oid)
            .map(|it| self.control.changed.applied(it))
    }

    /// Returns the session with this ID, or `None` if it was revoked.
    pub(super) fn signed_in(&self, session: &str) -> Option<EmulatorSession> {
        self.sessions.get(session).map(|(_, who)| who).filter(|who| self.is_good(who))
    }

    /// Returns whether the session has not been revoked.
    pub(super) fn is_good(&self, who: &EmulatorSession) -> bool {
        self.control.changed.of(&who.oid).revoked == who.round
    }

    /// Returns whether this is a registered redirect URI; for loopback names the port is ignored if
    /// the entry has none.
    pub(super) fn knows_redirect(&self, uri: &str) -> bool {
        let Ok(url) = Url::parse(uri) else { return false };
        if url.fragment().is_some()
            || !url.username().is_empty()
            || url.password().is_some()
            || uri.len() > 256
        {
            return false;
        }
        if self.redirect_uris.is_empty() {
            return is_loopback(&url);
        }
        self.redirect_uris.iter().any(|known| {
            known == uri || Url::parse(known).is_ok_and(|known| matches_loopback(&known, &url))
        })
    }

    /// Returns whether the browser may be sent there after the sign-out: to the origin of a
    /// registered redirect URI.
    pub(super) fn knows_origin(&self, uri: &str) -> bool {
        let Ok(url) = Url::parse(uri) else { return false };
        if self.redirect_uris.is_empty() {
            return is_loopback(&url);
        }
        self.redirect_uris.iter().filter_map(|it| Url::parse(it).ok()).any(|known| {
            known.origin() == url.origin()
                || (is_loopback(&known)
                    && known.port().is_none()
                    && known.scheme() == url.scheme()
                    && known.host() == url.host())
        })
    }
}

fn matches_loopback(known: &Url, url: &Url) -> bool {
    let same_place =
        known.path() == "/" || (known.path() == url.path() && known.query() == url.query());
    is_loopback(known)
        && known.port().is_none()
        && known.scheme() == url.scheme()
        && known.host() == url.host()
        && same_place
}

fn is_loopback(url: &Url) -> bool {
    let named = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    named && matches!(url.scheme(), "http" | "https")
}

/// Returns a random GUID, version 4 (RFC 9562 section 5.4).
pub(super) fn guid(random: &RandomSource) -> String {
    let [a, b, c, d] = [(); 4].map(|()| u32::from_be_bytes(random.bytes()));
    format!(
        "{a:08x}-{:04x}-4{:03x}-{:04x}-{:04x}{d:08x}",
        b >> 16,
        b & 0xfff,
        ((c >> 16) & 0x3fff) | 0x8000,
        c & 0xffff
    )
}

/// The pairs of a form or a query; a later pair does not replace an earlier one with the same name.
pub(super) struct ParameterPairs(HashMap<String, String>);

impl ParameterPairs {
    /// Parses `application/x-www-form-urlencoded` (WHATWG URL section 5.1).
    pub(super) fn read(bytes: &[u8]) -> Self {
        let mut map = HashMap::new();
        for (name, value) in url::form_urlencoded::parse(bytes).take(64) {
            entry(&mut map, name.into_owned(), value.into_owned());
        }
        Self(map)
    }

    /// Returns the value, unless it is missing or empty.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|it| !it.is_empty())
    }
}

fn entry<K: Hash + Eq, V>(map: &mut HashMap<K, V>, key: K, value: V) {
    map.entry(key).or_insert(value);
}
