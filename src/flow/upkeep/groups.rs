//! Requests groups that are missing in a token from Microsoft Graph, in the background or before a
//! request is judged.

use crate::base::clock::Clock;
use crate::directory;
use crate::entra::EntraRegistration;
use crate::entra::graph::{Error, GraphToken, GroupMembership};
use crate::entra::memberships::{GroupsSubject, GroupsUnavailable, KnownGroups, MembershipCache};
use crate::session::lease::LeaseKeeper;
use crate::session::record::Session;
use crate::session::standing::{LeaseTurn, RecheckLease};
use crate::session::store::SessionStore;
use crate::sidecar::organizations::RegistrationSet;
use crate::sidecar::{Process, Sidecar};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

/// How long an answer is shared by all requests about the same person, in seconds; the shortest
/// `recheck` has the same length. New sign-ins receive new groups.
const GROUPS_REUSE_SECONDS: u64 = 60;
/// How long a request that cannot be judged without groups waits.
const GROUPS_WAIT: Duration = Duration::from_secs(10);
/// How long a background request keeps others from starting for the same session, in seconds.
const BACKGROUND_REQUEST_SECONDS: u64 = 60;

/// Requests the groups in the background if they are due. Costs one comparison if they are not.
pub(in crate::flow) fn request_if_due(sidecar: &Sidecar, session: &Arc<Session>) {
    if let Some(due) = session.groups_age().is_due(|| sidecar.process.clock.now()) {
        start_in_background(GroupsRequest::of(sidecar, session), &sidecar.process, due);
    }
}

/// Like `request_if_due`, for a long-running response or a tunnel, with the newest configuration: the
/// session may have no other requests.
pub(in crate::flow) fn request_if_due_for_long_response(
    process: &Process,
    newest: &RegistrationSet,
    session: &Arc<Session>,
) {
    if let Some(due) = session.groups_age().is_due(|| process.clock.now()) {
        start_in_background(GroupsRequest::by(process, newest.clone(), session), process, due);
    }
}

#[cold]
fn start_in_background(request: GroupsRequest, process: &Process, due: u64) {
    let session = &request.session;
    let now = request.clock.now();
    if session.groups_age().at().is_some_and(|it| now >= request.too_old(it)) {
        session.forget_groups();
    }
    if session.groups_age().take(due, now.saturating_add(BACKGROUND_REQUEST_SECONDS)) {
        process.background.spawn(async move { drop(request.request_groups().await) });
    }
}

/// Waits until the groups are known, or until it is clear that they will not be known in time.
pub(in crate::flow) async fn wait(sidecar: &Sidecar, session: &Arc<Session>) -> Result<(), Error> {
    let request = GroupsRequest::of(sidecar, session);
    let deadline = Instant::now() + GROUPS_WAIT;
    loop {
        let Err(unavailable) =
            timeout_at(deadline, request.request_groups()).await.map_err(|_| Error::Slow)?
        else {
            return Ok(());
        };
        // Another session's refresh token was refused. This session's may work.
        if unavailable.by != request.number() && unavailable.cause.is_about_refresh_token() {
            continue;
        }
        let rest =
            Duration::from_secs(unavailable.until.saturating_sub(request.clock.now()).max(1));
        if Instant::now() + rest >= deadline {
            return Err(unavailable.cause);
        }
        sleep(rest).await;
    }
}

/// The data that the request to Graph needs, independent of the client's request.
struct GroupsRequest {
    entra: Arc<EntraRegistration>,
    registrations: RegistrationSet,
    store: Arc<SessionStore>,
    memberships: Arc<MembershipCache>,
    clock: Clock,
    session: Arc<Session>,
}

impl GroupsRequest {
    fn of(sidecar: &Sidecar, session: &Arc<Session>) -> Self {
        Self::by(&sidecar.process, sidecar.registrations(), session)
    }

