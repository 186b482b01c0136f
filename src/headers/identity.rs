//! Identity headers: created once per session and written into each of its requests.

use super::audience::RouteAudiences;
use super::lists::{SelectedEntries, SelectedLists, select};
use super::mint::{AssertionContext, mint};
use super::names::HeaderNames;
use super::values::PlainHeaders;
use crate::access::policy::Permit;
use crate::base::clock::Clock;
use crate::base::identity::{Identity, PersonGroups};
use crate::base::random::RandomSource;
use crate::base::target::Target;
use crate::config::headers::HeadersConfig as Config;
use crate::seal::jwk::{KeyDerivationError, SigningKeys, short_id};
use crate::session::record::{Attachment, Session};
use arc_swap::Guard;
use http::{HeaderMap, HeaderValue};
use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

/// Creates identity headers for permitted requests.
#[derive(Debug)]
pub struct IdentityHeaderWriter {
    names: Arc<HeaderNames>,
    issuer: String,
    audience: String,
    route_audiences: RouteAudiences,
    lifetime: u64,
    named: HashSet<String>,
    keys: SigningKeys,
    jwks_tag: HeaderValue,
    clock: Clock,
    random: RandomSource,
    minted: Mutex<VecDeque<(u64, Weak<Session>)>>,
}

/// The header values of one person, ready to be written.
#[derive(Debug)]
struct PersonHeaders {
    /// The names that these values belong to: after a reload, the order of the names may differ.
    names: Arc<HeaderNames>,
    /// The identity that the values were made from. When Entra reports changes for the person, they
    /// are created again.
    about: Arc<Identity>,
    plain: Arc<PlainHeaders>,
    assertion: HeaderValue,
    /// The assertion for each further audience, signed when it is first needed. Its age is limited
    /// by `minted`, because it is dropped together with the other values.
    further: Box<[OnceLock<HeaderValue>]>,
    minted: u64,
}

/// Removes the client's identity headers from a request and writes Entrada's. Requests reach the
/// app only with this value. It is deliberately not `Clone`: one permit, one request.
#[derive(Debug)]
pub struct IdentityHeaders {
    permit: Permit,
    attached: Option<Arc<Box<Attachment>>>,
    /// The position of the assertion's further audience; nothing for the default one.
    audience: Option<usize>,
    names: Arc<HeaderNames>,
}

/// Removes the header names that clients may not use.
#[derive(Clone, Debug)]
pub struct HeaderStripper(Arc<HeaderNames>);

impl HeaderStripper {
    /// Removes every header that folds to one of Entrada's names.
    pub fn strip(&self, headers: &mut HeaderMap) {
        self.0.owned.strip(headers);
    }
}

impl IdentityHeaderWriter {
    /// Creates a writer. `named` are the groups and roles that rules name; they come first in the
    /// lists.
    pub fn new(
        config: &Config,
        issuer: String,
        named: HashSet<String>,
        route_audiences: RouteAudiences,
        keys: SigningKeys,
        clock: Clock,
        random: RandomSource,
    ) -> Self {
        let (audience, lifetime) =
            (config.assertion.audience.clone(), config.assertion.lifetime.as_secs());
        let jwks_tag = HeaderValue::from_str(&format!("\"{}\"", keys.tag()))
            .unwrap_or(HeaderValue::from_static("\"\""));
        Self {
            jwks_tag,
            names: Arc::new(HeaderNames::new(config)),
            issuer,
            audience,
            route_audiences,
            lifetime,
            named,
            keys,
            clock,
            random,
            minted: Mutex::default(),
        }
    }

    /// The public keys of the assertion, as a JWKS document.
    pub fn jwks(&self) -> &str {
        self.keys.jwks()
    }

    /// The `ETag` of that document.
    pub fn jwks_tag(&self) -> &HeaderValue {
        &self.jwks_tag
    }

    /// Returns the headers for the request that `permit` allows.
    ///
    /// # Errors
    /// `KeyDerivationError` if the assertion cannot be signed. The request is then not forwarded.
    pub fn identify(&self, permit: Permit) -> Result<IdentityHeaders, KeyDerivationError> {
        let audience = self.route_audiences.find(permit.target());
        let attached = match permit.session() {
            Some(session) => Some(self.attached(session)?),
            None => None,
        };
        if let (Some(session), Some(attached), Some(at)) = (permit.session(), &attached, audience) {
            self.assert_for(session, attached, at)?;
        }
        Ok(IdentityHeaders { permit, attached, audience, names: Arc::clone(&self.names) })
    }

