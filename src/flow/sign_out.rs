//! Out: here, then at Entra.

use super::authenticate::{look, session_id};
use super::origin::is_post_of_another_site;
use super::refusal::Refusal;
use super::sign_in::{only, start_url};
use crate::base::return_to::{Landing, ReturnTo};
use crate::pages::Page;
use crate::sidecar::Sidecar;
use crate::wire::body::Body;
use crate::wire::inbound::{Asker, Inbound};
use crate::wire::reply;
use http::header::SET_COOKIE;
use http::{HeaderMap, Method, Response, StatusCode};

/// `GET|POST /sign_out?rd=`: ends the session here and goes on to Entra's sign-out.
pub(super) fn sign_out(house: &Sidecar, inbound: &Inbound, headers: &HeaderMap) -> Result<Response<Body>, Refusal> {
    only(inbound, &[Method::GET, Method::HEAD, Method::POST], "GET, POST")?;
    let rd = rd(inbound);
    let wanted = wanted(house, inbound, headers);
    match wanted {
        Wanted::No => Err(Refusal::CrossSite),
        // Nobody is signed in: this is also where Entra's sign-out leads back to.
        _ if look(house, headers).is_none() && inbound.target.method() != Method::POST => Ok(signed_out(house, inbound, rd.as_deref())),
        Wanted::Ask => Ok(ask(house, inbound, rd.as_deref())),
        Wanted::Yes => end(house, inbound, headers, rd.as_deref()),
    }
}

enum Wanted {
    Yes,
    Ask,
    No,
}

/// Whether the person wants it. What another site makes a browser send changes nothing.
fn wanted(house: &Sidecar, inbound: &Inbound, headers: &HeaderMap) -> Wanted {
    let site = headers.get("sec-fetch-site").map(|it| it.as_bytes());
    if inbound.target.method() == Method::POST {
        return if is_post_of_another_site(house, headers) { Wanted::No } else { Wanted::Yes };
    }
    match site {
        // A sibling host may be anybody's who was given a name there: what it links to is asked about, as what another site does.
        Some(b"same-origin" | b"none") if inbound.asker == Asker::Navigation => Wanted::Yes,
        _ => Wanted::Ask,
    }
}

fn end(house: &Sidecar, inbound: &Inbound, headers: &HeaderMap, rd: Option<&str>) -> Result<Response<Body>, Refusal> {
    let ended = session_id(house, headers).and_then(|id| house.lasting.store.end(id));
    let who = ended.as_ref().map(|it| it.identity());
    let hint = who.as_ref().and_then(|it| it.login_hint.as_deref());
    let back = rd.map_or_else(|| Landing::signed_out(&house.site), |it| Landing::at(&ReturnTo::parse(it, &house.site), &house.site));
    let entra = who.as_ref().and_then(|it| house.authorities().known(it.member.as_deref()));
    let at_entra = entra.and_then(|it| it.sign_out_url(&back, hint));
    let mut response = match at_entra {
        Some(url) => reply::redirect(StatusCode::SEE_OTHER, &url).ok_or(Refusal::Internal("the address of Entra is not a valid header value"))?,
        None => signed_out(house, inbound, rd),
    };
    for name in [house.names.session().to_owned(), house.names.rounds(), house.names.visit()] {
        let gone = house.names.remove(&name).ok_or(Refusal::Internal("no cookie"))?;
        response.headers_mut().append(SET_COOKIE, gone);
    }
    Ok(response)
}

fn signed_out(house: &Sidecar, inbound: &Inbound, rd: Option<&str>) -> Response<Body> {
    let return_to = rd.map_or_else(ReturnTo::home, |it| ReturnTo::parse(it, &house.site));
    let page = Page::SignedOut { sign_in: start_url(&house.site, &return_to) };
    reply::page(StatusCode::OK, house.pages.render(&page, inbound.language), house.pages.policy(&page))
}

fn ask(house: &Sidecar, inbound: &Inbound, rd: Option<&str>) -> Response<Body> {
    let rd = rd.map_or_else(ReturnTo::home, |it| ReturnTo::parse(it, &house.site));
    let query: String = url::form_urlencoded::Serializer::new(String::new()).append_pair("rd", rd.as_str()).finish();
    let action = format!("{}/sign_out?{query}", house.site.prefix());
    let page = Page::ConfirmSignOut { action, rd: rd.as_str().to_owned() };
    reply::page(StatusCode::OK, house.pages.render(&page, inbound.language), house.pages.policy(&page))
}

fn rd(inbound: &Inbound) -> Option<String> {
    let query = inbound.target.query().unwrap_or_default().as_bytes();
    url::form_urlencoded::parse(query).find(|it| it.0 == "rd").map(|it| it.1.into_owned())
}
