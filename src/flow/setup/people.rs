//! `/setup/people`: who is there, and what an admin may do about it.

use super::super::refusal::Refusal;
use super::desk::{acting, address, asked, desk, done, one_more, rows, shown, to};
use super::gate::Visit;
use crate::base::guid::Guid;
use crate::base::username::Username;
use crate::directory::admin::{Act, NotDone};
use crate::directory::people::Asked;
use crate::directory::person::Person;
use crate::directory::{Directory, Error};
use crate::pages::Page;
use crate::pages::desk::{Listed, May, OnePerson, People};
use crate::sidecar::Sidecar;
use crate::wire::body::Body;
use crate::wire::form::Form;
use crate::wire::inbound::Inbound;
use http::{Response, StatusCode};

/// People on one page.
const PAGE: usize = 25;
/// The longest text that is searched for, in characters.
const SEARCHED: usize = 128;

/// Shows everybody, those who are found, or one.
pub(super) async fn show(house: &Sidecar, inbound: &Inbound, directory: &Directory, visit: &Visit) -> Result<Response<Body>, Refusal> {
    match asked(inbound, "person") {
        Some(id) => one(house, inbound, directory, visit, &id).await,
        None => all(house, inbound, directory, visit).await,
    }
}

async fn all(house: &Sidecar, inbound: &Inbound, directory: &Directory, visit: &Visit) -> Result<Response<Body>, Refusal> {
    let searched: String = asked(inbound, "q").map(|it| it.trim().chars().take(SEARCHED).collect()).unwrap_or_default();
    let after = asked(inbound, "after").and_then(|it| Username::parse(&it));
    let begins = Some(searched.clone()).filter(|it| !it.is_empty());
    let wanted = Asked { organization: Some(visit.organization().id), begins, after, most: one_more(PAGE) };
    let (found, last) = rows(directory.people(&wanted).await?, PAGE);
    let next = last.map(|it| address(house, "people", &[("q", &searched), ("after", it.username.as_str())]));
    let people = found.iter().map(|it| listed(house, it)).collect();
    Ok(shown(house, inbound, StatusCode::OK, &Page::People(Box::new(People { desk: desk(house, visit), asked: searched, people, next }))))
}

async fn one(house: &Sidecar, inbound: &Inbound, directory: &Directory, visit: &Visit, id: &str) -> Result<Response<Body>, Refusal> {
    let Some(id) = Guid::parse(id) else { return Err(Refusal::NotFound) };
    // Of another organization is as good as nobody.
    let found = directory.person_by_id(id).await?.filter(|it| it.organization == visit.organization().id).ok_or(Refusal::NotFound)?;
    let myself = match visit.person() {
        Some(id) => directory.person_by_id(id).await?,
        None => None,
    };
    let roles = directory.roles_below(myself.as_ref().map(|it| it.role.as_str())).to_vec();
    let may = match found.id {
        id if visit.person() == Some(id) => May::Yourself,
        // A role that is none any more stands below all.
        _ if roles.contains(&found.role) || !directory.roles().contains(&found.role) => May::Everything,
        _ => May::Above,
    };
    let page = OnePerson {
        desk: desk(house, visit),
        id: found.id.to_string(),
        listed: listed(house, &found),
        email: found.email.clone(),
        role_source: found.role_source.as_str(),
        created: found.created,
        roles,
        may,
        done: done(inbound, DONE),
    };
    Ok(shown(house, inbound, StatusCode::OK, &Page::OnePerson(Box::new(page))))
}

fn listed(house: &Sidecar, it: &Person) -> Listed {
    Listed {
        name: it.name.clone().filter(|it| !it.trim().is_empty()).unwrap_or_else(|| it.username.to_string()),
        username: it.username.to_string(),
        role: it.role.clone(),
        on: it.on,
        last: it.last_sign_in,
        href: address(house, "people", &[("person", &it.id.to_string())]),
    }
}

/// What can be said to have been done.
const DONE: [&str; 4] = ["role", "on", "off", "sign_out"];

/// Does what a form says, and shows the person as they are then.
pub(super) async fn change(house: &Sidecar, directory: &Directory, visit: &Visit, form: &Form) -> Result<Response<Body>, Refusal> {
    let person = Guid::parse(form.text("person")).ok_or(Refusal::NotFound)?;
    let (act, done) = match form.text("do") {
        "role" => (Act::Role(form.text("role").to_owned()), "role"),
        "on" => (Act::On(true), "on"),
        "off" => (Act::On(false), "off"),
        "sign_out" => (Act::SignOut, "sign_out"),
        _ => return Err(Refusal::BadForm),
    };
    let done = match directory.act(&acting(visit), person, &act).await {
        Ok(after) => {
            if matches!(act, Act::SignOut | Act::On(false)) {
                // Here at once; other replicas hear of it by the history.
                house.lasting.store.end_all_of_person(after.id, None);
            }
            tracing::info!(organization = %visit.organization().code, by = visit.by(), %person, done, "person changed on the set-up page");
            Some(done)
        }
        // Somebody else changed the same: the page shows what is so now.
        Err(NotDone::Directory(Error::Twice)) => None,
        Err(NotDone::Nobody) => return Err(Refusal::NotFound),
        Err(NotDone::Directory(Error::NoRole(_))) => return Err(Refusal::BadForm),
        Err(NotDone::Directory(it)) => return Err(it.into()),
        Err(NotDone::NotYou | NotDone::Above | NotDone::TooHigh | NotDone::Yourself) => return Err(Refusal::Forbidden),
    };
    let id = person.to_string();
    let query = [("person", id.as_str())].into_iter().chain(done.map(|it| ("done", it))).collect::<Vec<_>>();
    to(house, "people", &query)
}
