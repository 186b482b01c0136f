//! Where the lease of a session is kept, and what a recheck stores there.

use super::*;
use crate::base::identity::PersonGroups;
use crate::directory::refresh_lease::RefreshLease;
use crate::directory::tests::ClientSignInFixture;
use crate::session::lease::LeaseKeeper;
use crate::session::recheck_outcome::RecheckOutcome;
use crate::session::record::Session;
use crate::session::standing::{LeaseTurn, RecheckLease};
use crate::session::store::SessionStore;
use std::sync::Arc;

/// A sign-in on a client with its row and its live session.
struct LeaseFixture {
    row: ClientSignInFixture,
    session: Arc<Session>,
    store: SessionStore,
    live: Arc<LiveSessions>,
}

impl LeaseFixture {
    async fn new() -> Self {
        let row = ClientSignInFixture::new().await;
        let live = Arc::new(live(&row.clock, 100));
        let sign_in = row.directory.sign_in(row.sign_in.id).await.unwrap().unwrap();
        let session = live.create_for_client(sign_in);
        Self { row, session, store: SessionStore::memory(Arc::clone(&live)), live }
    }

    fn id(&self) -> Guid {
        self.row.sign_in.id
    }

    fn keeper(&self) -> LeaseKeeper<'_> {
        LeaseKeeper::of(&self.session, &self.store, Some(&self.row.directory))
    }

    /// Acquires the lease like another process, which has only the row.
    async fn leased_elsewhere(&self) -> RefreshLease {
        self.row.directory.lease_refresh(self.id()).await.unwrap()
    }
}

fn token<'a>(lease: &'a RecheckLease<'_>) -> Option<&'a str> {
    lease.refresh_token().map(Secret::expose)
}

#[tokio::test]
async fn only_the_session_of_a_client_has_its_lease_in_the_directory() {
    let fixture = LeaseFixture::new().await;
    let user = VerifiedUser::pretended(identity(person(MAYA, HOME), "maya", None));
    let (_, browser) = fixture.live.create(user.into());
    let directory = Some(&fixture.row.directory);
    for (session, directory, row) in [
        (&fixture.session, directory, Some(fixture.id())),
        (&fixture.session, None, None),
        (&browser, directory, None),
        (&browser, None, None),
    ] {
        let found = match LeaseKeeper::of(session, &fixture.store, directory) {
            LeaseKeeper::Row(_, id) => Some(id),
            LeaseKeeper::Store(_) => None,
        };
        assert_eq!(found, row, "{:?}", session.via());
    }
}

#[tokio::test]
async fn one_process_has_the_lease_of_a_row_until_it_releases_it() {
    let fixture = LeaseFixture::new().await;
    let keeper = fixture.keeper();
    let mut lease = fixture.session.standing().lease().await;
    lease.store_refresh_token(Secret::new("an older token"));
    let turn = keeper.lease(&fixture.session, &mut lease).await.unwrap();
    assert_eq!((turn, token(&lease)), (LeaseTurn::Held, Some("a refresh token of Entra's")));
    assert!(matches!(fixture.leased_elsewhere().await, RefreshLease::Elsewhere));
    assert_eq!(
        keeper.lease(&fixture.session, &mut lease).await.unwrap(),
        LeaseTurn::Elsewhere,
        "no process has it twice"
    );
    keeper
        .keep_refresh_token(&fixture.session, &mut lease, Secret::new("the next token"))
        .await
        .unwrap();
    assert_eq!(token(&lease), Some("the next token"));
    keeper.release(&fixture.session).await.unwrap();
    let RefreshLease::Held(Some(stored)) = fixture.leased_elsewhere().await else {
        panic!("the lease was not released")
    };
    assert_eq!(stored.expose(), "the next token");
    fixture.row.directory.end_sign_in(fixture.id(), "a test").await.unwrap();
    assert_eq!(keeper.lease(&fixture.session, &mut lease).await.unwrap(), LeaseTurn::Ended);
    assert_eq!(keeper.wait(&fixture.session, &mut lease).await.unwrap(), LeaseTurn::Ended);
}

#[tokio::test]
async fn a_process_that_waits_gets_the_lease_with_the_newest_refresh_token() {
    let fixture = LeaseFixture::new().await;
    assert!(matches!(fixture.leased_elsewhere().await, RefreshLease::Held(_)));
    let mut lease = fixture.session.standing().lease().await;
    let directory = &fixture.row.directory;
    let other = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        directory.store_refresh_token(fixture.id(), &Secret::new("the next token")).await.unwrap();
        directory.release_refresh(fixture.id()).await.unwrap();
    };
    let (turn, ()) = tokio::join!(fixture.keeper().wait(&fixture.session, &mut lease), other);
    assert_eq!((turn.unwrap(), token(&lease)), (LeaseTurn::Held, Some("the next token")));
}

#[tokio::test]
async fn a_recheck_stores_the_identity_with_the_groups_of_the_token_or_ends_the_sign_in() {
    let known = |groups: &[&str]| PersonGroups::Known(groups.iter().collect());
    let fresh = RecheckOutcome::Fresh;
    for (outcome, groups, expected) in [
        (fresh, Some(known(&["two"])), Some((known(&["two"]), "maya.smith"))),
        (fresh, Some(PersonGroups::Overage), Some((PersonGroups::Overage, "maya.smith"))),
        (fresh, None, Some((known(&["one"]), "maya@contoso.com"))),
        (RecheckOutcome::Later, None, Some((known(&["one"]), "maya@contoso.com"))),
        (RecheckOutcome::Ended, None, None),
        (RecheckOutcome::Ended, Some(known(&["two"])), None),
        (RecheckOutcome::SignInNeeded, None, None),
    ] {
        let fixture = LeaseFixture::new().await;
        let (directory, session) = (&fixture.row.directory, &fixture.session);
        // Refreshed, with groups that Graph returned: they are not stored.
        let now = Identity {
            preferred_username: Some("maya.smith".into()),
            groups: known(&["from Graph"]),
            ..Identity::clone(&session.identity())
        };
        session.renew(VerifiedUser::pretended(now)).unwrap();
        let mut lease = session.standing().lease().await;
        fixture.keeper().lease(session, &mut lease).await.unwrap();
        let name = format!("{outcome:?} {groups:?}");
        let is_refreshed = outcome == fresh && groups.is_some();
        let answered = directory.sign_in(fixture.id()).await.unwrap().unwrap().answered;
        fixture.row.clock.shift(30);
        fixture.keeper().finish(session, outcome, groups).await.unwrap();
        let row = directory.sign_in(fixture.id()).await.unwrap();
        let stored = row.as_ref().map(|it| {
            let who = it.identity();
            (who.groups.clone(), who.preferred_username.as_deref().unwrap_or_default())
        });
        assert_eq!(stored, expected, "{name}");
        let turn = fixture.leased_elsewhere().await;
        match row {
            Some(row) => {
                assert_eq!(row.answered >= answered + 30, is_refreshed, "{name}");
                assert!(matches!(turn, RefreshLease::Held(_)), "{name}: released");
            }
            None => assert!(matches!(turn, RefreshLease::Ended), "{name}"),
        }
    }
}

#[test]
fn every_outcome_has_its_name_in_the_metrics() {
    for (outcome, name) in [
        (RecheckOutcome::Fresh, "live"),
        (RecheckOutcome::Ended, "ended"),
        (RecheckOutcome::SignInNeeded, "sign_in_required"),
        (RecheckOutcome::Later, "unavailable"),
    ] {
        assert_eq!(outcome.name(), name);
    }
}
