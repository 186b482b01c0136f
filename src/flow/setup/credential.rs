//! `/setup/credential`: what the organization proves itself by, which is replaced without a gap and never shown.

use super::super::organization::url;
use super::super::refusal::Refusal;
use super::desk::{address, called, desk, done, shown, to};
use super::gate::Visit;
use crate::base::calendar;
use crate::base::return_to::ReturnTo;
use crate::directory::change::OrganizationChange;
use crate::directory::organization::{Source, days_until};
use crate::directory::proof::{Kind, NoValue, Proof};
use crate::directory::{Directory, Error};
use crate::pages::Page;
use crate::pages::desk::{Credential, Waiting};
use crate::sidecar::Sidecar;
use crate::wire::body::Body;
use crate::wire::form::Form;
use crate::wire::inbound::Inbound;
use http::{Response, StatusCode};

/// What can be said to have been done.
const DONE: [&str; 3] = ["waits", "set", "taken_back"];

/// How it stands.
pub(super) async fn show(house: &Sidecar, inbound: &Inbound, directory: &Directory, visit: &Visit) -> Result<Response<Body>, Refusal> {
    let page = page(house, directory, visit).await?;
    Ok(shown(house, inbound, StatusCode::OK, &Page::Credential(Box::new(Credential { done: done(inbound, DONE), ..page }))))
}

/// Does what a form says.
pub(super) async fn change(house: &Sidecar, inbound: &Inbound, directory: &Directory, visit: &Visit, form: &Form) -> Result<Response<Body>, Refusal> {
    let organization = visit.organization();
    if organization.source == Source::File || !visit.may_change_secret(house.lasting.clock.now()) {
        let page = page(house, directory, visit).await?;
        return Ok(shown(house, inbound, StatusCode::FORBIDDEN, &Page::Credential(Box::new(page))));
    }
    let change = match form.text("do") {
        "take_back" => OrganizationChange { take_back: true, ..OrganizationChange::default() },
        "set" => match anew(form, house.lasting.clock.now()) {
            Ok(change) => change,
            Err(problem) => {
                let page = Credential { problem: Some(problem), ..page(house, directory, visit).await? };
                return Ok(shown(house, inbound, StatusCode::UNPROCESSABLE_ENTITY, &Page::Credential(Box::new(page))));
            }
        },
        _ => return Err(Refusal::BadForm),
    };
    let change = OrganizationChange { asking: visit.asking(), ..change };
    let took_back = change.take_back;
    let after = match directory.change_organization(&organization.code, change, &visit.by()).await {
        Ok(after) => after,
        Err(Error::NeedsHighestRole(_)) => {
            let page = Credential { problem: Some("not_highest"), ..page(house, directory, visit).await? };
            return Ok(shown(house, inbound, StatusCode::CONFLICT, &Page::Credential(Box::new(page))));
        }
        Err(other) => return Err(other.into()),
    };
    tracing::info!(organization = %after.code, by = visit.by(), withdrawn = took_back, waiting = after.waiting.is_some(), "organization's credential changed on the set-up page");
    let done = match after.waiting {
        Some(_) => "waits",
        None if took_back => "taken_back",
        None => "set",
    };
    to(house, "credential", &[("done", done)])
}

/// What was typed; or what is wrong with it.
fn anew(form: &Form, now: u64) -> Result<OrganizationChange, &'static str> {
    let proof = Proof::of_value(form.text("secret")).map_err(|it| match it {
        NoValue::SecretId => "id",
        NoValue::Other => "none",
    })?;
    let ends = match form.text("ends") {
        "" => None,
        text => Some(calendar::day(text).ok_or("date")?),
    };
    if ends.is_some_and(|it| it <= now) {
        return Err("past");
    }
    Ok(OrganizationChange { proof: Some(proof), credential_ends: ends, ..OrganizationChange::default() })
}

async fn page(house: &Sidecar, directory: &Directory, visit: &Visit) -> Result<Credential, Refusal> {
    let (organization, now) = (visit.organization(), house.lasting.clock.now());
    let held = directory.credential_of(organization).await?;
    let waiting = match &organization.waiting {
        Some(it) => {
            Some(Waiting { kind: held.waiting.map(Kind::as_str), since: it.since, by: called(directory, visit, &it.by).await?, refused: it.refused.clone() })
        }
        None => None,
    };
    // Asked for the password again: a sign-in that Entra remembers would prove nothing new.
    let here = ReturnTo::parse(&address(house, "credential", &[]), &house.site);
    let again = || format!("{}&prompt=login", url(&house.site, "start", &here, &[], Some(organization.code.as_str())));
    Ok(Credential {
        desk: desk(house, visit),
        in_file: organization.source == Source::File,
        kind: held.kind.map(Kind::as_str),
        ends: organization.credential_ends.map(|it| (it, days_until(it, now))),
        waiting,
        again: (!visit.may_change_secret(now)).then(again),
        problem: None,
        done: None,
    })
}
