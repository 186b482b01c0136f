//! Keeps the permit of a request, its response or a tunnel while it lasts.

use super::tunnel::TunnelEnd;
use crate::base::target::Target;
use crate::headers::identity::IdentityHeaders;
use crate::session::record::Session;
use http::HeaderValue;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How often a permit is checked again. Shorter responses are sent whole: a session may end between
/// the request head and the response head, and a short response that breaks off would look like an
/// error.
pub(super) const PERMIT_CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// The most common reason for an early end, for the log.
const SESSION_ENDED: &str = "its session ended";

/// Checks whether the decision at the request head still holds.
pub trait PermitCheck: Clone + Send + Sync + Unpin + 'static {
    /// Checks that the session is live and that the rules still allow the request. `used` says
    /// whether bytes were transferred since the last check or the app works on the request, which
    /// counts as use of the session, as requests do.
    ///
    /// # Errors
    /// The reason why the permit no longer holds, for the log.
    fn still_holds(
        &self,
        target: &Target,
        session: &Arc<Session>,
        used: bool,
    ) -> Result<(), &'static str>;
}

/// The permit of a request with a session, kept until its body or its response has ended.
pub(super) struct HeldPermit<C> {
    is_upload: bool,
    target: Target,
    session: Arc<Session>,
    check: C,
    request_id: HeaderValue,
    /// Whether bytes were transferred since the last check.
    used: bool,
    /// The time of the last check; `None` before the second part: most bodies have ended by then,
    /// and the clock is not read for them.
    checked_at: Option<Instant>,
}

impl<C: PermitCheck> HeldPermit<C> {
    /// Creates the permit of a response. Returns nothing without a session: such a response is
    /// public.
    pub(super) fn new(
        identity: IdentityHeaders,
        check: C,
        request_id: HeaderValue,
    ) -> Option<Self> {
        let (target, session) = identity.into_permit().into_parts();
        Some(Self {
            is_upload: false,
            target,
            session: session?,
            check,
            request_id,
            used: false,
            checked_at: None,
        })
    }

    /// Creates the permit of a request body: it may end before the response begins, or after the
    /// response has ended.
    pub(super) fn of_upload(
        identity: &IdentityHeaders,
        check: &C,
        request_id: &HeaderValue,
    ) -> Option<Self> {
        let (target, session) = (identity.target().clone(), Arc::clone(identity.session()?));
        Some(Self {
            is_upload: true,
            target,
            session,
            check: check.clone(),
            request_id: request_id.clone(),
            used: false,
            checked_at: None,
        })
    }

    /// Whether the session ended while the app was preparing a slow response.
    pub(super) fn expired_before_answer(&self, began: Instant) -> bool {
        let is_late = self.session_is_over() && began.elapsed() >= PERMIT_CHECK_INTERVAL;
        if is_late {
            self.log_end("withheld", SESSION_ENDED);
        }
        is_late
    }

    /// Whether one more part may be transferred.
    pub(super) fn still_permits(&mut self) -> bool {
        if !std::mem::replace(&mut self.used, true) && self.checked_at.is_none() {
            return true;
        }
        let now = Instant::now();
        let since = *self.checked_at.get_or_insert(now);
        now.duration_since(since) < PERMIT_CHECK_INTERVAL || self.still_holds()
    }

    /// Checks whether the transfer may continue.
    pub(super) fn still_holds(&mut self) -> bool {
        self.checked_at = Some(Instant::now());
        let used = std::mem::take(&mut self.used);
        let held = self.check.still_holds(&self.target, &self.session, used);
        if let Err(cause) = held {
            self.log_end("cut off", if self.session_is_over() { SESSION_ENDED } else { cause });
        }
        held.is_ok()
    }

    /// Whether the session is over. Otherwise the permit ends for another reason, usually the
    /// rules.
    pub(super) fn session_is_over(&self) -> bool {
        self.session.is_over()
    }

    fn log_end(&self, how: &str, cause: &str) {
        let what = if self.is_upload { "upload" } else { "response" };
        let request_id = self.request_id.to_str().unwrap_or_default();
        tracing::info!(request_id, user = self.session.user(), "{what} {how}: {cause}");
    }

    /// Converts the permit for a tunnel, which ends as soon as its session does.
    pub(super) fn into_ends(mut self) -> TunnelEnd {
        TunnelEnd {
            cancelled: self.session.ended(),
            check: Box::new(move |used| {
                self.used = used;
                self.still_holds()
            }),
        }
    }
}

/// A request that waits for its response.
pub(super) trait UnderWay: Sync {
    /// Counts the wait as use of the session. It ends nothing: the app may already have acted on
    /// the request, and the permit is checked when the app responds.
    fn is_use(&self);
}

impl<C: PermitCheck> UnderWay for HeldPermit<C> {
    fn is_use(&self) {
        let _ = self.check.still_holds(&self.target, &self.session, true);
    }
}
