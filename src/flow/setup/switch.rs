//! Turns an organization on and off.

use super::super::exchange::Exchange;
use super::super::refusal::Refusal;
use super::frame::{self, SetUpMessage};
use super::gate::SetUpVisit;
use super::kept_secret;
use super::steps;
use crate::directory::Error;
use crate::directory::change::OrganizationChange;
use crate::directory::organization::OrganizationState;
use crate::sidecar::organizations::OrganizationRegistry;
use crate::wire::body::Body;
use http::Response;

/// `POST /setup/on`: allowed only if the current connection was tested.
pub(super) async fn switch_on(
    exchange: &Exchange<'_>,
    all: &OrganizationRegistry,
    visit: &SetUpVisit,
) -> Result<Response<Body>, Refusal> {
    set_state(exchange, all, visit, OrganizationState::On).await
}

/// `POST /setup/off`: signs out everyone in the organization, including the person who turned it
/// off, and ends visits that began with a link.
pub(super) async fn off(
    exchange: &Exchange<'_>,
    all: &OrganizationRegistry,
    visit: &SetUpVisit,
) -> Result<Response<Body>, Refusal> {
    set_state(exchange, all, visit, OrganizationState::Off).await
}

async fn set_state(
    exchange: &Exchange<'_>,
    all: &OrganizationRegistry,
    visit: &SetUpVisit,
    state: OrganizationState,
) -> Result<Response<Body>, Refusal> {
    let change = OrganizationChange {
        origin: visit.change_origin(),
        state: Some(state),
        ..OrganizationChange::default()
    };
    match all.directory().change_organization(&visit.organization().code, change, &visit.by()).await
    {
        Ok(organization) => {
            tracing::info!(organization = %organization.code, by = visit.by(), state = state.as_str(), "organization turned {}", state.as_str());
            if state == OrganizationState::On {
                frame::redirect_back(exchange.app, "on")
            } else {
                kept_secret::forget(exchange, visit);
                Ok(frame::message_page(exchange, SetUpMessage::TurnedOff))
            }
        }
        Err(Error::InFile(_)) => steps::again(exchange, all, visit, "in_file").await,
        Err(Error::NeedsHighestRole(_)) => steps::again(exchange, all, visit, "not_highest").await,
        Err(Error::Incomplete(..) | Error::NotTested(_)) => {
            steps::again(exchange, all, visit, "not_tested").await
        }
        Err(other) => Err(other.into()),
    }
}
