//! The pages where a sign-in begins: `/start` and `/sign_in`.

use super::super::exchange::Exchange;
use super::super::refusal::Refusal;
use super::super::refusal::challenge::SIGN_IN_CHALLENGE;
use super::super::sign_in_url::page_url;
use super::begin::{SignInStart, start_sign_in};
use super::organization::{self, OrganizationHint};
use super::start_link::StartLink;
use super::state;
use crate::base::own_path;
use crate::base::return_to::ReturnTo;
use crate::config::access::is_context;
use crate::entra::authorize::SignInHints;
use crate::pages::{Page, SignInPage};
use crate::session::pending::{SessionRequest, SignInPurpose};
use crate::sidecar::organizations::OrganizationRegistry;
use crate::wire::body::Body;
use crate::wire::inbound::CallerKind;
use crate::wire::reply;
use http::{Method, Response, StatusCode};
use hyper::body::Incoming;

/// Maximum length of a hint that is passed on, in bytes.
const MAX_HINT_BYTES: usize = 256;

/// `GET /start`: redirects to Entra (302).
pub(in crate::flow) async fn start(exchange: &Exchange<'_>) -> Result<Response<Body>, Refusal> {
    exchange.require_method(&[Method::GET, Method::HEAD], "GET")?;
    let start = start_of_query(exchange).await;
    let is_page = exchange.inbound.caller == CallerKind::Navigation
        && exchange.inbound.target.method() == Method::GET;
    if is_page && exchange.is_in_frame() && !has_parameter(exchange, "prompt", Some("none")) {
        let start = same_start(exchange, &start).await;
        return Ok(exchange.framed_page(start, SIGN_IN_CHALLENGE));
    }
    // A front proxy redirects here, and browsers keep the fragment across redirects.
    if is_page && exchange.app.keeps_fragment && !has_parameter(exchange, "fragment", None) {
        let start = format!("{}&fragment=kept", same_start(exchange, &start).await);
        return Ok(exchange.page(StatusCode::OK, &Page::Fragment { start }));
    }
    start_sign_in(exchange, start).await
}

fn has_parameter(exchange: &Exchange<'_>, name: &str, value: Option<&str>) -> bool {
    let query = exchange.inbound.target.query().unwrap_or_default();
    url::form_urlencoded::parse(query.as_bytes())
        .any(|it| it.0 == name && value.is_none_or(|value| it.1 == value))
}

/// Returns the URL that starts the same sign-in.
async fn same_start(exchange: &Exchange<'_>, start: &SignInStart) -> String {
    let (purpose, hints) = (&start.purpose, &start.hints);
    let mut url = link(exchange, purpose).await.start(None);
    let organization = match &start.at {
        OrganizationHint::Typed(it) => Some(it),
        _ => None,
    };
    let all = [
        ("organization", organization),
        ("login_hint", hints.login_hint.as_ref()),
        ("domain_hint", hints.domain_hint.as_ref()),
        ("prompt", hints.prompt.as_ref()),
    ];
    let all = all.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let rest = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(all).finish();
    if !rest.is_empty() {
        url = format!("{url}&{rest}");
    }
    url
}

async fn link<'a>(exchange: &Exchange<'a>, purpose: &SignInPurpose) -> StartLink<'a> {
    StartLink::of(exchange, &purpose.return_to(&exchange.app.site), purpose.acrs()).await
}

/// `GET /sign_in`: the page with a button that leads to `/start`. With organizations, it has an
/// input field instead. `POST` redirects to Entra at once, with the query of the page.
pub(in crate::flow) async fn page(
    exchange: &Exchange<'_>,
    body: &mut Option<Incoming>,
) -> Result<Response<Body>, Refusal> {
    let Exchange { sidecar, app, inbound, .. } = *exchange;
    exchange.require_method(&[Method::GET, Method::HEAD, Method::POST], "GET, POST")?;
    let start = start_of_query(exchange).await;
    if let Some(all) = &sidecar.organizations {
        return identify(exchange, all, body, start).await;
    }
    if inbound.target.method() == Method::POST {
        return start_sign_in(exchange, start).await;
    }
    let start = link(exchange, &start.purpose).await.start(None);
    let page = Page::SignIn(SignInPage { start, app: app.display_name.clone() });
    Ok(exchange.page(StatusCode::OK, &page))
}

