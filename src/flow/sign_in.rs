//! Off to Entra.

use super::refusal::Refusal;
use super::words::Loop;
use crate::base::return_to::ReturnTo;
use crate::base::site::Site;
use crate::entra::authorize::Hints;
use crate::pages::{Page, SignIn};
use crate::session::pending::{LIFE, MOST, Pending};
use crate::session::rounds::{Rounds, WINDOW};
use crate::sidecar::Sidecar;
use crate::wire::body::Body;
use crate::wire::cookies::{self, Found, Names};
use crate::wire::inbound::Inbound;
use crate::wire::reply;
use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

/// Longest hint that is passed on, in bytes.
const HINT: usize = 256;

/// How a sign-in begins.
pub(super) struct Start {
    pub(super) return_to: ReturnTo,
    pub(super) hints: Hints,
    /// What a `state` said of earlier rounds, where the cookie did not come back.
    pub(super) rounds: Option<Rounds>,
}

impl Start {
    pub(super) fn at(return_to: ReturnTo) -> Self {
        Self { return_to, hints: Hints::default(), rounds: None }
    }
}

/// `GET /start`: 302 to Entra.
pub(super) async fn start(house: &Sidecar, inbound: &Inbound, headers: &HeaderMap) -> Result<Response<Body>, Refusal> {
    only(inbound, &[Method::GET, Method::HEAD], "GET")?;
    begin(house, inbound, headers, asked(house, inbound)).await
}

/// `GET /sign_in`: the page with one button, which leads to `/start`. `POST` goes there at once, with the query of the page.
pub(super) async fn page(house: &Sidecar, inbound: &Inbound, headers: &HeaderMap) -> Result<Response<Body>, Refusal> {
    only(inbound, &[Method::GET, Method::HEAD, Method::POST], "GET, POST")?;
    let start = asked(house, inbound);
    if inbound.target.method() == Method::POST {
        return begin(house, inbound, headers, start).await;
    }
    let start = start_url(&house.site, &start.return_to);
    let page = Page::SignIn(SignIn { start, app: house.site.authority() });
    Ok(reply::page(StatusCode::OK, house.pages.render(&page), house.pages.policy(&page)))
}

/// Where a person begins to sign in, to come back to `return_to`.
pub(super) fn start_url(site: &Site, return_to: &ReturnTo) -> String {
    let query: String = url::form_urlencoded::Serializer::new(String::new()).append_pair("rd", return_to.as_str()).finish();
    format!("{}/start?{query}", site.prefix())
}

/// Seals a sign-in under way into its own cookie and sends the browser to Entra.
pub(super) async fn begin(house: &Sidecar, inbound: &Inbound, headers: &HeaderMap, start: Start) -> Result<Response<Body>, Refusal> {
    let now = house.lasting.clock.now();
    let kept = rounds_in_cookie(house, headers);
    let rounds = [kept, start.rounds].into_iter().flatten().max_by_key(|it| it.count).unwrap_or_default().next(now);
    if rounds.is_loop() {
        return Err(Refusal::Loop(why(house, inbound, kept.is_some())));
    }
    let state = new_state(house, rounds)?;
    let begun = house.entra.begin(&start.hints, &state).await?;
    let pending = Pending { nonce: begun.nonce, verifier: begun.verifier, return_to: start.return_to.as_str().to_owned(), begun: now, state };
    let mut response = reply::redirect(StatusCode::FOUND, &begun.location).ok_or(Refusal::Internal("the address of Entra is no header"))?;
    for cookie in cookies_of(house, headers, &pending, rounds)? {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(response)
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
    let sealed = house.pending.seal(&name, &pending.write());
    let counted = house.rounds.seal(&house.names.rounds(), &rounds.write());
    let (Some(sealed), Some(counted)) = (sealed, counted) else { return Err(failed) };
    let mut out = vec![house.names.set(&name, &sealed, Some(LIFE)), house.names.set(&house.names.rounds(), &counted, Some(WINDOW))];
    // A name that cannot be written is nobody's of ours.
    out.extend(too_many(house, headers).filter(|it| it.is_ascii()).filter_map(|it| house.names.remove(it)).map(Some));
    out.into_iter().collect::<Option<_>>().ok_or(failed)
}

/// At most five sign-ins are under way in one browser: the cookies that must go for a further one, unreadable ones first.
fn too_many<'a>(house: &Sidecar, headers: &'a HeaderMap) -> impl Iterator<Item = &'a str> {
    let prefix = house.names.pending("");
    let now = house.lasting.clock.now();
    let mut ours: Vec<_> = cookies::all(headers)
        .filter(|(name, _)| Names::is_ours(name) && name.starts_with(&prefix))
        .map(|(name, value)| (house.pending.open(name, value).and_then(|it| Pending::read(&it, now)).map(|it| it.begun), name))
        .collect();
    ours.sort_unstable();
    let live = ours.iter().filter(|it| it.0.is_some()).count();
    let dead = ours.len() - live;
    ours.into_iter().map(|it| it.1).take(dead + (live + 1).saturating_sub(MOST))
}

fn rounds_in_cookie(house: &Sidecar, headers: &HeaderMap) -> Option<Rounds> {
    let name = house.names.rounds();
    match cookies::find(headers, &name) {
        Found::One(value) => Rounds::read(&house.rounds.open(&name, value)?),
        Found::None | Found::Several => None,
    }
}

fn why(house: &Sidecar, inbound: &Inbound, cookie_came_back: bool) -> Loop {
    if house.site.is_https() && !inbound.https {
        Loop::Scheme
    } else if cookie_came_back {
        Loop::Session
    } else {
        Loop::Cookie
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
