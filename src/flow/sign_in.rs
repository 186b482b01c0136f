//! Off to Entra.

use super::authenticate::{ended, look};
use super::loops::{Seen, Session};
use super::native::request;
use super::organization::{self, At, Place};
use super::origin::{is_post_of_another_site, request_source, typing_client};
use super::refusal::Refusal;
use crate::base::return_to::ReturnTo;
use crate::base::site::Site;
use crate::config::access::{SignedOut, is_context};
use crate::entra::authorize::{Hints, claims_for};
use crate::pages::{Page, SignIn};
use crate::session::pending::{LIFE, MOST, Native, Pending, Trial};
use crate::session::rounds::{Aim, From, Rounds, WINDOW};
use crate::sidecar::Sidecar;
use crate::sidecar::guesses::RequestSource;
use crate::sidecar::organizations::Organizations;
use crate::wire::body::Body;
use crate::wire::cookies::{self, Found};
use crate::wire::forwarded::why_http;
use crate::wire::inbound::{Asker, Inbound};
use crate::wire::reply;
use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use hyper::body::Incoming;
use std::sync::Arc;

/// Longest hint that is passed on, in bytes.
const HINT: usize = 256;

/// How a sign-in begins.
pub(super) struct Start {
    pub(super) return_to: ReturnTo,
    pub(super) hints: Hints,
    /// The authentication contexts of which one has to be proven.
    pub(super) acrs: Vec<String>,
    /// The mark of the app's claims challenge that it answers.
    pub(super) challenge: Option<Box<str>>,
    /// What the `state` of a sign-in says of earlier rounds that came back without its cookie.
    pub(super) lost: Option<Rounds>,
    /// The organization it is for, where there are any.
    pub(super) at: At,
    /// What was typed, where Entra is to say first whose account it is.
    pub(super) typed: Option<String>,
    /// The request of an app of a phone or a command line that it answers.
    pub(super) native: Option<Native>,
    /// The set-up page that it is a trial for.
    pub(super) trial: Option<Trial>,
    /// What made the browser begin it, where that is not this request: the callback of the step before is always sent by Entra's page.
    pub(super) source: Option<RequestSource>,
}

impl Start {
    /// One that asks for no more than being signed in.
    pub(super) fn at(return_to: ReturnTo) -> Self {
        Self {
            return_to,
            hints: Hints::default(),
            acrs: Vec::new(),
            challenge: None,
            lost: None,
            at: At::Unsaid,
            typed: None,
            trial: None,
            native: None,
            source: None,
        }
    }

    /// The same, and one of these is to be proven.
    pub(super) fn proving(return_to: ReturnTo, acrs: &[String]) -> Self {
        Self { acrs: acrs.to_vec(), ..Self::at(return_to) }
    }

    fn aim(&self) -> Aim {
        match (&self.trial, &self.native) {
            (Some(_), _) => Aim::Trial,
            (None, Some(_)) => Aim::App,
            (None, None) => Aim::Session,
        }
    }
}

/// `GET /start`: 302 to Entra.
pub(super) async fn start(house: &Sidecar, inbound: &Inbound, headers: &HeaderMap) -> Result<Response<Body>, Refusal> {
    only(inbound, &[Method::GET, Method::HEAD], "GET")?;
    begin(house, inbound, headers, asked(house, inbound)).await
}

/// `GET /sign_in`: the page with one button, which leads to `/start`; where there are organizations, with one field. `POST` goes to Entra at
/// once, with the query of the page.
pub(super) async fn page(house: &Sidecar, inbound: &Inbound, headers: &HeaderMap, body: &mut Option<Incoming>) -> Result<Response<Body>, Refusal> {
    only(inbound, &[Method::GET, Method::HEAD, Method::POST], "GET, POST")?;
    let start = asked(house, inbound);
    if let Some(all) = &house.organizations {
        return identify(house, all, inbound, headers, body, start).await;
    }
    if inbound.target.method() == Method::POST {
        return begin(house, inbound, headers, start).await;
    }
    let start = start_url_proving(&house.site, &start.return_to, &start.acrs);
    let page = Page::SignIn(SignIn { start, app: house.site.authority().to_owned() });
    Ok(reply::page(StatusCode::OK, house.pages.render(&page, inbound.language), house.pages.policy(&page)))
}

