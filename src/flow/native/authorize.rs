//! The authorization endpoint: an app sends a browser here to sign in.

use super::super::exchange::Exchange;
use super::super::facts::RequestFacts;
use super::super::refusal::Refusal;
use super::super::sign_in::begin::{self, SignInStart};
use super::super::sign_in::organization::{self, OrganizationHint};
use super::super::sign_in_url::native_url;
use super::app_return;
use super::request::{self, NativeRequest, NativeRequestError};
use crate::base::redirect_uri::RedirectUriKind;
use crate::entra::authorize::SignInHints;
use crate::pages::{IdentifyPage, NativeConfirmPage, Page};
use crate::session::pending::{NativeSignIn, SignInPurpose};
use crate::wire::body::Body;
use crate::wire::form::FormFields;
use http::{Method, Response, StatusCode};
use hyper::body::Incoming;

/// The person's response to one of Entrada's pages.
#[derive(Default)]
struct PageAnswer {
    cancel: bool,
    identifier: Option<String>,
}

/// `GET /native/authorize`: redirects to Entra or shows a page that asks first. That page sends a
/// `POST` with the same query.
pub(in crate::flow) async fn authorize(
    exchange: &Exchange<'_>,
    body: &mut Option<Incoming>,
    facts: &mut RequestFacts,
) -> Result<Response<Body>, Refusal> {
    let Exchange { sidecar, inbound, .. } = *exchange;
    exchange.require_method(&[Method::GET, Method::HEAD, Method::POST], "GET, HEAD, POST")?;
    let native = sidecar.native.as_ref().ok_or(Refusal::NotFound)?;
    let request = match request::read(native, inbound.target.query().unwrap_or_default()) {
        Ok(request) => request,
        Err(NativeRequestError::Unregistered(what)) => return Err(Refusal::Unregistered(what)),
        Err(NativeRequestError::Reported(asker, error, why)) => {
            facts.cause = Some(format!("{error}: {why}"));
            return app_return::go(exchange, asker.with_error(exchange.app, error, why), false);
        }
    };
    if inbound.target.method() != Method::POST {
        return match request.typed() {
            None => Ok(identify(exchange, &request)),
            // Only a claimed `https` redirect URI is certain to lead to the requesting app: any
            // program on the device can register a scheme or listen on loopback.
            Some(_) if request.app.target.kind() != RedirectUriKind::Https => {
                Ok(confirm(exchange, &request))
            }
            Some(typed) => start(exchange, &request, typed).await,
        };
    }
    if !exchange.is_post_of_our_own_page() {
        return Err(Refusal::ForeignOrigin);
    }
    let said = PageAnswer::read(body.take().ok_or(Refusal::Internal("no body"))?).await?;
    if said.cancel {
        return app_return::go(
            exchange,
            request.app.with_error(
                exchange.app,
                "access_denied",
                "the person canceled the sign-in",
            ),
            false,
        );
    }
    match said.identifier.as_deref().or(request.typed()) {
        None => Ok(identify(exchange, &request)),
        Some(typed) => start(exchange, &request, typed).await,
    }
}

impl NativeRequest<'_> {
    /// Returns the text that selects where to sign in. If the app sends both parameters, the
    /// company code is used, and the login hint is passed to Entra.
    fn typed(&self) -> Option<&str> {
        self.organization.as_deref().or(self.login_hint.as_deref())
    }
}

impl PageAnswer {
    async fn read(body: Incoming) -> Result<Self, Refusal> {
        let form = FormFields::read(body).await?;
        Ok(Self {
            cancel: form.text("choice") == "cancel",
            identifier: form.typed("identifier").map(str::to_owned),
        })
    }
}

/// Asks for a username or a company code. People who type one into this page, which names the app,
/// have agreed to sign in there.
fn identify(exchange: &Exchange<'_>, request: &NativeRequest<'_>) -> Response<Body> {
    let page = Page::Identify(identify_page(exchange, &request.native, request.app.name));
    exchange.page(StatusCode::OK, &page)
}

/// Returns the page that asks on behalf of the app with that name.
pub(in crate::flow) fn identify_page(
    exchange: &Exchange<'_>,
    native: &NativeSignIn,
    app: &str,
) -> IdentifyPage {
    let last =
        organization::last(exchange, |code| native_url(&exchange.app.site, native, Some(code)));
    IdentifyPage {
        action: native_url(&exchange.app.site, native, None),
        app: app.to_owned(),
        typed: String::new(),
        unknown: false,
        last,
    }
}

/// Asks the person to confirm: any app can claim a private-use scheme, and Entra may sign a person
/// in without interaction (RFC 8252 section 8.6).
fn confirm(exchange: &Exchange<'_>, request: &NativeRequest<'_>) -> Response<Body> {
    let Exchange { app, inbound, .. } = *exchange;
    let action = inbound.target.path_and_query().as_str().to_owned();
    let page = Page::NativeConfirm(NativeConfirmPage {
        action,
        app: request.app.name.to_owned(),
        site: app.site.host().to_owned(),
    });
    exchange.page(StatusCode::OK, &page)
}

async fn start(
    exchange: &Exchange<'_>,
    request: &NativeRequest<'_>,
    typed: &str,
) -> Result<Response<Body>, Refusal> {
    let all = exchange.sidecar.organizations.as_ref().ok_or(Refusal::NotFound)?;
    let asks = async || identify_page(exchange, &request.native, request.app.name);
    let at = match exchange.sidecar.asks_entra {
        true if organization::is_short(typed) => OrganizationHint::Typed(typed.to_owned()),
        true => return Err(organization::unknown(typed, asks().await)),
        false => OrganizationHint::Found(Box::new(
            organization::find_by(exchange, all, typed, asks).await?,
        )),
    };
    let login_hint = organization::hint(typed).or_else(|| request.login_hint.clone());
    let hints =
        SignInHints { login_hint, prompt: request.prompt.clone(), ..SignInHints::default() };
    let start = SignInStart {
        hints,
        at,
        typed: Some(typed.to_owned()),
        ..SignInStart::new(SignInPurpose::App(request.native.clone()))
    };
    begin::start_sign_in(exchange, start).await
}
