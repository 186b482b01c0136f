//! The steps: what is entered where, what was found out, and how far it is.

use super::super::organization::url;
use super::super::refusal::Refusal;
use super::frame;
use super::gate::Visit;
use crate::base::calendar;
use crate::base::return_to::ReturnTo;
use crate::directory::organization::{Source, State};
use crate::entra;
use crate::pages::setup::{Discovered, SetUp, Steps, Typed, Wrong};
use crate::sidecar::Sidecar;
use crate::sidecar::organizations::Organizations;
use crate::wire::body::Body;
use crate::wire::inbound::Inbound;
use http::{Response, StatusCode};

/// What was done just now, as the address says it.
const DONE: [&str; 3] = ["saved", "moved", "on"];

/// `GET /setup`.
pub(super) async fn page(house: &Sidecar, all: &Organizations, inbound: &Inbound, visit: &Visit) -> Result<Response<Body>, Refusal> {
    let query = inbound.target.query().unwrap_or_default();
    let done = DONE.into_iter().find(|it| url::form_urlencoded::parse(query.as_bytes()).any(|(name, value)| name == "done" && value == *it));
    // A link from elsewhere may say anything.
    let done = done.filter(|it| match *it {
        "on" => visit.organization().state == State::On,
        "moved" => visit.organization().state == State::Off,
        _ => true,
    });
    let steps = steps(house, all, visit).await?;
    Ok(frame::show(house, inbound, StatusCode::OK, SetUp::Steps(Box::new(Steps { done, ..steps }))))
}

/// The page once more, with a word why something was not done.
pub(super) async fn again(house: &Sidecar, all: &Organizations, inbound: &Inbound, visit: &Visit, why: &'static str) -> Result<Response<Body>, Refusal> {
    let steps = Steps { refused: Some(why), ..steps(house, all, visit).await? };
    Ok(frame::show(house, inbound, StatusCode::CONFLICT, SetUp::Steps(Box::new(steps))))
}

/// The page once more, with what was typed and what is wrong with it.
pub(super) async fn refused(
    house: &Sidecar,
    all: &Organizations,
    inbound: &Inbound,
    visit: &Visit,
    (typed, wrong): (Typed, Wrong),
) -> Result<Response<Body>, Refusal> {
    let steps = Steps { refused: Some("not_saved"), typed, wrong, ..steps(house, all, visit).await? };
    Ok(frame::show(house, inbound, StatusCode::UNPROCESSABLE_ENTITY, SetUp::Steps(Box::new(steps))))
}

async fn steps(house: &Sidecar, all: &Organizations, visit: &Visit) -> Result<Steps, Refusal> {
    let organization = visit.organization();
    let id = |it: Option<crate::base::guid::Guid>| it.map(|it| it.to_string()).unwrap_or_default();
    let ends = organization.credential_ends.and_then(|it| u64::try_from(it).ok());
    let tested = all.directory().tested(organization).await?.and_then(|it| u64::try_from(it).ok());
    let here = ReturnTo::parse(&house.site.setup_path(), &house.site);
    let complete = organization.tenant.is_some() && organization.client_id.is_some() && organization.has_credential;
    let (discovered, undiscovered) = match discovered(all, visit).await? {
        Some(Ok(it)) => (Some(it), None),
        Some(Err(why)) => (None, Some(why)),
        None => (None, None),
    };
    Ok(Steps {
        head: frame::head(house, visit),
        by_link: visit.invitation().is_some(),
        in_file: organization.source == Source::File,
        redirect_uri: house.site.redirect_uri(),
        typed: Typed {
            tenant: id(organization.tenant),
            client_id: id(organization.client_id),
            ends: ends.map(calendar::utc_day).unwrap_or_default(),
            secret: false,
        },
        wrong: Wrong::default(),
        has_secret: organization.has_credential,
        waits: organization.waiting.is_some(),
        may_turn_off: match visit.person() {
            Some(person) => all.directory().has_highest_role(organization.id, person).await?,
            None => true,
        },
        may_change_secret: visit.may_change_secret(house.lasting.clock.now()),
        fresh: format!("{}&prompt=login", url(&house.site, "start", &here, &[], Some(organization.code.as_str()))),
        discovered,
        undiscovered,
        complete,
        tested: tested.map(calendar::utc),
        state: organization.state.as_str(),
        code: organization.code.to_string(),
        start: format!("{}{}/start?organization={}", house.site.origin(), house.site.prefix(), organization.code),
        done: None,
        refused: None,
    })
}

/// What Entra tells of the tenant; nothing where the connection is not complete. A word of ours where it cannot be asked, with its code.
async fn discovered(all: &Organizations, visit: &Visit) -> Result<Option<Result<Discovered, (&'static str, Option<String>)>>, Refusal> {
    let Ok(entra) = all.entra(visit.organization()).await else { return Ok(None) };
    Ok(Some(match entra.discovered().await {
        Ok(it) => Ok(Discovered { tenant: it.tenant.map(|it| it.to_string()), cloud: it.cloud, region: it.region, issuer: it.issuer }),
        Err(entra::Error::Refused(it)) => Err((if it.code == Some(90002) { "no_tenant" } else { "no_discovery" }, it.code.map(|it| format!("AADSTS{it}")))),
        Err(_) => Err(("no_answer", None)),
    }))
}