/// Asks for a username or a company code and redirects to Entra with the typed text. A script
/// receives the URL instead.
async fn identify(
    exchange: &Exchange<'_>,
    all: &OrganizationRegistry,
    body: &mut Option<Incoming>,
    mut start: SignInStart,
) -> Result<Response<Body>, Refusal> {
    let Exchange { sidecar, app, inbound, .. } = *exchange;
    let return_to = start.purpose.return_to(&app.site);
    let asking =
        async || organization::identify_page(exchange, &return_to, start.purpose.acrs()).await;
    let typed = match body.take().filter(|_| inbound.target.method() == Method::POST) {
        Some(_) if exchange.is_post_of_another_site() => return Err(Refusal::ForeignOrigin),
        Some(body) => organization::typed(body).await?,
        None => None,
    };
    let Some(typed) = typed else {
        if matches!(start.at, OrganizationHint::Typed(_)) {
            return start_sign_in(exchange, start).await;
        }
        let page = Page::Identify(asking().await);
        return Ok(exchange.page(StatusCode::OK, &page));
    };
    let at = match sidecar.asks_entra {
        true if organization::is_short(&typed) => OrganizationHint::Typed(typed.clone()),
        true => return Err(organization::unknown(&typed, asking().await)),
        false => OrganizationHint::Found(Box::new(
            organization::find_by(exchange, all, &typed, asking).await?,
        )),
    };
    if inbound.caller == CallerKind::Script {
        let code = match &at {
            // A username that is no address says more than the code of its organization.
            OrganizationHint::Found(it)
                if organization::typed_username(it, &typed).is_none_or(|it| it.is_address()) =>
            {
                it.code.as_str()
            }
            _ => &typed,
        };
        let place =
            page_url(&app.site, own_path::START, &return_to, start.purpose.acrs(), Some(code));
        return Ok(reply::json(
            StatusCode::OK,
            &serde_json::json!({"sign_in_url": format!("{}{place}", app.site.origin())}),
        ));
    }
    start.hints.login_hint = organization::hint(&typed).or(start.hints.login_hint);
    start.at = at;
    start.typed = Some(typed);
    start_sign_in(exchange, start).await
}

/// Reads the parameters of a sign-in from the query.
async fn start_of_query(exchange: &Exchange<'_>) -> SignInStart {
    let (mut hints, mut at, mut session) =
        (SignInHints::default(), OrganizationHint::None, SessionRequest::to(&ReturnTo::home()));
    let mut kept = None;
    for (key, value) in
        url::form_urlencoded::parse(exchange.inbound.target.query().unwrap_or_default().as_bytes())
    {
        let hint = || {
            (!value.is_empty() && value.len() <= MAX_HINT_BYTES).then(|| value.clone().into_owned())
        };
        match &*key {
            "rd" => {
                let return_to = ReturnTo::parse(&value, &exchange.app.site);
                session = SessionRequest { acrs: session.acrs, ..SessionRequest::to(&return_to) };
            }
            "kept" => kept = hint(),
            "login_hint" => hints.login_hint = hint(),
            "domain_hint" => hints.domain_hint = hint(),
            "acrs" if is_context(&value) && !session.acrs.iter().any(|it| *it == value) => {
                session.acrs.push(value.into_owned());
            }
            "organization" => at = hint().map_or(OrganizationHint::None, OrganizationHint::Typed),
            "prompt" => {
                hints.prompt =
                    hint().filter(|it| matches!(it.as_str(), "login" | "select_account"));
            }
            _ => {}
        }
    }
    if let Some(key) = kept {
        session = match state::kept_link(exchange, &key).await {
            Some(whole) => with_fragment_of(&session, whole),
            // Only the part in `rd` is left.
            None => SessionRequest { is_shortened: true, ..session },
        };
    }
    SignInStart { hints, at, ..SignInStart::new(SignInPurpose::Session(session)) }
}

/// Adds the fragment that a page's script added to the short link.
fn with_fragment_of(short: &SessionRequest, mut whole: SessionRequest) -> SessionRequest {
    if let Some((_, fragment)) = short.return_to.split_once('#')
        && !whole.return_to.contains('#')
    {
        whole.return_to = format!("{}#{fragment}", whole.return_to);
    }
    whole
}
