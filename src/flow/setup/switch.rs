//! Turns an organization on, and off again.

use super::super::refusal::Refusal;
use super::frame;
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
    if all.directory().tested(visit.organization()).await?.is_none() {
        return steps::again(house, all, inbound, visit, "not_tested").await;
    }
    turn(house, all, inbound, visit, State::On, "on").await
}

/// `POST /setup/off`: its people are out, and visits that began with a link end.
pub(super) async fn off(house: &Sidecar, all: &Organizations, inbound: &Inbound, visit: &Visit) -> Result<Response<Body>, Refusal> {
    turn(house, all, inbound, visit, State::Off, "off").await
}

async fn turn(house: &Sidecar, all: &Organizations, inbound: &Inbound, visit: &Visit, state: State, done: &str) -> Result<Response<Body>, Refusal> {
    let change = OrganizationChange { state: Some(state), ..OrganizationChange::default() };
    match all.directory().change_organization(&visit.organization().code, change, &visit.by()).await {
        Ok(organization) => {
            tracing::info!(organization = %organization.code, by = visit.by(), state = state.as_str(), "an organization was turned {}", state.as_str());
            frame::back(house, done)
        }
        Err(Error::InFile(_)) => steps::again(house, all, inbound, visit, "in_file").await,
        Err(Error::Incomplete(..)) => steps::again(house, all, inbound, visit, "not_tested").await,
        Err(other) => Err(other.into()),
    }
}
