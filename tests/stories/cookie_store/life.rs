//! The life of a session in one process: sign-in, restart, rechecks, and its end.

use super::{MINUTE, plan, set, start, status, until};
use crate::tunnels::web_socket;
use crate::world::World;
use crate::world::browser::{NAVIGATION, SCRIPT};
use crate::world::raw::talk;
use crate::world::samples::{FIRST_GROUP, GRACE, MAYA, MAYA_ID, TOM};
use futures_util::{SinkExt as _, StreamExt as _};
use std::time::Duration;
use tokio_tungstenite::tungstenite::Message;

#[tokio::test]
async fn after_a_restart_everyone_is_signed_in_as_before() {
    let mut world = start().await;
    let mut maya = world.signed_in(MAYA).await;
    let mut tom = world.signed_in(TOM).await;
    let before = maya.visits("/x").await;
    let times = maya.asks("GET", "/oauth2/session", SCRIPT).await.json();
    let count = world.emulator.control().token_calls();
    world.restarts(async |_| {}).await;
    // Also where nothing else was asked before.
    let after = maya.asks("GET", "/oauth2/session", SCRIPT).await;
    assert_eq!(after.status, 200);
    for time in ["began_at", "expires_at", "checked_at", "next_check_at"] {
        assert_eq!(after.json()[time], times[time], "{time}");
    }
    let after = maya.visits("/x").await;
    assert_eq!((after.status, status(&mut tom).await), (200, 200));
    for header in
        ["x-forwarded-name", "x-forwarded-user", "x-forwarded-roles", "x-forwarded-groups"]
    {
        assert_eq!(after.app_heard(header), before.app_heard(header), "{header}");
    }
    assert_eq!(after.app_heard("cookie"), "", "the app sees none of our cookies");
    assert_eq!(world.emulator.control().token_calls(), count, "nobody signed in again");
    assert_eq!(maya.asks("GET", "/admin/x", SCRIPT).await.status, 200);
    assert_eq!(tom.asks("GET", "/admin/x", SCRIPT).await.status, 403);
}

#[tokio::test]
async fn the_record_is_written_with_the_sign_in_and_then_once_a_minute() {
    let world = World::with(plan("").where_time_stands()).await;
    let mut maya = world.browser();
    let shown = maya.visits("/x").await;
    let callback = maya.stops_at_the_callback(MAYA, shown).await;
    let target = format!("{}?{}", callback.path(), callback.query().unwrap());
    let page = maya.asks("GET", &target, NAVIGATION).await;
    assert_eq!(page.status, 303);
    let (record, has_session) = set(&maya, &page);
    assert!(has_session && record.is_some_and(|it| !it.contains("Max-Age")));
    for (seconds, is_written) in [(0, false), (59, false), (1, true), (1, false), (60, true)] {
        world.later(seconds);
        let page = maya.asks("GET", "/api/x", SCRIPT).await;
        let (record, has_session) = set(&maya, &page);
        assert_eq!((record.is_some(), has_session), (is_written, false), "{seconds}");
    }
    // Whatever the answer is, unless it is a redirect.
    world.later(60);
    let page = maya.asks("GET", "/nobody/x", SCRIPT).await;
    assert!(page.status == 403 && set(&maya, &page).0.is_some());
}

#[tokio::test]
async fn both_cookies_outlast_the_browser_if_the_operator_says_so() {
    let world = World::with(plan("persistent = true\nlifetime = \"3h\"").where_time_stands()).await;
    let mut maya = world.browser();
    let shown = maya.visits("/x").await;
    let callback = maya.stops_at_the_callback(MAYA, shown).await;
    let target = format!("{}?{}", callback.path(), callback.query().unwrap());
    let page = maya.asks("GET", &target, NAVIGATION).await;
    assert!(set(&maya, &page).0.unwrap().contains("Max-Age=10800"));
    world.later(10 * MINUTE);
    let page = maya.asks("GET", "/api/x", SCRIPT).await;
    assert!(set(&maya, &page).0.unwrap().contains("Max-Age=10200"), "the rest of the lifetime");
}

