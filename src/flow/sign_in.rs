//! Off to Entra.

use super::authenticate::{ended, session_of_cookie};
use super::loops::{LoopEvidence, SessionCookieState};
use super::native::request;
use super::organization::{self, OrganizationHint, SignInPlace};
use super::origin::{is_post_of_another_site, request_source, typing_client};
use super::refusal::Refusal;
use crate::base::return_to::ReturnTo;
use crate::base::site::Site;
use crate::config::access::{SignedOutAnswer, is_context};
use crate::entra::authorize::{SignInHints, claims_for};
use crate::pages::{Page, SignInPage};
use crate::session::pending::{MAX_PENDING_SIGN_INS, NativeSignIn, PENDING_LIFETIME_SECONDS, PendingSignIn, SignInTrial};
use crate::session::rounds::{SignInAim, SignInOrigin, SignInRounds, WINDOW_SECONDS};
use crate::sidecar::Sidecar;
use crate::sidecar::guesses::RequestSource;
use crate::sidecar::organizations::OrganizationRegistry;
use crate::wire::body::Body;
use crate::wire::cookies::{self, CookieMatch};
use crate::wire::forwarded::why_http;
use crate::wire::inbound::{CallerKind, InboundRequest};
use crate::wire::reply;
use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use hyper::body::Incoming;
use std::sync::Arc;

/// Longest hint that is passed on, in bytes.
const MAX_HINT_BYTES: usize = 256;

/// How a sign-in begins.
pub(super) struct SignInStart {
    pub(super) return_to: ReturnTo,
    pub(super) hints: SignInHints,
    /// The authentication contexts of which one has to be proven.
    pub(super) acrs: Vec<String>,
    /// The mark of the app's claims challenge that it answers.
    pub(super) challenge: Option<Box<str>>,
    /// What the `state` of a sign-in says of earlier rounds that came back without its cookie.
    pub(super) lost_rounds: Option<SignInRounds>,
    /// The organization it is for, where there are any.
    pub(super) at: OrganizationHint,
    /// What was typed, where Entra is to say first whose account it is.
    pub(super) typed: Option<String>,
    /// The request of an app of a phone or a command line that it answers.
    pub(super) native: Option<NativeSignIn>,
    /// The set-up page that it is a trial for.
    pub(super) trial: Option<SignInTrial>,
    /// What made the browser begin it, where that is not this request: the callback of the step before is always sent by Entra's page.
    pub(super) source: Option<RequestSource>,
}

impl SignInStart {
    /// One that asks for no more than being signed in.
    pub(super) fn at(return_to: ReturnTo) -> Self {
        Self {
            return_to,
            hints: SignInHints::default(),
            acrs: Vec::new(),
            challenge: None,
            lost_rounds: None,
            at: OrganizationHint::None,
            typed: None,
            trial: None,
            native: None,
            source: None,
        }
    }

    /// The same, and one of these is to be proven.
    pub(super) fn with_contexts(return_to: ReturnTo, acrs: &[String]) -> Self {
        Self { acrs: acrs.to_vec(), ..Self::at(return_to) }
    }

    fn aim(&self) -> SignInAim {
        match (&self.trial, &self.native) {
            (Some(_), _) => SignInAim::Trial,
            (None, Some(_)) => SignInAim::App,
            (None, None) => SignInAim::Session,
        }
    }
}

/// `GET /start`: 302 to Entra.
pub(super) async fn start(sidecar: &Sidecar, inbound: &InboundRequest, headers: &HeaderMap) -> Result<Response<Body>, Refusal> {
    only(inbound, &[Method::GET, Method::HEAD], "GET")?;
    start_sign_in(sidecar, inbound, headers, start_of_query(sidecar, inbound)).await
}

