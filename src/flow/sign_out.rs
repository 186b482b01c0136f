//! Signs a person out here and then at Entra.

use super::exchange::Exchange;
use super::refusal::Refusal;
use super::sign_in_url::start_url;
use crate::base::own_path;
use crate::base::return_to::{LandingUrl, ReturnTo};
use crate::pages::Page;
use crate::wire::body::Body;
use crate::wire::inbound::{CallerKind, InboundRequest};
use crate::wire::reply;
use http::header::SET_COOKIE;
use http::{Method, Response, StatusCode};

/// `GET|POST /sign_out?rd=`: ends the session and redirects to Entra's sign-out.
pub(super) async fn sign_out(exchange: &Exchange<'_>) -> Result<Response<Body>, Refusal> {
    exchange.require_method(&[Method::GET, Method::HEAD, Method::POST], "GET, POST")?;
    let rd = rd(exchange.inbound);
    let wanted = read_query(exchange);
    match wanted {
        SignOutQuery::No => Err(Refusal::CrossSite),
        // There is no session. Entra's sign-out also returns here.
        _ if exchange.inbound.target.method() != Method::POST
            && exchange.load_session().await.is_none() =>
        {
            Ok(signed_out(exchange, rd.as_deref()))
        }
        SignOutQuery::Confirm => Ok(confirm_page(exchange, rd.as_deref())),
        SignOutQuery::Yes => end(exchange, rd.as_deref()).await,
    }
}

enum SignOutQuery {
    Yes,
    Confirm,
    No,
}

/// Reads whether the person confirmed the sign-out. Requests that another site triggers change
/// nothing.
fn read_query(exchange: &Exchange<'_>) -> SignOutQuery {
    let site = exchange.headers.get("sec-fetch-site").map(http::HeaderValue::as_bytes);
    if exchange.inbound.target.method() == Method::POST {
        return if exchange.is_post_of_another_site() {
            SignOutQuery::No
        } else {
            SignOutQuery::Yes
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
    let ended = match exchange.session_id() {
        Some(id) => sidecar.process.store.end(id).await,
        None => None,
    };
    let who = ended.as_ref().map(|it| it.identity());
    let hint = who.as_ref().and_then(|it| it.login_hint.as_deref());
    let back = rd.map_or_else(
        || LandingUrl::signed_out(&app.site),
        |it| LandingUrl::at(&ReturnTo::parse(it, &app.site), &app.site),
    );
    let entra = who.as_ref().and_then(|it| sidecar.registrations().known(it.member.as_deref()));
    let at_entra = entra.and_then(|it| it.sign_out_url(&back, hint));
    let mut response = match at_entra {
        Some(url) => reply::redirect(StatusCode::SEE_OTHER, &url)
            .ok_or(Refusal::Internal("the address of Entra is not a valid header value"))?,
        None => signed_out(exchange, rd),
    };
    // Without its secret, the browser cannot end the sign-ins that it has under way.
    let names = &app.names;
    for name in [names.session().to_owned(), names.browser(), names.rounds(), names.visit()] {
        let gone = app.names.remove(&name).ok_or(Refusal::Internal("no cookie"))?;
        response.headers_mut().append(SET_COOKIE, gone);
    }
    Ok(response)
}

fn signed_out(exchange: &Exchange<'_>, rd: Option<&str>) -> Response<Body> {
    let Exchange { app, .. } = *exchange;
    let return_to = rd.map_or_else(ReturnTo::home, |it| ReturnTo::parse(it, &app.site));
    let page = Page::SignedOut { sign_in: start_url(&app.site, &return_to) };
    exchange.page(StatusCode::OK, &page)
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

fn rd(inbound: &InboundRequest) -> Option<String> {
    let query = inbound.target.query().unwrap_or_default().as_bytes();
    url::form_urlencoded::parse(query).find(|it| it.0 == "rd").map(|it| it.1.into_owned())
}
