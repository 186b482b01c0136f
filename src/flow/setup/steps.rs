//! The steps of the set-up: where to enter values, the values that were found, and the progress.

use super::super::exchange::Exchange;
use super::super::refusal::Refusal;
use super::super::sign_in_url::page_url;
use super::gate::SetUpVisit;
use super::{domains, entered_ids, frame, kept_secret, status};
use crate::base::calendar;
use crate::base::own_path;
use crate::base::return_to::ReturnTo;
use crate::directory::organization::{Organization, OrganizationSource, OrganizationState};
use crate::entra;
use crate::pages::setup::{DiscoveredTenant, FieldErrors, SetUpPage, SetUpSteps, TypedFields};
use crate::sidecar::app::App;
use crate::sidecar::organizations::OrganizationRegistry;
use crate::wire::body::Body;
use http::{Response, StatusCode};

/// The actions that the URL can report as done.
const DONE_STEP_ACTIONS: [&str; 3] = ["saved", "moved", "on"];

/// `GET /setup`: shows the steps.
pub(super) async fn page(
    exchange: &Exchange<'_>,
    all: &OrganizationRegistry,
    visit: &SetUpVisit,
) -> Result<Response<Body>, Refusal> {
    let query = exchange.inbound.target.query().unwrap_or_default();
    let done = DONE_STEP_ACTIONS.into_iter().find(|it| {
        url::form_urlencoded::parse(query.as_bytes())
            .any(|(name, value)| name == "done" && value == *it)
    });
    // A link from another site may contain any value.
    let done = done.filter(|it| match *it {
        "on" => visit.organization().state == OrganizationState::On,
        "moved" => visit.organization().state == OrganizationState::Off,
        _ => true,
    });
    let steps = steps(exchange, all, visit).await?;
    Ok(frame::show(
        exchange,
        StatusCode::OK,
        SetUpPage::Steps(Box::new(SetUpSteps { done, ..steps })),
    ))
}

/// Shows the page again, with the reason why an action was not done.
pub(super) async fn again(
    exchange: &Exchange<'_>,
    all: &OrganizationRegistry,
    visit: &SetUpVisit,
    why: &'static str,
) -> Result<Response<Body>, Refusal> {
    again_without_secret(exchange, all, visit, why, false).await
}

/// Like `again`, and says that the secret that was entered is lost, if it is.
pub(super) async fn again_without_secret(
    exchange: &Exchange<'_>,
    all: &OrganizationRegistry,
    visit: &SetUpVisit,
    why: &'static str,
    is_secret_lost: bool,
) -> Result<Response<Body>, Refusal> {
    let mut steps = SetUpSteps { refused: Some(why), ..steps(exchange, all, visit).await? };
    steps.typed.secret = is_secret_lost;
    Ok(frame::show(exchange, StatusCode::CONFLICT, SetUpPage::Steps(Box::new(steps))))
}

/// Shows the page again, with the entered values and their errors.
pub(super) async fn refused(
    exchange: &Exchange<'_>,
    all: &OrganizationRegistry,
    visit: &SetUpVisit,
    typed: TypedFields,
    wrong: FieldErrors,
) -> Result<Response<Body>, Refusal> {
    let steps = SetUpSteps {
        refused: Some("not_saved"),
        typed,
        may_swap: wrong.tenant == Some(entered_ids::SWAPPED),
        wrong,
        ..steps(exchange, all, visit).await?
    };
    Ok(frame::show(exchange, StatusCode::UNPROCESSABLE_ENTITY, SetUpPage::Steps(Box::new(steps))))
}

async fn steps(
    exchange: &Exchange<'_>,
    all: &OrganizationRegistry,
    visit: &SetUpVisit,
) -> Result<SetUpSteps, Refusal> {
    let Exchange { sidecar, app, .. } = *exchange;
    let organization = visit.organization();
    let id = |it: Option<crate::base::guid::Guid>| it.map(|it| it.to_string()).unwrap_or_default();
    let ends = organization.credential_ends.and_then(|it| u64::try_from(it).ok());
    let tested = all.directory().tested(organization).await?.and_then(|it| u64::try_from(it).ok());
    let here = ReturnTo::parse(&app.site.setup_path(), &app.site);
    let complete = organization.tenant.is_some()
        && organization.client_id.is_some()
        && organization.has_credential;
    let (discovered, undiscovered) = match discovered(all, visit).await? {
        Some(Ok(it)) => (Some(it), None),
        Some(Err(why)) => (None, Some(why)),
        None => (None, None),
    };
    let may_swap = undiscovered.as_ref().is_some_and(|it| it.0 == "no_tenant")
        && (visit.invitation().is_some() || organization.state != OrganizationState::On)
        && are_swapped(all, organization).await;
    Ok(SetUpSteps {
        head: frame::head(app, visit),
        by_link: visit.invitation().is_some(),
        in_file: organization.source == OrganizationSource::File,
        redirect_uri: app.site.redirect_uri(),
        typed: TypedFields {
            tenant: id(organization.tenant),
            client_id: id(organization.client_id),
            ends: ends.map(calendar::utc_day).unwrap_or_default(),
            secret: false,
        },
        wrong: FieldErrors::default(),
        may_swap,
        is_secret_kept: kept_secret::is_kept(exchange, visit),
        status: status::card(exchange, all.directory(), visit).await?,
        has_secret: organization.has_credential,
        waits: organization.pending_credential.is_some(),
        may_turn_off: match visit.person() {
            Some(person) => all.directory().has_highest_role(organization.id, person).await?,
            None => true,
        },
        may_change_secret: visit.may_change_secret(sidecar.process.clock.now()),
        fresh: format!(
            "{}&prompt=login",
            page_url(&app.site, own_path::START, &here, &[], Some(organization.code.as_str()))
        ),
        discovered,
        undiscovered,
        complete,
        tested: tested.map(calendar::utc),
        state: organization.state.as_str(),
        domains: domains::summary(all.directory(), visit).await?,
        code: organization.code.to_string(),
        start: start_link(app, organization),
        done: None,
        refused: None,
    })
}

/// Returns the link with which people of an organization sign in without typing anything.
fn start_link(app: &App, organization: &Organization) -> String {
    let (origin, prefix) = (app.site.origin(), app.site.prefix());
    format!("{origin}{prefix}{}?organization={}", own_path::START, organization.code)
}

/// Whether the IDs that are saved are swapped.
async fn are_swapped(all: &OrganizationRegistry, organization: &Organization) -> bool {
    match (organization.tenant, organization.client_id) {
        (Some(tenant), Some(client_id)) => entered_ids::are_swapped(all, tenant, client_id).await,
        _ => false,
    }
}

/// Returns the values that Entra publishes about the tenant, or nothing if the connection is
/// incomplete. If Entra is unreachable, returns a reason word with its code.
async fn discovered(
    all: &OrganizationRegistry,
    visit: &SetUpVisit,
) -> Result<Option<Result<DiscoveredTenant, (&'static str, Option<String>)>>, Refusal> {
    let Ok(entra) = all.entra(visit.organization()).await else { return Ok(None) };
    Ok(Some(match entra.discovered().await {
        Ok(it) => Ok(DiscoveredTenant {
            tenant: it.tenant.map(|it| it.to_string()),
            cloud: it.cloud,
            region: it.region,
            issuer: it.issuer,
        }),
        Err(entra::Error::Refused(it)) => Err((
            if it.code == Some(90002) { "no_tenant" } else { "no_discovery" },
            it.code.map(|it| format!("AADSTS{it}")),
        )),
        Err(_) => Err(("no_answer", None)),
    }))
}
