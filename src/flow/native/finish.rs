//! Finishes a sign-in that an app requested: the app receives a code, and the browser gets no
//! session.

use super::super::exchange::Exchange;
use super::super::refusal::Refusal;
use super::super::refusal::unregistered::Unregistered;
use super::super::sign_in::organization;
use super::super::sign_in::recorder::SignInRecorder;
use super::super::sign_in::redeem::RedeemedSignIn;
use super::app_return::{self, RequestingApp};
use crate::base::identity::Identity;
use crate::directory::client_sign_in::NewClientSignIn;
use crate::entra::VerifiedSignIn;
use crate::session::pending::NativeSignIn;
use crate::wire::body::Body;
use http::Response;
use http::header::SET_COOKIE;

/// Returns the browser to the app with a code. Groups are known only if the token lists them.
pub(in crate::flow) async fn finish(
    exchange: &Exchange<'_>,
    native: &NativeSignIn,
    signed_in: RedeemedSignIn,
    recorder: &mut SignInRecorder,
    typed: Option<&str>,
) -> Result<Response<Body>, Refusal> {
    let Exchange { sidecar, .. } = *exchange;
    // Checked again, because the configuration may have changed since the sign-in began.
    let (Some(config), Some(asker)) = (&sidecar.native, RequestingApp::of(sidecar, native)) else {
        return Err(Refusal::Unregistered(Unregistered::RedirectUri));
    };
    let scope =
        config.client(&native.client).and_then(|it| Some(it.granted(native.scope.as_deref()?)));
    let RedeemedSignIn { place, redeemed, again } = signed_in;
    let VerifiedSignIn { user, refresh_token, .. } = redeemed;
    recorder.note_identity(user.identity());
    let (Some(all), Some(member)) =
        (&sidecar.organizations, organization::admit(sidecar, &user, &place, &again, typed).await?)
    else {
        return Err(Refusal::Internal("native sign-in without organizations"));
    };
    recorder.note_person(&member);
    let remembered = organization::remembered(exchange.app, Some(&member));
    let (person, organization) = (member.person, member.organization);
    let identity = Identity { member: Some(member.into()), ..user.into_identity() };
    let new = NewClientSignIn {
        client: &native.client,
        redirect_uri: &native.redirect_uri,
        challenge: &native.challenge,
        scope: scope.as_deref(),
        person,
        organization,
        identity: &identity,
        refresh_token: refresh_token.as_ref(),
        lifetime: config.lifetime.as_secs(),
    };
    let code = all.directory().start_sign_in(new).await?;
    let mut response =
        app_return::go(exchange, asker.with_code(exchange.app, code.expose()), true)?;
    response.headers_mut().extend(remembered.map(|it| (SET_COOKIE, it)));
    Ok(response)
}
