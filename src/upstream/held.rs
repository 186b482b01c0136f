//! What an answer or a tunnel hangs on while it lasts: the permit of its request.

use super::tunnel::Ends;
use crate::access::policy::Permit;
use crate::headers::identity::IdentityHeaders;
use crate::session::record::Session;
use http::HeaderValue;
use std::time::Duration;
use tokio::time::Instant;

/// How often is asked whether a permit still holds. What is over sooner goes out whole: a session may end between the head of a request and
/// the head of its answer, and a short answer that breaks off would be taken for a fault.
pub(super) const CHECK_EVERY: Duration = Duration::from_secs(1);

/// Knows whether what was permitted at the head of a request still is.
pub trait PermitCheck: Send + Sync + Unpin + 'static {
    /// Whether the session goes on and the rules still let it in. `used` says whether bytes passed since the last time: they are use, as
    /// requests are.
    fn still_holds(&self, permit: &Permit, used: bool) -> bool;
}

/// The permit of a request with a session, kept until its answer has ended.
pub(super) struct Held<C> {
    permit: Permit,
    check: C,
    request_id: HeaderValue,
    /// Bytes passed since the last check.
    used: bool,
    /// Nothing before the second byte: most answers have ended by then, and no clock is read for them.
    checked_at: Option<Instant>,
}

impl<C: PermitCheck> Held<C> {
    /// Nothing where no session is involved: such an answer belongs to everyone.
    pub(super) fn new(identity: IdentityHeaders, check: C, request_id: HeaderValue) -> Option<Self> {
        let permit = identity.into_permit();
        permit.session()?;
        Some(Self { permit, check, request_id, used: false, checked_at: None })
    }

    /// Whether the session ended while the app was taking its time.
    pub(super) fn came_too_late(&self, began: Instant) -> bool {
        self.session_is_over() && began.elapsed() >= CHECK_EVERY && !self.ends()
    }

    /// Whether one more part may pass.
    pub(super) fn lets_pass(&mut self) -> bool {
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
        self.check.still_holds(&self.permit, used) || self.ends()
    }

    fn session_is_over(&self) -> bool {
        self.session().is_some_and(|it| it.is_over())
    }

    fn session(&self) -> Option<&Session> {
        self.permit.session().map(AsRef::as_ref)
    }

    /// Says why, for the log.
    fn ends(&self) -> bool {
        let cause = if self.session_is_over() { "its session has ended" } else { "the access rules no longer allow it" };
        let request_id = self.request_id.to_str().unwrap_or_default();
        tracing::info!(request_id, user = self.session().map(Session::user), "a response was cut off: {cause}");
        false
    }

    /// For a tunnel: it ends at once with its session.
    pub(super) fn into_ends(mut self) -> Option<Ends> {
        let told = self.permit.session()?.ended();
        Some(Ends {
            told,
            goes_on: Box::new(move |used| {
                self.used = used;
                self.still_holds()
            }),
        })
    }
}
