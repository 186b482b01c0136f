//! Reads, validates and saves the connection that an admin entered.

use super::super::exchange::Exchange;
use super::super::refusal::Refusal;
use super::frame;
use super::gate::SetUpVisit;
use super::steps;
use crate::base::calendar;
use crate::base::client_secret::BadClientSecret;
use crate::base::guid::Guid;
use crate::directory::Error;
use crate::directory::change::{ChangeOrigin, OrganizationChange};
use crate::directory::organization::OrganizationState;
use crate::directory::organization_credential::OrganizationCredential;
use crate::pages::setup::{FieldErrors, TypedFields};
use crate::sidecar::organizations::{OrganizationRegistry, UnknownTenant};
use crate::wire::body::Body;
use crate::wire::form::FormFields;
use http::Response;

/// `POST /setup/connection`: saves the connection.
pub(super) async fn save(
    exchange: &Exchange<'_>,
    all: &OrganizationRegistry,
    visit: &SetUpVisit,
    form: &FormFields,
) -> Result<Response<Body>, Refusal> {
    let now = exchange.sidecar.process.clock.now();
    let tenant = tenant(all, form.text("tenant")).await;
    let (change, wrong) = read(form, visit, tenant, now);
    if matches!(visit.change_origin(), ChangeOrigin::Admin(_)) && change.moves(visit.organization())
    {
        return steps::again(exchange, all, visit, "stays").await;
    }
    if wrong != FieldErrors::default() {
        return steps::refused(exchange, all, visit, typed(form), wrong).await;
    }
    match all.directory().change_organization(&visit.organization().code, change, &visit.by()).await
    {
        Ok(organization) => {
            tracing::info!(organization = %organization.code, by = visit.by(), "organization's connection changed on the set-up page");
            // The visitor has a link. The new tenant or client ID turned the organization off.
            frame::redirect_back(
                exchange.app,
                if visit.organization().state == OrganizationState::On
                    && organization.state == OrganizationState::Off
                {
                    "moved"
                } else {
                    "saved"
                },
            )
        }
        Err(Error::StaysWhileOn(_)) => steps::again(exchange, all, visit, "stays").await,
        Err(Error::NeedsHighestRole(_)) => steps::again(exchange, all, visit, "not_highest").await,
        Err(Error::InFile(_)) => steps::again(exchange, all, visit, "in_file").await,
        Err(other) => Err(other.into()),
    }
}

/// Returns the entered values to show again, without the secret.
fn typed(form: &FormFields) -> TypedFields {
    let short = |name: &str| form.text(name).chars().take(100).collect();
    TypedFields {
        tenant: short("tenant"),
        client_id: short("client_id"),
        ends: short("ends"),
        secret: !form.text("client_secret").is_empty(),
    }
}

/// Returns the entered tenant: its ID, or the tenant of a domain that is verified there.
async fn tenant(all: &OrganizationRegistry, typed: &str) -> Result<Guid, &'static str> {
    if let Some(id) = Guid::parse(typed) {
        return Ok(id);
    }
    all.tenant_of(typed).await.map_err(|it| match it {
        UnknownTenant::NoDomain => "wrong_tenant",
        UnknownTenant::Unknown => "wrong_domain",
        UnknownTenant::NoAnswer => "no_answer",
    })
}

fn read(
    form: &FormFields,
    visit: &SetUpVisit,
    tenant: Result<Guid, &'static str>,
    now: u64,
) -> (OrganizationChange, FieldErrors) {
    let organization = visit.organization();
    let mut wrong = FieldErrors { tenant: tenant.err(), ..FieldErrors::default() };
    let tenant = tenant.ok();
    let client_id = Guid::parse(form.text("client_id"));
    wrong.client_id = match client_id {
        None => Some("wrong_client_id"),
        Some(_) if client_id == tenant => Some("wrong_same"),
        Some(_) => None,
    };
    let secret = form.text("client_secret");
    let proof = OrganizationCredential::of_value(secret);
    wrong.client_secret = match secret {
        // The existing credential is kept, unless it belongs to another app registration.
        "" if organization.has_credential
            && organization.client_id == client_id
            && organization.tenant == tenant =>
        {
            None
        }
        "" if organization.has_credential => Some("wrong_other_secret"),
        "" => Some("wrong_no_secret"),
        _ if !visit.may_change_secret(now) => Some("wrong_stale"),
        _ => match &proof {
            Ok(_) => None,
            Err(BadClientSecret::SecretId) => Some("wrong_secret_id"),
            Err(_) => Some("wrong_secret"),
        },
    };
    let ends = form.text("ends");
    let day = calendar::day(ends);
    wrong.ends = match day {
        None if !ends.is_empty() => Some("wrong_ends"),
        Some(it) if it <= now => Some("wrong_past"),
        _ => None,
    };
    let changed = |new: Option<Guid>, old: Option<Guid>| new.filter(|_| new != old);
    let change = OrganizationChange {
        origin: visit.change_origin(),
        tenant: changed(tenant, organization.tenant),
        client_id: changed(client_id, organization.client_id),
        proof: proof.ok(),
        credential_ends: day.filter(|it| {
            !secret.is_empty() || organization.credential_ends != i64::try_from(*it).ok()
        }),
        ..OrganizationChange::default()
    };
    (change, wrong)
}
