//! The sheet that staff are given: to be printed.

use super::frame;
use super::gate::SetUpVisit;
use crate::pages::setup::{SetUpPage, StaffSheet};
use crate::sidecar::Sidecar;
use crate::wire::body::Body;
use crate::wire::inbound::InboundRequest;
use http::{Response, StatusCode};

/// `GET /setup/sheet`.
pub(super) fn page(sidecar: &Sidecar, inbound: &InboundRequest, visit: &SetUpVisit) -> Response<Body> {
    let sheet = StaffSheet { head: frame::head(sidecar, visit), address: sidecar.site.origin(), code: visit.organization().code.to_string() };
    frame::show(sidecar, inbound, StatusCode::OK, SetUpPage::Sheet(sheet))
}
