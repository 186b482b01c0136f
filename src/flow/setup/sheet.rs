//! The printable sheet for staff.

use super::super::exchange::Exchange;
use super::frame;
use super::gate::SetUpVisit;
use crate::pages::setup::{SetUpPage, StaffSheet};
use crate::wire::body::Body;
use http::{Response, StatusCode};

/// `GET /setup/sheet`: shows the sheet.
pub(super) fn page(exchange: &Exchange<'_>, visit: &SetUpVisit) -> Response<Body> {
    let sheet = StaffSheet {
        head: frame::head(exchange.app, visit),
        address: exchange.app.site.origin(),
        code: visit.organization().code.to_string(),
    };
    frame::show(exchange, StatusCode::OK, SetUpPage::Sheet(sheet))
}
