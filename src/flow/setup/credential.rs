//! `/setup/credential`: the organization's credential, which is replaced without interruption and
//! never shown.

use super::super::exchange::Exchange;
use super::super::refusal::Refusal;
use super::super::sign_in_url::page_url;
use super::admin_page::{address, admin_page, called, done, shown, to};
use super::gate::SetUpVisit;
use super::kept_secret::{self, FormSecret, saved_connection};
use crate::base::calendar;
use crate::base::calendar::days_until;
use crate::base::client_secret::BadClientSecret;
use crate::base::own_path;
use crate::base::return_to::ReturnTo;
use crate::directory::change::OrganizationChange;
use crate::directory::organization::OrganizationSource;
use crate::directory::organization_credential::{CredentialKind, OrganizationCredential};
use crate::directory::{Directory, Error};
use crate::pages::Page;
use crate::pages::credential::{CredentialPage, NewCredentialView};
use crate::wire::body::Body;
use crate::wire::form::FormFields;
use http::{Response, StatusCode};

/// The actions that the page can report as done.
const DONE_CREDENTIAL_ACTIONS: [&str; 3] = ["waits", "set", "taken_back"];

/// Shows the state of the credential.
pub(super) async fn show(
    exchange: &Exchange<'_>,
    directory: &Directory,
    visit: &SetUpVisit,
) -> Result<Response<Body>, Refusal> {
    let page = page(exchange, directory, visit).await?;
    Ok(shown(
        exchange,
        StatusCode::OK,
        &Page::Credential(Box::new(CredentialPage {
            done: done(exchange.inbound, DONE_CREDENTIAL_ACTIONS),
            ..page
        })),
    ))
}

/// Performs the action of a form.
pub(super) async fn change(
    exchange: &Exchange<'_>,
    directory: &Directory,
    visit: &SetUpVisit,
    form: &FormFields,
) -> Result<Response<Body>, Refusal> {
    let Exchange { sidecar, .. } = *exchange;
    let organization = visit.organization();
    if organization.source == OrganizationSource::File
        || !visit.may_change_secret(sidecar.process.clock.now())
    {
        let page = page(exchange, directory, visit).await?;
        return Ok(shown(exchange, StatusCode::FORBIDDEN, &Page::Credential(Box::new(page))));
    }
    let change = match form.text("do") {
        "take_back" => OrganizationChange { withdraw_new: true, ..OrganizationChange::default() },
        "set" => match new_secret(exchange, visit, form) {
            Ok(change) => change,
            Err(problem) => {
                let page = CredentialPage {
                    problem: Some(problem),
                    ..page(exchange, directory, visit).await?
                };
                return Ok(shown(
                    exchange,
                    StatusCode::UNPROCESSABLE_ENTITY,
                    &Page::Credential(Box::new(page)),
                ));
            }
        },
        _ => return Err(Refusal::BadForm),
    };
    let change = OrganizationChange { origin: visit.change_origin(), ..change };
    let took_back = change.withdraw_new;
    let after = match directory.change_organization(&organization.code, change, &visit.by()).await {
        Ok(after) => after,
        Err(Error::NeedsHighestRole(_)) => {
            let page = CredentialPage {
                problem: Some("not_highest"),
                ..page(exchange, directory, visit).await?
            };
            return Ok(shown(exchange, StatusCode::CONFLICT, &Page::Credential(Box::new(page))));
        }
        Err(other) => return Err(other.into()),
    };
    if !took_back {
        kept_secret::forget(exchange, visit);
    }
    tracing::info!(organization = %after.code, by = visit.by(), withdrawn = took_back, waiting = after.pending_credential.is_some(), "organization's credential changed on the set-up page");
    let done = match after.pending_credential {
        Some(_) => "waits",
        None if took_back => "taken_back",
        None => "set",
    };
    to(exchange.app, "credential", &[("done", done)])
}

/// Reads the new secret, or returns the reason why it is not valid. A secret that is refused because
/// of its date is kept.
fn new_secret(
    exchange: &Exchange<'_>,
    visit: &SetUpVisit,
    form: &FormFields,
) -> Result<OrganizationChange, &'static str> {
    let saved = saved_connection(visit.organization());
    let secret = FormSecret::of(exchange, visit, form.text("secret"));
    let secret = secret.filter(|it| !it.is_for_others(saved));
    let text = secret.as_ref().map(FormSecret::text).unwrap_or_default();
    let proof = OrganizationCredential::of_value(text).map_err(|it| {
        kept_secret::forget(exchange, visit);
        match it {
            BadClientSecret::SecretId => "id",
            _ => "none",
        }
    })?;
    let ends = end_of(form, exchange.sidecar.process.clock.now()).inspect_err(|_| {
        if let Some(secret) = &secret {
            secret.keep(exchange, visit, saved);
        }
    })?;
    Ok(OrganizationChange {
        proof: Some(proof),
        credential_ends: ends,
        ..OrganizationChange::default()
    })
}

/// Reads the expiry date, or returns the reason why it is not valid.
fn end_of(form: &FormFields, now: u64) -> Result<Option<u64>, &'static str> {
    let ends = match form.text("ends") {
        "" => None,
        text => Some(calendar::day(text).ok_or("date")?),
    };
    if ends.is_some_and(|it| it <= now) { Err("past") } else { Ok(ends) }
}

async fn page(
    exchange: &Exchange<'_>,
    directory: &Directory,
    visit: &SetUpVisit,
) -> Result<CredentialPage, Refusal> {
    let (organization, now) = (visit.organization(), exchange.sidecar.process.clock.now());
    let held = directory.credential_of(organization).await?;
    let waiting = match &organization.pending_credential {
        Some(it) => Some(NewCredentialView {
            kind: held.waiting.map(CredentialKind::as_str),
            since: it.since,
            by: called(directory, visit, &it.by).await?,
            refused: it.refused.clone(),
        }),
        None => None,
    };
    // Requires the password again: a sign-in that Entra remembers would prove nothing new.
    let here = ReturnTo::parse(&address(exchange.app, "credential", &[]), &exchange.app.site);
    let again = || {
        format!(
            "{}&prompt=login",
            page_url(
                &exchange.app.site,
                own_path::START,
                &here,
                &[],
                Some(organization.code.as_str())
            )
        )
    };
    Ok(CredentialPage {
        admin: admin_page(exchange.app, visit),
        in_file: organization.source == OrganizationSource::File,
        kind: held.kind.map(CredentialKind::as_str),
        ends: organization.credential_ends.map(|it| (it, days_until(it, now))),
        waiting,
        again: (!visit.may_change_secret(now)).then(again),
        is_secret_kept: kept_secret::is_kept(exchange, visit),
        problem: None,
        done: None,
    })
}