    /// Signs the assertion for a further audience, unless this was already done for these values.
    /// Runs under the lock, like `mint`.
    fn assert_for(
        &self,
        session: &Session,
        attached: &Arc<Box<Attachment>>,
        at: usize,
    ) -> Result<(), KeyDerivationError> {
        let person_headers = person_headers(attached).ok_or(KeyDerivationError)?;
        let (slot, audience) = person_headers
            .further
            .get(at)
            .zip(self.route_audiences.get(at))
            .ok_or(KeyDerivationError)?;
        if slot.get().is_some() {
            return Ok(());
        }
        let _one_at_a_time = self.minted.lock().unwrap_or_else(PoisonError::into_inner);
        if slot.get().is_none() {
            let lists = self.selected_lists(&person_headers.about);
            let assertion = self.sign(session, &person_headers.about, &lists, audience)?;
            slot.get_or_init(|| assertion);
        }
        Ok(())
    }

    fn selected_lists<'a>(&self, who: &'a Identity) -> SelectedLists<'a> {
        let groups =
            who.groups.ids().map_or(SelectedEntries::default(), |it| select(it, &self.named));
        let roles = select(&who.roles, &self.named);
        SelectedLists {
            groups: SelectedEntries {
                truncated: groups.truncated
                    || who.cut.groups
                    || who.groups == PersonGroups::Overage,
                ..groups
            },
            roles: SelectedEntries { truncated: roles.truncated || who.cut.roles, ..roles },
        }
    }

    fn sign(
        &self,
        session: &Session,
        who: &Identity,
        lists: &SelectedLists<'_>,
        audience: &str,
    ) -> Result<HeaderValue, KeyDerivationError> {
        let (sid, id) = (session.sid(), short_id(&self.random));
        let context = AssertionContext {
            issuer: &self.issuer,
            audience,
            session: &sid,
            id: &id,
            now: self.clock.now(),
            lifetime: self.lifetime,
        };
        mint(&self.keys, who, &lists.groups, &lists.roles, &context)
    }

    fn attached(&self, session: &Arc<Session>) -> Result<Arc<Box<Attachment>>, KeyDerivationError> {
        match self.fresh(session) {
            Some(attached) => Ok(attached),
            None => self.mint(session),
        }
    }

    fn fresh(&self, session: &Session) -> Option<Arc<Box<Attachment>>> {
        let attached = session.attached();
        let minted = self.own(attached.as_ref()?, &session.identity())?.minted;
        let now = self.clock.now();
        // If the clock was set back, an assertion must not be kept forever.
        (now >= minted && now - minted < self.lifetime.div_ceil(2))
            .then(|| attached.clone())
            .flatten()
    }

    /// Returns the values if this writer created them from this identity. Values from another
    /// configuration are created again.
    fn own<'a>(
        &self,
        attached: &'a Arc<Box<Attachment>>,
        about: &Arc<Identity>,
    ) -> Option<&'a PersonHeaders> {
        person_headers(attached)
            .filter(|it| Arc::ptr_eq(&it.names, &self.names) && Arc::ptr_eq(&it.about, about))
    }

    /// Creates the values under a lock and checks first whether they exist: a hundred concurrent
    /// requests create one assertion.
    fn mint(&self, session: &Arc<Session>) -> Result<Arc<Box<Attachment>>, KeyDerivationError> {
        let mut minted = self.minted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(attached) = self.fresh(session) {
            return Ok(attached);
        }
        let now = self.clock.now();
        let about = Guard::into_inner(session.identity());
        let who = &*about;
        let lists = self.selected_lists(who);
        let assertion = self.sign(session, who, &lists, &self.audience)?;
        let further =
            std::iter::repeat_with(OnceLock::new).take(self.route_audiences.count()).collect();
        let plain = session
            .attached()
            .as_ref()
            .and_then(|it| self.own(it, &about))
            .map(|it| Arc::clone(&it.plain));
        let plain = plain.unwrap_or_else(|| {
            let (groups, roles) = (&lists.groups, &lists.roles);
            Arc::new(PlainHeaders::new(&self.names, session.user(), who, groups, roles))
        });
        let made: Arc<Box<Attachment>> = Arc::new(Box::new(PersonHeaders {
            names: Arc::clone(&self.names),
            about: Arc::clone(&about),
            plain,
            assertion,
            further,
            minted: now,
        }));
        session.attach(Arc::clone(&made));
        self.forget_old(&mut minted, now);
        minted.push_back((now, Arc::downgrade(session)));
        Ok(made)
    }

    /// Removes the values of idle sessions: an expired assertion only takes up memory.
    fn forget_old(&self, minted: &mut VecDeque<(u64, Weak<Session>)>, now: u64) {
        while minted.front().is_some_and(|it| it.0.saturating_add(self.lifetime) <= now) {
            let Some((at, session)) = minted.pop_front() else { return };
            let Some(session) = session.upgrade() else { continue };
            let still = session
                .attached()
                .as_ref()
                .and_then(|it| person_headers(it))
                .is_some_and(|it| it.minted == at);
            if still {
                session.detach();
            }
        }
    }
}