/// `GET /sign_in`: the page with one button, which leads to `/start`; where there are organizations, with one field. `POST` goes to Entra at
/// once, with the query of the page.
pub(super) async fn page(sidecar: &Sidecar, inbound: &InboundRequest, headers: &HeaderMap, body: &mut Option<Incoming>) -> Result<Response<Body>, Refusal> {
    only(inbound, &[Method::GET, Method::HEAD, Method::POST], "GET, POST")?;
    let start = start_of_query(sidecar, inbound);
    if let Some(all) = &sidecar.organizations {
        return identify(sidecar, all, inbound, headers, body, start).await;
    }
    if inbound.target.method() == Method::POST {
        return start_sign_in(sidecar, inbound, headers, start).await;
    }
    let start = start_url_with_contexts(&sidecar.site, &start.return_to, &start.acrs);
    let page = Page::SignIn(SignInPage { start, app: sidecar.site.authority().to_owned() });
    Ok(reply::page(StatusCode::OK, sidecar.pages.render(&page, inbound.language), sidecar.pages.policy(&page)))
}

/// Asks for a username or a company code, and goes on to Entra with what was typed; a script is told where that is.
async fn identify(
    sidecar: &Sidecar,
    all: &OrganizationRegistry,
    inbound: &InboundRequest,
    headers: &HeaderMap,
    body: &mut Option<Incoming>,
    mut start: SignInStart,
) -> Result<Response<Body>, Refusal> {
    let asking = || organization::identify_page(sidecar, headers, &start.return_to, &start.acrs);
    let typed = match body.take().filter(|_| inbound.target.method() == Method::POST) {
        Some(_) if is_post_of_another_site(sidecar, headers) => return Err(Refusal::ForeignOrigin),
        Some(body) => organization::typed(body).await?,
        None => None,
    };
    let Some(typed) = typed else {
        if matches!(start.at, OrganizationHint::Typed(_)) {
            return start_sign_in(sidecar, inbound, headers, start).await;
        }
        let page = Page::Identify(asking());
        return Ok(reply::page(StatusCode::OK, sidecar.pages.render(&page, inbound.language), sidecar.pages.policy(&page)));
    };
    let at = match sidecar.asks_entra {
        true if organization::is_short(&typed) => OrganizationHint::Typed(typed.clone()),
        true => return Err(organization::unknown(&typed, asking())),
        false => OrganizationHint::Found(Box::new(organization::find_by(sidecar, all, (inbound, headers), &typed, asking).await?)),
    };
    if inbound.caller == CallerKind::Script {
        let code = if let OrganizationHint::Found(it) = &at { it.code.as_str() } else { &typed };
        let place = organization::url(&sidecar.site, "start", &start.return_to, &start.acrs, Some(code));
        return Ok(reply::json(StatusCode::OK, &serde_json::json!({"sign_in_url": format!("{}{place}", sidecar.site.origin())})));
    }
    start.hints.login_hint = organization::hint(&typed).or(start.hints.login_hint);
    start.at = at;
    start_sign_in(sidecar, inbound, headers, start).await
}

/// Where a person begins to sign in, to come back to `return_to`.
pub(super) fn start_url(site: &Site, return_to: &ReturnTo) -> String {
    start_url_with_contexts(site, return_to, &[])
}

/// The same, to prove one of these on the way.
pub(super) fn start_url_with_contexts(site: &Site, return_to: &ReturnTo, acrs: &[String]) -> String {
    organization::url(site, "start", return_to, acrs, None)
}

/// Off to Entra, where a redirect leads a person there, to prove one of these where there are any; else the refusal that names the place to begin.
pub(super) async fn send_to_sign_in(
    sidecar: &Sidecar,
    inbound: &InboundRequest,
    headers: &HeaderMap,
    signed_out: SignedOutAnswer,
    acrs: &[String],
    refusal: impl FnOnce(String) -> Refusal,
) -> Result<Response<Body>, Refusal> {
    let return_to = ReturnTo::of(&inbound.target, &sidecar.site);
    if redirects(inbound.caller, signed_out) {
        start_sign_in(sidecar, inbound, headers, SignInStart::with_contexts(return_to, acrs)).await
    } else {
        Err(refusal(start_url_with_contexts(&sidecar.site, &return_to, acrs)))
    }
}

/// Whether a redirect leads a person anywhere, and the rule allows it.
pub(super) fn redirects(caller: CallerKind, signed_out: SignedOutAnswer) -> bool {
    caller == CallerKind::Navigation && signed_out == SignedOutAnswer::Auto
}

