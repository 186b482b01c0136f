//! Asks Entra during a session whether the person is still allowed.
//!
//! The client request that finds the recheck due is served from the live session. The recheck runs
//! in the background and continues even if that request is aborted. Client requests wait for it
//! only after the grace period.

use super::effect::{self, DueRecheck, RefusalEffect};
use super::renewal::{self, RefusalCause};
use crate::entra::EntraRegistration;
use crate::entra::verified::VerifiedUser;
use crate::session::lease::LeaseKeeper;
use crate::session::recheck_outcome::RecheckOutcome;
use crate::session::record::Session;
use crate::session::standing::{LeaseTurn, RecheckLease};
use crate::sidecar::organizations::{self, RegistrationSet};
use crate::sidecar::{Process, Sidecar};
use std::sync::Arc;
use std::time::Duration;

/// How long a request waits for one attempt if it cannot proceed without an answer.
const RECHECK_WAIT: Duration = Duration::from_secs(5);
/// Approximate time until the next attempt after one without an answer, in seconds.
const RETRY_SECONDS: u64 = 30;
/// How long another process may take to ask about the same sign-in, in seconds.
const OTHER_PROCESS_SECONDS: u64 = 5;
/// How long an answer is reused for explicit requests (`POST /session/refresh`), in seconds.
const ANSWER_REUSE_SECONDS: u64 = 60;

/// Entra was unreachable for longer than the grace period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::flow) struct GraceExpired {
    /// Seconds until the next attempt.
    pub(in crate::flow) seconds: u64,
    /// Whether a new sign-in can help: Entra answers, and only this session could not be confirmed.
    pub(in crate::flow) can_sign_in: bool,
    /// Whether the operator can fix the cause.
    pub(in crate::flow) is_ours: bool,
}

/// The data that a recheck needs while it runs.
#[derive(Clone)]
struct RecheckRequest {
    /// The Entra of `[entra]`, which sets the recheck interval for all organizations.
    entra: Arc<EntraRegistration>,
    registrations: Arc<RegistrationSet>,
    process: Arc<Process>,
    session: Arc<Session>,
}

/// Schedules the first recheck of a new session.
pub(in crate::flow) fn start_in_background(sidecar: &Sidecar, session: &Arc<Session>) {
    RecheckRequest::of(sidecar, session).is_fresh();
}

/// Schedules the next recheck of a session that Entra answered for before this process had it.
pub(in crate::flow) fn answered_before(sidecar: &Sidecar, session: &Arc<Session>, answered: u64) {
    let request = RecheckRequest::of(sidecar, session);
    let (now, every) = (request.now(), request.entra.every());
    session.standing().record_answer(answered.min(now));
    request
        .put_off((every - request.jitter(every / 10)).saturating_sub(now.saturating_sub(answered)));
}

/// Rechecks a session that is due and waits for the answer. Without an answer, the session
/// continues within the grace period.
pub(in crate::flow) async fn wait_for_answer(
    sidecar: &Sidecar,
    session: &Arc<Session>,
) -> Result<(), GraceExpired> {
    RecheckRequest::of(sidecar, session).wait().await
}

/// Rechecks a session that is due. Returns `None` if the session is over, either because of the
/// answer or for another reason.
pub(in crate::flow) async fn start_or_wait(
    sidecar: &Sidecar,
    session: Arc<Session>,
) -> Result<Option<Arc<Session>>, GraceExpired> {
    let request = RecheckRequest::of(sidecar, &session);
    if !request.is_within_grace() {
        request.wait().await?;
    }
    Ok((!session.is_over()).then_some(session))
}

/// Whether a long-running request may continue according to the rechecks. Starts a recheck if it is
/// due, as requests do.
pub(in crate::flow) fn is_still_confirmed(process: &Arc<Process>, session: &Arc<Session>) -> bool {
    if !session.standing().is_due(process.clock.now()) {
        return true;
    }
    let Some(registrations) = process.newest.load_full() else { return false };
    RecheckRequest {
        entra: Arc::clone(&registrations.entra),
        registrations,
        process: process.clone(),
        session: Arc::clone(session),
    }
    .is_within_grace()
}

