//! Signs a person out here and then at Entra.
//!
//! Whether there is a session makes no difference to where a request may come from, nor to whether
//! Entra is asked: after a restart, or when the session has expired, one click would otherwise sign
//! the same person in again.

use super::exchange::Exchange;
use super::refusal::Refusal;
use super::sign_in::organization;
use super::sign_in_url::start_url;
use crate::base::own_path;
use crate::base::return_to::{LandingUrl, ReturnTo};
use crate::entra::EntraRegistration;
use crate::pages::Page;
use crate::session::pending::MAX_STATE_CHARS;
use crate::session::record::Session;
use crate::sidecar::organizations::OrganizationRegistry;
use crate::wire::body::Body;
use crate::wire::inbound::{CallerKind, InboundRequest};
use http::header::SET_COOKIE;
use http::{HeaderValue, Method, Response, StatusCode};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// How long a person may take at Entra's sign-out, in seconds.
const SIGN_OUT_SECONDS: u64 = 600;
/// The name under which the `state` of every sign-out is sealed.
const STATE_NAME: &str = "state";

/// `GET|POST /sign_out?rd=`: ends the session and redirects to Entra's sign-out, which leads back
/// here.
pub(super) async fn sign_out(exchange: &Exchange<'_>) -> Result<Response<Body>, Refusal> {
    exchange.require_method(&[Method::GET, Method::HEAD, Method::POST], "GET, POST")?;
    let is_post = exchange.inbound.target.method() == Method::POST;
    if let Some(returned) = parameter(exchange.inbound, "state")
        .filter(|_| !is_post)
        .and_then(|it| ReturnedSignOut::open(exchange, &it))
        // Someone signed in meanwhile.
        && exchange.load_session().await.ok().flatten().is_none()
    {
        return signed_out(exchange, returned.rd.as_deref());
    }
    let rd = parameter(exchange.inbound, "rd");
    match wanted(exchange) {
        SignOutQuery::No => Err(Refusal::CrossSite),
        SignOutQuery::Confirm => Ok(confirm_page(exchange, rd.as_deref())),
        SignOutQuery::Yes => end(exchange, rd.as_deref()).await,
    }
}

/// Whether the person wants to sign out.
enum SignOutQuery {
    Yes,
    Confirm,
    No,
}

/// Reads whether the person confirmed the sign-out. Requests that another site triggers change
/// nothing.
fn wanted(exchange: &Exchange<'_>) -> SignOutQuery {
    let site = exchange.headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    if exchange.inbound.target.method() == Method::POST {
        return match site {
            _ if exchange.is_post_of_another_site() => SignOutQuery::No,
            Some(b"same-origin" | b"none") => SignOutQuery::Yes,
            _ if exchange.is_post_of_our_own_page() => SignOutQuery::Yes,
            _ => SignOutQuery::Confirm,
        };
    }
    match site {
        // A sibling host may belong to anyone with a name in that domain. Its links therefore need
        // confirmation, like those of any other site.
        Some(b"same-origin" | b"none") if exchange.inbound.caller == CallerKind::Navigation => {
            SignOutQuery::Yes
        }
        _ => SignOutQuery::Confirm,
    }
}

async fn end(exchange: &Exchange<'_>, rd: Option<&str>) -> Result<Response<Body>, Refusal> {
    let Exchange { sidecar, app, .. } = *exchange;
    let former = exchange.ended_session();
    let ended = match exchange.presented_session() {
        Some(presented) => {
            sidecar.process.typed_secrets.forget_session(presented.id);
            sidecar.process.store.end(&presented).await
        }
        None => None,
    };
    let session = ended.or(former);
    let registration = registration(exchange, session.as_deref()).await;
    let hint = session.as_ref().and_then(|it| it.identity().login_hint.clone());
    let at_entra = match &registration {
        Some(entra) => {
            let state = ReturnedSignOut::seal(exchange, rd)?;
            entra.sign_out_url(&LandingUrl::signed_out(&app.site), hint.as_deref(), &state).await
        }
        None => None,
    };
    let mut response = match at_entra {
        Some(url) => exchange.redirect(StatusCode::SEE_OTHER, &url)?,
        // Without Entra's sign-out, one click would sign the same person in again.
        None => exchange.page(
            StatusCode::OK,
            &Page::SignedOutHere {
                at_entra: registration.as_ref().unwrap_or(&sidecar.entra).usual_sign_out_url(),
                is_company_unknown: registration.is_none(),
            },
        ),
    };
    remove_cookies(exchange, &mut response)?;
    Ok(response)
}

/// Removes the cookies of a browser that is signed out. Without its secret, it cannot end the
/// sign-ins that it has under way.
pub(super) fn remove_cookies(
    exchange: &Exchange<'_>,
    response: &mut Response<Body>,
) -> Result<(), Refusal> {
    let names = &exchange.app.names;
    let record = exchange.sidecar.process.store.has_records().then(|| names.record());
    let all = [names.session().to_owned(), names.browser(), names.rounds(), names.visit()];
    for name in all.into_iter().chain(record) {
        let gone = names.remove(&name).ok_or(Refusal::Internal("no cookie"))?;
        response.headers_mut().append(SET_COOKIE, gone);
    }
    Ok(())
}