/// Seals a sign-in under way into its own cookie and sends the browser to Entra; where nobody knows to which, to the page that asks.
pub(super) async fn start_sign_in(sidecar: &Sidecar, inbound: &InboundRequest, headers: &HeaderMap, mut start: SignInStart) -> Result<Response<Body>, Refusal> {
    let at = match std::mem::replace(&mut start.at, OrganizationHint::None) {
        OrganizationHint::Typed(typed) if sidecar.asks_entra => {
            start.hints.login_hint = start.hints.login_hint.or_else(|| organization::hint(&typed));
            start.typed = Some(typed);
            OrganizationHint::Account
        }
        at => at,
    };
    let asks = || organization::identify_page(sidecar, headers, &start.return_to, &start.acrs);
    match organization::place(sidecar, inbound, headers, at, asks).await? {
        Some(place) => start_sign_in_at(sidecar, inbound, headers, start, place).await,
        None => {
            let page = organization::url(&sidecar.site, "sign_in", &start.return_to, &start.acrs, None);
            reply::redirect(StatusCode::FOUND, &page).ok_or(Refusal::Internal("no redirect"))
        }
    }
}

async fn start_sign_in_at(
    sidecar: &Sidecar,
    inbound: &InboundRequest,
    headers: &HeaderMap,
    start: SignInStart,
    place: SignInPlace,
) -> Result<Response<Body>, Refusal> {
    let now = sidecar.process.clock.now();
    // Whoever chooses an account or proves themselves anew acts at each round: that goes on by itself no more than a person does.
    let kept = rounds_in_cookie(sidecar, headers).filter(|_| start.hints.prompt.is_none());
    let rounds = kept.unwrap_or_default().or(start.lost_rounds.unwrap_or_default());
    let rounds =
        if start.lost_rounds.is_some() { rounds.count_return(now) } else { rounds }.sets_out(now, SignInOrigin { aim: start.aim(), ..from(sidecar, inbound) });
    if rounds.is_loop() {
        return Err(Refusal::Loop(Box::new(seen(sidecar, inbound, headers, rounds, start.lost_rounds))));
    }
    let state = new_state(sidecar, rounds)?;
    let again = again(sidecar, &place, &start);
    // Who is signed in on the web is nothing to an app that asks.
    let hints = if start.native.is_some() { start.hints } else { hints(sidecar, headers, start.hints, &start.acrs) };
    let prompt_login = hints.prompt.as_deref() == Some("login");
    let begun = place.entra.begin(&hints, &state).await.map_err(|it| match again {
        Some(again) => Refusal::SignIn(it, again, Arc::clone(&place.entra)),
        None => it.into(),
    })?;
    let source = start.source.unwrap_or_else(|| match &start.typed {
        Some(_) => typing_client(sidecar, inbound, headers).source,
        None => request_source(sidecar, headers),
    });
    let by_other_site = source == RequestSource::Other;
    let organization = place.organization.map(|it| it.id.to_string());
    let (return_to, acrs, challenge) = (start.return_to.as_str().to_owned(), start.acrs, start.challenge);
    let SignInStart { trial, native, typed, .. } = start;
    let (nonce, verifier) = (begun.nonce, begun.verifier);
    let pending =
        PendingSignIn { nonce, verifier, return_to, started_at: now, state, acrs, challenge, organization, typed, trial, native, prompt_login, by_other_site };
    let mut response = reply::redirect(StatusCode::FOUND, &begun.location).ok_or(Refusal::Internal("the address of Entra is not a valid header value"))?;
    for cookie in cookies_of(sidecar, headers, &pending, rounds)? {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(response)
}

/// Where to try again at an organization: its own names stand in what is said of a sign-in that does not begin.
fn again(sidecar: &Sidecar, place: &SignInPlace, start: &SignInStart) -> Option<String> {
    let code = place.organization.as_ref()?.code.as_str();
    Some(match &start.native {
        Some(native) => request::url(&sidecar.site, native, Some(code)),
        None => organization::url(&sidecar.site, "start", &start.return_to, &start.acrs, Some(code)),
    })
}

/// Where something has to be proven, it is by whoever is signed in, or was until Entra wanted it proven.
fn hints(sidecar: &Sidecar, headers: &HeaderMap, mut hints: SignInHints, acrs: &[String]) -> SignInHints {
    let ended = ended(sidecar, headers);
    let wanted = || ended.as_ref()?.standing().again().flatten().map(str::to_owned);
    hints.claims = hints.claims.or_else(|| claims_for(acrs)).or_else(wanted);
    let session = session_of_cookie(sidecar, headers).filter(|_| hints.claims.is_some());
    if let Some(session) = session.or(ended).filter(|_| hints.login_hint.is_none()) {
        let who = session.identity();
        hints.login_hint = who.login_hint.as_deref().or(who.preferred_username.as_deref()).map(str::to_owned);
    }
    hints
}

/// What a `state` of ours says of earlier rounds; `None` where it is not ours.
pub(super) fn rounds_in_state(sidecar: &Sidecar, state: &str) -> Option<SignInRounds> {
    let (id, sealed) = state.split_once('.')?;
    SignInRounds::read(&sidecar.state.open(id, sealed)?)
}

fn new_state(sidecar: &Sidecar, rounds: SignInRounds) -> Result<String, Refusal> {
    let id = sidecar.process.random.text::<16>();
    let sealed = sidecar.state.seal(&id, &rounds.write()).ok_or(Refusal::Internal("sealing failed"))?;
    Ok(format!("{id}.{sealed}"))
}

fn cookies_of(sidecar: &Sidecar, headers: &HeaderMap, pending: &PendingSignIn, rounds: SignInRounds) -> Result<Vec<HeaderValue>, Refusal> {
    let failed = Refusal::Internal("sealing failed");
    let name = sidecar.names.pending(&pending.state);
    let Some(sealed) = sidecar.pending.seal(&name, &pending.write()) else { return Err(failed) };
    let mut out = vec![sidecar.names.set(&name, &sealed, Some(PENDING_LIFETIME_SECONDS)), counted(sidecar, rounds)];
    out.extend(excess_pending(sidecar, headers).into_iter().map(|it| sidecar.names.remove(it)));
    out.into_iter().collect::<Option<_>>().ok_or(failed)
}

/// Cookies of sign-ins under way that are opened for one request. Browsers keep about 180 cookies of a site; a program can send thousands.
const MAX_OPENED_PENDING: usize = 32;
/// Cookies that one answer removes: its length must not grow with the request. More go with the next sign-in.
const MAX_REMOVED_COOKIES: usize = 8;

/// At most five sign-ins are under way in one browser: the cookies that must go for a further one, unreadable ones first, each once.
fn excess_pending<'a>(sidecar: &Sidecar, headers: &'a HeaderMap) -> Vec<&'a str> {
    let now = sidecar.process.clock.now();
    let mut seen: Vec<(Option<u64>, &str)> = Vec::new();
    for (name, value) in cookies::all(headers).filter(|it| sidecar.names.is_pending(it.0)) {
        if seen.len() == MAX_OPENED_PENDING {
            break;
        }
        if !seen.iter().any(|it| it.1 == name) {
            let begun = sidecar.pending.open(name, value).and_then(|it| PendingSignIn::read(&it, now)).map(|it| it.started_at);
            seen.push((begun, name));
        }
    }
    seen.sort_unstable();
    let live = seen.iter().filter(|it| it.0.is_some()).count();
    let unreadable = seen.len() - live;
    let excess = unreadable + (live + 1).saturating_sub(MAX_PENDING_SIGN_INS);
    seen.into_iter().map(|it| it.1).take(excess.min(MAX_REMOVED_COOKIES)).collect()
}

