//! The log line of each request.

use super::facts::RequestFacts;
use super::route::Route;
use crate::base::target::MAX_METHOD_BYTES;
use crate::session::record::Session;
use crate::sidecar::Sidecar;
use crate::telemetry::log;
use crate::wire::inbound::InboundRequest;
use crate::wire::peer::Peer;
use std::net::IpAddr;
use std::time::Instant;

/// Maximum logged length of a path or a cause, in bytes.
const MAX_LOGGED_TEXT_BYTES: usize = 1024;

/// The logged values of a request, parsed or not.
pub(super) struct RequestLine<'a> {
    pub(super) reference: &'a str,
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) route: &'static str,
    pub(super) rule: Option<usize>,
    pub(super) user: Option<&'a str>,
    pub(super) client: Option<IpAddr>,
    pub(super) cause: Option<&'a str>,
}

impl<'a> RequestLine<'a> {
    /// Creates the line of a parsed request.
    pub(super) fn of(inbound: &'a InboundRequest, route: Route, facts: &'a RequestFacts) -> Self {
        Self {
            reference: inbound.reference(),
            method: inbound.target.method().as_str(),
            path: inbound.target.path(),
            route: route.name(),
            rule: facts.rule_line,
            user: facts.session.as_deref().map(Session::user),
            client: inbound.origin.client,
            cause: facts.cause.as_deref(),
        }
    }

    /// Creates the line of a request that could not be parsed. Its path is not repeated.
    pub(super) fn unread(reference: &'a str, method: &'a str, peer: &Peer, cause: &'a str) -> Self {
        let method = if method.len() > MAX_METHOD_BYTES { "" } else { method };
        Self {
            reference,
            method,
            path: "",
            route: "refused",
            rule: None,
            user: None,
            client: peer.ip(),
            cause: Some(cause),
        }
    }

    /// Writes the line to the log and updates the metrics.
    pub(super) fn write(&self, sidecar: &Sidecar, status: u16, began: Instant) {
        let took = began.elapsed();
        sidecar.process.metrics.answered(self.route, status, took.as_secs_f64());
        // Avoids reading the clock for a line that is not logged.
        if !sidecar.process.log.takes_requests() {
            return;
        }
        sidecar.process.log.request(&log::RequestRecord {
            time_ms: sidecar.process.clock.now_millis(),
            event: "request",
            request_id: self.reference,
            method: self.method,
            path: cut(self.path),
            path_bytes: (self.path.len() > MAX_LOGGED_TEXT_BYTES).then_some(self.path.len()),
            status,
            route: self.route,
            rule: self.rule,
            user: self.user,
            client: self.client,
            duration_us: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            cause: self.cause.map(cut),
        });
    }
}

fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MAX_LOGGED_TEXT_BYTES)).unwrap_or(text)
}
