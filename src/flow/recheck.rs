//! Asks Entra, during a session, whether the person may still be here.
//!
//! The request that finds it due is served from the live session, and the question goes its own way: a request that ends in the middle ends
//! nothing of it. Only past the grace does a request wait for an answer.

use super::native::turn::{self, Turn};
use crate::base::guid::Guid;
use crate::base::identity::{Groups, Identity, Member};
use crate::directory::{self, Directory};
use crate::entra::means::{self, Means};
use crate::entra::verified::VerifiedUser;
use crate::entra::{self, Entra};
use crate::session::record::Session;
use crate::session::standing::Lease;
use crate::sidecar::organizations::{self, Authorities};
use crate::sidecar::{Lasting, Sidecar};
use std::sync::Arc;
use std::time::Duration;

/// How long a request waits for one try, where it may not go on without.
const PATIENCE: Duration = Duration::from_secs(5);
/// About how long until a session is asked about again after a try that brought no answer, in seconds.
const RETRY: u64 = 30;
/// Longest time that Entra may ask one session to wait, in seconds.
const LONGEST: u64 = 3600;
/// Another process that asks about the same sign-in has so many seconds.
const TURN: u64 = 5;
/// An answer is good for so many seconds to whoever asks for one (`POST /session/refresh`).
const FRESH: u64 = 60;

/// Entra could not be asked for longer than the grace; so many seconds until it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Closed(pub(super) u64);

