//! Client secrets that an admin typed into a form that was refused because of another field.
//!
//! Microsoft shows a secret only once, so the form must not lose it. It is kept here, sealed, for
//! the visit in which it was typed: it is never sent back. A secret is for one connection: if the
//! form then names another tenant or app registration, it is not used.

use crate::base::guid::Guid;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// How long a secret is kept, in seconds.
pub const TYPED_SECRET_SECONDS: u64 = 600;

/// Maximum number of secrets; beyond it, the one that ends first goes.
const MAX_TYPED_SECRETS: usize = 1000;

/// A visit to the set-up page of an organization.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TypedSecretVisit {
    /// The organization.
    pub organization: Guid,
    /// The set-up link, or the session.
    pub visitor: String,
}

/// The IDs with which a secret was typed, as far as they could be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TypedConnection {
    /// The tenant; nothing if what was typed is no tenant, so that a secret can be sent nowhere.
    pub tenant: Option<Guid>,
    /// The app registration; nothing if what was typed is no ID.
    pub client_id: Option<Guid>,
}

/// A secret that is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct TypedSecret {
    /// The sealed secret.
    pub sealed: String,
    /// The IDs with which it was typed.
    pub connection: TypedConnection,
    /// When it is forgotten, in seconds since 1970.
    pub ends: u64,
}

/// The secrets of all visits: one for each.
#[derive(Default)]
pub struct TypedSecrets(Mutex<HashMap<TypedSecretVisit, TypedSecret>>);

impl TypedConnection {
    /// Whether a secret that was typed with these IDs may be used with others: an ID that could be
    /// used then and one that can be used now must be the same. One that cannot be used sends the
    /// secret nowhere.
    pub fn admits(self, other: Self) -> bool {
        let same = |typed: Option<Guid>, now: Option<Guid>| {
            typed.is_none() || now.is_none() || typed == now
        };
        same(self.tenant, other.tenant) && same(self.client_id, other.client_id)
    }
}

impl TypedSecretVisit {
    /// A visit that began with a set-up link.
    pub fn of_link(organization: Guid, invitation: Guid) -> Self {
        Self { organization, visitor: format!("invitation {invitation}") }
    }

    /// A visit with a session, which the ID in the cookie identifies.
    pub fn of_session(organization: Guid, id: &str) -> Self {
        Self { organization, visitor: visitor_of_session(id) }
    }
}

impl TypedSecrets {
    /// Keeps a secret in place of the visit's previous one.
    pub fn keep(&self, visit: TypedSecretVisit, secret: TypedSecret, now: u64) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, it| now < it.ends);
        if all.len() >= MAX_TYPED_SECRETS && !all.contains_key(&visit) {
            let first = all.iter().min_by_key(|it| it.1.ends).map(|it| it.0.clone());
            if let Some(first) = first {
                all.remove(&first);
            }
        }
        all.insert(visit, secret);
    }

    /// Returns the secret of a visit.
    pub fn find(&self, visit: &TypedSecretVisit, now: u64) -> Option<TypedSecret> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, it| now < it.ends);
        all.get(visit).cloned()
    }

    /// Forgets the secret of a visit.
    pub fn forget(&self, visit: &TypedSecretVisit) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(visit);
    }

    /// The number of secrets that are kept.
    pub fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Forgets the secrets of a session that ends.
    pub fn forget_session(&self, id: &str) {
        let visitor = visitor_of_session(id);
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|it, _| it.visitor != visitor);
    }
}

/// A digest, so that nothing here opens a session.
fn visitor_of_session(id: &str) -> String {
    format!("session {}", URL_SAFE_NO_PAD.encode(digest(&SHA256, id.as_bytes())))
}

impl std::fmt::Debug for TypedSecret {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("TypedSecret")
    }
}

impl std::fmt::Debug for TypedSecrets {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("TypedSecrets")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guid(number: u8) -> Guid {
        Guid::from_random([number; 16])
    }

    fn secret(text: &str, ends: u64) -> TypedSecret {
        TypedSecret { sealed: text.to_owned(), connection: TypedConnection::default(), ends }
    }

