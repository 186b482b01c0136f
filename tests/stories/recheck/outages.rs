//! A session lives on while Entra does not answer, or answers nonsense.

use super::{CapturedEvents, HOUR, MINUTE, is_rechecked, long_lived, metrics, rechecks};
use crate::world::World;
use crate::world::browser::{SCRIPT, TestBrowser};
use crate::world::samples::{MAYA, MAYA_ID, TOM};
use entrada::emulator::{InjectedRefusal, TokenDefect, TokenFault};
use std::time::Duration;

#[tokio::test]
async fn whatever_goes_wrong_at_the_token_endpoint_signs_nobody_out() {
    let told = CapturedEvents::listens();
    let world = long_lived().await;
    let control = world.emulator.control();
    let mut maya = world.signed_in(MAYA).await;
    let faults = [
        TokenFault::TooMany(None),
        TokenFault::Html(503),
        TokenFault::Html(500),
        TokenFault::Garbage,
        TokenFault::CutBefore,
        TokenFault::CutAfter,
        TokenFault::Hang,
    ];
    for fault in faults {
        world.later(31 * MINUTE);
        control.token_answer(fault, 1);
        is_asked(&world, &mut maya, fault).await;
        assert_eq!(maya.asks("GET", "/api/x", SCRIPT).await.status, 200, "{fault:?}");
        world.later(3 * MINUTE);
        is_rechecked(&world, &mut maya).await;
    }
    for (error, code) in [
        ("invalid_client", 7_000_215),
        ("unauthorized_client", 700_016),
        ("temporarily_unavailable", 90_033),
        ("invalid_grant", 50_196),
    ] {
        world.later(31 * MINUTE);
        control.refuse_next_token(InjectedRefusal {
            error: error.to_owned(),
            code,
            suberror: None,
            claims: None,
        });
        is_rechecked(&world, &mut maya).await;
        assert_eq!(maya.asks("GET", "/api/x", SCRIPT).await.status, 200, "{error} {code}");
        world.later(3 * MINUTE);
        is_rechecked(&world, &mut maya).await;
    }
    let metrics = metrics(&world).await;
    assert!(
        metrics.contains("outcome=\"live\"} 11") && metrics.contains("outcome=\"unavailable\"} 11"),
        "{metrics}"
    );
    assert!(
        !metrics.contains("outcome=\"ended\"") && !metrics.contains("outcome=\"sign_in_required\""),
        "{metrics}"
    );
    assert_eq!(
        (
            told.times("Entra does not answer"),
            told.times("because of this app registration or this machine")
        ),
        // An answer that cannot be read comes from what stands in between, and does not pass.
        (8, 3),
        "{}",
        told.text()
    );
    assert_eq!(told.times("Entra answers again"), 11, "{}", told.text());
    assert!(told.times("AADSTS7000215") > 0);
}

/// As `is_rechecked`, for an answer that takes as long as the client waits.
async fn is_asked(world: &World, browser: &mut TestBrowser, fault: TokenFault) {
    let before = rechecks(world).await;
    assert_eq!(browser.asks("GET", "/api/x", SCRIPT).await.status, 200, "{fault:?}");
    for _ in 0..150 {
        if rechecks(world).await > before {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{fault:?}: the try did not end");
}

#[tokio::test]
async fn retry_after_is_honored_and_people_who_sign_in_meanwhile_are_not_held_back() {
    let world = long_lived().await;
    let control = world.emulator.control();
    let mut maya = world.signed_in(MAYA).await;
    control.token_answer(TokenFault::TooMany(Some(600)), 1);
    world.later(31 * MINUTE);
    is_rechecked(&world, &mut maya).await;
    assert!(metrics(&world).await.contains("entrada_entra_backoff 1"));
    for _ in 0..9 {
        world.later(MINUTE);
        assert_eq!(maya.asks("GET", "/api/x", SCRIPT).await.status, 200);
    }
    assert_eq!(control.refresh_calls(), 1);
    // Somebody signs in, and Entra answers: so it may be asked about sessions as well.
    world.signed_in(TOM).await;
    assert!(metrics(&world).await.contains("entrada_entra_backoff 0"));
    world.later(2 * MINUTE);
    is_rechecked(&world, &mut maya).await;
    assert_eq!(control.refresh_calls(), 2);
}

#[tokio::test]
async fn a_token_whose_times_do_not_fit_says_something_of_a_clock_and_nothing_of_the_person() {
    let told = CapturedEvents::listens();
    let world = long_lived().await;
    let mut maya = world.signed_in(MAYA).await;
    for wrong in [TokenDefect::Expired, TokenDefect::NotYet] {
        world.later(31 * MINUTE);
        world.emulator.control().wrong(wrong);
        is_rechecked(&world, &mut maya).await;
        assert_eq!(maya.asks("GET", "/api/x", SCRIPT).await.status, 200, "{wrong:?}");
    }
    assert_eq!(told.times("cannot ask Entra about a session"), 2, "{}", told.text());
    assert!(told.times("check this machine's clock") >= 2);
}

#[tokio::test]
async fn a_clock_that_is_set_back_neither_signs_out_nor_keeps_entra_from_being_asked() {
    let world = long_lived().await;
    let control = world.emulator.control();
    let mut maya = world.signed_in(MAYA).await;
    world.later(-3 * HOUR);
    is_rechecked(&world, &mut maya).await;
    for _ in 0..20 {
        assert_eq!(maya.asks("GET", "/api/x", SCRIPT).await.status, 200);
    }
    assert_eq!(control.refresh_calls(), 1, "once is enough");
    // Set back while Entra is silent: the grace is not longer for it.
    control.be_down(true);
    world.later(-48 * HOUR);
    assert_eq!(maya.asks("GET", "/api/x", SCRIPT).await.status, 200);
    world.later(4 * HOUR + 31 * MINUTE);
    assert_eq!(maya.asks("GET", "/api/x", SCRIPT).await.status, 503);
}

#[tokio::test]
async fn a_reload_in_the_middle_of_an_outage_forgets_neither_sessions_nor_the_outage() {
    let world = long_lived().await;
    let control = world.emulator.control();
    let mut maya = world.signed_in(MAYA).await;
    control.token_answer(TokenFault::TooMany(Some(900)), 1);
    world.later(31 * MINUTE);
    is_rechecked(&world, &mut maya).await;
    let changed = world.changed("allow = { roles = [\"Admin\"] }", "allow = \"nobody\"");
    world.service.reload(&changed).await.unwrap();
    assert!(metrics(&world).await.contains("entrada_entra_backoff 1"));
    world.later(5 * MINUTE);
    assert_eq!(maya.asks("GET", "/api/x", SCRIPT).await.status, 200);
    assert_eq!(control.refresh_calls(), 1);
    world.later(11 * MINUTE);
    is_rechecked(&world, &mut maya).await;
    assert_eq!(control.refresh_calls(), 2);
}

#[tokio::test]
async fn whoever_is_told_to_come_later_while_signing_in_keeps_nobody_from_being_asked_about() {
    let world = long_lived().await;
    let control = world.emulator.control();
    let mut maya = world.signed_in(MAYA).await;
    control.disable(MAYA_ID, true);
    world.later(31 * MINUTE);
    // Anybody can bring codes until Entra has had enough of it.
    control.token_answer(TokenFault::TooMany(Some(3600)), 1);
    let mut tom = world.browser();
    tom.visits("/x").await;
    assert_eq!(tom.signs_in_as(TOM).await.status, 503);
    assert_eq!(is_rechecked(&world, &mut maya).await, 200);
    assert_eq!(maya.asks("GET", "/api/x", SCRIPT).await.status, 401);
}
