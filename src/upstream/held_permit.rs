//! What a request, its answer or a tunnel hangs on while it lasts: what was permitted.

use super::tunnel::TunnelEnd;
use crate::base::target::Target;
use crate::headers::identity::IdentityHeaders;
use crate::session::record::Session;
use http::HeaderValue;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How often we check whether a permit still holds. What is over sooner goes out whole: a session may end between the head of a request and
/// the head of its answer, and a short answer that breaks off would be taken for a fault.
pub(super) const CHECK_EVERY: Duration = Duration::from_secs(1);

/// Why most that lasts is cut off, for the log.
const SESSION_ENDED: &str = "its session ended";

/// Knows whether what was permitted at the head of a request still is.
pub trait PermitCheck: Clone + Send + Sync + Unpin + 'static {
    /// Whether the session goes on and the rules still let it in. `used` says whether bytes passed since the last time, or the app works on
    /// the request: that is use, as requests are.
    ///
    /// # Errors
    /// Why it does not, for the log.
    fn still_holds(&self, target: &Target, session: &Arc<Session>, used: bool) -> Result<(), &'static str>;
}

/// What a request with a session was permitted, kept until its body or its answer has ended.
pub(super) struct HeldPermit<C> {
    is_upload: bool,
    target: Target,
    session: Arc<Session>,
    check: C,
    request_id: HeaderValue,
    /// Bytes passed since the last check.
    used: bool,
    /// Nothing before the second part: most bodies have ended by then, and no clock is read for them.
    checked_at: Option<Instant>,
}

impl<C: PermitCheck> HeldPermit<C> {
    /// For an answer. Nothing where no session is involved: such an answer belongs to everyone.
    pub(super) fn new(identity: IdentityHeaders, check: C, request_id: HeaderValue) -> Option<Self> {
        let (target, session) = identity.into_permit().into_parts();
        Some(Self { is_upload: false, target, session: session?, check, request_id, used: false, checked_at: None })
    }

    /// For the body of the request: it may end before the answer begins, or after the answer has ended.
    pub(super) fn of_upload(identity: &IdentityHeaders, check: &C, request_id: &HeaderValue) -> Option<Self> {
        let (target, session) = (identity.target().clone(), Arc::clone(identity.session()?));
        Some(Self { is_upload: true, target, session, check: check.clone(), request_id: request_id.clone(), used: false, checked_at: None })
    }

    /// Whether the session ended while the app was taking its time.
    pub(super) fn expired_before_answer(&self, began: Instant) -> bool {
        let is_late = self.session_is_over() && began.elapsed() >= CHECK_EVERY;
        if is_late {
            self.log_end("withheld", SESSION_ENDED);
        }
        is_late
    }

    /// Whether one more part may pass.
    pub(super) fn still_permits(&mut self) -> bool {
        if !std::mem::replace(&mut self.used, true) && self.checked_at.is_none() {
            return true;
        }
        let now = Instant::now();
        let since = *self.checked_at.get_or_insert(now);
        now.duration_since(since) < CHECK_EVERY || self.still_holds()
    }

    /// Whether it may go on waiting.
    pub(super) fn still_holds(&mut self) -> bool {
        self.checked_at = Some(Instant::now());
        let used = std::mem::take(&mut self.used);
        let held = self.check.still_holds(&self.target, &self.session, used);
        if let Err(cause) = held {
            self.log_end("cut off", if self.session_is_over() { SESSION_ENDED } else { cause });
        }
        held.is_ok()
    }

    /// Whether the session is over; else something else ends it, mostly the rules.
    pub(super) fn session_is_over(&self) -> bool {
        self.session.is_over()
    }

    fn log_end(&self, how: &str, cause: &str) {
        let what = if self.is_upload { "upload" } else { "response" };
        let request_id = self.request_id.to_str().unwrap_or_default();
        tracing::info!(request_id, user = self.session.user(), "{what} {how}: {cause}");
    }

    /// For a tunnel: it ends at once with its session.
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

/// A request whose answer is waited for.
pub(super) trait UnderWay: Sync {
    /// Notes that its session is in use. It ends nothing: what the app does may be done already, and is judged when it answers.
    fn is_use(&self);
}

impl<C: PermitCheck> UnderWay for HeldPermit<C> {
    fn is_use(&self) {
        let _ = self.check.still_holds(&self.target, &self.session, true);
    }
}
