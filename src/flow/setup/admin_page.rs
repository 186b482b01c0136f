//! What the pages of an organization's admin have in common.

use super::super::exchange::Exchange;
use super::super::refusal::Refusal;
use super::gate::SetUpVisit;
use crate::base::guid::Guid;
use crate::directory::Directory;
use crate::directory::admin::AdminScope;
use crate::pages::Page;
use crate::pages::admin;
use crate::sidecar::Sidecar;
use crate::wire::body::Body;
use crate::wire::inbound::InboundRequest;
use crate::wire::reply;
use http::{Response, StatusCode};
use std::borrow::Cow;

/// What stands on every page.
pub(super) fn admin_page(sidecar: &Sidecar, visit: &SetUpVisit) -> admin::AdminPage {
    admin::AdminPage { organization: visit.organization().name.clone(), base: sidecar.site.setup_path() }
}

/// Who acts, as the directory knows them.
pub(super) fn admin_scope(visit: &SetUpVisit) -> AdminScope {
    AdminScope { organization: visit.organization().id, person: visit.person(), by: visit.by() }
}

/// A page.
pub(super) fn shown(exchange: &Exchange<'_>, status: StatusCode, page: &Page) -> Response<Body> {
    exchange.page(status, page)
}

/// To one of these pages, after something was done there.
pub(super) fn to(sidecar: &Sidecar, page: &str, query: &[(&str, &str)]) -> Result<Response<Body>, Refusal> {
    reply::redirect(StatusCode::SEE_OTHER, &address(sidecar, page, query)).ok_or(Refusal::Internal("no redirect"))
}

/// The address of one of these pages; what is empty is left out of its query.
pub(super) fn address(sidecar: &Sidecar, page: &str, query: &[(&str, &str)]) -> String {
    let path = format!("{}/{page}", sidecar.site.setup_path());
    let said = query.iter().filter(|it| !it.1.is_empty());
    let query: String = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(said).finish();
    if query.is_empty() { path } else { format!("{path}?{query}") }
}

/// How many rows to ask for where a page shows so many: one more says whether there are more.
pub(super) fn one_more(page: usize) -> u32 {
    u32::try_from(page).unwrap_or(u32::MAX).saturating_add(1)
}

/// The rows of one page out of what was found, and the last of them where there is another page behind it.
pub(super) fn rows<T: Clone>(mut found: Vec<T>, page: usize) -> (Vec<T>, Option<T>) {
    let more = found.len() > page;
    found.truncate(page);
    let last = found.last().filter(|_| more).cloned();
    (found, last)
}

/// What the query says of that name, where it says it once.
pub(super) fn query_value<'a>(inbound: &'a InboundRequest, name: &str) -> Option<Cow<'a, str>> {
    let query = inbound.target.query().unwrap_or_default().as_bytes();
    let mut all = url::form_urlencoded::parse(query).filter(|it| it.0 == name).map(|it| it.1);
    let first = all.next().filter(|it| !it.is_empty())?;
    all.next().is_none().then_some(first)
}

/// What has just been done, of what can be.
pub(super) fn done<const N: usize>(inbound: &InboundRequest, all: [&'static str; N]) -> Option<&'static str> {
    let done = query_value(inbound, "done")?;
    all.into_iter().find(|it| *it == done)
}

/// As people read who did something: what a person of the organization is called, or as it was written down.
pub(super) async fn called(directory: &Directory, visit: &SetUpVisit, by: &str) -> Result<String, Refusal> {
    let Some(id) = by.strip_prefix("person ").and_then(Guid::parse) else { return Ok(by.to_owned()) };
    let found = directory.person_by_id(id).await?.filter(|it| it.organization == visit.organization().id);
    Ok(found.map_or_else(|| by.to_owned(), |it| it.username.to_string()))
}