fn rounds_in_cookie(sidecar: &Sidecar, headers: &HeaderMap) -> Option<SignInRounds> {
    let name = sidecar.names.rounds();
    match cookies::find(headers, &name) {
        CookieMatch::One(value) => SignInRounds::read(&sidecar.rounds.open(&name, value)?),
        CookieMatch::None | CookieMatch::Several => None,
    }
}

/// The cookie that counts.
fn counted(sidecar: &Sidecar, rounds: SignInRounds) -> Option<HeaderValue> {
    let name = sidecar.names.rounds();
    sidecar.names.set(&name, &sidecar.rounds.seal(&name, &rounds.write())?, Some(WINDOW_SECONDS))
}

/// The cookie that counts one more that came back under `state`.
pub(super) fn count_return(sidecar: &Sidecar, headers: &HeaderMap, state: &str) -> Option<HeaderValue> {
    counted(sidecar, with_one_more(sidecar, headers, rounds_in_state(sidecar, state).unwrap_or_default()))
}

/// The same for one that came back without its cookie, while somebody is signed in. Where it began at another host, something may lead back
/// to that host again and again.
pub(super) fn resume_without_cookie(
    sidecar: &Sidecar,
    inbound: &InboundRequest,
    headers: &HeaderMap,
    lost: SignInRounds,
) -> Result<Option<HeaderValue>, Refusal> {
    let rounds = with_one_more(sidecar, headers, lost);
    if lost.origin.elsewhere && rounds.is_loop() {
        return Err(Refusal::Loop(Box::new(seen(sidecar, inbound, headers, rounds, Some(lost)))));
    }
    Ok(counted(sidecar, rounds).filter(|_| lost.origin.elsewhere))
}