#[tokio::test]
async fn a_recheck_is_in_the_next_record_and_outlasts_a_restart() {
    let mut world = start().await;
    let mut maya = world.signed_in(MAYA).await;
    world.emulator.control().set_roles(MAYA_ID, vec!["Reader".to_owned()]);
    world.later(31 * MINUTE);
    until("the role is gone", async || maya.asks("GET", "/admin/x", SCRIPT).await.status == 403)
        .await;
    until("it is written", async || {
        let page = maya.asks("GET", "/api/x", SCRIPT).await;
        set(&maya, &page).0.is_some() || world.emulator.control().refresh_calls() == 1
    })
    .await;
    let calls = world.emulator.control().refresh_calls();
    assert_eq!(calls, 1);
    world.restarts(async |_| {}).await;
    assert_eq!(maya.asks("GET", "/admin/x", SCRIPT).await.status, 403);
    assert_eq!(status(&mut maya).await, 200);
    // With the new refresh token.
    world.emulator.control().set_roles(MAYA_ID, vec!["Admin".to_owned()]);
    world.later(31 * MINUTE);
    until("the role is back", async || maya.asks("GET", "/admin/x", SCRIPT).await.status == 200)
        .await;
    assert_eq!(world.emulator.control().refresh_calls(), calls + 1);
}

#[tokio::test]
async fn idle_time_and_lifetime_end_a_session_over_a_restart() {
    let mut world = World::with(plan("idle = \"10m\"\nlifetime = \"1h\"")).await;
    let (mut maya, mut tom) = (world.signed_in(MAYA).await, world.signed_in(TOM).await);
    for _ in 0..5 {
        world.later(9 * MINUTE);
        assert_eq!(status(&mut maya).await, 200);
    }
    world.restarts(async |_| {}).await;
    assert_eq!((status(&mut maya).await, status(&mut tom).await), (200, 401));
    world.later(9 * MINUTE);
    assert_eq!(status(&mut maya).await, 200);
    world.later(7 * MINUTE);
    world.restarts(async |_| {}).await;
    assert_eq!(status(&mut maya).await, 401);
}

/// The claim leaves no room for the refresh token.
#[tokio::test]
async fn a_session_whose_refresh_token_does_not_fit_signs_in_again_by_itself() {
    let crowded = plan("").where_time_stands();
    let headers = "custom = { \"X-Note\" = \"note\" }".to_owned();
    let mut world = World::with(crate::world::WorldPlan { headers, ..crowded }).await;
    let note = "n".repeat(1950);
    world.emulator.control().set_claim("note", Some(note.clone().into()));
    let mut maya = world.signed_in(MAYA).await;
    assert_eq!(maya.visits("/x").await.app_heard("x-note"), note);
    world.restarts(async |_| {}).await;
    let refreshed = || world.emulator.control().refresh_calls();
    assert_eq!(maya.visits("/x").await.app_heard("x-note"), note);
    world.later(29 * MINUTE);
    assert_eq!((status(&mut maya).await, refreshed()), (200, 0));
    world.later(MINUTE + 1);
    // Without a grace period: nobody could confirm the session.
    assert_eq!((status(&mut maya).await, refreshed()), (401, 0));
    let page = maya.visits("/x").await;
    assert!(page.status == 200 && page.way.iter().any(|it| it.path().contains("authorize")));
    assert_eq!(status(&mut maya).await, 200);
}

