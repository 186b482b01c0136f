//! Finishes a browser's sign-in with a session.

use super::super::exchange::Exchange;
use super::super::facts::RequestFacts;
use super::super::refusal::Refusal;
use super::organization;
use super::recorder::SignInRecorder;
use super::redeem::{RedeemedSignIn, redeem};
use super::returned::ReturnedSignIn;
use super::rounds;
use crate::base::secret::Secret;
use crate::entra::VerifiedSignIn;
use crate::session::live::NewSession;
use crate::session::pending::SessionRequest;
use crate::session::record::Session;
use crate::wire::body::Body;
use http::header::SET_COOKIE;
use http::{HeaderValue, Response};
use std::sync::Arc;

/// Redirects to the page where the person was going, with the cookie of a new session.
pub(in crate::flow) async fn finish(
    exchange: &Exchange<'_>,
    returned: &ReturnedSignIn<'_>,
    request: &SessionRequest,
    facts: &mut RequestFacts,
    recorder: &mut SignInRecorder,
) -> Result<Response<Body>, Refusal> {
    let app = exchange.app;
    let (cookie, session) = start_session(exchange, returned, request, recorder).await?;
    facts.session = Some(Arc::clone(&session));
    // With the session itself: another replica may get the next request.
    let record = exchange.record_cookie(&session);
    // Afterwards: the request uses the refresh token, which the record needs.
    exchange.request_groups(&session);
    let record_bytes = record.as_ref().map_or(0, HeaderValue::len);
    let mut response = if has_contexts(&session, &request.acrs) {
        exchange.go_on_with(&request.return_to(&app.site), record_bytes)?
    } else {
        // The person is signed in anyway. Another attempt would have the same result.
        exchange.refuse_sign_in(Refusal::ContextMissing(request.acrs.clone()), facts)
    };
    let lifetime = exchange.cookie_lifetime(&session);
    let cookie = app
        .names
        .set(app.names.session(), cookie.expose(), lifetime)
        .ok_or(Refusal::Internal("no cookie"))?;
    response.headers_mut().append(SET_COOKIE, cookie);
    for further in [
        record,
        rounds::count_return(exchange, returned.pending.rounds),
        organization::remembered(exchange.app, session.identity().member.as_deref()),
    ]
    .into_iter()
    .flatten()
    {
        response.headers_mut().append(SET_COOKIE, further);
    }
    Ok(response)
}

/// Begins a session for the person who signed in. Returns the value of its cookie.
async fn start_session(
    exchange: &Exchange<'_>,
    returned: &ReturnedSignIn<'_>,
    request: &SessionRequest,
    recorder: &mut SignInRecorder,
) -> Result<(Secret, Arc<Session>), Refusal> {
    let Exchange { sidecar, .. } = *exchange;
    let RedeemedSignIn { place, redeemed, again } = redeem(exchange, returned).await?;
    let VerifiedSignIn { user, refresh_token, .. } = redeemed;
    recorder.note_identity(user.identity());
    let member =
        organization::admit(sidecar, &user, &place, &again, returned.pending.typed.as_deref())
            .await?;
    if let Some(member) = &member {
        recorder.note_person(member);
    }
    // Without the store, only a session of this process is known.
    let former = exchange.load_session().await.ok().flatten();
    // Every sign-in gets a new ID. The session that this browser had ends, whether or not its
    // cookie was planted.
    if let Some(old) = exchange.presented_session() {
        sidecar.process.store.end(&old).await;
    }
    let (id, session) = sidecar.process.live.prepare(NewSession {
        user,
        member,
        refresh_token,
        session_state: returned.parameters.session(),
    });
    // Only a step-up keeps the proofs of the former session. A normal sign-in starts without them.
    let steps_up = !request.acrs.is_empty() || request.challenge.is_some();
    if let Some(former) = former.filter(|_| steps_up) {
        session.adopt_proofs(&former);
    }
    if returned.pending.prompt_login {
        session.set_reauthenticated();
    }
    if let Some(challenge) = &request.challenge {
        session.answers(challenge.clone());
    }
    exchange.session_begins(&session);
    let cookie = sidecar.process.store.save(id, &session).await;
    exchange.session_started();
    Ok((cookie, session))
}

fn has_contexts(session: &Session, acrs: &[String]) -> bool {
    let who = session.identity();
    acrs.is_empty() || acrs.iter().any(|it| who.acrs.contains(it))
}
