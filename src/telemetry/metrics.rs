//! Figures for Prometheus. Labels come from closed sets only, never from a path, a person or a host.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// `Content-Type` of the text.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Answer {
    route: &'static str,
    status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

/// All figures of the process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<Answer, Counter>,
    duration: Histogram,
    sign_ins: Family<Outcome, Counter>,
    rechecks: Family<Outcome, Counter>,
    sessions: Gauge,
    entra_rests: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("entrada");
        let requests = Family::default();
        let duration = Histogram::new([0.000_1, 0.000_5, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0]);
        let sign_ins = Family::default();
        let rechecks = Family::default();
        let sessions = Gauge::default();
        let entra_rests = Gauge::default();
        registry.register("requests", "Requests answered, by kind of route and status", requests.clone());
        registry.register("request_duration_seconds", "From the head of a request to the head of its answer", duration.clone());
        registry.register("sign_ins", "Sign-ins that came back from Entra, by outcome", sign_ins.clone());
        registry.register("rechecks", "Times that Entra was asked about a live session, by outcome", rechecks.clone());
        registry.register("sessions", "Sessions in memory", sessions.clone());
        registry.register("entra_rests", "1 while Entra does not answer and is left alone, else 0", entra_rests.clone());
        Self { registry, requests, duration, sign_ins, rechecks, sessions, entra_rests }
    }
}

impl Metrics {
    /// Counts a request.
    pub fn answered(&self, route: &'static str, status: u16, seconds: f64) {
        self.requests.get_or_create(&Answer { route, status }).inc();
        self.duration.observe(seconds);
    }

    /// Counts a sign-in that came back.
    pub fn signed_in(&self, outcome: &'static str) {
        self.sign_ins.get_or_create(&Outcome { outcome }).inc();
    }

    /// Counts a time that Entra was asked about a live session.
    pub fn rechecked(&self, outcome: &'static str) {
        self.rechecks.get_or_create(&Outcome { outcome }).inc();
    }

    /// The text that Prometheus reads.
    pub fn text(&self, sessions: u64, entra_rests: bool) -> String {
        self.entra_rests.set(entra_rests.into());
        self.sessions.set(i64::try_from(sessions).unwrap_or(i64::MAX));
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut out, &self.registry);
        out
    }
}