/// Rechecks now, unless Entra has answered within the last minute. Returns `None` if the answer
/// ended the session.
pub(in crate::flow) async fn refresh(
    sidecar: &Sidecar,
    session: Arc<Session>,
) -> Result<Option<Arc<Session>>, GraceExpired> {
    let request = RecheckRequest::of(sidecar, &session);
    if !request.has_fresh_answer() {
        request.try_once().await;
    }
    if !session.is_over() && !request.has_fresh_answer() && request.can_refresh().await {
        return Err(request.closed(false));
    }
    Ok((!session.is_over()).then_some(session))
}

impl RecheckRequest {
    fn of(sidecar: &Sidecar, session: &Arc<Session>) -> Self {
        Self {
            entra: Arc::clone(&sidecar.entra),
            registrations: Arc::new(sidecar.registrations()),
            process: sidecar.process.clone(),
            session: Arc::clone(session),
        }
    }

    fn now(&self) -> u64 {
        self.process.clock.now()
    }

    /// Returns until when the session is served without an answer.
    fn deadline(&self) -> u64 {
        let standing = self.session.standing();
        let grace = if standing.ends_at_recheck() { 0 } else { self.entra.grace() };
        effect::grace_deadline(standing.answered(), self.entra.every(), grace)
    }

    fn has_fresh_answer(&self) -> bool {
        self.now().saturating_sub(self.session.standing().answered()) < ANSWER_REUSE_SECONDS
    }

    /// Whether there is a refresh token. If the lease is in use at the moment, there is one.
    async fn can_refresh(&self) -> bool {
        let lease = tokio::time::timeout(Duration::ZERO, self.session.standing().lease()).await;
        lease.map_or(true, |it| it.refresh_token().is_some())
            || self.session.standing().is_token_stored()
    }

    /// Remaining pause of requests to the Entra that this session belongs to, in seconds.
    fn backoff_seconds(&self) -> u64 {
        self.registrations.backoff_seconds(self.session.identity().member.as_deref())
    }

    fn closed(&self, is_answered: bool) -> GraceExpired {
        let seconds = self.backoff_seconds();
        GraceExpired {
            seconds: seconds.max(1),
            can_sign_in: is_answered && seconds == 0,
            is_ours: self.session.standing().is_unanswered_by_us(),
        }
    }

    /// Whether the session may be served without waiting. Starts a recheck if it is due.
    fn is_within_grace(&self) -> bool {
        let now = self.now();
        if self.session.standing().is_within_clock_slack(now) {
            return true;
        }
        match DueRecheck::of(now, self.deadline(), self.backoff_seconds()) {
            DueRecheck::Wait => return false,
            DueRecheck::InBackground => self.in_background(),
            DueRecheck::PutOff(seconds) => self.put_off(seconds + self.jitter(RETRY_SECONDS)),
        }
        true
    }

    /// Starts one recheck, even if many requests find it due.
    fn in_background(&self) {
        let Some(claim) = self.session.claim() else { return };
        let request = self.clone();
        self.process.background.spawn(async move {
            request.refresh().await;
            drop(claim);
        });
    }

    /// Waits for one attempt and checks again.
    async fn wait(&self) -> Result<(), GraceExpired> {
        let is_answered = self.try_once().await;
        if self.session.is_over() || self.now() < self.deadline() {
            Ok(())
        } else {
            Err(self.closed(is_answered))
        }
    }

    /// Returns whether the attempt ended in time.
    async fn try_once(&self) -> bool {
        if self.backoff_seconds() > 0 {
            return false;
        }
        let tried = self.process.background.spawn(self.clone().refresh());
        // A timeout does not stop the attempt: its answer counts for the next request.
        tokio::time::timeout(RECHECK_WAIT, tried).await.is_ok()
    }

    /// Rechecks, unless another task did so while this one waited for the lease.
    async fn refresh(self) {
        let standing = self.session.standing();
        let tries = standing.tries();
        let mut lease = standing.lease().await;
        if standing.tries() != tries || self.session.is_over() {
            return;
        }
        let answered = standing.answered();
        match self.lease_keeper().lease(&self.session, &mut lease).await {
            // Another process has asked meanwhile, and its answer is adopted.
            Ok(LeaseTurn::Held) if standing.answered() > answered => {
                let _ = self.lease_keeper().release(&self.session).await;
            }
            Ok(LeaseTurn::Held) => self.refresh_with(&mut lease).await,
            // Another process is asking with the same Entra refresh token.
            Ok(LeaseTurn::Elsewhere) => self.put_off(OTHER_PROCESS_SECONDS),
            Ok(LeaseTurn::Ended) => {
                self.take(Err(RefusalCause::SignedOut));
            }
            Err(cause) => {
                self.take(Err(organizations::Error::from(cause).into()));
            }
        }
        standing.was_tried();
    }

