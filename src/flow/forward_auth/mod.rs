//! Handles requests from a front proxy. Admission and headers are the same as for proxied requests;
//! the response uses the front proxy's dialect.

mod nginx;

use super::admission::{AdmissionRequest, admit};
use super::exchange::Exchange;
use super::facts::RequestFacts;
use super::refusal::Refusal;
use crate::base::site::Site;
use crate::wire::body::Body;
use crate::wire::forwarded::{ForwardAuthError, ForwardAuthRequest, from_nginx};
use http::Response;

/// Answers nginx's `auth_request`.
pub(super) async fn answer_nginx(
    exchange: &Exchange<'_>,
    facts: &mut RequestFacts,
) -> Result<Response<Body>, Refusal> {
    let Exchange { sidecar, app, inbound, headers } = *exchange;
    let asked = from_nginx(headers, &inbound.origin, sidecar.strictness)?;
    require_own_host(&app.site, &asked)?;
    let wanted = AdmissionRequest {
        target: &asked.target,
        opens_web_socket: nginx::opens_web_socket(headers),
    };
    let admission = admit(exchange, wanted, facts).await;
    nginx::answer(exchange, &asked.target, admission, facts).await
}

fn require_own_host(site: &Site, asked: &ForwardAuthRequest) -> Result<(), Refusal> {
    match asked.host.as_deref() {
        Some(host) if !site.is_host(host) => {
            Err(Refusal::BadForwardAuth(ForwardAuthError::OtherHost))
        }
        _ => Ok(()),
    }
}
