//! `/setup/people`: lists people and lets an admin manage them.

use super::super::exchange::Exchange;
use super::super::refusal::Refusal;
use super::admin_page::{
    address, admin_page, admin_scope, done, one_more, query_value, rows, shown, to,
};
use super::gate::SetUpVisit;
use super::removal;
use crate::base::guid::Guid;
use crate::base::username::Username;
use crate::directory::admin::{ActionError, PersonAction};
use crate::directory::people::PeopleQuery;
use crate::directory::person::Person;
use crate::directory::{Directory, Error};
use crate::pages::Page;
use crate::pages::admin::{PeoplePage, PersonPage, PersonPermissions, PersonRow};
use crate::sidecar::app::App;
use crate::wire::body::Body;
use crate::wire::form::FormFields;
use http::{Response, StatusCode};

/// Number of people on one page.
const LISTED_PEOPLE_PER_PAGE: usize = 25;
/// Maximum length of a search text, in characters.
const MAX_SEARCH_CHARS: usize = 128;

/// Shows all people, the search results, or one person.
pub(super) async fn show(
    exchange: &Exchange<'_>,
    directory: &Directory,
    visit: &SetUpVisit,
) -> Result<Response<Body>, Refusal> {
    match query_value(exchange.inbound, "person") {
        Some(id) => one(exchange, directory, visit, &id).await,
        None => all(exchange, directory, visit).await,
    }
}

async fn all(
    exchange: &Exchange<'_>,
    directory: &Directory,
    visit: &SetUpVisit,
) -> Result<Response<Body>, Refusal> {
    let Exchange { app, inbound, .. } = *exchange;
    let searched: String = query_value(inbound, "q")
        .map(|it| it.trim().chars().take(MAX_SEARCH_CHARS).collect())
        .unwrap_or_default();
    let after = query_value(inbound, "after").and_then(|it| Username::of_existing(&it));
    let begins = Some(searched.clone()).filter(|it| !it.is_empty());
    let wanted = PeopleQuery {
        organization: Some(visit.organization().id),
        prefix: begins,
        after,
        limit: one_more(LISTED_PEOPLE_PER_PAGE),
    };
    let (found, last) = rows(directory.people(&wanted).await?, LISTED_PEOPLE_PER_PAGE);
    let next =
        last.map(|it| address(app, "people", &[("q", &searched), ("after", it.username.as_str())]));
    let own = visit.organization().id;
    let decisions = directory.waiting_decisions(own).await?;
    let people = found.iter().map(|it| listed(app, it)).collect();
    Ok(shown(
        exchange,
        StatusCode::OK,
        &Page::People(Box::new(PeoplePage {
            admin: admin_page(app, visit),
            asked: searched,
            people,
            next,
            decisions,
            done: done(inbound, ["deleted"]),
        })),
    ))
}

async fn one(
    exchange: &Exchange<'_>,
    directory: &Directory,
    visit: &SetUpVisit,
    id: &str,
) -> Result<Response<Body>, Refusal> {
    let Some(id) = Guid::parse(id) else { return Err(Refusal::NotFound) };
    // A person of another organization is treated as not found.
    let found = directory
        .person_by_id(id)
        .await?
        .filter(|it| it.organization == visit.organization().id)
        .ok_or(Refusal::NotFound)?;
    let myself = match visit.person() {
        Some(id) => directory.person_by_id(id).await?,
        None => None,
    };
    let roles = directory.roles_below(myself.as_ref().map(|it| it.role.as_str()));
    let may = match found.id {
        id if visit.person() == Some(id) => PersonPermissions::Yourself,
        // A role that is no longer configured ranks below all others.
        _ if roles.contains(&found.role) || !directory.roles().contains(&found.role) => {
            PersonPermissions::Everything
        }
        _ => PersonPermissions::Above,
    };
    if let Some(wanted) = query_value(exchange.inbound, "confirm") {
        return if may == PersonPermissions::Everything {
            removal::confirm(exchange, directory, visit, &found, &wanted).await
        } else {
            Err(Refusal::Forbidden)
        };
    }
    let twins = directory.twins(&found).await?;
    let twins = twins.iter().filter(|it| it.on).map(|it| listed(exchange.app, it)).collect();
    let page = PersonPage {
        admin: admin_page(exchange.app, visit),
        id: found.id.to_string(),
        listed: listed(exchange.app, &found),
        email: found.email.clone(),
        role_source: found.role_source.as_str(),
        created: found.created,
        roles,
        may,
        twins,
        done: done(exchange.inbound, DONE_PERSON_ACTIONS),
    };
    Ok(shown(exchange, StatusCode::OK, &Page::OnePerson(Box::new(page))))
}

fn listed(app: &App, it: &Person) -> PersonRow {
    PersonRow {
        name: it
            .name
            .clone()
            .filter(|it| !it.trim().is_empty())
            .unwrap_or_else(|| it.username.to_string()),
        username: it.username.to_string(),
        role: it.role.clone(),
        on: it.on,
        last: it.last_sign_in,
        href: address(app, "people", &[("person", &it.id.to_string())]),
    }
}

/// The actions that the page can report as done.
const DONE_PERSON_ACTIONS: [&str; 5] = ["role", "on", "off", "sign_out", "merged"];

/// Performs the action of a form and shows the person's new state.
pub(super) async fn change(
    exchange: &Exchange<'_>,
    directory: &Directory,
    visit: &SetUpVisit,
    form: &FormFields,
) -> Result<Response<Body>, Refusal> {
    let person = Guid::parse(form.text("person")).ok_or(Refusal::NotFound)?;
    let (act, done) = match form.text("do") {
        "delete" | "merge" => {
            return removal::carry_out(exchange, directory, visit, person, form).await;
        }
        "role" => (PersonAction::Role(form.text("role").to_owned()), "role"),
        "on" => (PersonAction::On(true), "on"),
        "off" => (PersonAction::On(false), "off"),
        "sign_out" => (PersonAction::SignOut, "sign_out"),
        _ => return Err(Refusal::BadForm),
    };
    let done = match directory.apply_action(&admin_scope(visit), person, &act).await {
        Ok(after) => {
            if matches!(act, PersonAction::SignOut | PersonAction::On(false)) {
                // Takes effect here at once; other replicas learn of it from the history.
                exchange.sidecar.process.live.end_all_of_person(after.id, None);
            }
            tracing::info!(organization = %visit.organization().code, by = visit.by(), %person, done, "person changed on the set-up page");
            Some(done)
        }
        // Another admin made a conflicting change: the page shows the current state.
        Err(ActionError::Directory(Error::Conflict)) => None,
        Err(ActionError::NoSuchPerson) => return Err(Refusal::NotFound),
        Err(ActionError::Directory(Error::NoRole(_))) => return Err(Refusal::BadForm),
        Err(ActionError::Directory(it)) => return Err(it.into()),
        Err(
            ActionError::NotYou | ActionError::Above | ActionError::TooHigh | ActionError::Yourself,
        ) => return Err(Refusal::Forbidden),
    };
    let id = person.to_string();
    let query = [("person", id.as_str())]
        .into_iter()
        .chain(done.map(|it| ("done", it)))
        .collect::<Vec<_>>();
    to(exchange.app, "people", &query)
}
