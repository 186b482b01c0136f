//! Prometheus metrics. Label values come from closed sets only, never from a path, a person or a
//! host.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::sync::OnceLock;
use std::sync::atomic::Ordering;

/// `Content-Type` of the exported text.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct AnswerLabels {
    route: &'static str,
    status: u16,
}

const PASSED_ON: AnswerLabels = AnswerLabels { route: "app", status: 200 };

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RefusalLabels {
    whose: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct CauseLabels {
    cause: &'static str,
}

/// All metrics of the process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<AnswerLabels, Counter>,
    /// The counter of nearly all requests, looked up once: the family is behind a lock that all
    /// threads share.
    passed_on: OnceLock<Counter>,
    duration: Histogram,
    sign_ins: Family<OutcomeLabels, Counter>,
    rechecks: Family<OutcomeLabels, Counter>,
    refusals: Family<RefusalLabels, Counter>,
    link_requests_not_opened: Counter,
    lookups: Family<OutcomeLabels, Counter>,
    grants: Family<OutcomeLabels, Counter>,
    directory_ended: Family<CauseLabels, Counter>,
    directory_unreachable: Gauge,
    sessions_unsaved: Gauge,
    session_store_unreachable: Gauge,
    connections_refused: Family<CauseLabels, Counter>,
    responses_broken: Family<CauseLabels, Counter>,
    interim_responses: Counter,
    log_lines_dropped: Counter,
    sessions: Gauge,
    entra_backoff: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("entrada");
        let requests = Family::default();
        let duration =
            Histogram::new([0.000_1, 0.000_5, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0]);
        let sign_ins = Family::default();
        let rechecks = Family::default();
        let refusals = Family::default();
        let link_requests_not_opened = Counter::default();
        let (lookups, directory_ended, directory_unreachable) =
            (Family::default(), Family::default(), Gauge::default());
        let grants = Family::default();
        let sessions_unsaved = Gauge::default();
        let session_store_unreachable = Gauge::default();
        let (connections_refused, log_lines_dropped) = (Family::default(), Counter::default());
        let (responses_broken, interim_responses) = (Family::default(), Counter::default());
        let sessions = Gauge::default();
        let entra_backoff = Gauge::default();
        registry.register("requests", "Requests answered, by route and status", requests.clone());
        registry.register(
            "request_duration_seconds",
            "Time from the head of a request to the head of its response",
            duration.clone(),
        );
        registry.register(
            "sign_ins",
            "Sign-ins that returned from Entra, by outcome",
            sign_ins.clone(),
        );
        registry.register(
            "sign_in_refusals",
            "Sign-ins that Entra refused, by the party that can fix it",
            refusals.clone(),
        );
        registry.register(
            "link_requests_not_opened",
            "Accounts that may be a person who was added beforehand, and for whom too many wait",
            link_requests_not_opened.clone(),
        );
        registry.register(
            "rechecks",
            "Rechecks of live sessions with Entra, by outcome",
            rechecks.clone(),
        );
        registry.register(
            "directory_lookups",
            "Lookups of usernames and company codes that people typed, by outcome",
            lookups.clone(),
        );
        registry.register(
            "native_token_requests",
            "Token requests from native clients, by outcome",
            grants.clone(),
        );
        registry.register(
            "directory_sessions_ended",
            "Sessions that ended because of a change in the directory, by cause",
            directory_ended.clone(),
        );
        registry.register(
            "directory_unreachable",
            "1 while changes in the directory are not being received, otherwise 0",
            directory_unreachable.clone(),
        );
        registry.register(
            "sessions_unsaved",
            "1 while session.snapshot cannot be written, otherwise 0",
            sessions_unsaved.clone(),
        );
        registry.register(
            "session_store_unreachable",
            "1 while the session store does not answer, otherwise 0",
            session_store_unreachable.clone(),
        );
        registry.register(
            "connections_refused",
            "Connections that were not served, by cause",
            connections_refused.clone(),
        );
        registry.register(
            "responses_broken",
            "Responses of the app that ended before their end, by cause",
            responses_broken.clone(),
        );
        registry.register(
            "interim_responses",
            "Interim responses (1xx) of HTTP/1.1 apps, which are not forwarded",
            interim_responses.clone(),
        );
        registry.register(
            "log_lines_dropped",
            "Log lines that were dropped because their reader was too slow",
            log_lines_dropped.clone(),
        );
        registry.register("sessions", "Sessions in memory", sessions.clone());
        registry.register(
            "entra_backoff",
            "1 while Entra does not answer and requests to it are paused, otherwise 0",
            entra_backoff.clone(),
        );
        let passed_on = OnceLock::new();
        Self {
            registry,
            requests,
            passed_on,
            duration,
            sign_ins,
            rechecks,
            refusals,
            link_requests_not_opened,
            lookups,
            grants,
            directory_ended,
            directory_unreachable,
            sessions_unsaved,
            session_store_unreachable,
            connections_refused,
            responses_broken,
            interim_responses,
            log_lines_dropped,
            sessions,
            entra_backoff,
        }
    }
}

