//! Back from Entra.

use super::authenticate::{look, session_id};
use super::facts::Facts;
use super::front_channel::is_sid;
use super::groups;
use super::native;
use super::organization::{self, At, Place};
use super::recent::Trail;
use super::recheck;
use super::refusal::Refusal;
use super::refused;
use super::setup;
use super::sign_in::{self, Start, only, rounds_in_state};
use crate::base::return_to::ReturnTo;
use crate::base::secret::Secret;
use crate::entra::authorize::Hints;
use crate::entra::proof::By;
use crate::entra::{self, Entra, NotRedeemed, Redeemed, failure};
use crate::session::pending::{Pending, Trial};
use crate::session::record::Session;
use crate::session::rounds::Aim;
use crate::sidecar::Sidecar;
use crate::sidecar::code_attempts::{Attempt, CodeSource};
use crate::sidecar::guesses::{GuessingClient, RequestSource};
use crate::wire::body::Body;
use crate::wire::cookies::{Found, find};
use crate::wire::form;
use crate::wire::inbound::Inbound;
use crate::wire::reply;
use http::header::SET_COOKIE;
use http::{HeaderMap, Method, Response, StatusCode};
use hyper::body::Incoming;
use std::borrow::Cow;
use std::sync::Arc;

/// Longest address that a posted callback is sent around to, in bytes. Escaped, a form grows threefold, and front proxies take request lines
/// of 8 KiB (nginx's `large_client_header_buffers`).
const MAX_LOCATION_BYTES: usize = 8 * 1024;

/// What Entra sends along. A parameter that stands twice has no one reading.
#[derive(Default)]
struct Answer<'a> {
    code: Option<Cow<'a, str>>,
    state: Option<Cow<'a, str>>,
    error: Option<Cow<'a, str>>,
    description: Option<Cow<'a, str>>,
    session_state: Option<Cow<'a, str>>,
    subcode: Option<Cow<'a, str>>,
}

/// `GET|POST <redirect_path>`: 303 to where the person was going.
pub(super) async fn callback(
    house: &Sidecar,
    inbound: &Inbound,
    headers: &HeaderMap,
    body: &mut Option<Incoming>,
    facts: &mut Facts,
) -> Result<Response<Body>, Refusal> {
    only(inbound, &[Method::GET, Method::HEAD, Method::POST], "GET, POST")?;
    if inbound.target.method() == Method::POST {
        let body = body.take().ok_or(Refusal::Internal("no body"))?;
        return posted(house, body).await;
    }
    let query = inbound.target.query().unwrap_or_default();
    let answer = Answer::read(query).ok_or(Refusal::SaidTwice)?;
    let state = answer.state.as_deref().unwrap_or_default();
    let name = house.names.pending(state);
    let Some(pending) = open(house, headers, &name, state) else {
        return stale(house, inbound, headers, state).await;
    };
    if let Some(trial) = pending.trial.clone() {
        return tried(house, inbound, headers, (&answer, &pending, &trial), &name, facts).await;
    }
    let back = pending.native.as_ref().and_then(|it| native::back::refused(house, it));
    let mut trail = Trail::of(&pending, begun_by(&pending, inbound));
    let (outcome, label) = match &pending.typed {
        Some(typed) => (named(house, inbound, headers, (&answer, &pending, typed)).await, "first_step"),
        None => (finish(house, inbound, headers, &answer, pending, facts, &mut trail).await, "signed_in"),
    };
    trail.ends(house, outcome.as_ref().map(|_| ()), inbound);
    let label = if outcome.is_ok() { label } else { "refused" };
    house.lasting.metrics.signed_in(label);
    // Whatever came of it, this sign-in is over, unless the same code may be brought again.
    let waits = matches!(outcome, Err(Refusal::TooManyCodes(_)));
    let mut response = outcome.unwrap_or_else(|refusal| {
        facts.cause = Some(refusal.cause());
        if let Refusal::SignIn(error, _, entra) = &refusal {
            refused::write_down(house, entra, error, inbound.reference());
        }
        let refusal = match back {
            // A page of its own, which goes on for the app.
            Some(_) if matches!(refusal, Refusal::Unknown(_) | Refusal::TooManyCodes(_)) => refusal,
            Some(back) => Refusal::ForApp(Box::new(refusal), Box::new(back)),
            None => refusal,
        };
        refusal.answer(house, inbound.asker, inbound.language, inbound.reference())
    });
    if let Some(gone) = house.names.remove(&name).filter(|_| !waits) {
        response.headers_mut().append(SET_COOKIE, gone);
    }
    Ok(response)
}

