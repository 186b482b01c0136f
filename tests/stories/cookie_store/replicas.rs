//! Two processes with the same secrets, and no connection between them.

use super::{MINUTE, plan, set, start, status, until};
use crate::world::World;
use crate::world::browser::{NAVIGATION, SCRIPT};
use crate::world::samples::{MAYA, MAYA_ID};

const OLD_ORDER: &str = "secrets = [{ env = \"STORY_SEAL\" }]";
const NEW_ORDER: &str =
    "secrets = [\"a newer secret of the stories, 32 bytes and more\", { env = \"STORY_SEAL\" }]";

#[tokio::test]
async fn two_replicas_serve_the_same_person_without_another_sign_in() {
    let world = start().await;
    let replica = world.replica().await;
    let mut maya = world.signed_in(MAYA).await;
    let before = maya.visits("/x").await;
    let calls = world.emulator.control().token_calls();
    for address in [replica.address, world.address, replica.address] {
        maya.reaches(address);
        assert_eq!(
            maya.visits("/x").await.app_heard("x-forwarded-user"),
            before.app_heard("x-forwarded-user")
        );
        assert_eq!(maya.asks("GET", "/admin/x", SCRIPT).await.status, 200);
    }
    assert_eq!(world.emulator.control().token_calls(), calls);
}

#[tokio::test]
async fn a_sign_in_that_begins_at_one_replica_ends_at_another() {
    let world = start().await;
    let replica = world.replica().await;
    let mut maya = world.browser();
    let shown = maya.visits("/x").await;
    let callback = maya.stops_at_the_callback(MAYA, shown).await;
    maya.reaches(replica.address);
    let target = format!("{}?{}", callback.path(), callback.query().unwrap());
    assert_eq!(maya.asks("GET", &target, NAVIGATION).await.status, 303);
    maya.reaches(world.address);
    assert_eq!(status(&mut maya).await, 200);
}

#[tokio::test]
async fn each_replica_asks_entra_once_a_period() {
    let world = start().await;
    let replica = world.replica().await;
    let mut maya = world.signed_in(MAYA).await;
    world.emulator.control().set_roles(MAYA_ID, vec!["Reader".to_owned()]);
    maya.reaches(replica.address);
    assert_eq!(maya.asks("GET", "/admin/x", SCRIPT).await.status, 200);
    world.later(31 * MINUTE);
    for (address, calls) in [(world.address, 1), (replica.address, 2)] {
        maya.reaches(address);
        until("the role is gone", async || {
            maya.asks("GET", "/admin/x", SCRIPT).await.status == 403
        })
        .await;
        for _ in 0..5 {
            assert_eq!(status(&mut maya).await, 200);
        }
        assert_eq!(world.emulator.control().refresh_calls(), calls);
    }
}

#[tokio::test]
async fn replicas_with_old_and_new_order_of_the_secrets_serve_the_same_person() {
    let world = start().await;
    let turned = world.replica_with(|text| text.replace(OLD_ORDER, NEW_ORDER)).await;
    // The first step of a rotation: both know both.
    let both =
        NEW_ORDER.replace("32 bytes and more\", { env = \"STORY_SEAL\" }]", "32 bytes and more\"]");
    let both = both.replace("secrets = [", "secrets = [{ env = \"STORY_SEAL\" }, ");
    world.service.reload(&world.changed(OLD_ORDER, &both)).await.unwrap();
    let calls = |world: &World| world.emulator.control().code_calls();
    let mut maya = world.signed_in(MAYA).await;
    let before = calls(&world);
    for address in [turned.address, world.address] {
        maya.reaches(address);
        world.later(61);
        let page = maya.asks("GET", "/api/x", SCRIPT).await;
        assert!(page.status == 200 && set(&maya, &page).0.is_some(), "{}", page.status);
    }
    // Records that each of them has sealed open at the other, where the session is not known yet.
    let restarted = world.replica_with(|text| text.replace(OLD_ORDER, NEW_ORDER)).await;
    maya.reaches(restarted.address);
    assert_eq!(status(&mut maya).await, 200);
    let mut maya = world.browser_at(turned.address);
    maya.visits("/x").await;
    assert_eq!(maya.signs_in_as(MAYA).await.status, 200);
    maya.reaches(world.address);
    assert_eq!((status(&mut maya).await, calls(&world)), (200, before + 1));
}

#[tokio::test]
async fn a_replica_without_the_secret_serves_nobody_it_does_not_know() {
    let world = start().await;
    let other = world
        .replica_with(|text| {
            text.replace(OLD_ORDER, "secrets = [\"a secret of another installation, long enough\"]")
        })
        .await;
    let mut maya = world.signed_in(MAYA).await;
    maya.reaches(other.address);
    assert_eq!(status(&mut maya).await, 401);
    maya.reaches(world.address);
    assert_eq!(status(&mut maya).await, 200);
}

#[tokio::test]
async fn a_session_that_is_used_at_one_replica_is_not_idle_at_the_other() {
    let world = World::with(plan("idle = \"10m\"")).await;
    let replica = world.replica().await;
    let mut maya = world.signed_in(MAYA).await;
    maya.reaches(replica.address);
    assert_eq!(status(&mut maya).await, 200);
    maya.reaches(world.address);
    for _ in 0..3 {
        world.later(9 * MINUTE);
        assert_eq!(status(&mut maya).await, 200);
    }
    maya.reaches(replica.address);
    assert_eq!(status(&mut maya).await, 200);
}