    async fn refresh_with(&self, lease: &mut RecheckLease<'_>) {
        let keeper = self.lease_keeper();
        let mut groups = None;
        let outcome = match renewal::check_directory(&self.registrations, &self.session).await {
            Err(cause) => self.take(Err(cause)),
            Ok(()) if lease.refresh_token().is_some() => {
                let answer =
                    renewal::redeem(&self.registrations, keeper, &self.session, lease).await;
                groups = answer.as_ref().ok().map(|it| it.identity().groups.clone());
                self.take(answer)
            }
            Ok(()) => self.note_unavailable(),
        };
        let finished = keeper.finish(&self.session, outcome, groups).await;
        if let (Ok(()), Some(sign_in)) = (&finished, self.session.via().client_sign_in()) {
            self.process.live.ended_sign_ins().forget(sign_in);
        }
        if let Err(cause) = finished {
            tracing::error!(user = self.session.user(), %cause, "cannot store the result of a native client's recheck");
        }
    }

    fn lease_keeper(&self) -> LeaseKeeper<'_> {
        self.registrations.lease_keeper(&self.session, &self.process.store)
    }

    /// Entra issued no refresh token. The session is treated as if Entra were unreachable, until
    /// the person signs in again.
    fn note_unavailable(&self) -> RecheckOutcome {
        if self.now() >= self.deadline() {
            self.process.live.end_for_sign_in(&self.session, None);
            RecheckOutcome::SignInNeeded
        } else {
            self.put_off(u64::MAX);
            RecheckOutcome::Later
        }
    }

    /// Applies the answer to the session.
    fn take(&self, answer: Result<VerifiedUser, RefusalCause>) -> RecheckOutcome {
        let outcome = match answer {
            Ok(fresh) => match self.session.renew(fresh) {
                Ok(()) => {
                    self.is_fresh();
                    RecheckOutcome::Fresh
                }
                Err(cause) => {
                    tracing::error!(user = self.session.user(), %cause, "session ended");
                    self.process.live.end_refused(&self.session);
                    RecheckOutcome::Ended
                }
            },
            Err(cause) => self.take_refusal(&cause),
        };
        self.process.metrics.rechecked(outcome.name());
        outcome
    }

    /// Applies a refusal to the session.
    fn take_refusal(&self, cause: &RefusalCause) -> RecheckOutcome {
        let effect = RefusalEffect::of(cause, self.backoff_seconds());
        effect.log(self.session.user(), cause);
        match effect {
            RefusalEffect::Ends => {
                self.process.live.end_refused(&self.session);
                RecheckOutcome::Ended
            }
            RefusalEffect::SignInRequired { claims } => {
                self.process.live.end_for_sign_in(&self.session, claims);
                RecheckOutcome::SignInNeeded
            }
            RefusalEffect::Continues { rest_seconds, ours } => {
                self.session.standing().set_unanswered_by_us(ours);
                self.put_off(rest_seconds + RETRY_SECONDS / 2 + self.jitter(RETRY_SECONDS));
                RecheckOutcome::Later
            }
        }
    }

    /// Entra has just confirmed the session. The next recheck comes up to 10% early, so that
    /// sessions and replicas do not ask at the same time.
    fn is_fresh(&self) {
        let every = self.entra.every();
        self.session.standing().record_answer(self.now());
        self.put_off(every - self.jitter(every / 10));
    }

    /// Schedules the next recheck after `wait` seconds, but not later than `deadline`.
    fn put_off(&self, wait: u64) {
        let now = self.now();
        self.session.standing().set_due_in(now, wait.min(self.deadline().saturating_sub(now)));
    }

    /// Returns a random value from 0 to `max`.
    fn jitter(&self, max: u64) -> u64 {
        max * u64::from(u16::from_be_bytes(self.process.random.bytes())) / u64::from(u16::MAX)
    }
}