/// Why a session is not renewed.
#[derive(Debug, thiserror::Error)]
enum Cause {
    /// Entra's answer, or that there is none.
    #[error(transparent)]
    Entra(#[from] entra::Error),
    /// It was ended elsewhere.
    #[error("signed out")]
    SignedOut,
    /// The directory has them switched off, or has them no more.
    #[error("the person or the organization is switched off")]
    Off,
    /// Where to ask is not known.
    #[error(transparent)]
    Organization(#[from] organizations::Error),
}

/// What is needed to ask, for as long as it takes.
#[derive(Clone)]
struct Asking {
    /// How often is said by `[entra]`, whoever's Entra it is that is asked.
    entra: Arc<Entra>,
    authorities: Arc<Authorities>,
    lasting: Arc<Lasting>,
    session: Arc<Session>,
}

/// Says when Entra is to be asked first about a session that has just begun.
pub(super) fn begin(house: &Sidecar, session: &Arc<Session>) {
    Asking::of(house, session).is_fresh();
}

/// Says when Entra is to be asked next about a session of which it has answered before this process had it.
pub(super) fn answered_before(house: &Sidecar, session: &Arc<Session>, answered: u64) {
    let asking = Asking::of(house, session);
    let (now, every) = (asking.now(), asking.entra.every());
    session.standing().has_answered(answered.min(now));
    asking.put_off((every - asking.jitter(every / 10)).saturating_sub(now.saturating_sub(answered)));
}

/// Asks about a session of which it is due, and waits for the answer; without one it goes on within the grace.
pub(super) async fn settle(house: &Sidecar, session: &Arc<Session>) -> Result<(), Closed> {
    Asking::of(house, session).wait().await
}

/// Asks about a session of which it is due. `None`: it ended by the answer, or has ended meanwhile.
pub(super) async fn attend(house: &Sidecar, session: Arc<Session>) -> Result<Option<Arc<Session>>, Closed> {
    let asking = Asking::of(house, &session);
    if !asking.may_go_on() {
        asking.wait().await?;
    }
    Ok((!session.is_over()).then_some(session))
}

/// Whether a request that lasts goes on, as far as Entra is concerned: it drives the question as requests do.
pub(super) fn still_goes_on(lasting: &Arc<Lasting>, session: &Arc<Session>) -> bool {
    if !session.standing().is_due(lasting.clock.now()) {
        return true;
    }
    let Some(authorities) = lasting.newest.load_full() else { return false };
    Asking { entra: Arc::clone(&authorities.entra), authorities, lasting: lasting.clone(), session: Arc::clone(session) }.may_go_on()
}

/// Asks now, unless Entra has answered within the last minute. `None`: the session ended by the answer.
pub(super) async fn refresh(house: &Sidecar, session: Arc<Session>) -> Result<Option<Arc<Session>>, Closed> {
    let asking = Asking::of(house, &session);
    if !asking.has_fresh_answer() {
        asking.try_once().await;
    }
    if !session.is_over() && !asking.has_fresh_answer() && asking.can_be_asked().await {
        return Err(asking.closed());
    }
    Ok((!session.is_over()).then_some(session))
}

impl Asking {
    fn of(house: &Sidecar, session: &Arc<Session>) -> Self {
        Self { entra: Arc::clone(&house.entra), authorities: Arc::new(house.authorities()), lasting: house.lasting.clone(), session: Arc::clone(session) }
    }

    fn now(&self) -> u64 {
        self.lasting.clock.now()
    }

    /// Until when the session is served without an answer.
    fn deadline(&self) -> u64 {
        self.session.standing().answered().saturating_add(self.entra.every()).saturating_add(self.entra.grace())
    }

    fn has_fresh_answer(&self) -> bool {
        self.now().saturating_sub(self.session.standing().answered()) < FRESH
    }

    /// Whether there is something to ask by; somebody who asks at this moment has it.
    async fn can_be_asked(&self) -> bool {
        let lease = tokio::time::timeout(Duration::ZERO, self.session.standing().lease()).await;
        lease.map_or(true, |it| it.grant().is_some())
    }

    fn closed(&self) -> Closed {
        Closed(self.entra.rests().max(1))
    }

    /// Whether the session may be served without waiting; sees to it that Entra is asked.
    fn may_go_on(&self) -> bool {
        let now = self.now();
        if self.session.standing().is_ahead(now) {
            return true;
        }
        if now >= self.deadline() {
            return false;
        }
        match self.entra.rests() {
            0 => self.in_background(),
            rests => self.put_off(rests + self.jitter(RETRY)),
        }
        true
    }

    /// One question, however many requests find it due.
    fn in_background(&self) {
        let Some(claim) = self.session.claim() else { return };
        let asking = self.clone();
        self.lasting.background.spawn(async move {
            asking.ask().await;
            drop(claim);
        });
    }

    /// Waits for one try, and judges anew.
    async fn wait(&self) -> Result<(), Closed> {
        self.try_once().await;
        if self.session.is_over() || self.now() < self.deadline() { Ok(()) } else { Err(self.closed()) }
    }

    async fn try_once(&self) {
        if self.entra.rests() > 0 {
            return;
        }
        let tried = self.lasting.background.spawn(self.clone().ask());
        // Whoever gives up waiting stops nothing: the answer counts for the next request.
        let _ = tokio::time::timeout(PATIENCE, tried).await;
    }

    /// Asks, unless somebody else has while this one waited for the lease.
    async fn ask(self) {
        let standing = self.session.standing();
        let tries = standing.tries();
        let mut lease = standing.lease().await;
        if standing.tries() != tries || self.session.is_over() {
            return;
        }
        match turn::take(&self.authorities, &self.session, &mut lease).await {
            Ok(Turn::Mine) => self.ask_by(&mut lease).await,
            // Another process does, with the same refresh token of Entra's.
            Ok(Turn::Elsewhere) => self.put_off(TURN),
            Ok(Turn::Over) => self.take(Err(Cause::SignedOut)),
            Err(cause) => self.take(Err(organizations::Error::from(cause).into())),
        }
        standing.was_tried();
    }

    async fn ask_by(&self, lease: &mut Lease<'_>) {
        let mut told = None;
        match self.stands().await {
            Err(cause) => self.take(Err(cause)),
            Ok(()) if lease.grant().is_some() => {
                let heard = self.hear(lease).await;
                told = heard.as_ref().ok().map(|it| it.identity().groups.clone());
                self.take(heard);
            }
            Ok(()) => self.cannot_ask(),
        }
        if let (Some(family), Some(directory)) = (self.session.family(), self.directory())
            && let Err(cause) = self.write_down(directory, family, told).await
        {
            tracing::error!(user = self.session.user(), %cause, "cannot store the result of a native client's recheck");
        }
    }

    fn directory(&self) -> Option<&Directory> {
        self.authorities.organizations.as_ref().map(|it| it.directory())
    }

    /// For the other processes, and for this one after a restart. Groups are kept as the token told them: those of Graph are asked for anew.
    async fn write_down(&self, directory: &Directory, family: Guid, told: Option<Groups>) -> Result<(), directory::Error> {
        if self.session.is_over() {
            let again = self.session.standing().again().is_some();
            let why = if again { "Entra requires a new sign-in" } else { "Entra ended the person's access" };
            return directory.end_family(family, why).await;
        }
        if let Some(groups) = told {
            let who = Identity { groups, ..Identity::clone(&self.session.identity()) };
            directory.family_answered(family, &who).await?;
        }
        directory.asked_about(family).await
    }

    /// Entra gave no refresh token: the session is as one about which Entra is silent, until the person signs in again.
    fn cannot_ask(&self) {
        if self.now() >= self.deadline() {
            self.lasting.store.end_for_sign_in(&self.session, None);
        } else {
            self.put_off(u64::MAX);
        }
    }

    /// Whether the directory still has the person and the organization on; takes over what it says of them now.
    async fn stands(&self) -> Result<(), Cause> {
        let Some(member) = self.session.identity().member.clone() else { return Ok(()) };
        let organizations = self.authorities.organizations.as_ref().ok_or(organizations::Error::NotSetUp)?;
        let now = organizations.directory().standing(member.person).await.map_err(organizations::Error::from)?;
        let who = self.session.identity();
        let now = now.filter(|it| it.is_on_for(who.tid, who.oid)).ok_or(Cause::Off)?;
        self.session.stands_as(&Member { role: now.role.into(), code: now.code.as_str().into(), ..Member::clone(&member) });
        Ok(())
    }

    /// The new refresh token is kept before anything is judged: the old one may be good for nothing now.
    async fn hear(&self, lease: &mut Lease<'_>) -> Result<VerifiedUser, Cause> {
        let member = self.session.identity().member.clone();
        let entra = self.authorities.of(member.as_deref()).await?;
        let Some(grant) = lease.grant() else { return Err(entra::Error::Answer.into()) };
        let mut refreshed = entra.refresh(grant).await?;
        if let Some(fresh) = refreshed.grant.take() {
            lease.keep(fresh);
        }
        if let Some(newest) = lease.grant() {
            turn::keep_grant(&self.authorities, &self.session, newest).await.map_err(organizations::Error::from)?;
        }
        if let (Some(all), Some(member)) = (&self.authorities.organizations, &member) {
            all.heard(member.organization, &entra, &refreshed.by).await;
        }
        Ok(entra.verify(refreshed).await?)
    }

    /// What the answer means for the session.
    fn take(&self, heard: Result<VerifiedUser, Cause>) {
        let (store, user) = (&self.lasting.store, self.session.user());
        let outcome = match heard {
            Ok(fresh) => match self.session.renew(fresh) {
                Ok(()) => {
                    self.is_fresh();
                    "live"
                }
                Err(cause) => {
                    tracing::error!(user, %cause, "session ended");
                    store.end_held(&self.session);
                    "ended"
                }
            },
            Err(cause @ (Cause::Off | Cause::SignedOut)) => {
                tracing::info!(user, %cause, "session ended");
                store.end_held(&self.session);
                "ended"
            }
            Err(cause @ Cause::Organization(_)) => {
                tracing::error!(user, %cause, "recheck failed; session continues");
                self.put_off(RETRY / 2 + self.jitter(RETRY));
                "unavailable"
            }
            Err(Cause::Entra(cause)) => match means::of(&cause) {
                Means::Ended => {
                    tracing::warn!(user, %cause, "session ended by Entra");
                    store.end_held(&self.session);
                    "ended"
                }
                Means::Again { claims } => {
                    tracing::info!(user, %cause, "session ended: sign-in required");
                    store.end_for_sign_in(&self.session, claims);
                    "sign_in_required"
                }
                Means::Later { retry_after, ours } => {
                    if ours {
                        tracing::error!(user, %cause, "cannot ask Entra about a session; session continues");
                    }
                    let rests = self.entra.rests().max(retry_after.unwrap_or(0).min(LONGEST));
                    self.put_off(rests + RETRY / 2 + self.jitter(RETRY));
                    "unavailable"
                }
            },
        };
        self.lasting.metrics.rechecked(outcome);
    }

    /// Entra has just answered for the person. Up to a tenth earlier next time: neither sessions nor replicas ask in step.
    fn is_fresh(&self) {
        let every = self.entra.every();
        self.session.standing().has_answered(self.now());
        self.put_off(every - self.jitter(every / 10));
    }

    /// Asks again then, but not later than the session may be served without an answer.
    fn put_off(&self, wait: u64) {
        let now = self.now();
        self.session.standing().ask_in(now, wait.min(self.deadline().saturating_sub(now)));
    }

    /// 0 to `most`.
    fn jitter(&self, most: u64) -> u64 {
        most * u64::from(u16::from_be_bytes(self.lasting.random.bytes())) / u64::from(u16::MAX)
    }
}