    fn by(process: &Process, registrations: RegistrationSet, session: &Arc<Session>) -> Self {
        let (memberships, clock) = (Arc::clone(&process.memberships), process.clock.clone());
        Self {
            entra: Arc::clone(&registrations.entra),
            registrations,
            store: Arc::clone(&process.store),
            memberships,
            clock,
            session: Arc::clone(session),
        }
    }

    /// Requests the groups, or waits for a request that is already running, and updates the
    /// session.
    async fn request_groups(&self) -> Result<(), GroupsUnavailable> {
        let since = self.clock.now().saturating_sub(GROUPS_REUSE_SECONDS);
        let (registrations, session) = (self.registrations.clone(), Arc::clone(&self.session));
        let store = Arc::clone(&self.store);
        let outcome = self
            .memberships
            .ask(self.person(), self.number(), since, || membership(registrations, store, session))
            .await;
        let challenge = outcome.as_ref().err().and_then(|it| it.cause.challenge());
        self.session.standing().set_challenge(challenge.cloned());
        match &outcome {
            Ok(known) => self.store_groups(known),
            Err(unavailable) => {
                let again = unavailable.until.max(self.clock.now().saturating_add(1));
                // A failed request does not extend the validity of the known groups.
                let again =
                    self.session.groups_age().at().map_or(again, |it| again.min(self.too_old(it)));
                self.session.groups_age().set_due(again);
            }
        }
        outcome.map(|_| ())
    }

    /// Returns when known groups expire: after two request intervals.
    fn too_old(&self, read_at: u64) -> u64 {
        read_at.saturating_add(2 * self.entra.every())
    }

    fn store_groups(&self, known: &KnownGroups) {
        if self
            .session
            .set_groups_from_graph(
                &known.membership,
                known.at,
                known.at.saturating_add(self.entra.every()),
            )
            .is_err()
        {
            tracing::error!("Microsoft Graph returned another person's groups; ignored");
        }
    }

    fn person(&self) -> GroupsSubject {
        let who = self.session.identity();
        (who.oid, who.tid, who.member.as_deref().map(|it| it.organization))
    }

    /// Identifies the requesting session. It has no other meaning.
    fn number(&self) -> usize {
        Arc::as_ptr(&self.session).addr()
    }
}

/// Requests a token with the session's own refresh token, and then the groups from Graph. The lease
/// is held only until the new refresh token is stored.
async fn membership(
    registrations: RegistrationSet,
    store: Arc<SessionStore>,
    session: Arc<Session>,
) -> Result<GroupMembership, Error> {
    let member = session.identity().member.clone();
    let entra = registrations.of(member.as_deref()).await.map_err(|cause| {
        tracing::error!(user = session.user(), %cause, "cannot request groups from Microsoft Graph");
        Error::Interrupted
    })?;
    let mut lease = session.standing().lease().await;
    let silent = |cause: directory::Error| {
        tracing::error!(user = session.user(), %cause, "cannot request groups from Microsoft Graph");
        Error::Interrupted
    };
    let keeper = registrations.lease_keeper(&session, &store);
    match keeper.wait(&session, &mut lease).await.map_err(silent)? {
        LeaseTurn::Held => {}
        LeaseTurn::Elsewhere => return Err(Error::Interrupted),
        LeaseTurn::Ended => return Err(Error::NoRefreshToken),
    }
    let passed = graph_token(&entra, keeper, &session, &mut lease).await;
    keeper.release(&session).await.map_err(silent)?;
    drop(lease);
    entra.membership(passed?).await
}

async fn graph_token(
    entra: &EntraRegistration,
    keeper: LeaseKeeper<'_>,
    session: &Session,
    lease: &mut RecheckLease<'_>,
) -> Result<GraphToken, Error> {
    let mut pass = entra.graph_pass(lease.refresh_token().ok_or(Error::NoRefreshToken)?).await?;
    if let Some(refresh_token) = pass.take_refresh_token() {
        keeper.keep_refresh_token(session, lease, refresh_token).await.map_err(|cause| {
            tracing::error!(user = session.user(), %cause, "cannot store a refresh token from Entra");
            Error::Interrupted
        })?;
    }
    Ok(pass)
}