impl Metrics {
    /// Counts a request and records its duration in seconds.
    pub fn answered(&self, route: &'static str, status: u16, seconds: f64) {
        let answer = AnswerLabels { route, status };
        if answer == PASSED_ON {
            self.passed_on.get_or_init(|| self.requests.get_or_create(&answer).clone()).inc();
        } else {
            self.requests.get_or_create(&answer).inc();
        }
        self.duration.observe(seconds);
    }

    /// Counts a sign-in that came back from Entra.
    pub fn signed_in(&self, outcome: &'static str) {
        self.sign_ins.get_or_create(&OutcomeLabels { outcome }).inc();
    }

    /// Counts a check of a live session with Entra.
    pub fn rechecked(&self, outcome: &'static str) {
        self.rechecks.get_or_create(&OutcomeLabels { outcome }).inc();
    }

    /// Counts a refusal from Entra, by who can fix it: many that the app's owner must fix are a
    /// reason for an alarm.
    pub fn refused(&self, whose: &'static str) {
        self.refusals.get_or_create(&RefusalLabels { whose }).inc();
    }

    /// Counts an account that needs an approval, but for whose person too many wait already.
    pub fn link_request_not_opened(&self) {
        self.link_requests_not_opened.inc();
    }

    /// Counts a lookup of a typed username or company code.
    pub fn looked_up(&self, outcome: &'static str) {
        self.lookups.get_or_create(&OutcomeLabels { outcome }).inc();
    }

    /// Counts a token request from one of the app's own clients.
    pub fn granted(&self, outcome: &'static str) {
        self.grants.get_or_create(&OutcomeLabels { outcome }).inc();
    }

    /// Counts sessions that ended because of a change in the directory.
    pub fn directory_ended(&self, cause: &'static str, sessions: usize) {
        self.directory_ended
            .get_or_create(&CauseLabels { cause })
            .inc_by(u64::try_from(sessions).unwrap_or_default());
    }

    /// Counts a connection that was rejected.
    pub fn connection_refused(&self, cause: &'static str) {
        self.connections_refused.get_or_create(&CauseLabels { cause }).inc();
    }

    /// Counts a response of the app that ended before its end.
    pub fn response_broke(&self, cause: &'static str) {
        self.responses_broken.get_or_create(&CauseLabels { cause }).inc();
    }

    /// Counts interim responses that were not forwarded.
    pub fn interim_responses(&self, count: u32) {
        self.interim_responses.inc_by(count.into());
    }

    /// Sets whether changes in the directory are currently not being received.
    pub fn directory_unreachable(&self, silent: bool) {
        self.directory_unreachable.set(silent.into());
    }

    /// Sets whether sessions currently cannot be saved for a restart.
    pub fn sessions_unsaved(&self, is_failing: bool) {
        self.sessions_unsaved.set(is_failing.into());
    }

    /// Sets whether the session store currently does not answer.
    pub fn session_store_unreachable(&self, is_down: bool) {
        self.session_store_unreachable.set(is_down.into());
    }

    /// Returns the text that Prometheus reads.
    pub fn text(&self, sessions: u64, entra_backoff: bool, log_lines_dropped: u64) -> String {
        self.log_lines_dropped.inner().store(log_lines_dropped, Ordering::Relaxed);
        self.entra_backoff.set(entra_backoff.into());
        self.sessions.set(i64::try_from(sessions).unwrap_or(i64::MAX));
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut out, &self.registry);
        out
    }
}
