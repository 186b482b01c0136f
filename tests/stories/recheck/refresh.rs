//! Entra is asked again and again, and what it says is followed.

use super::{MINUTE, at_once, get, is_rechecked, long_lived, metrics, rechecks, until};
use crate::world::World;
use crate::world::browser::{FORM, SCRIPT};
use crate::world::raw::{self, talk, talk_for};
use crate::world::samples::{MAYA, MAYA_ID};
use entrada::emulator::TokenFault;
use std::time::{Duration, Instant};

/// How long Entra takes to answer.
const SLOW: Duration = Duration::from_secs(3);

#[tokio::test]
async fn p2_fifty_requests_at_the_moment_of_refresh_make_one_call_and_none_fails_or_waits() {
    let world = World::start().await;
    let control = world.emulator.control();
    let maya = world.signed_in(MAYA).await;
    at_once(&world, 50, &maya.cookie_header()).await;
    assert_eq!(control.refresh_calls(), 0);
    world.later(30 * MINUTE);
    // Whoever waited for Entra would show it.
    control.be_slow(u64::try_from(SLOW.as_millis()).unwrap());
    let now = at_once(&world, 50, &maya.cookie_header()).await;
    assert!(now.iter().all(|it| it.0 == 200), "{now:?}");
    let slowest = now.iter().map(|it| it.1).max().unwrap();
    assert!(slowest < SLOW, "{slowest:?}");
    until("the question", || control.refresh_calls() == 1).await;
    control.be_slow(0);
    let asked = Instant::now();
    while rechecks(&world).await == 0 {
        assert!(asked.elapsed() < 3 * SLOW, "no answer");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(at_once(&world, 50, &maya.cookie_header()).await.iter().all(|it| it.0 == 200));
    assert_eq!((control.refresh_calls(), rechecks(&world).await), (1, 1));
}

#[tokio::test]
async fn a_role_that_was_taken_away_is_gone_from_rules_headers_and_assertion() {
    let world = World::start().await;
    let mut maya = world.signed_in(MAYA).await;
    assert_eq!(maya.asks("GET", "/admin/x", SCRIPT).await.status, 200);
    let before = assertion(&maya.visits("/x").await);
    assert_eq!(before["roles"], serde_json::json!(["Admin"]));
    world.emulator.control().set_roles(MAYA_ID, vec!["Reader".to_owned()]);
    world.later(29 * MINUTE / 2);
    assert_eq!(maya.asks("GET", "/admin/x", SCRIPT).await.status, 200, "not asked before its time");
    world.later(16 * MINUTE);
    is_rechecked(&world, &mut maya).await;
    assert_eq!(maya.asks("GET", "/admin/x", SCRIPT).await.status, 403);
    let page = maya.visits("/x").await;
    assert_eq!(page.app_heard("x-forwarded-roles"), "Reader");
    let after = assertion(&page);
    assert_eq!(after["roles"], serde_json::json!(["Reader"]));
    assert_eq!(
        (&after["sid"], &after["auth_time"]),
        (&before["sid"], &before["auth_time"]),
        "the session is the same"
    );
    assert_ne!(after["jti"], before["jti"]);
    assert_eq!(
        maya.asks("GET", "/oauth2/userinfo", SCRIPT).await.json()["roles"],
        serde_json::json!(["Reader"])
    );
}

fn assertion(page: &crate::world::browser::BrowserPage) -> serde_json::Value {
    jsonwebtoken::dangerous::insecure_decode::<serde_json::Value>(
        &page.app_heard("x-entrada-assertion"),
    )
    .unwrap()
    .claims
}

#[tokio::test]
async fn p2_single_use_refresh_tokens_are_never_sent_again_and_nobody_is_signed_out() {
    let mut world = long_lived().await;
    world.emulator.control().single_use_refresh(true);
    let maya = world.signed_in(MAYA).await;
    let cookie = maya.cookie_header();
    let reused = |world: &World| world.emulator.control().reused_refresh_tokens();
    for round in 1..=10_u64 {
        world.later(31 * MINUTE);
        world.emulator.control().be_slow(20);
        // The request that asks first is given up in the middle, by its client.
        talk_for(
            world.address,
            get(&world, "/never", &cookie).as_bytes(),
            Duration::from_millis(15),
        )
        .await;
        assert!(at_once(&world, 8, &cookie).await.iter().all(|it| it.0 == 200));
        until("the answer", || world.emulator.control().refresh_calls() == round).await;
        while rechecks(&world).await < round {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    assert!(at_once(&world, 8, &cookie).await.iter().all(|it| it.0 == 200));
    assert_eq!((world.emulator.control().refresh_calls(), reused(&world)), (10, 0));
    // Told to stop while Entra is asked: the answer is heard before the end.
    world.later(31 * MINUTE);
    world.emulator.control().be_slow(700);
    let session = world.internals().process.live.peek(&maya.cookie("entrada").unwrap()).unwrap();
    assert_eq!(raw::status(&talk(world.address, &get(&world, "/api/x", &cookie)).await), 200);
    let tries = session.standing().tries();
    world.shutdown.cancel();
    tokio::time::timeout(Duration::from_secs(5), world.served.take().unwrap())
        .await
        .expect("the drain did not end")
        .unwrap();
    assert_eq!(
        session.standing().tries(),
        tries + 1,
        "the process ended before it heard the answer"
    );
    assert!(!session.is_over());
    assert_eq!((world.emulator.control().refresh_calls(), reused(&world)), (11, 0));
}

#[tokio::test]
async fn a_retry_after_a_lost_answer_is_right_since_entra_keeps_the_old_token() {
    let world = long_lived().await;
    let control = world.emulator.control();
    let mut maya = world.signed_in(MAYA).await;
    control.token_answer(TokenFault::CutAfter, 1);
    world.later(31 * MINUTE);
    is_rechecked(&world, &mut maya).await;
    world.later(3 * MINUTE);
    is_rechecked(&world, &mut maya).await;
    assert_eq!(maya.asks("GET", "/api/x", SCRIPT).await.status, 200);
    assert_eq!(control.reused_refresh_tokens(), 1);
    assert!(metrics(&world).await.contains("entrada_rechecks_total{outcome=\"live\"} 1"));
}

#[tokio::test]
async fn scripts_ask_for_a_check_and_within_a_minute_it_is_the_same_answer() {
    let world = World::start().await;
    let control = world.emulator.control();
    let mut maya = world.signed_in(MAYA).await;
    let began = maya.asks("GET", "/oauth2/session", SCRIPT).await.json();
    let (checked, next) =
        (began["checked_at"].as_u64().unwrap(), began["next_check_at"].as_u64().unwrap());
    assert!((1620..=1800).contains(&(next - checked)), "{began}");
    world.later(2 * MINUTE);
    let before = control.refresh_calls();
    for _ in 0..5 {
        let page = maya.asks("POST", "/oauth2/session/refresh", SCRIPT).await;
        assert_eq!(page.status, 200, "{}", page.body);
        assert!(page.json()["checked_at"].as_u64().unwrap() >= checked + 120, "{}", page.body);
    }
    assert_eq!(control.refresh_calls(), before + 1);
    assert_eq!(maya.asks("GET", "/oauth2/session/refresh", SCRIPT).await.status, 405);
    let foreign: Vec<_> = FORM
        .iter()
        .map(|it| if it.0 == "sec-fetch-site" { ("sec-fetch-site", "cross-site") } else { *it })
        .collect();
    assert_eq!(maya.asks("POST", "/oauth2/session/refresh", &foreign).await.status, 403);
    assert_eq!(
        maya.asks("POST", "/oauth2/session/refresh", &[("origin", "https://evil.example")])
            .await
            .status,
        403
    );
    world.later(2 * MINUTE);
    control.be_down(true);
    let page = maya.asks("POST", "/oauth2/session/refresh", SCRIPT).await;
    assert!(page.status == 503 && !page.header("retry-after").is_empty(), "{}", page.body);
    assert_eq!(maya.asks("GET", "/api/x", SCRIPT).await.status, 200, "nobody is signed out by it");
    control.be_down(false);
    control.disable(MAYA_ID, true);
    world.later(2 * MINUTE);
    assert_eq!(maya.asks("POST", "/oauth2/session/refresh", SCRIPT).await.status, 401);
    assert_eq!(maya.asks("GET", "/oauth2/session", SCRIPT).await.status, 401);
}

/// The refresh that others misunderstand: it is asked for by itself, nobody has to set a scope, and no cookie changes hands.
#[tokio::test]
async fn p12_refresh_works_without_settings_and_sets_no_cookie() {
    let world = long_lived().await;
    let mut maya = world.browser();
    let page = maya.until("/x", "authorize").await;
    let asked: std::collections::HashMap<_, _> = page.url.query_pairs().into_owned().collect();
    assert!(asked["scope"].split(' ').any(|it| it == "offline_access"));
    maya.visits("/x").await;
    maya.signs_in_as(MAYA).await;
    let cookie = maya.cookie("entrada");
    for _ in 0..48 {
        world.later(31 * MINUTE);
        let before = rechecks(&world).await;
        let page = maya.asks("GET", "/api/x", SCRIPT).await;
        assert_eq!((page.status, page.headers.contains_key("set-cookie")), (200, false));
        while rechecks(&world).await == before {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    assert_eq!(maya.cookie("entrada"), cookie);
    assert_eq!(
        (
            world.emulator.control().refresh_calls(),
            world.emulator.control().reused_refresh_tokens()
        ),
        (48, 0)
    );
    assert_eq!(world.emulator.control().authorize_calls(), 1, "nobody was sent to Entra again");
}
