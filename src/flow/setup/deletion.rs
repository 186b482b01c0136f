//! `/setup/deletion`: an admin deletes the whole organization, after a page has named what goes.

use super::super::exchange::Exchange;
use super::super::refusal::Refusal;
use super::super::sign_in_url::page_url;
use super::super::sign_out;
use super::admin_page::{address, admin_page, admin_scope, shown};
use super::domains;
use super::frame::{self, SetUpMessage};
use super::gate::SetUpVisit;
use super::kept_secret;
use super::requests;
use crate::base::company_code::CompanyCode;
use crate::base::own_path;
use crate::base::return_to::ReturnTo;
use crate::directory::organization::OrganizationSource;
use crate::directory::{Directory, Error};
use crate::pages::Page;
use crate::pages::deletion::DeletionPage;
use crate::wire::body::Body;
use crate::wire::form::FormFields;
use http::header::SET_COOKIE;
use http::{Response, StatusCode};
use std::sync::Arc;

/// Maximum length of a typed code that is shown again, in characters.
const MAX_SHOWN_CHARS: usize = 64;

/// `GET /setup/deletion`: asks for confirmation.
pub(super) async fn confirm(
    exchange: &Exchange<'_>,
    directory: &Directory,
    visit: &SetUpVisit,
) -> Result<Response<Body>, Refusal> {
    let page = page(exchange, directory, visit).await?;
    Ok(shown(exchange, StatusCode::OK, &Page::Deletion(Box::new(page))))
}

/// `POST /setup/deletion`: turns the organization off and deletes it, if its code was typed and it
/// has as many people as were shown.
pub(super) async fn carry_out(
    exchange: &Exchange<'_>,
    directory: &Directory,
    visit: &SetUpVisit,
    form: &FormFields,
) -> Result<Response<Body>, Refusal> {
    if locked(exchange, directory, visit).await?.is_some() {
        return Err(Refusal::Forbidden);
    }
    let organization = visit.organization();
    let people: u64 = form.text("people").parse().map_err(|_| Refusal::BadForm)?;
    if CompanyCode::parse(form.text("code")).as_ref() != Some(&organization.code) {
        let typed = form.text("code").chars().take(MAX_SHOWN_CHARS).collect();
        let problem = Some("code");
        let page = DeletionPage { typed, problem, ..page(exchange, directory, visit).await? };
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        return Ok(shown(exchange, status, &Page::Deletion(Box::new(page))));
    }
    // Afterwards, nothing leads from the ID to a name.
    let myself = match visit.person() {
        Some(id) => directory.person_by_id(id).await?.map(|it| it.username.to_string()),
        None => None,
    };
    let acting = admin_scope(visit);
    match directory.delete_own_organization(&acting, &organization.code, people).await {
        Ok(()) => {
            tracing::warn!(organization = %organization.code, person = myself, by = visit.by(), people, "an admin deleted their organization on the set-up page");
            deleted(exchange, visit).await
        }
        Err(Error::Conflict | Error::OtherCount(..)) => {
            let problem = Some("changed");
            let page = DeletionPage { problem, ..page(exchange, directory, visit).await? };
            Ok(shown(exchange, StatusCode::CONFLICT, &Page::Deletion(Box::new(page))))
        }
        Err(Error::NeedsHighestRole(_) | Error::InFile(_)) => Err(Refusal::Forbidden),
        Err(other) => Err(other.into()),
    }
}

/// Ends the sessions here at once; other replicas learn of it from the history. The browser forgets
/// the session and the company.
async fn deleted(exchange: &Exchange<'_>, visit: &SetUpVisit) -> Result<Response<Body>, Refusal> {
    let Exchange { sidecar, app, .. } = *exchange;
    kept_secret::forget(exchange, visit);
    let (live, organization) = (Arc::clone(&sidecar.process.live), visit.organization().id);
    // A scan of all sessions, which must not keep others waiting. If it fails, the history is read.
    let _ = tokio::task::spawn_blocking(move || live.end_all_of_organization(organization)).await;
    let mut response = frame::message_page(exchange, SetUpMessage::Deleted);
    sign_out::remove_cookies(exchange, &mut response)?;
    let remembered = app.names.remove(&app.names.organization());
    response.headers_mut().extend(remembered.map(|it| (SET_COOKIE, it)));
    Ok(response)
}

/// Returns why the visitor may not delete the organization.
async fn locked(
    exchange: &Exchange<'_>,
    directory: &Directory,
    visit: &SetUpVisit,
) -> Result<Option<&'static str>, Refusal> {
    let organization = visit.organization();
    if organization.source == OrganizationSource::File {
        return Ok(Some("in_file"));
    }
    if let Some(person) = visit.person()
        && !directory.has_highest_role(organization.id, person).await?
    {
        return Ok(Some("not_highest"));
    }
    Ok(requests::locked(exchange, visit))
}

async fn page(
    exchange: &Exchange<'_>,
    directory: &Directory,
    visit: &SetUpVisit,
) -> Result<DeletionPage, Refusal> {
    let (app, organization) = (exchange.app, visit.organization());
    let here = ReturnTo::parse(&address(app, "deletion", &[]), &app.site);
    let code = Some(organization.code.as_str());
    let people = directory.count(organization.id).await?;
    Ok(DeletionPage {
        admin: admin_page(app, visit),
        code: organization.code.to_string(),
        people: u64::try_from(people).unwrap_or_default(),
        domains: domains::summary(directory, visit).await?,
        locked: locked(exchange, directory, visit).await?,
        again: format!("{}&prompt=login", page_url(&app.site, own_path::START, &here, &[], code)),
        typed: String::new(),
        problem: None,
    })
}