fn person_headers(attached: &Arc<Box<Attachment>>) -> Option<&PersonHeaders> {
    let attached: &Attachment = attached.as_ref().as_ref();
    attached.downcast_ref()
}

impl IdentityHeaders {
    /// The target that was judged and is sent byte for byte.
    pub fn target(&self) -> &Target {
        self.permit.target()
    }

    /// The session of the request; none if the person is not signed in, on a public path.
    pub(crate) fn session(&self) -> Option<&Arc<Session>> {
        self.permit.session()
    }

    /// Returns the permit after the headers are written: the request is served only as long as the
    /// permit holds.
    pub fn into_permit(self) -> Permit {
        self.permit
    }

    /// Returns a stripper for headers that arrive later: trailers.
    pub fn stripper(&self) -> HeaderStripper {
        HeaderStripper(Arc::clone(&self.names))
    }

    /// Removes every header that folds to one of Entrada's names. Hop-by-hop headers must have been
    /// removed before. Then Entrada's own must be written: with `insert`, or with `append`.
    pub fn strip(&self, headers: &mut HeaderMap) {
        self.names.owned.strip(headers);
    }

    /// Writes Entrada's headers.
    pub fn insert(&self, headers: &mut HeaderMap) {
        let Some(person_headers) = self.person_headers() else { return };
        for (at, name) in self.names.sent() {
            if let Some(value) = person_headers.plain.values.get(at).and_then(Option::as_ref) {
                headers.insert(name.clone(), value.clone());
            }
        }
        if let Some(assertion) = self.assertion(person_headers) {
            headers.insert(self.names.assertion.clone(), assertion.clone());
        }
    }

    /// Writes the same as fields of HTTP/1.1.
    pub fn append(&self, out: &mut Vec<u8>) {
        let Some(person_headers) = self.person_headers() else { return };
        out.extend_from_slice(&person_headers.plain.block);
        if let Some(assertion) = self.assertion(person_headers) {
            out.extend_from_slice(self.names.assertion.as_str().as_bytes());
            out.extend_from_slice(b": ");
            out.extend_from_slice(assertion.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
    }

    /// Writes the set `x-auth-request` and the assertion into a forward-auth response. A name
    /// without a value is written with an empty value, so that the front proxy overwrites the
    /// client's header.
    pub fn answer(&self, headers: &mut HeaderMap) {
        const EMPTY_VALUE: HeaderValue = HeaderValue::from_static("");
        let person_headers = self.person_headers();
        let names = self.names.answer.iter().chain(self.names.custom.iter().map(|it| &it.0));
        for (at, name) in names.enumerate() {
            let value = person_headers.and_then(|it| it.plain.values.get(at)?.clone());
            headers.insert(name.clone(), value.unwrap_or(EMPTY_VALUE));
        }
        headers.insert(
            self.names.assertion.clone(),
            person_headers.and_then(|it| self.assertion(it)).cloned().unwrap_or(EMPTY_VALUE),
        );
    }

    /// Returns the assertion for the audience of the target's route, and for no other audience.
    fn assertion<'a>(&self, person_headers: &'a PersonHeaders) -> Option<&'a HeaderValue> {
        match self.audience {
            None => Some(&person_headers.assertion),
            Some(at) => person_headers.further.get(at)?.get(),
        }
    }

    fn person_headers(&self) -> Option<&PersonHeaders> {
        person_headers(self.attached.as_ref()?)
    }
}
