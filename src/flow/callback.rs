//! Back from Entra.

use super::authenticate::{session_id, session_of_cookie};
use super::facts::RequestFacts;
use super::front_channel::is_sid;
use super::groups;
use super::native;
use super::organization::{self, OrganizationHint, SignInPlace};
use super::recheck;
use super::refusal::Refusal;
use super::setup;
use super::sign_in::{self, SignInStart, only, rounds_in_state};
use super::sign_in_refused;
use super::sign_in_trail::SignInTrail;
use crate::base::return_to::ReturnTo;
use crate::base::secret::Secret;
use crate::entra::authorize::SignInHints;
use crate::entra::registration_credentials::CredentialUsed;
use crate::entra::{self, Entra, NotRedeemed, Redeemed, failure};
use crate::session::pending::{PendingSignIn, SignInTrial};
use crate::session::record::Session;
use crate::session::rounds::SignInAim;
use crate::sidecar::Sidecar;
use crate::sidecar::code_attempts::{CodeAttempt, CodeSource};
use crate::sidecar::guesses::{GuessingClient, RequestSource};
use crate::wire::body::Body;
use crate::wire::cookies::{CookieMatch, find};
use crate::wire::form;
use crate::wire::inbound::InboundRequest;
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
struct CallbackParameters<'a> {
    code: Option<Cow<'a, str>>,
    state: Option<Cow<'a, str>>,
    error: Option<Cow<'a, str>>,
    description: Option<Cow<'a, str>>,
    session_state: Option<Cow<'a, str>>,
    subcode: Option<Cow<'a, str>>,
}

/// `GET|POST <redirect_path>`: 303 to where the person was going.
pub(super) async fn callback(
    sidecar: &Sidecar,
    inbound: &InboundRequest,
    headers: &HeaderMap,
    body: &mut Option<Incoming>,
    facts: &mut RequestFacts,
) -> Result<Response<Body>, Refusal> {
    only(inbound, &[Method::GET, Method::HEAD, Method::POST], "GET, POST")?;
    if inbound.target.method() == Method::POST {
        let body = body.take().ok_or(Refusal::Internal("no body"))?;
        return posted(sidecar, body).await;
    }
    let query = inbound.target.query().unwrap_or_default();
    let answer = CallbackParameters::read(query).ok_or(Refusal::DuplicateParameter)?;
    let state = answer.state.as_deref().unwrap_or_default();
    let name = sidecar.names.pending(state);
    let Some(pending) = open(sidecar, headers, &name, state) else {
        return stale(sidecar, inbound, headers, state).await;
    };
    if let Some(trial) = pending.trial.clone() {
        return tried(sidecar, inbound, headers, (&answer, &pending, &trial), &name, facts).await;
    }
    let back = pending.native.as_ref().and_then(|it| native::app_return::refused(sidecar, it));
    let mut trail = SignInTrail::of(&pending, client_of(&pending, inbound));
    let (outcome, label) = match &pending.typed {
        Some(typed) => (named(sidecar, inbound, headers, (&answer, &pending, typed)).await, "first_step"),
        None => (finish(sidecar, inbound, headers, &answer, pending, facts, &mut trail).await, "signed_in"),
    };
    trail.ends(sidecar, outcome.as_ref().map(|_| ()), inbound);
    let label = if outcome.is_ok() { label } else { "refused" };
    sidecar.process.metrics.signed_in(label);
    // Whatever came of it, this sign-in is over, unless the same code may be brought again.
    let waits = matches!(outcome, Err(Refusal::TooManyCodes(_)));
    let mut response = outcome.unwrap_or_else(|refusal| {
        facts.cause = Some(refusal.cause());
        if let Refusal::SignIn(error, _, entra) = &refusal {
            sign_in_refused::write_down(sidecar, entra, error, inbound.reference());
        }
        let refusal = match back {
            // A page of its own, which goes on for the app.
            Some(_) if matches!(refusal, Refusal::Unknown(_) | Refusal::TooManyCodes(_)) => refusal,
            Some(back) => Refusal::ForApp(Box::new(refusal), Box::new(back)),
            None => refusal,
        };
        refusal.answer(sidecar, inbound.caller, inbound.language, inbound.reference())
    });
    if let Some(gone) = sidecar.names.remove(&name).filter(|_| !waits) {
        response.headers_mut().append(SET_COOKIE, gone);
    }
    Ok(response)
}

