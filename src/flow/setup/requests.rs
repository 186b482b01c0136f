//! `/setup/requests`: accounts that wait for an approval, and people who may be the same person.

use super::super::exchange::Exchange;
use super::super::refusal::Refusal;
use super::super::sign_in_url::page_url;
use super::admin_page::{address, admin_page, admin_scope, done, shown, to};
use super::gate::SetUpVisit;
use crate::base::guid::Guid;
use crate::base::own_path;
use crate::base::return_to::ReturnTo;
use crate::directory::admin::ActionError;
use crate::directory::change::OrganizationChange;
use crate::directory::link_request::{LinkDecision, LinkRequest, RequestState};
use crate::directory::merge::PossibleMerge;
use crate::directory::{Directory, Error};
use crate::pages::Page;
use crate::pages::requests::{MergeRow, RequestRow, RequestsPage};
use crate::wire::body::Body;
use crate::wire::form::FormFields;
use http::{Response, StatusCode};

/// The actions that the page can report as done.
const DONE_ACTIONS: [&str; 8] =
    ["link", "separate", "deny", "undo", "merge", "dismiss", "resume", "changed"];

/// Shows everything that waits for a decision.
pub(super) async fn show(
    exchange: &Exchange<'_>,
    directory: &Directory,
    visit: &SetUpVisit,
) -> Result<Response<Body>, Refusal> {
    let organization = visit.organization();
    let requests = directory.link_requests(Some(organization.id), true).await?;
    let merges = directory.possible_merges(organization.id).await?;
    let roles = roles(directory, visit).await?;
    let may = |role: &str| roles.iter().any(|it| it == role);
    let here = ReturnTo::parse(&address(exchange.app, "requests", &[]), &exchange.app.site);
    let code = Some(organization.code.as_str());
    let page = RequestsPage {
        admin: admin_page(exchange.app, visit),
        requests: requests.into_iter().map(|it| asking(it, &may)).collect(),
        merges: merges.into_iter().map(|it| alike(it, &may)).collect(),
        locked: locked(exchange, visit),
        again: format!(
            "{}&prompt=login",
            page_url(&exchange.app.site, own_path::START, &here, &[], code)
        ),
        paused: organization.linking_paused.is_some(),
        done: done(exchange.inbound, DONE_ACTIONS),
    };
    Ok(shown(exchange, StatusCode::OK, &Page::Requests(Box::new(page))))
}

/// Returns why the visitor may not decide. A set-up link proves nothing about the people of a
/// company, and an unattended browser must not admit anyone.
pub(super) fn locked(exchange: &Exchange<'_>, visit: &SetUpVisit) -> Option<&'static str> {
    if visit.person().is_none() {
        Some("by_link")
    } else if visit.may_change_secret(exchange.sidecar.process.clock.now()) {
        None
    } else {
        Some("stale")
    }
}

/// Returns the roles of people about whom the visitor may decide.
async fn roles(directory: &Directory, visit: &SetUpVisit) -> Result<Vec<String>, Refusal> {
    let Some(id) = visit.person() else { return Ok(Vec::new()) };
    let myself = directory.person_by_id(id).await?;
    Ok(myself.map(|it| directory.roles_below(Some(&it.role))).unwrap_or_default())
}

fn asking(it: LinkRequest, may: &impl Fn(&str) -> bool) -> RequestRow {
    let mark = it.mark();
    RequestRow {
        id: it.id.to_string(),
        mark,
        may: may(&it.person.role),
        username: it.person.username.to_string(),
        role: it.person.role,
        last: it.person.last_sign_in,
        name: it.name,
        upn: it.upn,
        oid: it.account.1.to_string(),
        guest: it.guest,
        typed: it.typed,
        why: it.reason.as_str(),
        at: it.at,
        state: it.state.as_str(),
        undo_until: match it.state {
            RequestState::Approved(until) => Some(until),
            RequestState::Waiting | RequestState::Denied => None,
        },
    }
}

fn alike(it: PossibleMerge, may: &impl Fn(&str) -> bool) -> MergeRow {
    let mark = it.mark();
    MergeRow {
        may: may(&it.added.role) && may(&it.created.role),
        added: (it.added.id.to_string(), it.added.username.to_string()),
        role: it.added.role,
        created: (it.created.id.to_string(), it.created.username.to_string()),
        oid: it.created.linked.map(|it| it.1.to_string()),
        email: it.created.email,
        at: it.created.created,
        mark,
    }
}

/// Carries out a decision.
pub(super) async fn decide(
    exchange: &Exchange<'_>,
    directory: &Directory,
    visit: &SetUpVisit,
    form: &FormFields,
) -> Result<Response<Body>, Refusal> {
    if locked(exchange, visit).is_some() {
        return Err(Refusal::Forbidden);
    }
    let id = |name: &str| Guid::parse(form.text(name)).ok_or(Refusal::NotFound);
    let acting = admin_scope(visit);
    let wanted = form.text("do");
    let outcome = match wanted {
        "merge" => {
            let (keep, gone) = (id("added")?, id("created")?);
            let mark = Some(form.text("mark"));
            let outcome = directory.merge_people(&acting, keep, gone, mark).await;
            if outcome.is_ok() {
                // Takes effect here at once; other replicas learn of it from the history.
                exchange.sidecar.process.live.end_all_of_person(gone, None);
            }
            outcome.map(drop)
        }
        "dismiss" => directory.dismiss_merge(&acting, id("added")?, id("created")?).await,
        "resume" => {
            let change = OrganizationChange {
                origin: acting.origin,
                resume_linking: true,
                ..OrganizationChange::default()
            };
            let code = &visit.organization().code;
            let resumed = directory.change_organization(code, change, &acting.by).await;
            resumed.map(drop).map_err(ActionError::from)
        }
        other => {
            let decision = LinkDecision::parse(other).ok_or(Refusal::BadForm)?;
            let mark = Some(form.text("mark"));
            let decided = directory.decide(&acting, id("request")?, decision, mark).await;
            if let (LinkDecision::Undo, Ok(person)) = (decision, &decided) {
                exchange.sidecar.process.live.end_all_of_person(person.id, None);
            }
            decided.map(drop)
        }
    };
    let did = match outcome {
        Ok(()) => DONE_ACTIONS.into_iter().find(|it| *it == wanted).unwrap_or("changed"),
        // Somebody else decided first, or the person changed: the page shows the current state.
        Err(ActionError::Directory(Error::Conflict) | ActionError::NoSuchPerson) => "changed",
        Err(ActionError::Directory(Error::BothLinked(..) | Error::NotMergeable(..))) => "changed",
        Err(ActionError::Directory(Error::NeedsHighestRole(_))) => return Err(Refusal::Forbidden),
        Err(ActionError::Directory(error)) => return Err(error.into()),
        Err(_) => return Err(Refusal::Forbidden),
    };
    tracing::info!(organization = %visit.organization().code, by = visit.by(), action = wanted, done = did, "decision about a person who was added beforehand");
    to(exchange.app, "requests", &[("done", did)])
}
