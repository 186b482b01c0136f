//! What becomes of a session for which Entra was silent too long.

use super::{
    CapturedEvents, HOUR, LONG, MINUTE, at_once, carries, ends, is_rechecked, long_lived, tunnel,
};
use crate::world::browser::{NAVIGATION, SCRIPT};
use crate::world::raw::{self, talk};
use crate::world::samples::{MAYA, MAYA_ID};
use crate::world::{World, WorldPlan};
use entrada::emulator::{TokenFault, UNTIL_CLEARED};
use std::time::Duration;

#[tokio::test]
async fn past_the_grace_a_session_is_closed_and_lives_again_when_entra_answers() {
    let told = CapturedEvents::listens();
    let world = long_lived().await;
    let control = world.emulator.control();
    let mut maya = world.signed_in(MAYA).await;
    let mut tunnel = tunnel(&world, &maya.cookie_header()).await;
    assert!(carries(&mut tunnel).await);
    control.be_down(true);
    world.later(4 * HOUR + 29 * MINUTE);
    is_rechecked(&world, &mut maya).await;
    assert_eq!(maya.asks("GET", "/api/x", SCRIPT).await.status, 200);
    world.later(2 * MINUTE);
    let closed = maya.asks("GET", "/api/x", SCRIPT).await;
    assert_eq!(closed.status, 503, "{}", closed.body);
    assert!(
        closed.header("retry-after").parse::<u64>().unwrap() >= 1
            && closed.header("cache-control") == "no-store"
    );
    assert_eq!(closed.json()["title"], "Your sign-in cannot be checked right now");
    let page = maya.asks("GET", "/x", NAVIGATION).await;
    assert_eq!(
        (page.status, page.body.contains("You are not signed out")),
        (503, true),
        "{}",
        page.body
    );
    assert!(!page.body.contains("Sign in again"), "a sign-in would not help: {}", page.body);
    // What anybody may see is seen, by nobody.
    let public = maya.asks("GET", "/public/x", SCRIPT).await;
    assert_eq!((public.status, public.app_heard("x-forwarded-user")), (200, String::new()));
    ends(&mut tunnel, Duration::from_secs(12)).await;
    control.be_down(false);
    world.later(2 * MINUTE);
    let page = maya.visits("/x").await;
    assert_eq!((page.status, page.app_heard("x-forwarded-name")), (200, "Maya Okafor".to_owned()));
    assert_eq!(
        (told.times("Entra does not answer"), told.times("Entra answers again")),
        (1, 1),
        "{}",
        told.text()
    );
}

/// 401 would send people to sign in, and 403 tell them that they may not: nginx makes a 500 of this, and tries again with the next request.
#[tokio::test]
async fn past_the_grace_nginx_hears_503_and_no_sign_in() {
    let world = World::with(WorldPlan {
        session: LONG.into(),
        server: "trusted_proxies = [\"127.0.0.1\"]".into(),
        ..WorldPlan::default()
    })
    .await;
    let maya = world.signed_in(MAYA).await;
    let (host, cookie) = (world.public_url.split_once("://").unwrap().1, maya.cookie_header());
    let asked = format!(
        "GET /oauth2/auth HTTP/1.1\r\nHost: {host}\r\nX-Forwarded-For: 192.0.2.9\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: {host}\r\n\
X-Original-Method: GET\r\nX-Original-URI: /x\r\nX-Original-URL: http://{host}/x\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n"
    );
    let answer = talk(world.address, &asked).await;
    assert_eq!(raw::status(&answer), 200, "{answer}");
    world.emulator.control().be_down(true);
    world.later(5 * HOUR);
    let answer = talk(world.address, &asked).await;
    assert!(
        raw::status(&answer) == 503
            && answer.contains("retry-after")
            && !answer.contains("location"),
        "{answer}"
    );
    world.emulator.control().be_down(false);
    world.later(2 * MINUTE);
    assert_eq!(raw::status(&talk(world.address, &asked).await), 200);
}

#[tokio::test]
async fn past_the_grace_requests_wait_for_one_try_together() {
    let world = long_lived().await;
    let maya = world.signed_in(MAYA).await;
    world.later(5 * HOUR);
    world.emulator.control().be_slow(300);
    let answers = at_once(&world, 20, &maya.cookie_header()).await;
    assert!(answers.iter().all(|it| it.0 == 200), "{answers:?}");
    assert!(
        answers.iter().all(|it| it.1 >= Duration::from_millis(250)),
        "somebody was let in unasked: {answers:?}"
    );
    assert_eq!(world.emulator.control().refresh_calls(), 1);
}

#[tokio::test]
async fn past_the_grace_a_request_waits_no_longer_than_a_few_seconds() {
    let world = long_lived().await;
    let maya = world.signed_in(MAYA).await;
    world.later(5 * HOUR);
    world.emulator.control().token_answer(TokenFault::Hang, UNTIL_CLEARED);
    let answers = at_once(&world, 5, &maya.cookie_header()).await;
    assert!(answers.iter().all(|it| it.0 == 503 && it.1 < Duration::from_secs(7)), "{answers:?}");
    assert_eq!(world.emulator.control().refresh_calls(), 1);
}

#[tokio::test]
async fn somebody_disabled_during_an_outage_is_out_with_the_first_answer() {
    let world = long_lived().await;
    let control = world.emulator.control();
    let mut maya = world.signed_in(MAYA).await;
    control.be_down(true);
    control.disable(MAYA_ID, true);
    world.later(5 * HOUR);
    assert_eq!(maya.asks("GET", "/api/x", SCRIPT).await.status, 503);
    control.be_down(false);
    world.later(2 * MINUTE);
    assert_eq!(maya.asks("GET", "/api/x", SCRIPT).await.status, 401);
}
