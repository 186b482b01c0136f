//! A sign-in that an app asked for has come back from Entra: the app gets a code, and the browser no session.

use super::super::organization::{self, Place};
use super::super::recent::Trail;
use super::super::refusal::Refusal;
use super::back::{self, Asker};
use super::unregistered::Unregistered;
use crate::base::identity::Identity;
use crate::directory::family::NewFamily;
use crate::entra::Redeemed;
use crate::session::pending::Native;
use crate::sidecar::Sidecar;
use crate::wire::body::Body;
use crate::wire::inbound::Inbound;
use http::Response;
use http::header::SET_COOKIE;

/// Where it came back from, whom it brings, and where it may be tried again.
pub(in crate::flow) type Brought = (Place, Redeemed, String);

/// Goes back to the app with a code. Groups are known as far as the token tells them.
pub(in crate::flow) async fn finish(
    house: &Sidecar,
    inbound: &Inbound,
    native: &Native,
    (place, redeemed, again): Brought,
    trail: &mut Trail,
) -> Result<Response<Body>, Refusal> {
    // Judged again: the configuration may be another by now.
    let (Some(config), Some(asker)) = (&house.native, Asker::of(house, native)) else { return Err(Refusal::Unregistered(Unregistered::Place)) };
    let scope = config.client(&native.client).and_then(|it| Some(it.granted(native.scope.as_deref()?)));
    let Redeemed { user, grant, .. } = redeemed;
    trail.is_of(user.identity());
    let (Some(all), Some(member)) = (&house.organizations, organization::welcome(house, &user, &place, &again).await?) else {
        return Err(Refusal::Internal("native sign-in without organizations"));
    };
    trail.is_made(&member);
    let remembered = organization::remembered(house, Some(&member));
    let (person, organization) = (member.person, member.organization);
    let identity = Identity { member: Some(member.into()), ..user.into_identity() };
    let new = NewFamily {
        client: &native.client,
        redirect_uri: &native.redirect_uri,
        challenge: &native.challenge,
        scope: scope.as_deref(),
        person,
        organization,
        identity: &identity,
        grant: grant.as_ref(),
        lifetime: config.lifetime.as_secs(),
    };
    let code = all.directory().begin_family(new).await?;
    let mut response = back::go(house, inbound, asker.with_code(house, code.expose()), true)?;
    response.headers_mut().extend(remembered.map(|it| (SET_COOKIE, it)));
    Ok(response)
}
