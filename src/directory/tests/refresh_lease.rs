//! Questions to Entra about a sign-in on a client, and what is kept of the answers.

use super::client_sign_ins::{maya, signed_in};
use super::*;
use crate::directory::refresh_lease::RefreshLease;

#[tokio::test]
async fn one_process_asks_entra_at_a_time_by_the_newest_grant() {
    on_both(async |fixture: DatabaseFixture| {
        let (one, other) = (fixture.open().await, fixture.open().await);
        let id = signed_in(&one).await.sign_in.id;
        let RefreshLease::Held(Some(grant)) = one.lease_refresh(id).await.unwrap() else {
            panic!("no turn")
        };
        assert_eq!(grant.expose(), "a refresh token of Entra's");
        assert!(matches!(other.lease_refresh(id).await.unwrap(), RefreshLease::Elsewhere));
        one.store_refresh_token(id, &Secret::new("the next")).await.unwrap();
        let (_, who) = maya(&one).await;
        fixture.clock.shift(10);
        let now = Identity { roles: ["Fleet.Admin"].into_iter().collect(), ..who };
        one.refresh_succeeded(id, &now).await.unwrap();
        one.release_refresh(id).await.unwrap();
        let RefreshLease::Held(Some(grant)) = other.lease_refresh(id).await.unwrap() else {
            panic!("no turn")
        };
        assert_eq!(grant.expose(), "the next");
        let sign_in = other.sign_in(id).await.unwrap().unwrap();
        assert!(
            sign_in.identity().roles.contains("Fleet.Admin")
                && sign_in.answered + 8 >= fixture.clock.now()
        );
        // A process that stopped during its question does not block others for long.
        fixture.clock.shift(61);
        assert!(matches!(one.lease_refresh(id).await.unwrap(), RefreshLease::Held(_)));
        one.end_sign_in(id, "a story").await.unwrap();
        assert!(matches!(one.lease_refresh(id).await.unwrap(), RefreshLease::Ended));
    })
    .await;
}

#[tokio::test]
async fn groups_that_are_too_many_for_a_row_are_left_to_graph() {
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.open().await;
        let id = signed_in(&directory).await.sign_in.id;
        let (_, who) = maya(&directory).await;
        let many: StringList = (0..600).map(|it| format!("{it:036}")).collect();
        directory
            .refresh_succeeded(id, &Identity { groups: PersonGroups::Known(many), ..who })
            .await
            .unwrap();
        assert_eq!(
            directory.sign_in(id).await.unwrap().unwrap().identity().groups,
            PersonGroups::Overage
        );
    })
    .await;
}
