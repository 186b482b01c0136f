//! The client secret that a visitor typed into a form that was refused because of another field.

use super::super::exchange::Exchange;
use super::gate::SetUpVisit;
use crate::base::secret::Secret;
use crate::directory::organization::Organization;
use crate::directory::organization_credential::OrganizationCredential;
use crate::sidecar::typed_secrets::{
    TYPED_SECRET_SECONDS, TypedConnection, TypedSecret, TypedSecretVisit,
};

/// The secret of a form: typed, or kept since it was typed.
pub(super) struct FormSecret {
    text: Secret,
    /// If it is a kept one: the IDs with which it was typed, and when it is forgotten.
    kept: Option<(TypedConnection, u64)>,
}

impl FormSecret {
    /// Returns the secret that was typed, or else the one that is kept for this visit.
    pub(super) fn of(exchange: &Exchange<'_>, visit: &SetUpVisit, typed: &str) -> Option<Self> {
        if !typed.is_empty() {
            return Some(Self { text: Secret::new(typed), kept: None });
        }
        let found = find(exchange, visit)?;
        let plain = exchange.sidecar.typed_secrets.open(&name(visit), &found.sealed)?;
        let text = Secret::new(String::from_utf8(plain).ok()?);
        Some(Self { text, kept: Some((found.connection, found.ends)) })
    }

    /// The text, for a check.
    pub(super) fn text(&self) -> &str {
        self.text.expose()
    }

    /// Whether it was typed with other IDs than these, so that it must not be used.
    pub(super) fn is_for_others(&self, now: TypedConnection) -> bool {
        self.kept.is_some_and(|it| !it.0.admits(now))
    }

    /// Keeps the secret for the same visit. Returns whether it is kept: only what can be a client
    /// secret is.
    pub(super) fn keep(
        &self,
        exchange: &Exchange<'_>,
        visit: &SetUpVisit,
        connection: TypedConnection,
    ) -> bool {
        let now = exchange.sidecar.process.clock.now();
        if !visit.may_change_secret(now) || OrganizationCredential::of_value(self.text()).is_err() {
            return false;
        }
        // What is kept stays bound to what it was typed with, and is not kept any longer.
        let (connection, ends) = match self.kept {
            Some((typed, ends)) => (
                TypedConnection {
                    tenant: typed.tenant.or(connection.tenant),
                    client_id: typed.client_id.or(connection.client_id),
                },
                ends,
            ),
            None => (connection, now.saturating_add(TYPED_SECRET_SECONDS)),
        };
        let sealed = exchange.sidecar.typed_secrets.seal(&name(visit), self.text().as_bytes());
        let (Some(place), Some(sealed)) = (place(exchange, visit), sealed) else { return false };
        let secret = TypedSecret { sealed, connection, ends };
        exchange.sidecar.process.typed_secrets.keep(place, secret, now);
        true
    }
}

/// The IDs of a connection that is saved.
pub(super) fn saved_connection(organization: &Organization) -> TypedConnection {
    TypedConnection { tenant: organization.tenant, client_id: organization.client_id }
}

/// Whether a secret is kept for this visit.
pub(super) fn is_kept(exchange: &Exchange<'_>, visit: &SetUpVisit) -> bool {
    find(exchange, visit).is_some()
}

/// Forgets the secret of this visit.
pub(super) fn forget(exchange: &Exchange<'_>, visit: &SetUpVisit) {
    if let Some(place) = place(exchange, visit) {
        exchange.sidecar.process.typed_secrets.forget(&place);
    }
}

fn find(exchange: &Exchange<'_>, visit: &SetUpVisit) -> Option<TypedSecret> {
    let process = &exchange.sidecar.process;
    let now = process.clock.now();
    // Later, the visitor must confirm the password before a secret is changed.
    let found = process.typed_secrets.find(&place(exchange, visit)?, now)?;
    visit.may_change_secret(now).then_some(found)
}

fn place(exchange: &Exchange<'_>, visit: &SetUpVisit) -> Option<TypedSecretVisit> {
    let organization = visit.organization().id;
    match visit.invitation() {
        Some(link) => Some(TypedSecretVisit::of_link(organization, link)),
        None => Some(TypedSecretVisit::of_session(organization, exchange.session_id()?)),
    }
}

/// The name under which it is sealed: in the place of another visit, it opens nothing.
fn name(visit: &SetUpVisit) -> String {
    format!("{} {}", visit.organization().id, visit.by())
}
