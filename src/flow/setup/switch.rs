//! Turns an organization on, and off again.

use super::super::refusal::Refusal;
use super::frame::{self, Say};
use super::gate::Visit;
use super::steps;
use crate::directory::Error;
use crate::directory::change::OrganizationChange;
use crate::directory::organization::State;
use crate::sidecar::Sidecar;
use crate::sidecar::organizations::Organizations;
use crate::wire::body::Body;
use crate::wire::inbound::Inbound;
use http::Response;

/// `POST /setup/on`: only with a connection that was tried as it is now.
pub(super) async fn on(house: &Sidecar, all: &Organizations, inbound: &Inbound, visit: &Visit) -> Result<Response<Body>, Refusal> {
    turn(house, all, inbound, visit, State::On).await
}

/// `POST /setup/off`: its people are out, whoever turned it off among them, and visits that began with a link end.
pub(super) async fn off(house: &Sidecar, all: &Organizations, inbound: &Inbound, visit: &Visit) -> Result<Response<Body>, Refusal> {
    turn(house, all, inbound, visit, State::Off).await
}

async fn turn(house: &Sidecar, all: &Organizations, inbound: &Inbound, visit: &Visit, state: State) -> Result<Response<Body>, Refusal> {
    let change = OrganizationChange { asking: visit.asking(), state: Some(state), ..OrganizationChange::default() };
    match all.directory().change_organization(&visit.organization().code, change, &visit.by()).await {
        Ok(organization) => {
            tracing::info!(organization = %organization.code, by = visit.by(), state = state.as_str(), "organization turned {}", state.as_str());
            if state == State::On { frame::back(house, "on") } else { Ok(frame::told(house, inbound, Say::TurnedOff)) }
        }
        Err(Error::InFile(_)) => steps::again(house, all, inbound, visit, "in_file").await,
        Err(Error::NeedsHighestRole(_)) => steps::again(house, all, inbound, visit, "not_highest").await,
        Err(Error::Incomplete(..) | Error::NotTested(_)) => steps::again(house, all, inbound, visit, "not_tested").await,
        Err(other) => Err(other.into()),
    }
}
