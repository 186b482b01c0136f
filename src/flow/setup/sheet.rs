//! The printable sheet for staff.

use super::super::exchange::Exchange;
use super::super::refusal::Refusal;
use super::domains;
use super::frame;
use super::gate::SetUpVisit;
use crate::directory::Directory;
use crate::pages::setup::{SetUpPage, StaffSheet};
use crate::wire::body::Body;
use http::{Response, StatusCode};

/// `GET /setup/sheet`: shows the sheet. Until a domain is known, an address leads nowhere, so it
/// asks for the company code.
pub(super) async fn page(
    exchange: &Exchange<'_>,
    directory: &Directory,
    visit: &SetUpVisit,
) -> Result<Response<Body>, Refusal> {
    let sheet = StaffSheet {
        head: frame::head(exchange.app, visit),
        address: exchange.app.site.origin(),
        domains: domains::summary(directory, visit).await?,
        code: visit.organization().code.to_string(),
    };
    Ok(frame::show(exchange, StatusCode::OK, SetUpPage::Sheet(sheet)))
}
