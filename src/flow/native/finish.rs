//! A sign-in that an app asked for has come back from Entra: the app gets a code, and the browser no session.

use super::super::organization::{self, SignInPlace};
use super::super::refusal::Refusal;
use super::super::sign_in_trail::SignInTrail;
use super::app_return::{self, RequestingApp};
use super::unregistered::Unregistered;
use crate::base::identity::Identity;
use crate::directory::client_sign_in::NewClientSignIn;
use crate::entra::Redeemed;
use crate::session::pending::NativeSignIn;
use crate::sidecar::Sidecar;
use crate::wire::body::Body;
use crate::wire::inbound::InboundRequest;
use http::Response;
use http::header::SET_COOKIE;

/// Where it came back from, whom it brings, and where it may be tried again.
pub(in crate::flow) type CompletedSignIn = (SignInPlace, Redeemed, String);

/// Goes back to the app with a code. Groups are known as far as the token tells them.
pub(in crate::flow) async fn finish(
    sidecar: &Sidecar,
    inbound: &InboundRequest,
    native: &NativeSignIn,
    (place, redeemed, again): CompletedSignIn,
    trail: &mut SignInTrail,
) -> Result<Response<Body>, Refusal> {
    // Judged again: the configuration may be another by now.
    let (Some(config), Some(asker)) = (&sidecar.native, RequestingApp::of(sidecar, native)) else {
        return Err(Refusal::Unregistered(Unregistered::RedirectUri));
    };
    let scope = config.client(&native.client).and_then(|it| Some(it.granted(native.scope.as_deref()?)));
    let Redeemed { user, grant, .. } = redeemed;
    trail.is_of(user.identity());
    let (Some(all), Some(member)) = (&sidecar.organizations, organization::admit(sidecar, &user, &place, &again).await?) else {
        return Err(Refusal::Internal("native sign-in without organizations"));
    };
    trail.is_made(&member);
    let remembered = organization::remembered(sidecar, Some(&member));
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
        refresh_token: grant.as_ref(),
        lifetime: config.lifetime.as_secs(),
    };
    let code = all.directory().start_sign_in(new).await?;
    let mut response = app_return::go(sidecar, inbound, asker.with_code(sidecar, code.expose()), true)?;
    response.headers_mut().extend(remembered.map(|it| (SET_COOKIE, it)));
    Ok(response)
}
