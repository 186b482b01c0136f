//! Who is in which group, and who is asked.

use super::{PAGES, RECHECK, entra, groups, no_rules, soon};
use crate::world::browser::SCRIPT;
use crate::world::samples::{FIRST_GROUP, GRACE, GRACE_ID, MAYA, TOM};
use crate::world::{World, WorldPlan};
use entrada::emulator::{GraphFault, UNTIL_CLEARED};

#[tokio::test]
async fn p6_a_person_in_600_groups_passes_a_group_rule_and_the_app_hears_of_them() {
    let world = World::start().await;
    let mut grace = world.signed_in(GRACE).await;
    let page = grace.visits("/group/x").await;
    assert_eq!(page.status, 200, "{}", page.body);
    // The one that a rule names comes first; all of them are more than a header takes.
    assert!(page.app_heard("x-forwarded-groups").starts_with(FIRST_GROUP));
    assert_eq!(page.app_heard("x-forwarded-groups-truncated"), "true");
    let claims = page.app_heard("x-entrada-assertion");
    let claims =
        jsonwebtoken::dangerous::insecure_decode::<serde_json::Value>(&claims).unwrap().claims;
    assert_eq!(claims["groups"][0], FIRST_GROUP);
    let told = grace.asks("GET", "/oauth2/userinfo", SCRIPT).await.json();
    assert_eq!(
        (told["groups"].as_array().unwrap().len(), &told["groups_truncated"]),
        (600, &false.into())
    );
    let control = world.emulator.control();
    assert_eq!((control.graph_calls(), control.refresh_calls()), (PAGES, 1));
}

#[tokio::test]
async fn p6_the_groups_of_whoever_has_few_stand_in_the_token_and_graph_is_not_asked() {
    let world = World::start().await;
    let mut maya = world.signed_in(MAYA).await;
    assert_eq!(maya.visits("/group/x").await.status, 200);
    let mut tom = world.signed_in(TOM).await;
    assert_eq!(tom.visits("/group/x").await.status, 403);
    assert_eq!(
        (world.emulator.control().graph_calls(), world.emulator.control().refresh_calls()),
        (0, 0)
    );
}

#[tokio::test]
async fn groups_graph_asks_graph_whatever_the_token_says() {
    let world = World::with(entra("groups = \"graph\"")).await;
    let control = world.emulator.control();
    let mut maya = world.signed_in(MAYA).await;
    assert_eq!(maya.visits("/group/x").await.status, 200);
    assert_eq!(control.graph_calls(), 1);
    control.graph(GraphFault::Forbidden, UNTIL_CLEARED);
    world.later(61);
    let mut again = world.signed_in(MAYA).await;
    assert_eq!(again.visits("/group/x").await.status, 503);
    assert_eq!(maya.visits("/group/x").await.status, 200);
}

#[tokio::test]
async fn groups_off_tells_nobody_any() {
    let world = World::with(WorldPlan { entra: "groups = \"off\"".to_owned(), ..no_rules() }).await;
    for person in [MAYA, GRACE] {
        let mut browser = world.signed_in(person).await;
        let page = browser.visits("/x").await;
        assert_eq!(
            (page.app_heard("x-forwarded-groups"), page.app_heard("x-forwarded-groups-truncated")),
            (String::new(), String::new())
        );
    }
    assert_eq!(world.emulator.control().graph_calls(), 0);
}

#[tokio::test]
async fn who_is_taken_out_of_a_group_is_kept_out_after_the_next_asking() {
    let world = World::start().await;
    let control = world.emulator.control();
    let mut grace = world.signed_in(GRACE).await;
    assert_eq!(grace.visits("/group/x").await.status, 200);
    control.set_groups(GRACE_ID, groups(2..=600));
    assert_eq!(grace.visits("/group/x").await.status, 200);
    world.later(RECHECK);
    soon(&mut grace, "/group/x", |it| it.status == 403).await;
    control.set_groups(GRACE_ID, groups(1..=600));
    world.later(RECHECK);
    soon(&mut grace, "/group/x", |it| it.status == 200).await;
    assert_eq!(control.reused_refresh_tokens(), 0);
}

#[tokio::test]
async fn p8_a_scope_of_another_api_does_not_get_in_the_way_of_graph() {
    let world =
        World::with(entra("scopes = [\"api://11112222-bbbb-3333-cccc-4444dddd5555/access\"]"))
            .await;
    let mut grace = world.signed_in(GRACE).await;
    assert_eq!(grace.visits("/group/x").await.status, 200);
    assert_eq!(world.emulator.control().graph_calls(), PAGES);
}

#[tokio::test]
async fn p9_app_roles_need_no_graph() {
    let world = World::start().await;
    let control = world.emulator.control();
    control.graph(GraphFault::Down, UNTIL_CLEARED);
    control.set_roles(GRACE_ID, vec!["Admin".to_owned()]);
    let mut grace = world.signed_in(GRACE).await;
    let page = grace.visits("/admin/x").await;
    assert_eq!((page.status, page.app_heard("x-forwarded-roles")), (200, "Admin".to_owned()));
    control.set_roles(GRACE_ID, Vec::new());
    let mut grace = world.signed_in(GRACE).await;
    assert_eq!(grace.visits("/admin/x").await.status, 403);
}
