//! The link that an operator made: looked at by anybody, mail scanners among them, and used by one who presses the button.

use super::super::refusal::Refusal;
use super::frame::{self, Say};
use super::gate::{self, Visit};
use crate::base::secret::Secret;
use crate::directory::invitation::NotAccepted;
use crate::pages::setup::{Invitation, SetUp};
use crate::sidecar::Sidecar;
use crate::sidecar::guesses::{GuessingClient, RequestSource};
use crate::sidecar::organizations::Organizations;
use crate::wire::body::Body;
use crate::wire::form::Form;
use crate::wire::inbound::Inbound;
use crate::wire::reply;
use http::header::SET_COOKIE;
use http::{Response, StatusCode};

/// The longest token that is passed on, in bytes.
const TOKEN: usize = 64;

/// `GET /setup/invitation?token=`: the button. Nothing is looked up, so that the answer tells nobody which links there are.
pub(super) fn ask(house: &Sidecar, inbound: &Inbound) -> Response<Body> {
    let query = inbound.target.query().unwrap_or_default();
    let mut all = url::form_urlencoded::parse(query.as_bytes()).filter(|it| it.0 == "token").map(|it| it.1.into_owned());
    let plain = |it: &String| (1..=TOKEN).contains(&it.len()) && it.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_'));
    match (all.next().filter(plain), all.next()) {
        (Some(token), None) => {
            let page = Invitation { app: house.site.authority().to_owned(), home: house.site.setup_path(), token };
            frame::show(house, inbound, StatusCode::OK, SetUp::Invitation(page))
        }
        _ => frame::told(house, inbound, Say::LinkOver),
    }
}

/// `POST /setup/invitation`: uses the link up, and begins the visit.
pub(super) async fn accept(house: &Sidecar, all: &Organizations, inbound: &Inbound, form: &Form) -> Result<Response<Body>, Refusal> {
    let token = Secret::new(form.text("token"));
    let invitation = match all.directory().accept(&token).await {
        Ok(it) => it,
        Err(NotAccepted::Used) => return Ok(frame::told(house, inbound, Say::LinkUsed)),
        Err(NotAccepted::Over) => return Ok(frame::told(house, inbound, Say::LinkOver)),
        Err(NotAccepted::Unknown) => {
            // Only a page of our own gets here.
            let client = GuessingClient { address: inbound.way.client, source: RequestSource::Own };
            house.lasting.guessed_links.was_wrong(client).map_err(Refusal::TooMany)?;
            return Ok(frame::told(house, inbound, Say::LinkOver));
        }
        Err(NotAccepted::Directory(error)) => return Err(error.into()),
    };
    tracing::info!(organization = %invitation.organization.code, invitation = %invitation.id, "set-up link used");
    let mut response = reply::redirect(StatusCode::SEE_OTHER, &house.site.setup_path()).ok_or(Refusal::Internal("no redirect"))?;
    let cookie = gate::cookie(house, &invitation).ok_or(Refusal::Internal("sealing failed"))?;
    response.headers_mut().append(SET_COOKIE, cookie);
    Ok(response)
}

/// `POST /setup/leave`: ends the visit that a link began.
pub(super) async fn leave(house: &Sidecar, all: &Organizations, inbound: &Inbound, visit: &Visit) -> Result<Response<Body>, Refusal> {
    if let Some(id) = visit.invitation() {
        all.directory().leave(id).await?;
    }
    let mut response = frame::told(house, inbound, Say::Left);
    response.headers_mut().extend(house.names.remove(&house.names.visit()).map(|it| (SET_COOKIE, it)));
    Ok(response)
}
