//! A session ends when Entra says so.

use super::{
    CapturedEvents, HOUR, MINUTE, carries, ends, is_rechecked, long_lived, metrics, rechecks,
    tunnel,
};
use crate::world::browser::{SCRIPT, TestBrowser};
use crate::world::samples::{MAYA, MAYA_ID, TOM, TOM_ID};
use crate::world::{World, WorldPlan};
use entrada::emulator::{InjectedRefusal, TokenDefect};
use std::time::Duration;

#[tokio::test]
async fn whom_entra_disables_or_revokes_is_signed_out_with_every_tunnel() {
    let told = CapturedEvents::listens();
    let world = World::start().await;
    let control = world.emulator.control();
    let (mut maya, mut tom) = (world.signed_in(MAYA).await, world.signed_in(TOM).await);
    let mut tunnel = tunnel(&world, &tom.cookie_header()).await;
    assert!(carries(&mut tunnel).await);
    control.disable(MAYA_ID, true);
    control.revoke(TOM_ID);
    world.later(31 * MINUTE);
    for browser in [&mut maya, &mut tom] {
        assert_eq!(
            is_rechecked(&world, browser).await,
            200,
            "the request that found it due is served"
        );
        assert_eq!(browser.asks("GET", "/api/x", SCRIPT).await.status, 401);
    }
    ends(&mut tunnel, Duration::from_secs(2)).await;
    let page = tom.visits("/x").await;
    assert!(page.is_the_sign_in_at_entra(), "{page:?}");
    assert!(metrics(&world).await.contains("entrada_rechecks_total{outcome=\"ended\"} 2"));
    assert_eq!((told.times("AADSTS50057"), told.times("AADSTS50173")), (1, 1), "{}", told.text());
}

