//! Notes how responses end: one that breaks off after its head was logged as a success.

use crate::telemetry::metrics::Metrics;
use http::HeaderValue;
use std::sync::Arc;

/// Why a response ended before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BreakCause {
    /// The app closed the connection, or what it sent is not a body.
    App,
    /// The app sent nothing for too long.
    Stalled,
    /// The permit of the request ended.
    Permit,
    /// The client left.
    Client,
}

impl BreakCause {
    /// The value of the metric's label.
    fn label(self) -> &'static str {
        match self {
            Self::App => "app",
            Self::Stalled => "stalled",
            Self::Permit => "permit",
            Self::Client => "client",
        }
    }
}

/// Counts what passes of a response. Dropped before the end, it says that the client left.
pub(super) struct ResponseEnding {
    metrics: Arc<Metrics>,
    request_id: HeaderValue,
    /// Number of body bytes that were passed on.
    bytes: u64,
    is_over: bool,
}

impl ResponseEnding {
    pub(super) fn new(metrics: Arc<Metrics>, request_id: HeaderValue) -> Self {
        Self { metrics, request_id, bytes: 0, is_over: false }
    }

    /// Notes a part of the body.
    pub(super) fn passed(&mut self, bytes: usize) {
        self.bytes += u64::try_from(bytes).unwrap_or_default();
    }

    /// Notes that the response is complete.
    pub(super) fn is_complete(&mut self) {
        self.is_over = true;
    }

    /// Notes that the response ended early. `detail` is for the log.
    pub(super) fn broke(&mut self, cause: BreakCause, detail: &dyn std::fmt::Display) {
        if std::mem::replace(&mut self.is_over, true) {
            return;
        }
        self.metrics.response_broke(cause.label());
        let request_id = self.request_id.to_str().unwrap_or_default();
        let (bytes, label) = (self.bytes, cause.label());
        match cause {
            BreakCause::App | BreakCause::Stalled => {
                tracing::warn!(request_id, bytes, cause = label, "response broke off: {detail}");
            }
            // Clients leave all the time, and the end of a permit has its own line.
            BreakCause::Permit | BreakCause::Client => {
                tracing::debug!(request_id, bytes, cause = label, "response broke off: {detail}");
            }
        }
    }
}

impl Drop for ResponseEnding {
    fn drop(&mut self) {
        if !self.is_over {
            self.broke(BreakCause::Client, &"the client left");
        }
    }
}