/// Asks for a username or a company code, and goes on to Entra with what was typed; a script is told where that is.
async fn identify(
    house: &Sidecar,
    all: &Organizations,
    inbound: &Inbound,
    headers: &HeaderMap,
    body: &mut Option<Incoming>,
    mut start: Start,
) -> Result<Response<Body>, Refusal> {
    let asking = || organization::asking(house, headers, &start.return_to, &start.acrs);
    let typed = match body.take().filter(|_| inbound.target.method() == Method::POST) {
        Some(_) if is_post_of_another_site(house, headers) => return Err(Refusal::ForeignOrigin),
        Some(body) => organization::typed(body).await?,
        None => None,
    };
    let Some(typed) = typed else {
        if matches!(start.at, At::Typed(_)) {
            return begin(house, inbound, headers, start).await;
        }
        let page = Page::Identify(asking());
        return Ok(reply::page(StatusCode::OK, house.pages.render(&page, inbound.language), house.pages.policy(&page)));
    };
    let at = match house.asks_entra {
        true if organization::is_short(&typed) => At::Typed(typed.clone()),
        true => return Err(organization::unknown(&typed, asking())),
        false => At::This(Box::new(organization::find_by(house, all, (inbound, headers), &typed, asking).await?)),
    };
    if inbound.asker == Asker::Script {
        let code = if let At::This(it) = &at { it.code.as_str() } else { &typed };
        let place = organization::url(&house.site, "start", &start.return_to, &start.acrs, Some(code));
        return Ok(reply::json(StatusCode::OK, &serde_json::json!({"sign_in_url": format!("{}{place}", house.site.origin())})));
    }
    start.hints.login_hint = organization::hint(&typed).or(start.hints.login_hint);
    start.at = at;
    begin(house, inbound, headers, start).await
}

/// Where a person begins to sign in, to come back to `return_to`.
pub(super) fn start_url(site: &Site, return_to: &ReturnTo) -> String {
    start_url_proving(site, return_to, &[])
}

/// The same, to prove one of these on the way.
pub(super) fn start_url_proving(site: &Site, return_to: &ReturnTo, acrs: &[String]) -> String {
    organization::url(site, "start", return_to, acrs, None)
}

/// Off to Entra, where a redirect leads a person there, to prove one of these where there are any; else the refusal that names the place to begin.
pub(super) async fn lead(
    house: &Sidecar,
    inbound: &Inbound,
    headers: &HeaderMap,
    signed_out: SignedOut,
    acrs: &[String],
    refusal: impl FnOnce(String) -> Refusal,
) -> Result<Response<Body>, Refusal> {
    let return_to = ReturnTo::of(&inbound.target, &house.site);
    if redirects(inbound.asker, signed_out) {
        begin(house, inbound, headers, Start::proving(return_to, acrs)).await
    } else {
        Err(refusal(start_url_proving(&house.site, &return_to, acrs)))
    }
}

/// Whether a redirect leads a person anywhere, and the rule allows it.
pub(super) fn redirects(asker: Asker, signed_out: SignedOut) -> bool {
    asker == Asker::Navigation && signed_out == SignedOut::Auto
}

/// Seals a sign-in under way into its own cookie and sends the browser to Entra; where nobody knows to which, to the page that asks.
pub(super) async fn begin(house: &Sidecar, inbound: &Inbound, headers: &HeaderMap, mut start: Start) -> Result<Response<Body>, Refusal> {
    let at = match std::mem::replace(&mut start.at, At::Unsaid) {
        At::Typed(typed) if house.asks_entra => {
            start.hints.login_hint = start.hints.login_hint.or_else(|| organization::hint(&typed));
            start.typed = Some(typed);
            At::Account
        }
        at => at,
    };
    let asks = || organization::asking(house, headers, &start.return_to, &start.acrs);
    match organization::place(house, inbound, headers, at, asks).await? {
        Some(place) => begin_at(house, inbound, headers, start, place).await,
        None => {
            let page = organization::url(&house.site, "sign_in", &start.return_to, &start.acrs, None);
            reply::redirect(StatusCode::FOUND, &page).ok_or(Refusal::Internal("no redirect"))
        }
    }
}

