//! Tokens as tenants with claims mapping, with External ID and with odd claims issue them.

use crate::world::browser::{BrowserPage, SCRIPT, TestBrowser};
use crate::world::samples::{FIRST_GROUP, MAYA, MAYA_ID};
use crate::world::{CLIENT_ID, World, WorldPlan};
use entrada::emulator::TokenDefect;
use serde_json::{Value, json};

async fn signs_in(world: &World) -> BrowserPage {
    let mut maya = world.browser();
    maya.visits("/x").await;
    maya.signs_in_as(MAYA).await
}

async fn refreshes(world: &World, browser: &mut TestBrowser) -> u16 {
    world.later(120);
    browser.asks("POST", "/oauth2/session/refresh", SCRIPT).await.status
}

#[tokio::test]
async fn an_app_with_claims_mapping_signs_in_with_the_key_that_is_published_for_it_alone() {
    let world = World::start().await;
    let control = world.emulator.control();
    assert!(control.add_own_key(CLIENT_ID).await);
    let (discovery, keys) = (control.discovery_calls(), control.keys_calls());
    let page = signs_in(&world).await;
    assert_eq!(page.status, 200, "{}", page.body);
    // Asked once, for as many sign-ins as there are.
    assert_eq!(signs_in(&world).await.status, 200);
    assert_eq!((control.discovery_calls() - discovery, control.keys_calls() - keys), (1, 2));
    // An hour later it is asked again, since the key may have been withdrawn.
    world.later(3601);
    assert_eq!(signs_in(&world).await.status, 200);
    assert!(control.discovery_calls() - discovery >= 2);
    // So it is after a reload, and the known keys outlive it.
    let changed = world.changed("[entra]", "[entra]\nguests = false");
    world.service.reload(&changed).await.unwrap();
    let calls = control.keys_calls();
    assert_eq!(signs_in(&world).await.status, 200);
    // The reload itself refreshes the tenant's.
    assert!(control.keys_calls() <= calls + 1);
}

#[tokio::test]
async fn a_key_that_stays_unknown_is_for_the_apps_owner_and_names_claims_mapping() {
    let world = World::start().await;
    world.emulator.control().wrong(TokenDefect::UnknownKid);
    let page = signs_in(&world).await;
    assert_eq!(page.status, 503);
    for part in ["<dd>The app’s owner</dd>", "claims mapping", CLIENT_ID, "entra.client_id"] {
        assert!(page.body.contains(part), "no {part:?} in {}", page.body);
    }
    assert!(!page.body.contains("Try again in a few minutes"), "{}", page.body);
}

#[tokio::test]
async fn an_external_id_tenant_behind_another_name_signs_in_with_its_own_issuer() {
    let world = World::with(WorldPlan { entra_down: true, ..WorldPlan::default() }).await;
    world.emulator.control().be_ciam(true);
    world.emulator.control().be_down(false);
    world.is_ready().await;
    let page = signs_in(&world).await;
    assert_eq!(page.status, 200, "{}", page.body);
    // A token of any other issuer is refused there as well.
    world.emulator.control().wrong(TokenDefect::Stranger);
    assert_eq!(signs_in(&world).await.status, 403);
    world.emulator.control().be_ciam(false);
    assert_eq!(signs_in(&world).await.status, 403);
}

#[tokio::test]
async fn a_token_without_a_subject_signs_nobody_in() {
    let world = World::start().await;
    let control = world.emulator.control();
    for sub in [None, Some(Value::Null), Some(json!(""))] {
        control.set_claim("sub", sub.clone());
        let page = signs_in(&world).await;
        assert_eq!(page.status, 403, "{sub:?}");
        assert!(page.body.contains("does not name its subject"), "{}", page.body);
    }
    control.clear_claims();
    let mut maya = world.signed_in(MAYA).await;
    control.set_claim("sub", None);
    assert_eq!(refreshes(&world, &mut maya).await, 401);
}

#[tokio::test]
async fn a_null_or_missing_list_grants_nothing_at_sign_in() {
    for value in [None, Some(Value::Null)] {
        let world = World::start().await;
        let control = world.emulator.control();
        control.set_groups(MAYA_ID, vec![FIRST_GROUP.to_owned()]);
        for name in ["groups", "roles"] {
            control.set_claim(name, value.clone());
        }
        let mut maya = world.signed_in(MAYA).await;
        for path in ["/group/x", "/admin/x"] {
            assert_eq!(maya.asks("GET", path, SCRIPT).await.status, 403, "{value:?} {path}");
        }
        assert_eq!(control.graph_calls(), 0);
    }
}

#[tokio::test]
async fn a_recheck_without_groups_asks_graph_and_never_means_that_there_are_none() {
    for value in [None, Some(Value::Null)] {
        let world = World::start().await;
        let control = world.emulator.control();
        control.set_groups(MAYA_ID, vec![FIRST_GROUP.to_owned()]);
        let mut maya = world.signed_in(MAYA).await;
        assert_eq!(maya.asks("GET", "/group/x", SCRIPT).await.status, 200);
        control.set_claim("groups", value.clone());
        assert_eq!(refreshes(&world, &mut maya).await, 200);
        assert_eq!(maya.asks("GET", "/group/x", SCRIPT).await.status, 200, "{value:?}");
        assert!(control.graph_calls() > 0, "{value:?}");
        // Graph says that she has left the group.
        control.set_groups(MAYA_ID, Vec::new());
        world.later(31 * 60);
        let mut status = 200;
        for _ in 0..200 {
            status = maya.asks("GET", "/group/x", SCRIPT).await.status;
            if status != 200 {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(25)).await;
        }
        assert_eq!(status, 403, "{value:?}");
    }
}

#[tokio::test]
async fn roles_that_a_recheck_does_not_name_are_gone() {
    for value in [None, Some(Value::Null)] {
        let world = World::start().await;
        let mut maya = world.signed_in(MAYA).await;
        assert_eq!(maya.asks("GET", "/admin/x", SCRIPT).await.status, 200);
        world.emulator.control().set_claim("roles", value.clone());
        assert_eq!(refreshes(&world, &mut maya).await, 200);
        assert_eq!(maya.asks("GET", "/admin/x", SCRIPT).await.status, 403, "{value:?}");
    }
}

#[tokio::test]
async fn claims_that_differ_by_case_matter_only_where_they_are_read() {
    let world = World::start().await;
    let control = world.emulator.control();
    control.set_claim("department", Some(json!("a")));
    control.set_claim("Department", Some(json!("b")));
    assert_eq!(signs_in(&world).await.status, 200);
    control.set_claim("Roles", Some(json!(["Admin"])));
    let page = signs_in(&world).await;
    assert_eq!(page.status, 403, "{}", page.body);
    // A claim that a header carries is read.
    let headers = "custom = { \"X-Department\" = \"department\" }".to_owned();
    let world = World::with(WorldPlan { headers, ..WorldPlan::default() }).await;
    let control = world.emulator.control();
    control.set_claim("department", Some(json!("a")));
    assert_eq!(signs_in(&world).await.app_heard("x-department"), "a");
    control.set_claim("Department", Some(json!("b")));
    assert_eq!(signs_in(&world).await.status, 403);
}
