//! What a person in a browser can do about a refusal.

use super::facts::RequestFacts;
use super::refusal::Refusal;
use super::refusal::refused_person::RefusedPerson;
use super::sign_in_url::start_url;
use crate::base::own_path;
use crate::base::return_to::ReturnTo;
use crate::sidecar::app::App;
use crate::wire::inbound::{CallerKind, InboundRequest};

/// Adds to a refusal what the person in the browser can do about it: choose another account, or sign
/// in again.
pub(super) fn add(
    app: &App,
    inbound: &InboundRequest,
    facts: &RequestFacts,
    refusal: Refusal,
) -> Refusal {
    if inbound.caller == CallerKind::Script {
        return refusal;
    }
    // Pages repeat no query: it may hold a token.
    let page = || ReturnTo::of(&inbound.target, &app.site).without_query();
    let start = || start_url(&app.site, &page());
    match (refusal, &facts.session) {
        (Refusal::Forbidden, Some(session)) if session.via().is_by_cookie() => {
            let who = session.identity();
            let name = who.preferred_username.as_deref().or(who.name.as_deref());
            let name = name.map_or_else(|| who.oid.to_string(), str::to_owned);
            Refusal::ForbiddenTo(Box::new(RefusedPerson {
                name,
                other_account: format!("{}&prompt=select_account", start()),
                sign_out: format!("{}{}", app.site.prefix(), own_path::SIGN_OUT),
            }))
        }
        (Refusal::Closed(seconds, true), _) => Refusal::ClosedUntilSignIn(seconds, start()),
        (refusal, _) => refusal,
    }
}
