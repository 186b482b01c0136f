//! Deletes a person, or merges two people that an admin chose. A page first names what goes.

use super::super::exchange::Exchange;
use super::super::refusal::Refusal;
use super::super::sign_in_url::page_url;
use super::admin_page::{address, admin_page, admin_scope, query_value, shown, to};
use super::gate::SetUpVisit;
use super::requests::locked;
use crate::base::guid::Guid;
use crate::base::own_path;
use crate::base::return_to::ReturnTo;
use crate::base::username::Username;
use crate::directory::admin::ActionError;
use crate::directory::person::Person;
use crate::directory::{Directory, Error};
use crate::pages::Page;
use crate::pages::removal::{RemovalPage, RemovalPerson, RemovalStep};
use crate::wire::body::Body;
use crate::wire::form::FormFields;
use http::{Response, StatusCode};

/// Maximum length of a typed username, in characters.
const MAX_TYPED_CHARS: usize = 256;

/// `GET /setup/people?person=&confirm=`: asks for confirmation. The reader may change the person.
pub(super) async fn confirm(
    exchange: &Exchange<'_>,
    directory: &Directory,
    visit: &SetUpVisit,
    person: &Person,
    wanted: &str,
) -> Result<Response<Body>, Refusal> {
    match wanted {
        "delete" => Ok(page(exchange, visit, StatusCode::OK, person, RemovalStep::Delete, None)),
        "merge" => {
            let typed = query_value(exchange.inbound, "with").unwrap_or_default();
            let typed: String = typed.trim().chars().take(MAX_TYPED_CHARS).collect();
            let (step, problem) = merge_step(directory, visit, person, typed).await?;
            Ok(page(exchange, visit, StatusCode::OK, person, step, problem))
        }
        _ => Err(Refusal::NotFound),
    }
}

/// Returns the next step of a merge with the person of a typed username.
async fn merge_step(
    directory: &Directory,
    visit: &SetUpVisit,
    person: &Person,
    typed: String,
) -> Result<(RemovalStep, Option<&'static str>), Refusal> {
    if typed.is_empty() {
        return Ok((RemovalStep::Choose(typed), None));
    }
    let found = match Username::parse(&typed) {
        // A person of another organization is treated as not found.
        Some(username) => directory
            .person(&username)
            .await?
            .filter(|it| it.organization == visit.organization().id),
        None => None,
    };
    let Some(other) = found else { return Ok((RemovalStep::Choose(typed), Some("unknown"))) };
    if other.id == person.id {
        return Ok((RemovalStep::Choose(typed), Some("same")));
    }
    let problem = (person.linked.is_some() && other.linked.is_some()).then_some("both_linked");
    Ok((RemovalStep::Merge(known(&other)), problem))
}

/// `POST /setup/people` with `do=delete` or `do=merge`: carries it out, if the people are still those
/// that were shown.
pub(super) async fn carry_out(
    exchange: &Exchange<'_>,
    directory: &Directory,
    visit: &SetUpVisit,
    person: Guid,
    form: &FormFields,
) -> Result<Response<Body>, Refusal> {
    if locked(exchange, visit).is_some() {
        return Err(Refusal::Forbidden);
    }
    let person = of_organization(directory, visit, person).await?;
    let is_merge = form.text("do") == "merge";
    let other = if is_merge {
        let id = Guid::parse(form.text("other")).ok_or(Refusal::NotFound)?;
        Some(of_organization(directory, visit, id).await?)
    } else {
        None
    };
    let is_as_shown = form.text("shown") == person.username.as_str()
        && other.as_ref().is_none_or(|it| form.text("other_shown") == it.username.as_str());
    let acting = admin_scope(visit);
    let outcome = match &other {
        _ if !is_as_shown => Err(Error::Conflict.into()),
        Some(other) => directory.merge_people(&acting, person.id, other.id, None).await.map(drop),
        None => directory.delete_person(&acting, person.id).await.map(drop),
    };
    let gone = other.as_ref().map_or(person.id, |it| it.id);
    let problem = match outcome {
        Ok(()) => {
            // Takes effect here at once; other replicas learn of it from the history.
            exchange.sidecar.process.live.end_all_of_person(gone, None);
            tracing::info!(organization = %visit.organization().code, by = visit.by(), person = %gone, merged = is_merge, "person removed on the set-up page");
            let id = person.id.to_string();
            return if is_merge {
                to(exchange.app, "people", &[("person", &id), ("done", "merged")])
            } else {
                to(exchange.app, "people", &[("done", "deleted")])
            };
        }
        Err(ActionError::Directory(Error::Conflict)) => "changed",
        Err(ActionError::Directory(Error::BothLinked(..))) => "both_linked",
        Err(ActionError::Directory(Error::NotMergeable(..))) => "same",
        // One of the two may be above the reader, whom the page shows.
        Err(ActionError::Above) if is_merge => "above",
        Err(ActionError::NoSuchPerson) => return Err(Refusal::NotFound),
        Err(ActionError::Directory(error)) => return Err(error.into()),
        Err(_) => return Err(Refusal::Forbidden),
    };
    let step = other.as_ref().map_or(RemovalStep::Delete, |it| RemovalStep::Merge(known(it)));
    Ok(page(exchange, visit, StatusCode::CONFLICT, &person, step, Some(problem)))
}

async fn of_organization(
    directory: &Directory,
    visit: &SetUpVisit,
    id: Guid,
) -> Result<Person, Refusal> {
    let found = directory.person_by_id(id).await?;
    found.filter(|it| it.organization == visit.organization().id).ok_or(Refusal::NotFound)
}

fn known(it: &Person) -> RemovalPerson {
    RemovalPerson {
        id: it.id.to_string(),
        username: it.username.to_string(),
        name: it.name.clone(),
        email: it.email.clone(),
        role: it.role.clone(),
        last: it.last_sign_in,
        account: it.linked.map(|it| it.1.to_string()),
        on: it.on,
    }
}

fn page(
    exchange: &Exchange<'_>,
    visit: &SetUpVisit,
    status: StatusCode,
    person: &Person,
    step: RemovalStep,
    problem: Option<&'static str>,
) -> Response<Body> {
    let Exchange { app, .. } = *exchange;
    let here = address(app, "people", &[("person", &person.id.to_string())]);
    let here = ReturnTo::parse(&here, &app.site);
    let code = Some(visit.organization().code.as_str());
    let again = format!("{}&prompt=login", page_url(&app.site, own_path::START, &here, &[], code));
    let page = RemovalPage {
        admin: admin_page(app, visit),
        person: known(person),
        step,
        locked: locked(exchange, visit),
        again,
        problem,
    };
    shown(exchange, status, &Page::Removal(Box::new(page)))
}
