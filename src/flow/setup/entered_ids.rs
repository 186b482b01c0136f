//! The tenant ID and the client ID of a form, and whether they are swapped.

use crate::base::guid::Guid;
use crate::directory::organization::Organization;
use crate::sidecar::organizations::{OrganizationRegistry, UnknownTenant};
use crate::sidecar::typed_secrets::TypedConnection;
use crate::wire::form::FormFields;

/// The error of two IDs that are swapped.
pub(super) const SWAPPED: &str = "wrong_swapped";

/// The IDs that were entered.
pub(super) struct EnteredIds {
    /// The texts of both fields.
    pub(super) texts: (String, String),
    /// The tenant, or the error in its field.
    pub(super) tenant: Result<Guid, &'static str>,
    /// The app registration, if its field contains an ID.
    pub(super) client_id: Option<Guid>,
    /// Whether the visitor asked to swap the two.
    did_swap: bool,
}

impl EnteredIds {
    /// Reads the fields, and asks Entra about what is not saved yet.
    pub(super) async fn read(
        all: &OrganizationRegistry,
        organization: &Organization,
        form: &FormFields,
    ) -> Self {
        let did_swap = form.text("swap") == "1";
        let (tenant, client_id) = (form.text("tenant"), form.text("client_id"));
        let (tenant_text, client_text) =
            if did_swap { (client_id, tenant) } else { (tenant, client_id) };
        let client_id = Guid::parse(client_text);
        let mut tenant = tenant_of(all, tenant_text).await;
        if let (Some(one), Some(two)) = (Guid::parse(tenant_text), client_id)
            && (organization.tenant, organization.client_id) != (Some(one), Some(two))
            && are_swapped(all, one, two).await
        {
            tenant = Err(SWAPPED);
        }
        Self {
            texts: (tenant_text.to_owned(), client_text.to_owned()),
            tenant,
            client_id,
            did_swap,
        }
    }

    /// The error in the field of the client ID.
    pub(super) fn client_id_error(&self) -> Option<&'static str> {
        match self.client_id {
            None => Some("wrong_client_id"),
            Some(it) if self.tenant == Ok(it) => Some("wrong_same"),
            Some(_) => None,
        }
    }

    /// The IDs with which a secret may be used; swapped ones as they should be.
    pub(super) fn connection(&self) -> TypedConnection {
        if self.tenant == Err(SWAPPED) {
            let (tenant, client_id) = (self.client_id, Guid::parse(&self.texts.0));
            return TypedConnection { tenant, client_id };
        }
        let client_id = self.client_id.filter(|_| self.client_id_error().is_none());
        TypedConnection { tenant: self.tenant.ok(), client_id }
    }

    /// Whether the credential that is saved is for these IDs: they are saved with it, as they are
    /// now or, if the visitor swaps them, the other way round.
    pub(super) fn are_those_of(&self, organization: &Organization) -> bool {
        let (tenant, client_id) = (self.tenant.ok(), self.client_id);
        let saved = (organization.tenant, organization.client_id);
        saved == (tenant, client_id) || self.did_swap && saved == (client_id, tenant)
    }
}

/// Whether Entra knows the second ID as a tenant, and not the first.
pub(super) async fn are_swapped(all: &OrganizationRegistry, tenant: Guid, client_id: Guid) -> bool {
    tenant != client_id
        && all.is_tenant(tenant).await == Some(false)
        && all.is_tenant(client_id).await == Some(true)
}

/// Returns the entered tenant: its ID, or the tenant of a domain that is verified there.
async fn tenant_of(all: &OrganizationRegistry, typed: &str) -> Result<Guid, &'static str> {
    if let Some(id) = Guid::parse(typed) {
        return Ok(id);
    }
    all.tenant_of(typed).await.map_err(|it| match it {
        UnknownTenant::NoDomain => "wrong_tenant",
        UnknownTenant::Unknown => "wrong_domain",
        UnknownTenant::NoAnswer => "no_answer",
    })
}
