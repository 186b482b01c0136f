//! The groups that a token does not tell: asked of Microsoft Graph, behind the back of a request or before it is judged.

use super::native::turn::{self, Turn};
use super::refusal::Refusal;
use crate::access::policy::{Judged, Verdict};
use crate::base::clock::Clock;
use crate::base::target::Target;
use crate::directory;
use crate::entra::Entra;
use crate::entra::graph::{Error, Membership, Pass};
use crate::entra::memberships::{Memberships, Person, Told, Untold};
use crate::session::record::Session;
use crate::session::standing::Lease;
use crate::sidecar::organizations::Authorities;
use crate::sidecar::{Lasting, Sidecar};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

/// An answer so old serves whoever asks about the same person, in seconds; the shortest `recheck` is as long. A new sign-in hears of new groups.
const FRESH: u64 = 60;
/// How long a request waits that cannot be judged without groups.
const WAIT: Duration = Duration::from_secs(10);
/// Whoever asks behind the back of a request keeps others from it for so many seconds.
const TURN: u64 = 60;

/// Asks behind the back of a request where it is time to; one comparison where it is not.
pub(super) fn follow(house: &Sidecar, session: &Arc<Session>) {
    if let Some(due) = session.told().is_due(|| house.lasting.clock.now()) {
        begin(Asking::of(house, session), &house.lasting, due);
    }
}

/// The same for an answer or a tunnel that lasts, by the newest configuration: it may be all that a session is used for.
pub(super) fn still_follow(lasting: &Lasting, newest: &Authorities, session: &Arc<Session>) {
    if let Some(due) = session.told().is_due(|| lasting.clock.now()) {
        begin(Asking::by(lasting, newest.clone(), session), lasting, due);
    }
}

#[cold]
fn begin(asking: Asking, lasting: &Lasting, due: u64) {
    let session = &asking.session;
    let now = asking.clock.now();
    if session.told().at().is_some_and(|it| now >= asking.too_old(it)) {
        session.forget_groups();
    }
    if session.told().take(due, now.saturating_add(TURN)) {
        lasting.background.spawn(async move { drop(asking.ask().await) });
    }
}

/// Judges; where the rules need groups that nobody knows yet, waits for Graph and judges again.
pub(super) async fn judge(house: &Sidecar, target: &Target, session: Option<&Arc<Session>>) -> Result<Judged, Refusal> {
    let judged = house.policy.judge(target.clone(), session.cloned());
    match (&judged.verdict, session) {
        (Verdict::GroupsUnknown, Some(session)) => Box::pin(judge_again(house, target, session)).await,
        _ => Ok(judged),
    }
}

async fn judge_again(house: &Sidecar, target: &Target, session: &Arc<Session>) -> Result<Judged, Refusal> {
    wait(&Asking::of(house, session)).await.map_err(Refusal::GroupsUnknown)?;
    Ok(house.policy.judge(target.clone(), Some(Arc::clone(session))))
}

/// Waits until the groups are known, or it is clear that they will not be in time.
async fn wait(asking: &Asking) -> Result<(), Error> {
    let deadline = Instant::now() + WAIT;
    loop {
        let Err(untold) = timeout_at(deadline, asking.ask()).await.map_err(|_| Error::Slow)? else { return Ok(()) };
        // Another session's refresh token was refused; ours may do.
        if untold.by != asking.number() && untold.cause.is_of_the_grant() {
            continue;
        }
        let rest = Duration::from_secs(untold.until.saturating_sub(asking.clock.now()).max(1));
        if Instant::now() + rest >= deadline {
            return Err(untold.cause);
        }
        sleep(rest).await;
    }
}

/// All that it takes to ask, without the request.
struct Asking {
    entra: Arc<Entra>,
    authorities: Authorities,
    memberships: Arc<Memberships>,
    clock: Clock,
    session: Arc<Session>,
}

impl Asking {
    fn of(house: &Sidecar, session: &Arc<Session>) -> Self {
        Self::by(&house.lasting, house.authorities(), session)
    }

    fn by(lasting: &Lasting, authorities: Authorities, session: &Arc<Session>) -> Self {
        let (memberships, clock) = (Arc::clone(&lasting.memberships), lasting.clock.clone());
        Self { entra: Arc::clone(&authorities.entra), authorities, memberships, clock, session: Arc::clone(session) }
    }

    /// Asks, or hears what another one is told, and tells the session.
    async fn ask(&self) -> Result<(), Untold> {
        let since = self.clock.now().saturating_sub(FRESH);
        let (authorities, session) = (self.authorities.clone(), Arc::clone(&self.session));
        let outcome = self.memberships.ask(self.person(), self.number(), since, || membership(authorities, session)).await;
        match &outcome {
            Ok(told) => self.tell(told),
            Err(untold) => {
                let again = untold.until.max(self.clock.now().saturating_add(1));
                // The known ones are not believed longer because nobody looks.
                let again = self.session.told().at().map_or(again, |it| again.min(self.too_old(it)));
                self.session.told().ask_again(again);
            }
        }
        outcome.map(|_| ())
    }

    /// The groups of one answer are believed until the next was to come a second time.
    fn too_old(&self, told: u64) -> u64 {
        told.saturating_add(2 * self.entra.every())
    }

    fn tell(&self, told: &Told) {
        if self.session.told_groups(&told.membership, told.at, told.at.saturating_add(self.entra.every())).is_err() {
            tracing::error!("Microsoft Graph returned another person's groups; ignored");
        }
    }

    fn person(&self) -> Person {
        let who = self.session.identity();
        (who.oid, who.tid, who.member.as_deref().map(|it| it.organization))
    }

    /// Which session asks; it says nothing else.
    fn number(&self) -> usize {
        Arc::as_ptr(&self.session).addr()
    }
}

/// One token request by the session's own refresh token, then Graph. The lease is held only until the new refresh token is kept.
async fn membership(authorities: Authorities, session: Arc<Session>) -> Result<Membership, Error> {
    let member = session.identity().member.clone();
    let entra = authorities.of(member.as_deref()).await.map_err(|cause| {
        tracing::error!(user = session.user(), %cause, "cannot request groups from Microsoft Graph");
        Error::Interrupted
    })?;
    let mut lease = session.standing().lease().await;
    let silent = |cause: directory::Error| {
        tracing::error!(user = session.user(), %cause, "cannot request groups from Microsoft Graph");
        Error::Interrupted
    };
    match turn::wait(&authorities, &session, &mut lease).await.map_err(silent)? {
        Turn::Mine => {}
        Turn::Elsewhere => return Err(Error::Interrupted),
        Turn::Over => return Err(Error::NoGrant),
    }
    let passed = pass(&entra, &authorities, &session, &mut lease).await;
    turn::give_back(&authorities, &session).await.map_err(silent)?;
    drop(lease);
    entra.membership(passed?).await
}

async fn pass(entra: &Entra, authorities: &Authorities, session: &Session, lease: &mut Lease<'_>) -> Result<Pass, Error> {
    let mut pass = entra.graph_pass(lease.grant().ok_or(Error::NoGrant)?).await?;
    if let Some(grant) = pass.take_grant() {
        let kept = turn::keep_grant(authorities, session, &grant).await;
        lease.keep(grant);
        kept.map_err(|cause| {
            tracing::error!(user = session.user(), %cause, "cannot store a refresh token from Entra");
            Error::Interrupted
        })?;
    }
    Ok(pass)
}