/// A trial of the set-up page: the same, up to who it is. It begins no session and ends none.
async fn tried(
    house: &Sidecar,
    inbound: &Inbound,
    headers: &HeaderMap,
    (answer, pending, trial): (&Answer<'_>, &Pending, &Trial),
    name: &str,
    facts: &mut Facts,
) -> Result<Response<Body>, Refusal> {
    let outcome = redeemed(house, inbound, headers, answer, pending, &ReturnTo::home()).await.map(|(place, redeemed, _)| (place, redeemed));
    let waits = matches!(outcome, Err(Refusal::TooManyCodes(_)));
    let shown = setup::trial::came_back(house, inbound, headers, trial, outcome).await;
    let mut response = shown.unwrap_or_else(|refusal| {
        facts.cause = Some(refusal.cause());
        refusal.answer(house, inbound.asker, inbound.language, inbound.reference())
    });
    if let Some(gone) = house.names.remove(name).filter(|_| !waits) {
        response.headers_mut().append(SET_COOKIE, gone);
    }
    Ok(response)
}

/// A cross-site POST carries no Lax cookie: the browser comes again by GET. What is too long for that is refused.
async fn posted(house: &Sidecar, body: Incoming) -> Result<Response<Body>, Refusal> {
    let body = form::bytes(body).await?;
    let text = std::str::from_utf8(&body).map_err(|_| Refusal::BadForm)?;
    let answer = Answer::read(text).ok_or(Refusal::SaidTwice)?;
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    let told = [("error", answer.error), ("error_description", answer.description), ("error_subcode", answer.subcode)];
    let parts = [("code", answer.code), ("state", answer.state), ("session_state", answer.session_state)].into_iter().chain(told);
    for (key, value) in parts.filter_map(|(key, value)| Some((key, value?))) {
        query.append_pair(key, &value);
    }
    let location = format!("{}?{}", house.site.redirect_path(), query.finish());
    if location.len() > MAX_LOCATION_BYTES {
        return Err(Refusal::BadForm);
    }
    reply::redirect(StatusCode::SEE_OTHER, &location).ok_or(Refusal::BadForm)
}

/// Nothing under way that this belongs to: Back, reload, a bookmark, or a callback that another browser began. Entra hears nothing of it.
async fn stale(house: &Sidecar, inbound: &Inbound, headers: &HeaderMap, state: &str) -> Result<Response<Body>, Refusal> {
    // Ours, but its cookie did not come back.
    let lost = rounds_in_state(house, state);
    match lost.map(|it| it.from.aim) {
        Some(Aim::Trial) => {
            let place = format!("{}/setup", house.site.prefix());
            return reply::redirect(StatusCode::SEE_OTHER, &place).ok_or(Refusal::Internal("no redirect"));
        }
        Some(Aim::App) => return Err(Refusal::AppWaits),
        Some(Aim::Session) | None => {}
    }
    if look(house, headers).is_some() {
        let mut response = reply::redirect(StatusCode::SEE_OTHER, "/").ok_or(Refusal::Internal("no redirect"))?;
        if let Some(counted) = lost.map(|it| sign_in::stranded(house, inbound, headers, it)).transpose()?.flatten() {
            response.headers_mut().append(SET_COOKIE, counted);
        }
        return Ok(response);
    }
    match lost {
        // Begin again, and keep counting.
        Some(_) => sign_in::begin(house, inbound, headers, Start { lost, ..Start::at(ReturnTo::home()) }).await,
        None => Err(Refusal::NothingUnderWay(sign_in::start_url(&house.site, &ReturnTo::home()))),
    }
}

async fn finish(
    house: &Sidecar,
    inbound: &Inbound,
    headers: &HeaderMap,
    answer: &Answer<'_>,
    pending: Pending,
    facts: &mut Facts,
    trail: &mut Trail,
) -> Result<Response<Body>, Refusal> {
    let return_to = ReturnTo::parse(&pending.return_to, &house.site);
    if let Some(native) = &pending.native {
        let brought = redeemed(house, inbound, headers, answer, &pending, &return_to).await?;
        let mut response = native::finish::finish(house, inbound, native, brought, trail).await?;
        response.headers_mut().extend(sign_in::came_back(house, headers, &pending.state).map(|it| (SET_COOKIE, it)));
        return Ok(response);
    }
    let (id, session) = admit(house, inbound, headers, answer, &pending, &return_to, trail).await?;
    facts.session = Some(Arc::clone(&session));
    if pending.prompt_login {
        session.set_reauthenticated();
    }
    if let Some(challenge) = pending.challenge {
        session.answers(challenge);
    }
    let mut response = if has_proven(&session, &pending.acrs) {
        reply::redirect(StatusCode::SEE_OTHER, return_to.as_str()).ok_or(Refusal::Internal("no redirect"))?
    } else {
        // Signed in all the same; asking once more would bring the same.
        let refusal = Refusal::NotProven(pending.acrs);
        facts.cause = Some(refusal.cause());
        refusal.answer(house, inbound.asker, inbound.language, inbound.reference())
    };
    let cookie = house.names.set(house.names.session(), id.expose(), None).ok_or(Refusal::Internal("no cookie"))?;
    response.headers_mut().append(SET_COOKIE, cookie);
    for further in
        [sign_in::came_back(house, headers, &pending.state), organization::remembered(house, session.identity().member.as_deref())].into_iter().flatten()
    {
        response.headers_mut().append(SET_COOKIE, further);
    }
    Ok(response)
}

/// Entra has said whose account it is, and that begins no session: what was typed leads on to the organization's own Entra, where the account is
/// of its tenant.
async fn named(
    house: &Sidecar,
    inbound: &Inbound,
    headers: &HeaderMap,
    (answer, pending, typed): (&Answer<'_>, &Pending, &str),
) -> Result<Response<Body>, Refusal> {
    let return_to = ReturnTo::parse(&pending.return_to, &house.site);
    let (_, Redeemed { user, .. }, _) = redeemed(house, inbound, headers, answer, pending, &return_to).await?;
    let who = user.into_identity();
    let asks = || match pending.native.as_ref().and_then(|it| Some((it, native::back::Asker::of(house, it)?))) {
        Some((native, asker)) => native::authorize::asking(house, headers, native, asker.name),
        None => organization::asking(house, headers, &return_to, &pending.acrs),
    };
    let found = organization::find_by_account(house, begun_by(pending, inbound), (typed, who.tid), asks).await?;
    // The second step is asked for what the first one was: only its sign-in begins a session.
    let prompt = pending.prompt_login.then(|| "login".to_owned());
    let hints = Hints { login_hint: who.preferred_username.map(Into::into), prompt, ..Hints::default() };
    let (acrs, challenge, native) = (pending.acrs.clone(), pending.challenge.clone(), pending.native.clone());
    let source = Some(begun_by(pending, inbound).source);
    let start = Start { hints, acrs, challenge, native, source, at: At::This(Box::new(found)), ..Start::at(return_to.clone()) };
    sign_in::begin(house, inbound, headers, start).await
}

/// Redeems the code where the sign-in began and nowhere else, and begins a session for whom it brings.
async fn admit(
    house: &Sidecar,
    inbound: &Inbound,
    headers: &HeaderMap,
    answer: &Answer<'_>,
    pending: &Pending,
    return_to: &ReturnTo,
    trail: &mut Trail,
) -> Result<(Secret, Arc<Session>), Refusal> {
    let (place, Redeemed { user, grant, .. }, again) = redeemed(house, inbound, headers, answer, pending, return_to).await?;
    trail.is_of(user.identity());
    let member = organization::welcome(house, &user, &place, &again).await?;
    if let Some(member) = &member {
        trail.is_made(member);
    }
    let former = look(house, headers);
    // A new id at each sign-in: whatever this browser brought is over, planted or not.
    if let Some(old) = session_id(house, headers) {
        house.lasting.store.end(old);
    }
    let (id, session) = house.lasting.store.begin(user, member, grant, answer.session());
    native::bearer::end_displaced(house);
    recheck::begin(house, &session);
    // Only a step-up: whoever simply signs in again begins anew.
    let steps_up = !pending.acrs.is_empty() || pending.challenge.is_some();
    if let Some(former) = former.filter(|_| steps_up) {
        session.follow(&former);
    }
    groups::follow(house, &session);
    Ok((id, session))
}

/// Redeems the code where the sign-in began; with it comes where it may be tried again.
async fn redeemed(
    house: &Sidecar,
    inbound: &Inbound,
    headers: &HeaderMap,
    answer: &Answer<'_>,
    pending: &Pending,
    return_to: &ReturnTo,
) -> Result<(Place, Redeemed, String), Refusal> {
    let Some(place) = organization::begun_at(house, pending).await? else {
        return Err(Refusal::NothingUnderWay(sign_in::start_url(&house.site, return_to)));
    };
    let code = place.organization.as_ref().map(|it| it.code.as_str()).or(pending.typed.as_deref());
    let again = match &pending.native {
        Some(native) => native::request::url(&house.site, native, code),
        None => organization::url(&house.site, "start", return_to, &pending.acrs, code),
    };
    if let Some(error) = answer.error.as_deref() {
        let refusal = failure::Refusal::of_callback(error, answer.description.as_deref()).because(answer.subcode.as_deref());
        return Err(Refusal::SignIn(refusal.into(), again, place.entra));
    }
    let code = answer.code.as_deref().filter(|it| !it.is_empty()).ok_or(Refusal::SaidTwice)?;
    let attempt = house.lasting.code_attempts.begin(code_source(house, inbound, headers)).await.map_err(Refusal::TooManyCodes)?;
    match redeem(house, &place.entra, code, pending, attempt).await? {
        Ok(redeemed) => {
            organization::proved_by(house, &place, redeemed.by.clone());
            Ok((place, redeemed, again))
        }
        Err(NotRedeemed { error, by }) => {
            // Both credentials were refused: whoever set the new one reads why that was.
            if let By::ProvenAfter(_) | By::Untried = by {
                organization::proved_by(house, &place, by);
            }
            Err(Refusal::SignIn(error, again, place.entra))
        }
    }
}

/// Redeems a code in a task of its own: whether it counts as refused is said by Entra, not by whether the client waits for that. Each client
/// has a bounded number of attempts.
async fn redeem(house: &Sidecar, entra: &Arc<Entra>, code: &str, pending: &Pending, attempt: Attempt) -> Result<Result<Redeemed, NotRedeemed>, Refusal> {
    let (entra, code, nonce, verifier) = (Arc::clone(entra), code.to_owned(), pending.nonce.clone(), pending.verifier.clone());
    let task = house.lasting.background.spawn(async move {
        let outcome = entra.redeem(&code, &nonce, &verifier).await;
        if !outcome.as_ref().is_err_and(|it| is_refused_code(&it.error)) {
            attempt.release();
        }
        outcome
    });
    task.await.map_err(|_| Refusal::Internal("redeeming the code failed"))
}

/// Whose refused codes count together.
fn code_source(house: &Sidecar, inbound: &Inbound, headers: &HeaderMap) -> CodeSource {
    look(house, headers).map_or(CodeSource::Address(inbound.way.client), |it| {
        let who = it.identity();
        CodeSource::Person(who.tid, who.oid)
    })
}

/// Whether the code itself is to blame, and neither the app's credential nor an outage (RFC 6749 section 5.2).
fn is_refused_code(error: &entra::Error) -> bool {
    matches!(error, entra::Error::Refused(it) if matches!(it.error.as_str(), "invalid_grant" | "invalid_request"))
}

/// Whose wrong answers count together with those of this sign-in.
fn begun_by(pending: &Pending, inbound: &Inbound) -> GuessingClient {
    let source = if pending.by_other_site { RequestSource::Other } else { RequestSource::Own };
    GuessingClient { address: inbound.way.client, source }
}

fn has_proven(session: &Session, acrs: &[String]) -> bool {
    let who = session.identity();
    acrs.is_empty() || acrs.iter().any(|it| who.acrs.contains(it))
}

fn open(house: &Sidecar, headers: &HeaderMap, name: &str, state: &str) -> Option<Pending> {
    let Found::One(sealed) = find(headers, name) else { return None };
    let pending = Pending::read(&house.pending.open(name, sealed)?, house.lasting.clock.now())?;
    pending.is_for(state).then_some(pending)
}

impl<'a> Answer<'a> {
    fn read(query: &'a str) -> Option<Self> {
        let mut out = Self::default();
        for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let slot = match &*key {
                "code" => &mut out.code,
                "state" => &mut out.state,
                "error" => &mut out.error,
                "error_description" => &mut out.description,
                "session_state" => &mut out.session_state,
                "error_subcode" => &mut out.subcode,
                _ => continue,
            };
            if slot.replace(value).is_some() {
                return None;
            }
        }
        Some(out)
    }

    /// What Entra calls the session there, where it can be meant.
    fn session(&self) -> Option<&str> {
        self.session_state.as_deref().filter(|it| is_sid(it))
    }
}