#[tokio::test]
async fn a_tunnel_drives_the_question_by_itself() {
    let world = World::start().await;
    let maya = world.signed_in(MAYA).await;
    let mut tunnel = tunnel(&world, &maya.cookie_header()).await;
    assert!(carries(&mut tunnel).await);
    world.later(31 * MINUTE);
    for _ in 0..100 {
        if rechecks(&world).await == 1 {
            break;
        }
        assert!(carries(&mut tunnel).await);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(carries(&mut tunnel).await);
    assert_eq!(world.emulator.control().refresh_calls(), 1);
    world.emulator.control().revoke(MAYA_ID);
    world.later(31 * MINUTE);
    ends(&mut tunnel, Duration::from_secs(12)).await;
}

#[tokio::test]
async fn whoever_must_prove_something_signs_in_again_for_just_that() {
    let world = World::start().await;
    let control = world.emulator.control();
    let mut maya = world.signed_in(MAYA).await;
    let mut tunnel = tunnel(&world, &maya.cookie_header()).await;
    assert!(carries(&mut tunnel).await);
    let claims = r#"{"id_token":{"acrs":{"essential":true,"value":"c1"}}}"#;
    control.refuse_next_token(InjectedRefusal {
        error: "interaction_required".into(),
        code: 50_079,
        suberror: Some("basic_action".into()),
        claims: Some(claims.into()),
    });
    world.later(31 * MINUTE);
    is_rechecked(&world, &mut maya).await;
    ends(&mut tunnel, Duration::from_secs(2)).await;
    assert_eq!(maya.asks("GET", "/api/x", SCRIPT).await.status, 401);
    let page = maya.until("/reports", "authorize").await;
    let asked: std::collections::HashMap<_, _> = page.url.query_pairs().into_owned().collect();
    assert_eq!(asked["claims"], claims);
    assert!(!asked["login_hint"].is_empty());
    let page = maya.visits("/reports").await;
    assert_eq!((page.status, page.path_and_query()), (200, "/reports".to_owned()));
    let page = maya.until("/oauth2/start", "authorize").await;
    assert!(!page.url.query().unwrap().contains("claims="), "it was proven");
}

#[tokio::test]
async fn sign_in_frequency_is_a_new_sign_in_and_no_error() {
    let world = World::start().await;
    let mut maya = world.signed_in(MAYA).await;
    assert!(world.emulator.control().refuse_refresh(MAYA_ID, 70_043));
    world.later(31 * MINUTE);
    is_rechecked(&world, &mut maya).await;
    assert_eq!(maya.asks("GET", "/api/x", SCRIPT).await.status, 401);
    let page = maya.visits("/x").await;
    let page = if page.is_the_sign_in_at_entra() { maya.signs_in_as(MAYA).await } else { page };
    assert_eq!(page.app_heard("x-forwarded-name"), "Maya Okafor");
    assert!(
        metrics(&world).await.contains("entrada_rechecks_total{outcome=\"sign_in_required\"} 1")
    );
}

#[tokio::test]
async fn a_refreshed_token_of_another_person_or_with_a_fault_ends_the_session() {
    let told = CapturedEvents::listens();
    let world = long_lived().await;
    for wrong in [
        TokenDefect::Person,
        TokenDefect::Signature,
        TokenDefect::Audience,
        TokenDefect::Issuer,
        TokenDefect::AlgNone,
    ] {
        let mut maya = world.signed_in(MAYA).await;
        world.later(31 * MINUTE);
        world.emulator.control().wrong(wrong);
        is_rechecked(&world, &mut maya).await;
        assert_eq!(maya.asks("GET", "/api/x", SCRIPT).await.status, 401, "{wrong:?}");
    }
    assert_eq!(
        (told.times("about another person"), told.times("the signature does not match")),
        (1, 1),
        "{}",
        told.text()
    );
}

#[tokio::test]
async fn a_session_without_a_refresh_token_ends_when_silence_would_end_it() {
    let world = long_lived().await;
    let mut maya = world.signed_in(MAYA).await;
    let sidecar = world.internals();
    let (id, session) = sidecar.process.live.prepare(fresh(&world, &maya).await.into());
    let id = sidecar.process.store.save(id, &session).await;
    maya.plants("entrada", id.expose());
    for hours in [1, 3] {
        world.later(hours * HOUR);
        assert_eq!(maya.asks("GET", "/api/x", SCRIPT).await.status, 200);
    }
    world.later(31 * MINUTE);
    assert_eq!(maya.asks("GET", "/api/x", SCRIPT).await.status, 401);
    assert!(maya.visits("/x").await.way.iter().any(|it| it.path().contains("authorize")));
}

/// What Entra says now of whoever is signed in there.
async fn fresh(world: &World, browser: &TestBrowser) -> entrada::entra::verified::VerifiedUser {
    let sidecar = world.internals();
    let session = sidecar.process.live.peek(&browser.cookie("entrada").unwrap()).unwrap();
    let lease = session.standing().lease().await;
    let refreshed = sidecar.entra.refresh(lease.refresh_token().unwrap()).await.unwrap();
    sidecar.entra.verify(refreshed).await.unwrap()
}

#[tokio::test]
async fn a_tunnel_ends_when_its_person_loses_the_role_that_opened_it() {
    let more =
        "[[access.rule]]\npath = \"/raw-upgrade\"\nallow = { roles = [\"Admin\"] }".to_owned();
    let world = World::with(WorldPlan { more, ..WorldPlan::default() }).await;
    let mut maya = world.signed_in(MAYA).await;
    let mut tunnel = tunnel(&world, &maya.cookie_header()).await;
    world.emulator.control().set_roles(MAYA_ID, vec!["Reader".to_owned()]);
    world.later(31 * MINUTE);
    is_rechecked(&world, &mut maya).await;
    assert_eq!(maya.asks("GET", "/raw-upgrade", SCRIPT).await.status, 403);
    ends(&mut tunnel, Duration::from_secs(7)).await;
    assert_eq!(
        maya.asks("GET", "/api/x", SCRIPT).await.status,
        200,
        "she is signed in all the same"
    );
}