#[tokio::test]
async fn what_does_not_fit_is_left_out_and_the_rest_stays() {
    let crowded = plan("");
    let headers = "custom = { \"X-Note\" = \"note\", \"X-Short\" = \"short\" }".to_owned();
    let mut world = World::with(crate::world::WorldPlan { headers, ..crowded }).await;
    let control = world.emulator.control();
    control.set_claim("note", Some("n".repeat(4000).into()));
    control.set_claim("short", Some("kept".into()));
    let groups = (1..=150).map(|it| format!("0a1b2c3d-0000-4000-8000-{it:012}")).collect();
    control.set_groups(MAYA_ID, groups);
    let mut maya = world.signed_in(MAYA).await;
    let mut seen = Vec::new();
    for _ in 0..2 {
        assert_eq!(maya.asks("GET", "/group/x", SCRIPT).await.status, 200);
        assert_eq!(maya.asks("GET", "/admin/x", SCRIPT).await.status, 200);
        let page = maya.visits("/x").await;
        let heard = ["x-note", "x-short", "x-forwarded-groups", "x-forwarded-groups-truncated"];
        seen.push(heard.map(|it| page.app_heard(it)));
        world.restarts(async |_| {}).await;
    }
    assert_eq!(seen[0], ["", "kept", FIRST_GROUP, "true"]);
    assert_eq!(seen[0], seen[1], "every process says the same");
    let cookies = [maya.cookie("entrada").unwrap(), maya.cookie("entrada-s").unwrap()];
    let names = ["__Host-entrada=", "__Host-entrada-s="];
    let bytes = cookies.iter().map(String::len).chain(names.map(str::len)).sum::<usize>();
    assert!((600..=3200).contains(&bytes), "{bytes}");
}

/// 600 groups come from Graph, and one of them is named by a rule.
#[tokio::test]
async fn groups_from_graph_are_known_after_a_restart() {
    let mut world = start().await;
    let mut grace = world.signed_in(GRACE).await;
    assert_eq!(grace.asks("GET", "/group/x", SCRIPT).await.status, 200);
    until("they are written", async || {
        let page = grace.asks("GET", "/group/x", SCRIPT).await;
        page.app_heard("x-forwarded-groups") == FIRST_GROUP
    })
    .await;
    let calls = world.emulator.control().graph_calls();
    world.restarts(async |_| {}).await;
    assert_eq!(grace.asks("GET", "/group/x", SCRIPT).await.status, 200);
    assert_eq!(world.emulator.control().graph_calls(), calls, "Graph was not asked again");
}

#[tokio::test]
async fn a_web_socket_opens_with_a_session_that_the_process_did_not_know_and_ends_with_it() {
    let mut world = start().await;
    let mut maya = world.signed_in(MAYA).await;
    world.restarts(async |_| {}).await;
    let mut socket = web_socket(&world, "/ws", &maya.cookie_header(), None).await.unwrap();
    socket.send(Message::text("hello")).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("hello"));
    maya.posts("/oauth2/sign_out", NAVIGATION, "").await;
    let end = tokio::time::timeout(Duration::from_secs(5), socket.next()).await;
    let end = end.expect("the tunnel outlived its session");
    assert!(end.is_none_or(|it| it.is_err() || it.is_ok_and(|it| it.is_close())));
}

#[tokio::test]
async fn operators_learn_what_this_store_cannot_do() {
    let world = start().await;
    let ready = "GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let answer = talk(world.admin, ready).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\r\n\r\nready\n"), "{answer}");
    assert!(
        answer.contains("session.store = \"cookie\" cannot end a session everywhere"),
        "{answer}"
    );
    let file = world.folder.path().join("entrada.toml");
    std::fs::write(&file, world.text_for(world.address.port(), world.admin.port())).unwrap();
    let checked = std::process::Command::new(env!("CARGO_BIN_EXE_entrada"))
        .args(["check", "--config"])
        .arg(&file)
        .env("STORY_CLIENT_SECRET", crate::world::CLIENT_SECRET)
        .env("STORY_SEAL", crate::world::SEAL)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&checked.stderr);
    assert!(
        checked.status.success() && said.contains("note: session.store = \"cookie\""),
        "{said}"
    );
}