fn with_one_more(sidecar: &Sidecar, headers: &HeaderMap, told: SignInRounds) -> SignInRounds {
    rounds_in_cookie(sidecar, headers).unwrap_or_default().or(told).count_return(sidecar.process.clock.now())
}

fn from(sidecar: &Sidecar, inbound: &InboundRequest) -> SignInOrigin {
    let elsewhere = !sidecar.site.is_public_host(inbound.host.to_str().unwrap_or_default());
    SignInOrigin { http: sidecar.site.is_https() && !inbound.https, elsewhere, aim: SignInAim::Session }
}

fn seen(sidecar: &Sidecar, inbound: &InboundRequest, headers: &HeaderMap, rounds: SignInRounds, lost: Option<SignInRounds>) -> LoopEvidence {
    let SignInOrigin { http, elsewhere, .. } = from(sidecar, inbound);
    let has_cookie = cookies::find(headers, sidecar.names.session()) != CookieMatch::None;
    LoopEvidence {
        rounds,
        lost: lost.map(|it| it.origin),
        cookie: rounds_in_cookie(sidecar, headers).is_some(),
        other_host: elsewhere.then(|| String::from_utf8_lossy(inbound.host.as_bytes()).into_owned()),
        http: http.then(|| why_http(headers, &inbound.origin)),
        ahead: sidecar.entra.clock_ahead(),
        session: match session_of_cookie(sidecar, headers) {
            Some(_) => SessionCookieState::Live,
            None if has_cookie => SessionCookieState::Unknown,
            None => SessionCookieState::None,
        },
    }
}

/// What the query asks for.
fn start_of_query(sidecar: &Sidecar, inbound: &InboundRequest) -> SignInStart {
    let mut start = SignInStart::at(ReturnTo::home());
    for (key, value) in url::form_urlencoded::parse(inbound.target.query().unwrap_or_default().as_bytes()) {
        let hint = || (!value.is_empty() && value.len() <= MAX_HINT_BYTES).then(|| value.clone().into_owned());
        match &*key {
            "rd" => start.return_to = ReturnTo::parse(&value, &sidecar.site),
            "login_hint" => start.hints.login_hint = hint(),
            "domain_hint" => start.hints.domain_hint = hint(),
            "acrs" if is_context(&value) && !start.acrs.iter().any(|it| *it == value) => start.acrs.push(value.into_owned()),
            "organization" => start.at = hint().map_or(OrganizationHint::None, OrganizationHint::Typed),
            "prompt" => start.hints.prompt = hint().filter(|it| matches!(it.as_str(), "login" | "select_account")),
            _ => {}
        }
    }
    start
}

/// Refuses other methods.
pub(super) fn only(inbound: &InboundRequest, methods: &[Method], allow: &'static str) -> Result<(), Refusal> {
    if methods.contains(inbound.target.method()) && !inbound.upgrade { Ok(()) } else { Err(Refusal::Method(allow)) }
}