/// A trial of the set-up page: the same, up to who it is. It begins no session and ends none.
async fn tried(
    sidecar: &Sidecar,
    inbound: &InboundRequest,
    headers: &HeaderMap,
    (answer, pending, trial): (&CallbackParameters<'_>, &PendingSignIn, &SignInTrial),
    name: &str,
    facts: &mut RequestFacts,
) -> Result<Response<Body>, Refusal> {
    let outcome = redeemed(sidecar, inbound, headers, answer, pending, &ReturnTo::home()).await.map(|(place, redeemed, _)| (place, redeemed));
    let waits = matches!(outcome, Err(Refusal::TooManyCodes(_)));
    let shown = setup::trial::finish(sidecar, inbound, headers, trial, outcome).await;
    let mut response = shown.unwrap_or_else(|refusal| {
        facts.cause = Some(refusal.cause());
        refusal.answer(sidecar, inbound.caller, inbound.language, inbound.reference())
    });
    if let Some(gone) = sidecar.names.remove(name).filter(|_| !waits) {
        response.headers_mut().append(SET_COOKIE, gone);
    }
    Ok(response)
}

/// A cross-site POST carries no Lax cookie: the browser comes again by GET. What is too long for that is refused.
async fn posted(sidecar: &Sidecar, body: Incoming) -> Result<Response<Body>, Refusal> {
    let body = form::bytes(body).await?;
    let text = std::str::from_utf8(&body).map_err(|_| Refusal::BadForm)?;
    let answer = CallbackParameters::read(text).ok_or(Refusal::DuplicateParameter)?;
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    let told = [("error", answer.error), ("error_description", answer.description), ("error_subcode", answer.subcode)];
    let parts = [("code", answer.code), ("state", answer.state), ("session_state", answer.session_state)].into_iter().chain(told);
    for (key, value) in parts.filter_map(|(key, value)| Some((key, value?))) {
        query.append_pair(key, &value);
    }
    let location = format!("{}?{}", sidecar.site.redirect_path(), query.finish());
    if location.len() > MAX_LOCATION_BYTES {
        return Err(Refusal::BadForm);
    }
    reply::redirect(StatusCode::SEE_OTHER, &location).ok_or(Refusal::BadForm)
}

/// Nothing under way that this belongs to: Back, reload, a bookmark, or a callback that another browser began. Entra hears nothing of it.
async fn stale(sidecar: &Sidecar, inbound: &InboundRequest, headers: &HeaderMap, state: &str) -> Result<Response<Body>, Refusal> {
    // Ours, but its cookie did not come back.
    let lost = rounds_in_state(sidecar, state);
    match lost.map(|it| it.origin.aim) {
        Some(SignInAim::Trial) => {
            let place = format!("{}/setup", sidecar.site.prefix());
            return reply::redirect(StatusCode::SEE_OTHER, &place).ok_or(Refusal::Internal("no redirect"));
        }
        Some(SignInAim::App) => return Err(Refusal::AppWaits),
        Some(SignInAim::Session) | None => {}
    }
    if session_of_cookie(sidecar, headers).is_some() {
        let mut response = reply::redirect(StatusCode::SEE_OTHER, "/").ok_or(Refusal::Internal("no redirect"))?;
        if let Some(counted) = lost.map(|it| sign_in::resume_without_cookie(sidecar, inbound, headers, it)).transpose()?.flatten() {
            response.headers_mut().append(SET_COOKIE, counted);
        }
        return Ok(response);
    }
    match lost {
        // Begin again, and keep counting.
        Some(_) => sign_in::start_sign_in(sidecar, inbound, headers, SignInStart { lost_rounds: lost, ..SignInStart::at(ReturnTo::home()) }).await,
        None => Err(Refusal::NoPendingSignIn(sign_in::start_url(&sidecar.site, &ReturnTo::home()))),
    }
}

async fn finish(
    sidecar: &Sidecar,
    inbound: &InboundRequest,
    headers: &HeaderMap,
    answer: &CallbackParameters<'_>,
    pending: PendingSignIn,
    facts: &mut RequestFacts,
    trail: &mut SignInTrail,
) -> Result<Response<Body>, Refusal> {
    let return_to = ReturnTo::parse(&pending.return_to, &sidecar.site);
    if let Some(native) = &pending.native {
        let brought = redeemed(sidecar, inbound, headers, answer, &pending, &return_to).await?;
        let mut response = native::finish::finish(sidecar, inbound, native, brought, trail).await?;
        response.headers_mut().extend(sign_in::count_return(sidecar, headers, &pending.state).map(|it| (SET_COOKIE, it)));
        return Ok(response);
    }
    let (id, session) = admit(sidecar, inbound, headers, answer, &pending, &return_to, trail).await?;
    facts.session = Some(Arc::clone(&session));
    if pending.prompt_login {
        session.set_reauthenticated();
    }
    if let Some(challenge) = pending.challenge {
        session.answers(challenge);
    }
    let mut response = if has_contexts(&session, &pending.acrs) {
        reply::redirect(StatusCode::SEE_OTHER, return_to.as_str()).ok_or(Refusal::Internal("no redirect"))?
    } else {
        // Signed in all the same; asking once more would bring the same.
        let refusal = Refusal::ContextMissing(pending.acrs);
        facts.cause = Some(refusal.cause());
        refusal.answer(sidecar, inbound.caller, inbound.language, inbound.reference())
    };
    let cookie = sidecar.names.set(sidecar.names.session(), id.expose(), None).ok_or(Refusal::Internal("no cookie"))?;
    response.headers_mut().append(SET_COOKIE, cookie);
    for further in
        [sign_in::count_return(sidecar, headers, &pending.state), organization::remembered(sidecar, session.identity().member.as_deref())].into_iter().flatten()
    {
        response.headers_mut().append(SET_COOKIE, further);
    }
    Ok(response)
}

/// Entra has said whose account it is, and that begins no session: what was typed leads on to the organization's own Entra, where the account is
/// of its tenant.
async fn named(
    sidecar: &Sidecar,
    inbound: &InboundRequest,
    headers: &HeaderMap,
    (answer, pending, typed): (&CallbackParameters<'_>, &PendingSignIn, &str),
) -> Result<Response<Body>, Refusal> {
    let return_to = ReturnTo::parse(&pending.return_to, &sidecar.site);
    let (_, Redeemed { user, .. }, _) = redeemed(sidecar, inbound, headers, answer, pending, &return_to).await?;
    let who = user.into_identity();
    let asks = || match pending.native.as_ref().and_then(|it| Some((it, native::app_return::RequestingApp::of(sidecar, it)?))) {
        Some((native, caller)) => native::authorize::identify_page(sidecar, headers, native, caller.name),
        None => organization::identify_page(sidecar, headers, &return_to, &pending.acrs),
    };
    let found = organization::find_by_account(sidecar, client_of(pending, inbound), (typed, who.tid), asks).await?;
    // The second step is asked for what the first one was: only its sign-in begins a session.
    let prompt = pending.prompt_login.then(|| "login".to_owned());
    let hints = SignInHints { login_hint: who.preferred_username.map(Into::into), prompt, ..SignInHints::default() };
    let (acrs, challenge, native) = (pending.acrs.clone(), pending.challenge.clone(), pending.native.clone());
    let source = Some(client_of(pending, inbound).source);
    let start = SignInStart { hints, acrs, challenge, native, source, at: OrganizationHint::Found(Box::new(found)), ..SignInStart::at(return_to.clone()) };
    sign_in::start_sign_in(sidecar, inbound, headers, start).await
}

/// Redeems the code where the sign-in began and nowhere else, and begins a session for whom it brings.
async fn admit(
    sidecar: &Sidecar,
    inbound: &InboundRequest,
    headers: &HeaderMap,
    answer: &CallbackParameters<'_>,
    pending: &PendingSignIn,
    return_to: &ReturnTo,
    trail: &mut SignInTrail,
) -> Result<(Secret, Arc<Session>), Refusal> {
    let (place, Redeemed { user, grant, .. }, again) = redeemed(sidecar, inbound, headers, answer, pending, return_to).await?;
    trail.is_of(user.identity());
    let member = organization::admit(sidecar, &user, &place, &again).await?;
    if let Some(member) = &member {
        trail.is_made(member);
    }
    let former = session_of_cookie(sidecar, headers);
    // A new id at each sign-in: whatever this browser brought is over, planted or not.
    if let Some(old) = session_id(sidecar, headers) {
        sidecar.process.store.end(old);
    }
    let (id, session) = sidecar.process.store.create(user, member, grant, answer.session());
    native::bearer::end_displaced_sign_ins(sidecar);
    recheck::start_in_background(sidecar, &session);
    // Only a step-up: whoever simply signs in again begins anew.
    let steps_up = !pending.acrs.is_empty() || pending.challenge.is_some();
    if let Some(former) = former.filter(|_| steps_up) {
        session.follow(&former);
    }
    groups::follow(sidecar, &session);
    Ok((id, session))
}

/// Redeems the code where the sign-in began; with it comes where it may be tried again.
async fn redeemed(
    sidecar: &Sidecar,
    inbound: &InboundRequest,
    headers: &HeaderMap,
    answer: &CallbackParameters<'_>,
    pending: &PendingSignIn,
    return_to: &ReturnTo,
) -> Result<(SignInPlace, Redeemed, String), Refusal> {
    let Some(place) = organization::place_of_pending(sidecar, pending).await? else {
        return Err(Refusal::NoPendingSignIn(sign_in::start_url(&sidecar.site, return_to)));
    };
    let code = place.organization.as_ref().map(|it| it.code.as_str()).or(pending.typed.as_deref());
    let again = match &pending.native {
        Some(native) => native::request::url(&sidecar.site, native, code),
        None => organization::url(&sidecar.site, "start", return_to, &pending.acrs, code),
    };
    if let Some(error) = answer.error.as_deref() {
        let refusal = failure::EntraRefusal::of_callback(error, answer.description.as_deref()).because(answer.subcode.as_deref());
        return Err(Refusal::SignIn(refusal.into(), again, place.entra));
    }
    let code = answer.code.as_deref().filter(|it| !it.is_empty()).ok_or(Refusal::DuplicateParameter)?;
    let attempt = sidecar.process.code_attempts.start(code_source(sidecar, inbound, headers)).await.map_err(Refusal::TooManyCodes)?;
    match redeem(sidecar, &place.entra, code, pending, attempt).await? {
        Ok(redeemed) => {
            organization::credential_worked(sidecar, &place, redeemed.by.clone());
            Ok((place, redeemed, again))
        }
        Err(NotRedeemed { error, by }) => {
            // Both credentials were refused: whoever set the new one reads why that was.
            if let CredentialUsed::CurrentAfterRefusal(_) | CredentialUsed::NewUnreadable = by {
                organization::credential_worked(sidecar, &place, by);
            }
            Err(Refusal::SignIn(error, again, place.entra))
        }
    }
}

/// Redeems a code in a task of its own: whether it counts as refused is said by Entra, not by whether the client waits for that. Each client
/// has a bounded number of attempts.
async fn redeem(
    sidecar: &Sidecar,
    entra: &Arc<Entra>,
    code: &str,
    pending: &PendingSignIn,
    attempt: CodeAttempt,
) -> Result<Result<Redeemed, NotRedeemed>, Refusal> {
    let (entra, code, nonce, verifier) = (Arc::clone(entra), code.to_owned(), pending.nonce.clone(), pending.verifier.clone());
    let task = sidecar.process.background.spawn(async move {
        let outcome = entra.redeem(&code, &nonce, &verifier).await;
        if !outcome.as_ref().is_err_and(|it| is_refused_code(&it.error)) {
            attempt.release();
        }
        outcome
    });
    task.await.map_err(|_| Refusal::Internal("redeeming the code failed"))
}

/// Whose refused codes count together.
fn code_source(sidecar: &Sidecar, inbound: &InboundRequest, headers: &HeaderMap) -> CodeSource {
    session_of_cookie(sidecar, headers).map_or(CodeSource::Address(inbound.origin.client), |it| {
        let who = it.identity();
        CodeSource::Person(who.tid, who.oid)
    })
}

/// Whether the code itself is to blame, and neither the app's credential nor an outage (RFC 6749 section 5.2).
fn is_refused_code(error: &entra::Error) -> bool {
    matches!(error, entra::Error::Refused(it) if matches!(it.error.as_str(), "invalid_grant" | "invalid_request"))
}

/// Whose wrong answers count together with those of this sign-in.
fn client_of(pending: &PendingSignIn, inbound: &InboundRequest) -> GuessingClient {
    let source = if pending.by_other_site { RequestSource::Other } else { RequestSource::Own };
    GuessingClient { address: inbound.origin.client, source }
}

fn has_contexts(session: &Session, acrs: &[String]) -> bool {
    let who = session.identity();
    acrs.is_empty() || acrs.iter().any(|it| who.acrs.contains(it))
}

fn open(sidecar: &Sidecar, headers: &HeaderMap, name: &str, state: &str) -> Option<PendingSignIn> {
    let CookieMatch::One(sealed) = find(headers, name) else { return None };
    let pending = PendingSignIn::read(&sidecar.pending.open(name, sealed)?, sidecar.process.clock.now())?;
    pending.is_for(state).then_some(pending)
}

impl<'a> CallbackParameters<'a> {
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
