//! An app sends somebody's browser to sign in.

use super::super::facts::Facts;
use super::super::organization::{self, At};
use super::super::origin::is_post_of_our_own_page;
use super::super::refusal::Refusal;
use super::super::sign_in::{self, Start, only};
use super::back;
use super::request::{self, Request, Wrong};
use crate::base::redirect_uri::Kind;
use crate::base::return_to::ReturnTo;
use crate::entra::authorize::Hints;
use crate::pages::{Identify, NativeConfirm, Page};
use crate::session::pending::Native;
use crate::sidecar::Sidecar;
use crate::wire::body::Body;
use crate::wire::form::Form;
use crate::wire::inbound::Inbound;
use crate::wire::reply;
use http::{HeaderMap, Method, Response, StatusCode};
use hyper::body::Incoming;

/// What a page of ours was answered.
#[derive(Default)]
struct Said {
    cancel: bool,
    identifier: Option<String>,
}

/// `GET /native/authorize`: off to Entra, or the page that asks first. `POST` is what that page sends, with the same query.
pub(in crate::flow) async fn authorize(
    house: &Sidecar,
    inbound: &Inbound,
    headers: &HeaderMap,
    body: &mut Option<Incoming>,
    facts: &mut Facts,
) -> Result<Response<Body>, Refusal> {
    only(inbound, &[Method::GET, Method::HEAD, Method::POST], "GET, HEAD, POST")?;
    let native = house.native.as_ref().ok_or(Refusal::NotFound)?;
    let request = match request::read(native, inbound.target.query().unwrap_or_default()) {
        Ok(request) => request,
        Err(Wrong::Unregistered(what)) => return Err(Refusal::Unregistered(what)),
        Err(Wrong::Told(asker, error, why)) => {
            facts.cause = Some(format!("{error}: {why}"));
            return back::go(house, inbound, asker.with_error(house, error, why), false);
        }
    };
    if inbound.target.method() != Method::POST {
        return match request.typed() {
            None => Ok(identify(house, inbound, headers, &request)),
            // Only a claimed address is sure to lead to the app that asks: any program of the device can take a scheme, or listen on loopback.
            Some(_) if request.asker.target.kind() != Kind::Https => Ok(confirm(house, inbound, &request)),
            Some(typed) => begin(house, inbound, headers, &request, typed).await,
        };
    }
    if !is_post_of_our_own_page(house, headers) {
        return Err(Refusal::ForeignOrigin);
    }
    let said = Said::read(body.take().ok_or(Refusal::Internal("no body"))?).await?;
    if said.cancel {
        return back::go(house, inbound, request.asker.with_error(house, "access_denied", "the person canceled the sign-in"), false);
    }
    match said.identifier.as_deref().or(request.typed()) {
        None => Ok(identify(house, inbound, headers, &request)),
        Some(typed) => begin(house, inbound, headers, &request, typed).await,
    }
}

impl Request<'_> {
    /// What says where to sign in. Where the app gives both, the code does, and the other is a hint for Entra.
    fn typed(&self) -> Option<&str> {
        self.organization.as_deref().or(self.login_hint.as_deref())
    }
}

impl Said {
    async fn read(body: Incoming) -> Result<Self, Refusal> {
        let form = Form::read(body).await?;
        Ok(Self { cancel: form.text("choice") == "cancel", identifier: form.typed("identifier").map(str::to_owned) })
    }
}

/// Asks for a username or a company code; whoever types one into this page, which names the app, has agreed to sign in there.
fn identify(house: &Sidecar, inbound: &Inbound, headers: &HeaderMap, request: &Request<'_>) -> Response<Body> {
    let page = Page::Identify(asking(house, headers, &request.native, request.asker.name));
    reply::page(StatusCode::OK, house.pages.render(&page, inbound.language), house.pages.policy(&page))
}

/// The page that asks on behalf of an app of that name.
pub(in crate::flow) fn asking(house: &Sidecar, headers: &HeaderMap, native: &Native, app: &str) -> Identify {
    let last = organization::last(house, headers, |code| request::url(&house.site, native, Some(code)));
    Identify { action: request::url(&house.site, native, None), app: app.to_owned(), unknown: None, last }
}

/// Any app can claim a private-use scheme, and Entra may sign somebody in without a word: so the person is asked (RFC 8252 8.6).
fn confirm(house: &Sidecar, inbound: &Inbound, request: &Request<'_>) -> Response<Body> {
    let action = inbound.target.path_and_query().as_str().to_owned();
    let page = Page::NativeConfirm(NativeConfirm { action, app: request.asker.name.to_owned(), site: house.site.host().to_owned() });
    reply::page(StatusCode::OK, house.pages.render(&page, inbound.language), house.pages.policy(&page))
}

async fn begin(house: &Sidecar, inbound: &Inbound, headers: &HeaderMap, request: &Request<'_>, typed: &str) -> Result<Response<Body>, Refusal> {
    let all = house.organizations.as_ref().ok_or(Refusal::NotFound)?;
    let asks = || asking(house, headers, &request.native, request.asker.name);
    let at = match house.asks_entra {
        true if organization::is_short(typed) => At::Typed(typed.to_owned()),
        true => return Err(organization::unknown(typed, asks())),
        false => At::This(Box::new(organization::find_by(house, all, (inbound, headers), typed, asks).await?)),
    };
    let login_hint = organization::hint(typed).or_else(|| request.login_hint.clone());
    let hints = Hints { login_hint, prompt: request.prompt.clone(), ..Hints::default() };
    let start = Start { hints, at, native: Some(request.native.clone()), ..Start::at(ReturnTo::home()) };
    sign_in::begin(house, inbound, headers, start).await
}
