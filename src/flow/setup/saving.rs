//! Reads, validates and saves the connection that an admin entered.

use super::super::exchange::Exchange;
use super::super::refusal::Refusal;
use super::entered_ids::EnteredIds;
use super::frame;
use super::gate::SetUpVisit;
use super::kept_secret::{self, FormSecret};
use super::steps;
use crate::base::calendar;
use crate::base::client_secret::BadClientSecret;
use crate::base::guid::Guid;
use crate::directory::Error;
use crate::directory::change::{ChangeOrigin, OrganizationChange};
use crate::directory::organization::OrganizationState;
use crate::directory::organization_credential::OrganizationCredential;
use crate::pages::setup::{FieldErrors, TypedFields};
use crate::sidecar::organizations::OrganizationRegistry;
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
    let ids = EnteredIds::read(all, visit.organization(), form).await;
    let secret = FormSecret::of(exchange, visit, form.text("client_secret"));
    let (change, wrong) = read(form, visit, &ids, secret.as_ref(), now);
    if matches!(visit.change_origin(), ChangeOrigin::Admin(_)) && change.moves(visit.organization())
    {
        return again(exchange, all, visit, form, "stays").await;
    }
    if wrong != FieldErrors::default() {
        keep(exchange, visit, &ids, secret.as_ref());
        return steps::refused(exchange, all, visit, typed(form, &ids), wrong).await;
    }
    match all.directory().change_organization(&visit.organization().code, change, &visit.by()).await
    {
        Ok(organization) => {
            kept_secret::forget(exchange, visit);
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
        Err(Error::StaysWhileOn(_)) => again(exchange, all, visit, form, "stays").await,
        Err(Error::NeedsHighestRole(_)) => again(exchange, all, visit, form, "not_highest").await,
        Err(Error::InFile(_)) => again(exchange, all, visit, form, "in_file").await,
        // The database is not available, and the form can be sent again when it is.
        Err(other) => {
            keep(exchange, visit, &ids, secret.as_ref());
            Err(other.into())
        }
    }
}

/// Keeps the secret of a form that is not saved, if it may be used with these IDs; otherwise forgets
/// it.
fn keep(
    exchange: &Exchange<'_>,
    visit: &SetUpVisit,
    ids: &EnteredIds,
    secret: Option<&FormSecret>,
) {
    let Some(secret) = secret else { return };
    let connection = ids.connection();
    if secret.is_for_others(connection) || !secret.keep(exchange, visit, connection) {
        kept_secret::forget(exchange, visit);
    }
}

/// Shows the page again for a change that this visitor cannot make, so that the secret is of no use.
async fn again(
    exchange: &Exchange<'_>,
    all: &OrganizationRegistry,
    visit: &SetUpVisit,
    form: &FormFields,
    why: &'static str,
) -> Result<Response<Body>, Refusal> {
    let is_secret_lost = !form.text("client_secret").is_empty();
    if is_secret_lost {
        kept_secret::forget(exchange, visit);
    }
    steps::again_without_secret(exchange, all, visit, why, is_secret_lost).await
}

/// Returns the entered values to show again, without the secret.
fn typed(form: &FormFields, ids: &EnteredIds) -> TypedFields {
    let short = |text: &str| text.chars().take(100).collect();
    TypedFields {
        tenant: short(&ids.texts.0),
        client_id: short(&ids.texts.1),
        ends: short(form.text("ends")),
        secret: !form.text("client_secret").is_empty(),
    }
}

fn read(
    form: &FormFields,
    visit: &SetUpVisit,
    ids: &EnteredIds,
    secret: Option<&FormSecret>,
    now: u64,
) -> (OrganizationChange, FieldErrors) {
    let organization = visit.organization();
    let proof = secret.map(|it| OrganizationCredential::of_value(it.text()));
    let ends = form.text("ends");
    let day = calendar::day(ends);
    let wrong = FieldErrors {
        tenant: ids.tenant.err(),
        client_id: ids.client_id_error(),
        client_secret: match (&proof, secret) {
            // It was typed with IDs that could be used, and these are others.
            (Some(_), Some(it)) if it.is_for_others(ids.connection()) => Some("wrong_kept"),
            (Some(_), _) if !visit.may_change_secret(now) => Some("wrong_stale"),
            (Some(Ok(_)), _) => None,
            (Some(Err(BadClientSecret::SecretId)), _) => Some("wrong_secret_id"),
            (Some(Err(_)), _) => Some("wrong_secret"),
            // The existing credential is kept, unless it belongs to another app registration.
            (None, _) if organization.has_credential && ids.are_those_of(organization) => None,
            (None, _) if organization.has_credential => Some("wrong_other_secret"),
            (None, _) => Some("wrong_no_secret"),
        },
        ends: match day {
            None if !ends.is_empty() => Some("wrong_ends"),
            Some(it) if it <= now => Some("wrong_past"),
            _ => None,
        },
    };
    let changed = |new: Option<Guid>, old: Option<Guid>| new.filter(|_| new != old);
    let change = OrganizationChange {
        origin: visit.change_origin(),
        tenant: changed(ids.tenant.ok(), organization.tenant),
        client_id: changed(ids.client_id, organization.client_id),
        proof: proof.and_then(Result::ok),
        credential_ends: day.filter(|it| {
            secret.is_some() || organization.credential_ends != i64::try_from(*it).ok()
        }),
        ..OrganizationChange::default()
    };
    (change, wrong)
}