/// Returns the registration with which the person signed in: that of the session, or else of the
/// company that this device remembers. `None` if the company is not known.
async fn registration(
    exchange: &Exchange<'_>,
    session: Option<&Session>,
) -> Option<Arc<EntraRegistration>> {
    let sidecar = exchange.sidecar;
    let Some(all) = &sidecar.organizations else { return Some(Arc::clone(&sidecar.entra)) };
    let member = session.and_then(|it| it.identity().member.clone());
    if let Some(member) = member {
        if let Some(known) = sidecar.registrations().known(Some(&member)) {
            return Some(known);
        }
        let found = all.directory().organization_by_id(member.organization).await.ok()??;
        return all.entra(&found).await.ok();
    }
    remembered(exchange, all).await
}

/// Returns the registration of the company that this device remembers. Anyone can write its cookie,
/// so looking it up counts as typing it.
async fn remembered(
    exchange: &Exchange<'_>,
    all: &OrganizationRegistry,
) -> Option<Arc<EntraRegistration>> {
    // There, nothing is looked up before Entra has said whose account it is.
    if exchange.sidecar.asks_entra {
        return Some(Arc::clone(&exchange.sidecar.entra));
    }
    let code = organization::last(exchange, str::to_owned)?.code;
    let asks = async || organization::identify_page(exchange, &ReturnTo::home(), &[]).await;
    let found = organization::find_by(exchange, all, &code, asks).await.ok()?;
    all.entra(&found).await.ok()
}

/// A sign-out at Entra, sealed in the `state` that comes back: the way back then ends here, and
/// starts no second round.
#[derive(Deserialize, Serialize)]
struct ReturnedSignOut {
    /// Start time, in seconds since 1970.
    started_at: u64,
    /// The page that the person requested; validated again when it is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rd: Option<String>,
}

impl ReturnedSignOut {
    fn seal(exchange: &Exchange<'_>, rd: Option<&str>) -> Result<String, Refusal> {
        let Exchange { sidecar, app, .. } = *exchange;
        let started_at = sidecar.process.clock.now();
        let sealed = |rd: Option<ReturnTo>| {
            let rd = rd.map(|it| it.as_str().to_owned());
            let plain = serde_json::to_vec(&Self { started_at, rd }).unwrap_or_default();
            sidecar.sign_outs.seal(STATE_NAME, &plain).ok_or(Refusal::Internal("sealing failed"))
        };
        let fits = |it: &String| it.len() <= MAX_STATE_CHARS;
        let page = rd.map(|it| ReturnTo::parse(it, &app.site));
        let whole = sealed(page.clone())?;
        if fits(&whole) {
            return Ok(whole);
        }
        let short = sealed(page.map(|it| it.without_query()))?;
        if fits(&short) { Ok(short) } else { sealed(Some(ReturnTo::home())) }
    }

    fn open(exchange: &Exchange<'_>, state: &str) -> Option<Self> {
        let sidecar = exchange.sidecar;
        let opened = sidecar.sign_outs.open(STATE_NAME, state)?;
        let returned: Self = serde_json::from_slice(&opened).ok()?;
        let ends = returned.started_at.saturating_add(SIGN_OUT_SECONDS);
        (sidecar.process.clock.now() < ends).then_some(returned)
    }
}

/// The way back from Entra's sign-out.
fn signed_out(exchange: &Exchange<'_>, rd: Option<&str>) -> Result<Response<Body>, Refusal> {
    let site = &exchange.app.site;
    if let Some(rd) = rd {
        return exchange.redirect(StatusCode::SEE_OTHER, ReturnTo::parse(rd, site).as_str());
    }
    // If Entra did not sign the person out after all, they choose an account there.
    let sign_in = format!("{}&prompt=select_account", start_url(site, &ReturnTo::home()));
    Ok(exchange.page(StatusCode::OK, &Page::SignedOut { sign_in }))
}

fn confirm_page(exchange: &Exchange<'_>, rd: Option<&str>) -> Response<Body> {
    let Exchange { app, .. } = *exchange;
    let rd = rd.map_or_else(ReturnTo::home, |it| ReturnTo::parse(it, &app.site));
    let query: String = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("rd", rd.as_str())
        .finish();
    let action = format!("{}{}?{query}", app.site.prefix(), own_path::SIGN_OUT);
    let page = Page::ConfirmSignOut { action, rd: rd.as_str().to_owned() };
    exchange.page(StatusCode::OK, &page)
}

fn parameter(inbound: &InboundRequest, name: &str) -> Option<String> {
    let query = inbound.target.query().unwrap_or_default().as_bytes();
    url::form_urlencoded::parse(query).find(|it| it.0 == name).map(|it| it.1.into_owned())
}