    fn text(all: &TypedSecrets, visit: &TypedSecretVisit, now: u64) -> Option<String> {
        all.find(visit, now).map(|it| it.sealed)
    }

    #[test]
    fn a_secret_is_for_the_ids_with_which_it_was_typed() {
        let ids = |tenant: u8, client_id: u8| TypedConnection {
            tenant: (tenant > 0).then(|| guid(tenant)),
            client_id: (client_id > 0).then(|| guid(client_id)),
        };
        for (typed, now, is_admitted) in [
            (ids(1, 2), ids(1, 2), true),
            (ids(1, 2), ids(3, 2), false),
            (ids(1, 2), ids(1, 3), false),
            (ids(1, 2), ids(2, 1), false),
            // One of them was no ID, and is corrected.
            (ids(0, 2), ids(1, 2), true),
            (ids(0, 2), ids(1, 3), false),
            (ids(1, 0), ids(1, 2), true),
            (ids(1, 0), ids(3, 2), false),
            (ids(0, 0), ids(1, 2), true),
            // Or it is none now, and is refused.
            (ids(1, 2), ids(0, 2), true),
            (ids(1, 2), ids(0, 3), false),
        ] {
            assert_eq!(typed.admits(now), is_admitted, "{typed:?} {now:?}");
        }
    }

    #[test]
    fn a_secret_is_kept_for_its_own_visit_and_ten_minutes() {
        let all = TypedSecrets::default();
        let by_link = TypedSecretVisit::of_link(guid(1), guid(9));
        let by_session = TypedSecretVisit::of_session(guid(1), "cookie");
        all.keep(by_link.clone(), secret("one", 600), 0);
        all.keep(by_session.clone(), secret("two", 600), 0);
        assert_eq!(text(&all, &by_link, 599).as_deref(), Some("one"));
        assert_eq!(text(&all, &by_session, 599).as_deref(), Some("two"));
        for other in [
            TypedSecretVisit::of_link(guid(2), guid(9)),
            TypedSecretVisit::of_link(guid(1), guid(8)),
            TypedSecretVisit::of_session(guid(1), "another"),
        ] {
            assert_eq!(all.find(&other, 0), None, "{other:?}");
        }
        all.keep(by_link.clone(), secret("three", 900), 1);
        assert_eq!(text(&all, &by_link, 600).as_deref(), Some("three"));
        assert_eq!(all.find(&by_session, 600), None);
        all.forget(&by_link);
        assert_eq!(all.find(&by_link, 600), None);
        assert!(!by_session.visitor.contains("cookie"), "the session's ID is in memory");
    }

    #[test]
    fn a_session_that_ends_takes_its_secrets_along() {
        let all = TypedSecrets::default();
        let (one, two) = (
            TypedSecretVisit::of_session(guid(1), "one"),
            TypedSecretVisit::of_session(guid(1), "two"),
        );
        all.keep(one.clone(), secret("a", 600), 0);
        all.keep(two.clone(), secret("b", 600), 0);
        all.forget_session("one");
        assert_eq!((text(&all, &one, 1), text(&all, &two, 1)), (None, Some("b".to_owned())));
    }

    #[test]
    fn beyond_the_limit_the_one_that_ends_first_goes() {
        let all = TypedSecrets::default();
        let visit = |at: usize| TypedSecretVisit {
            organization: guid(1),
            visitor: format!("invitation {at}"),
        };
        for at in 0..=MAX_TYPED_SECRETS {
            all.keep(visit(at), secret("x", 600 + at as u64), 0);
        }
        assert_eq!(all.find(&visit(0), 0), None);
        assert!(
            all.find(&visit(1), 0).is_some() && all.find(&visit(MAX_TYPED_SECRETS), 0).is_some()
        );
        assert_eq!(all.0.lock().unwrap().len(), MAX_TYPED_SECRETS);
        // Another one of the same visit takes no room.
        all.keep(visit(2), secret("y", 600), 0);
        assert!(all.find(&visit(1), 0).is_some());
    }
}