async fn begin_at(house: &Sidecar, inbound: &Inbound, headers: &HeaderMap, start: Start, place: Place) -> Result<Response<Body>, Refusal> {
    let now = house.lasting.clock.now();
    // Whoever chooses an account or proves themselves anew acts at each round: that goes on by itself no more than a person does.
    let kept = rounds_in_cookie(house, headers).filter(|_| start.hints.prompt.is_none());
    let rounds = kept.unwrap_or_default().or(start.lost.unwrap_or_default());
    let rounds = if start.lost.is_some() { rounds.comes_back(now) } else { rounds }.sets_out(now, From { aim: start.aim(), ..from(house, inbound) });
    if rounds.is_loop() {
        return Err(Refusal::Loop(Box::new(seen(house, inbound, headers, rounds, start.lost))));
    }
    let state = new_state(house, rounds)?;
    let again = again(house, &place, &start);
    // Who is signed in on the web is nothing to an app that asks.
    let hints = if start.native.is_some() { start.hints } else { hints(house, headers, start.hints, &start.acrs) };
    let prompt_login = hints.prompt.as_deref() == Some("login");
    let begun = place.entra.begin(&hints, &state).await.map_err(|it| match again {
        Some(again) => Refusal::SignIn(it, again, Arc::clone(&place.entra)),
        None => it.into(),
    })?;
    let source = start.source.unwrap_or_else(|| match &start.typed {
        Some(_) => typing_client(house, inbound, headers).source,
        None => request_source(house, headers),
    });
    let by_other_site = source == RequestSource::Other;
    let organization = place.organization.map(|it| it.id.to_string());
    let (return_to, acrs, challenge) = (start.return_to.as_str().to_owned(), start.acrs, start.challenge);
    let Start { trial, native, typed, .. } = start;
    let (nonce, verifier) = (begun.nonce, begun.verifier);
    let pending = Pending { nonce, verifier, return_to, begun: now, state, acrs, challenge, organization, typed, trial, native, prompt_login, by_other_site };
    let mut response = reply::redirect(StatusCode::FOUND, &begun.location).ok_or(Refusal::Internal("the address of Entra is not a valid header value"))?;
    for cookie in cookies_of(house, headers, &pending, rounds)? {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(response)
}

/// Where to try again at an organization: its own names stand in what is said of a sign-in that does not begin.
fn again(house: &Sidecar, place: &Place, start: &Start) -> Option<String> {
    let code = place.organization.as_ref()?.code.as_str();
    Some(match &start.native {
        Some(native) => request::url(&house.site, native, Some(code)),
        None => organization::url(&house.site, "start", &start.return_to, &start.acrs, Some(code)),
    })
}

/// Where something has to be proven, it is by whoever is signed in, or was until Entra wanted it proven.
fn hints(house: &Sidecar, headers: &HeaderMap, mut hints: Hints, acrs: &[String]) -> Hints {
    let ended = ended(house, headers);
    let wanted = || ended.as_ref()?.standing().again().flatten().map(str::to_owned);
    hints.claims = hints.claims.or_else(|| claims_for(acrs)).or_else(wanted);
    let session = look(house, headers).filter(|_| hints.claims.is_some());
    if let Some(session) = session.or(ended).filter(|_| hints.login_hint.is_none()) {
        let who = session.identity();
        hints.login_hint = who.login_hint.as_deref().or(who.preferred_username.as_deref()).map(str::to_owned);
    }
    hints
}

/// What a `state` of ours says of earlier rounds; `None` where it is not ours.
pub(super) fn rounds_in_state(house: &Sidecar, state: &str) -> Option<Rounds> {
    let (id, sealed) = state.split_once('.')?;
    Rounds::read(&house.state.open(id, sealed)?)
}

fn new_state(house: &Sidecar, rounds: Rounds) -> Result<String, Refusal> {
    let id = house.lasting.random.text::<16>();
    let sealed = house.state.seal(&id, &rounds.write()).ok_or(Refusal::Internal("sealing failed"))?;
    Ok(format!("{id}.{sealed}"))
}

fn cookies_of(house: &Sidecar, headers: &HeaderMap, pending: &Pending, rounds: Rounds) -> Result<Vec<HeaderValue>, Refusal> {
    let failed = Refusal::Internal("sealing failed");
    let name = house.names.pending(&pending.state);
    let Some(sealed) = house.pending.seal(&name, &pending.write()) else { return Err(failed) };
    let mut out = vec![house.names.set(&name, &sealed, Some(LIFE)), counted(house, rounds)];
    out.extend(excess_pending(house, headers).into_iter().map(|it| house.names.remove(it)));
    out.into_iter().collect::<Option<_>>().ok_or(failed)
}

/// Cookies of sign-ins under way that are opened for one request. Browsers keep about 180 cookies of a site; a program can send thousands.
const MAX_OPENED_PENDING: usize = 32;
/// Cookies that one answer removes: its length must not grow with the request. More go with the next sign-in.
const MAX_REMOVED_COOKIES: usize = 8;

/// At most five sign-ins are under way in one browser: the cookies that must go for a further one, unreadable ones first, each once.
fn excess_pending<'a>(house: &Sidecar, headers: &'a HeaderMap) -> Vec<&'a str> {
    let now = house.lasting.clock.now();
    let mut seen: Vec<(Option<u64>, &str)> = Vec::new();
    for (name, value) in cookies::all(headers).filter(|it| house.names.is_pending(it.0)) {
        if seen.len() == MAX_OPENED_PENDING {
            break;
        }
        if !seen.iter().any(|it| it.1 == name) {
            let begun = house.pending.open(name, value).and_then(|it| Pending::read(&it, now)).map(|it| it.begun);
            seen.push((begun, name));
        }
    }
    seen.sort_unstable();
    let live = seen.iter().filter(|it| it.0.is_some()).count();
    let unreadable = seen.len() - live;
    let excess = unreadable + (live + 1).saturating_sub(MOST);
    seen.into_iter().map(|it| it.1).take(excess.min(MAX_REMOVED_COOKIES)).collect()
}

