//! Shared parts of the organization admin's pages.

use super::super::exchange::Exchange;
use super::super::refusal::Refusal;
use super::gate::SetUpVisit;
use crate::base::guid::Guid;
use crate::directory::Directory;
use crate::directory::admin::AdminScope;
use crate::pages::Page;
use crate::pages::admin;
use crate::sidecar::app::App;
use crate::wire::body::Body;
use crate::wire::inbound::InboundRequest;
use crate::wire::reply;
use http::{Response, StatusCode};
use std::borrow::Cow;

/// Returns the content that every page shows.
pub(super) fn admin_page(app: &App, visit: &SetUpVisit) -> admin::AdminPage {
    admin::AdminPage {
        organization: visit.organization().name.clone(),
        base: app.site.setup_path(),
    }
}

/// Returns the acting admin as the directory identifies them.
pub(super) fn admin_scope(visit: &SetUpVisit) -> AdminScope {
    AdminScope {
        organization: visit.organization().id,
        origin: visit.change_origin(),
        by: visit.by(),
    }
}

/// Renders a page.
pub(super) fn shown(exchange: &Exchange<'_>, status: StatusCode, page: &Page) -> Response<Body> {
    exchange.page(status, page)
}

/// Redirects to one of these pages after an action.
pub(super) fn to(app: &App, page: &str, query: &[(&str, &str)]) -> Result<Response<Body>, Refusal> {
    reply::redirect(StatusCode::SEE_OTHER, &address(app, page, query))
        .ok_or(Refusal::Internal("no redirect"))
}

/// Returns the URL of one of these pages. Empty query values are omitted.
pub(super) fn address(app: &App, page: &str, query: &[(&str, &str)]) -> String {
    let path = format!("{}/{page}", app.site.setup_path());
    let said = query.iter().filter(|it| !it.1.is_empty());
    let query: String =
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(said).finish();
    if query.is_empty() { path } else { format!("{path}?{query}") }
}

/// Returns the number of rows to query for a page: one more than it shows, to find out whether
/// there is a next page.
pub(super) fn one_more(page: usize) -> u32 {
    u32::try_from(page).unwrap_or(u32::MAX).saturating_add(1)
}

/// Returns the rows of one page, and the last of them if there is a next page.
pub(super) fn rows<T: Clone>(mut found: Vec<T>, page: usize) -> (Vec<T>, Option<T>) {
    let more = found.len() > page;
    found.truncate(page);
    let last = found.last().filter(|_| more).cloned();
    (found, last)
}

/// Returns a query parameter if it is not empty and occurs once.
pub(super) fn query_value<'a>(inbound: &'a InboundRequest, name: &str) -> Option<Cow<'a, str>> {
    let query = inbound.target.query().unwrap_or_default().as_bytes();
    let mut all = url::form_urlencoded::parse(query).filter(|it| it.0 == name).map(|it| it.1);
    let first = all.next().filter(|it| !it.is_empty())?;
    all.next().is_none().then_some(first)
}

/// Returns the action that was just done, if it is one of the known ones.
pub(super) fn done<const N: usize>(
    inbound: &InboundRequest,
    all: [&'static str; N],
) -> Option<&'static str> {
    let done = query_value(inbound, "done")?;
    all.into_iter().find(|it| *it == done)
}

/// Returns the actor of a change as the company's admin sees it: the names of the operator's own
/// people and programs are not for customers.
pub(super) fn shown_actor(by: &str) -> String {
    let is_operator = ["operator", "admin api"].into_iter().any(|word| {
        by.strip_prefix(word).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    });
    if is_operator { "operator".to_owned() } else { by.to_owned() }
}

/// Returns the display name of the person who made a change: the username of a person in the
/// organization, or otherwise the recorded text.
pub(super) async fn called(
    directory: &Directory,
    visit: &SetUpVisit,
    by: &str,
) -> Result<String, Refusal> {
    let Some(id) = by.strip_prefix("person ").and_then(Guid::parse) else {
        return Ok(shown_actor(by));
    };
    let found =
        directory.person_by_id(id).await?.filter(|it| it.organization == visit.organization().id);
    Ok(found.map_or_else(|| by.to_owned(), |it| it.username.to_string()))
}
