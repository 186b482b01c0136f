//! Out: here, then at Entra.

use super::authenticate::{session_id, session_of_cookie};
use super::origin::is_post_of_another_site;
use super::refusal::Refusal;
use super::sign_in::{only, start_url};
use crate::base::return_to::{LandingUrl, ReturnTo};
use crate::pages::Page;
use crate::sidecar::Sidecar;
use crate::wire::body::Body;
use crate::wire::inbound::{CallerKind, InboundRequest};
use crate::wire::reply;
use http::header::SET_COOKIE;
use http::{HeaderMap, Method, Response, StatusCode};

/// `GET|POST /sign_out?rd=`: ends the session here and goes on to Entra's sign-out.
pub(super) fn sign_out(sidecar: &Sidecar, inbound: &InboundRequest, headers: &HeaderMap) -> Result<Response<Body>, Refusal> {
    only(inbound, &[Method::GET, Method::HEAD, Method::POST], "GET, POST")?;
    let rd = rd(inbound);
    let wanted = read_query(sidecar, inbound, headers);
    match wanted {
        SignOutQuery::No => Err(Refusal::CrossSite),
        // Nobody is signed in: this is also where Entra's sign-out leads back to.
        _ if session_of_cookie(sidecar, headers).is_none() && inbound.target.method() != Method::POST => Ok(signed_out(sidecar, inbound, rd.as_deref())),
        SignOutQuery::Confirm => Ok(confirm_page(sidecar, inbound, rd.as_deref())),
        SignOutQuery::Yes => end(sidecar, inbound, headers, rd.as_deref()),
    }
}

enum SignOutQuery {
    Yes,
    Confirm,
    No,
}

/// Whether the person wants it. What another site makes a browser send changes nothing.
fn read_query(sidecar: &Sidecar, inbound: &InboundRequest, headers: &HeaderMap) -> SignOutQuery {
    let site = headers.get("sec-fetch-site").map(|it| it.as_bytes());
    if inbound.target.method() == Method::POST {
        return if is_post_of_another_site(sidecar, headers) { SignOutQuery::No } else { SignOutQuery::Yes };
    }
    match site {
        // A sibling host may be anybody's who was given a name there: what it links to is asked about, as what another site does.
        Some(b"same-origin" | b"none") if inbound.caller == CallerKind::Navigation => SignOutQuery::Yes,
        _ => SignOutQuery::Confirm,
    }
}

fn end(sidecar: &Sidecar, inbound: &InboundRequest, headers: &HeaderMap, rd: Option<&str>) -> Result<Response<Body>, Refusal> {
    let ended = session_id(sidecar, headers).and_then(|id| sidecar.process.store.end(id));
    let who = ended.as_ref().map(|it| it.identity());
    let hint = who.as_ref().and_then(|it| it.login_hint.as_deref());
    let back = rd.map_or_else(|| LandingUrl::signed_out(&sidecar.site), |it| LandingUrl::at(&ReturnTo::parse(it, &sidecar.site), &sidecar.site));
    let entra = who.as_ref().and_then(|it| sidecar.authorities().known(it.member.as_deref()));
    let at_entra = entra.and_then(|it| it.sign_out_url(&back, hint));
    let mut response = match at_entra {
        Some(url) => reply::redirect(StatusCode::SEE_OTHER, &url).ok_or(Refusal::Internal("the address of Entra is not a valid header value"))?,
        None => signed_out(sidecar, inbound, rd),
    };
    for name in [sidecar.names.session().to_owned(), sidecar.names.rounds(), sidecar.names.visit()] {
        let gone = sidecar.names.remove(&name).ok_or(Refusal::Internal("no cookie"))?;
        response.headers_mut().append(SET_COOKIE, gone);
    }
    Ok(response)
}

fn signed_out(sidecar: &Sidecar, inbound: &InboundRequest, rd: Option<&str>) -> Response<Body> {
    let return_to = rd.map_or_else(ReturnTo::home, |it| ReturnTo::parse(it, &sidecar.site));
    let page = Page::SignedOut { sign_in: start_url(&sidecar.site, &return_to) };
    reply::page(StatusCode::OK, sidecar.pages.render(&page, inbound.language), sidecar.pages.policy(&page))
}

fn confirm_page(sidecar: &Sidecar, inbound: &InboundRequest, rd: Option<&str>) -> Response<Body> {
    let rd = rd.map_or_else(ReturnTo::home, |it| ReturnTo::parse(it, &sidecar.site));
    let query: String = url::form_urlencoded::Serializer::new(String::new()).append_pair("rd", rd.as_str()).finish();
    let action = format!("{}/sign_out?{query}", sidecar.site.prefix());
    let page = Page::ConfirmSignOut { action, rd: rd.as_str().to_owned() };
    reply::page(StatusCode::OK, sidecar.pages.render(&page, inbound.language), sidecar.pages.policy(&page))
}

fn rd(inbound: &InboundRequest) -> Option<String> {
    let query = inbound.target.query().unwrap_or_default().as_bytes();
    url::form_urlencoded::parse(query).find(|it| it.0 == "rd").map(|it| it.1.into_owned())
}