fn rounds_in_cookie(house: &Sidecar, headers: &HeaderMap) -> Option<Rounds> {
    let name = house.names.rounds();
    match cookies::find(headers, &name) {
        Found::One(value) => Rounds::read(&house.rounds.open(&name, value)?),
        Found::None | Found::Several => None,
    }
}

/// The cookie that counts.
fn counted(house: &Sidecar, rounds: Rounds) -> Option<HeaderValue> {
    let name = house.names.rounds();
    house.names.set(&name, &house.rounds.seal(&name, &rounds.write())?, Some(WINDOW))
}

/// The cookie that counts one more that came back under `state`.
pub(super) fn came_back(house: &Sidecar, headers: &HeaderMap, state: &str) -> Option<HeaderValue> {
    counted(house, with_one_more(house, headers, rounds_in_state(house, state).unwrap_or_default()))
}

/// The same for one that came back without its cookie, while somebody is signed in. Where it began at another host, something may lead back
/// to that host again and again.
pub(super) fn stranded(house: &Sidecar, inbound: &Inbound, headers: &HeaderMap, lost: Rounds) -> Result<Option<HeaderValue>, Refusal> {
    let rounds = with_one_more(house, headers, lost);
    if lost.from.elsewhere && rounds.is_loop() {
        return Err(Refusal::Loop(Box::new(seen(house, inbound, headers, rounds, Some(lost)))));
    }
    Ok(counted(house, rounds).filter(|_| lost.from.elsewhere))
}

fn with_one_more(house: &Sidecar, headers: &HeaderMap, told: Rounds) -> Rounds {
    rounds_in_cookie(house, headers).unwrap_or_default().or(told).comes_back(house.lasting.clock.now())
}

fn from(house: &Sidecar, inbound: &Inbound) -> From {
    let elsewhere = !house.site.is_public_host(inbound.host.to_str().unwrap_or_default());
    From { http: house.site.is_https() && !inbound.https, elsewhere, aim: Aim::Session }
}

fn seen(house: &Sidecar, inbound: &Inbound, headers: &HeaderMap, rounds: Rounds, lost: Option<Rounds>) -> Seen {
    let From { http, elsewhere, .. } = from(house, inbound);
    let has_cookie = cookies::find(headers, house.names.session()) != Found::None;
    Seen {
        rounds,
        lost: lost.map(|it| it.from),
        cookie: rounds_in_cookie(house, headers).is_some(),
        other_host: elsewhere.then(|| String::from_utf8_lossy(inbound.host.as_bytes()).into_owned()),
        http: http.then(|| why_http(headers, &inbound.way)),
        ahead: house.entra.clock_ahead(),
        session: match look(house, headers) {
            Some(_) => Session::Live,
            None if has_cookie => Session::Unknown,
            None => Session::None,
        },
    }
}

/// What the query asks for.
fn asked(house: &Sidecar, inbound: &Inbound) -> Start {
    let mut start = Start::at(ReturnTo::home());
    for (key, value) in url::form_urlencoded::parse(inbound.target.query().unwrap_or_default().as_bytes()) {
        let hint = || (!value.is_empty() && value.len() <= HINT).then(|| value.clone().into_owned());
        match &*key {
            "rd" => start.return_to = ReturnTo::parse(&value, &house.site),
            "login_hint" => start.hints.login_hint = hint(),
            "domain_hint" => start.hints.domain_hint = hint(),
            "acrs" if is_context(&value) && !start.acrs.iter().any(|it| *it == value) => start.acrs.push(value.into_owned()),
            "organization" => start.at = hint().map_or(At::Unsaid, At::Typed),
            "prompt" => start.hints.prompt = hint().filter(|it| matches!(it.as_str(), "login" | "select_account")),
            _ => {}
        }
    }
    start
}

/// Refuses other methods.
pub(super) fn only(inbound: &Inbound, methods: &[Method], allow: &'static str) -> Result<(), Refusal> {
    if methods.contains(inbound.target.method()) && !inbound.upgrade { Ok(()) } else { Err(Refusal::Method(allow)) }
}
