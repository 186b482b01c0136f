//! The sheet that staff are given: to be printed.

use super::frame;
use super::gate::Visit;
use crate::pages::setup::{SetUp, Sheet};
use crate::sidecar::Sidecar;
use crate::wire::body::Body;
use crate::wire::inbound::Inbound;
use http::{Response, StatusCode};

/// `GET /setup/sheet`.
pub(super) fn page(house: &Sidecar, inbound: &Inbound, visit: &Visit) -> Response<Body> {
    let sheet = Sheet { head: frame::head(house, visit), address: house.site.origin(), code: visit.organization().code.to_string() };
    frame::show(house, inbound, StatusCode::OK, SetUp::Sheet(sheet))
}
