//! The operator's set-up link. Anyone can open it, including mail scanners; it is used up only when
//! a person presses the button.

use super::super::exchange::Exchange;
use super::super::refusal::Refusal;
use super::frame::{self, SetUpMessage};
use super::gate::{self, SetUpVisit};
use super::kept_secret;
use crate::base::secret::Secret;
use crate::directory::invitation::{InvitationError, MAX_INVITATION_TOKEN_BYTES};
use crate::pages::setup::{InvitationPage, SetUpPage};
use crate::sidecar::guesses::{GuessingClient, RequestSource};
use crate::sidecar::organizations::OrganizationRegistry;
use crate::wire::body::Body;
use crate::wire::form::FormFields;
use crate::wire::reply;
use http::header::SET_COOKIE;
use http::{Response, StatusCode};

/// `GET /setup/invitation?token=`: shows the button. The token is not looked up, so that the
/// response does not reveal which links exist.
pub(super) fn confirm_page(exchange: &Exchange<'_>) -> Response<Body> {
    let query = exchange.inbound.target.query().unwrap_or_default();
    let mut all = url::form_urlencoded::parse(query.as_bytes())
        .filter(|it| it.0 == "token")
        .map(|it| it.1.into_owned());
    let plain = |it: &String| {
        (1..=MAX_INVITATION_TOKEN_BYTES).contains(&it.len())
            && it.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_'))
    };
    match (all.next().filter(plain), all.next()) {
        (Some(token), None) => {
            let page = InvitationPage {
                app: exchange.app.display_name.clone(),
                home: exchange.app.site.setup_path(),
                token,
            };
            frame::show(exchange, StatusCode::OK, SetUpPage::Invitation(page))
        }
        _ => frame::message_page(exchange, SetUpMessage::LinkOver),
    }
}

/// `POST /setup/invitation`: uses up the link and begins the visit.
pub(super) async fn accept(
    exchange: &Exchange<'_>,
    all: &OrganizationRegistry,
    form: &FormFields,
) -> Result<Response<Body>, Refusal> {
    let Exchange { sidecar, app, inbound, .. } = *exchange;
    let token = Secret::new(form.text("token"));
    let invitation = match all.directory().accept(&token).await {
        Ok(it) => it,
        Err(InvitationError::Used) => {
            return Ok(frame::message_page(exchange, SetUpMessage::LinkUsed));
        }
        Err(InvitationError::Ended) => {
            return Ok(frame::message_page(exchange, SetUpMessage::LinkOver));
        }
        Err(InvitationError::Unknown) => {
            // Only Entrada's own page can send this request.
            let client =
                GuessingClient { address: inbound.origin.client, source: RequestSource::Own };
            sidecar.process.guessed_links.was_wrong(client).map_err(Refusal::TooMany)?;
            return Ok(frame::message_page(exchange, SetUpMessage::LinkOver));
        }
        Err(InvitationError::Directory(error)) => return Err(error.into()),
    };
    tracing::info!(organization = %invitation.organization.code, invitation = %invitation.id, "set-up link used");
    let mut response = reply::redirect(StatusCode::SEE_OTHER, &app.site.setup_path())
        .ok_or(Refusal::Internal("no redirect"))?;
    let cookie = gate::cookie(exchange, &invitation).ok_or(Refusal::Internal("sealing failed"))?;
    response.headers_mut().append(SET_COOKIE, cookie);
    Ok(response)
}

/// `POST /setup/leave`: ends the visit that began with a link.
pub(super) async fn leave(
    exchange: &Exchange<'_>,
    all: &OrganizationRegistry,
    visit: &SetUpVisit,
) -> Result<Response<Body>, Refusal> {
    if let Some(id) = visit.invitation() {
        all.directory().leave(id).await?;
        kept_secret::forget(exchange, visit);
    }
    let mut response = frame::message_page(exchange, SetUpMessage::Left);
    response
        .headers_mut()
        .extend(exchange.app.names.remove(&exchange.app.names.visit()).map(|it| (SET_COOKIE, it)));
    Ok(response)
}
