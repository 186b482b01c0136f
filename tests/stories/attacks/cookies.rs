//! Classes 7 to 10: what opens a door is a live session, found by one cookie that we set.

use super::{BOTH, HttpVersion, ask};
use crate::world::browser::{NAVIGATION, SCRIPT};
use crate::world::raw::talk_for;
use crate::world::samples::{MAYA, TOM};
use crate::world::{World, WorldPlan};
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use std::time::Duration;

/// Signed-in places of each kind, and what a stranger is told there.
const CLOSED: [(&str, u16); 5] = [
    ("/x", 401),
    ("/admin/x", 401),
    ("/api/x", 401),
    ("/oauth2/userinfo", 401),
    ("/oauth2/session", 401),
];

#[tokio::test]
async fn junk_in_cookies_opens_nothing_and_breaks_nothing() {
    let world = World::start().await;
    let maya = world.signed_in(MAYA).await;
    let live = maya.cookie("entrada").unwrap();
    let before = world.app.seen.count();
    let changed = |at: usize| {
        live.char_indices()
            .map(|(here, it)| if here == at { if it == 'A' { 'B' } else { 'A' } } else { it })
            .collect::<String>()
    };
    let mut junk: Vec<String> =
        (0..live.len() - 1).map(changed).map(|it| format!("entrada={it}")).collect();
    junk.extend((0..live.len()).step_by(7).map(|it| format!("entrada={}", &live[..it])));
    for name in [
        "entrada ",
        "Entrada",
        "ENTRADA",
        "__Host-entrada",
        "__Secure-entrada",
        "xentrada",
        "entrada-s-12345678",
        "entrada-r",
        "",
    ] {
        junk.push(format!("{name}={live}"));
    }
    for value in [
        format!("\"{live}\""),
        format!("{live}="),
        format!("{live}x"),
        format!(" {live} x"),
        live.to_lowercase(),
        live.replace('A', "%41") + "%",
        "null".into(),
        "A".repeat(43),
        "..%2f".into(),
    ] {
        junk.push(format!("entrada={value}"));
    }
    junk.push((0..300).map(|it| format!("entrada-s-{it:08}=x")).collect::<Vec<_>>().join("; "));
    junk.push(format!("entrada={}", "A".repeat(15_000)));
    junk.push(";".repeat(5000));
    for cookie in &junk {
        let answer = ask(&world, HttpVersion::One, "GET", "/api/x", &[("Cookie", cookie)]).await;
        assert_eq!(answer.status, 401, "{cookie}: {answer:?}");
    }
    for (target, status) in CLOSED {
        for http in BOTH {
            assert_eq!(
                ask(&world, http, "GET", target, &[("cookie", &junk[3])]).await.status,
                status,
                "{target}"
            );
        }
    }
    assert_eq!(world.app.seen.count(), before);
}

#[tokio::test]
async fn bytes_of_any_kind_in_cookies_open_nothing() {
    let world = World::start().await;
    let host = super::authority(&world);
    let strategy = proptest::collection::vec(
        proptest::num::u8::ANY.prop_filter("one line", |it| !matches!(it, b'\r' | b'\n')),
        0..200,
    );
    let mut runner = TestRunner::deterministic();
    for round in 0..150 {
        let bytes = strategy.new_tree(&mut runner).unwrap().current();
        let mut request =
            format!("GET /api/x HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nCookie: ")
                .into_bytes();
        if round % 2 == 0 {
            request.extend_from_slice(b"entrada=");
        }
        request.extend_from_slice(&bytes);
        request.extend_from_slice(b"\r\n\r\n");
        let answer = talk_for(world.address, &request, Duration::from_secs(5)).await;
        assert!(
            answer.starts_with("HTTP/1.1 401") || answer.starts_with("HTTP/1.1 400"),
            "{bytes:?}: {answer}"
        );
    }
    assert_eq!(world.app.seen.count(), 0);
}

#[tokio::test]
async fn two_session_cookies_are_none() {
    let world = World::start().await;
    let (maya, tom) = (world.signed_in(MAYA).await, world.signed_in(TOM).await);
    let (maya, tom) = (maya.cookie_header(), tom.cookie_header());
    for http in BOTH {
        for (target, status) in CLOSED {
            let joined = format!("{maya}; a=b; {tom}");
            assert_eq!(
                ask(&world, http, "GET", target, &[("cookie", &joined)]).await.status,
                status,
                "{target}"
            );
            assert_eq!(
                ask(&world, http, "GET", target, &[("cookie", &maya), ("cookie", &tom)])
                    .await
                    .status,
                status,
                "{target}"
            );
            assert_eq!(
                ask(&world, http, "GET", target, &[("cookie", &maya), ("cookie", &maya)])
                    .await
                    .status,
                status,
                "{target}"
            );
        }
        let answer =
            ask(&world, http, "GET", "/public/x", &[("cookie", &maya), ("cookie", &tom)]).await;
        assert!(
            answer.heard("x-forwarded-user").is_empty() && answer.heard("cookie").is_empty(),
            "{answer:?}"
        );
    }
}

#[tokio::test]
async fn presence_is_not_proof() {
    let world = World::start().await;
    let mut maya = world.signed_in(MAYA).await;
    let assertion = maya.visits("/x").await.app_heard("x-entrada-assertion");
    let before = world.app.seen.count();
    let bearer = format!("Bearer {assertion}");
    let none = "Bearer eyJhbGciOiJub25lIn0.eyJvaWQiOiJ4In0.";
    for http in BOTH {
        for value in ["Bearer x", "Bearer ", "Basic YWRtaW46YWRtaW4=", "Negotiate x", none, &bearer]
        {
            for (target, status) in CLOSED {
                let answer = ask(&world, http, "GET", target, &[("authorization", value)]).await;
                assert_eq!(answer.status, status, "{value} {target}: {answer:?}");
                let twice = [
                    ("authorization", value),
                    ("authorization", "Bearer y"),
                    ("cookie", "entrada="),
                ];
                assert_eq!(
                    ask(&world, http, "GET", target, &twice).await.status,
                    status,
                    "{value} {target}"
                );
            }
        }
    }
    assert_eq!(world.app.seen.count(), before);
}

#[tokio::test]
async fn an_old_cookie_opens_nothing_after_sign_out() {
    let world = World::start().await;
    let mut maya = world.signed_in(MAYA).await;
    let old = maya.cookie_header();
    maya.posts("/oauth2/sign_out", NAVIGATION, "").await;
    let before = world.app.seen.count();
    for http in BOTH {
        for (target, status) in CLOSED {
            assert_eq!(
                ask(&world, http, "GET", target, &[("cookie", &old)]).await.status,
                status,
                "{target}"
            );
            assert_eq!(ask(&world, http, "POST", "/api/x", &[("cookie", &old)]).await.status, 401);
        }
    }
    let upgrade = [("Connection", "close, Upgrade"), ("Upgrade", "websocket"), ("Cookie", &old)];
    assert_eq!(ask(&world, HttpVersion::One, "GET", "/ws", &upgrade).await.status, 401);
    assert_eq!(world.app.seen.count(), before);
    assert!(
        ask(&world, HttpVersion::One, "GET", "/public/x", &[("Cookie", &old)])
            .await
            .heard("x-forwarded-user")
            .is_empty()
    );
}

/// Cut, bent, moved to another name, or sealed by another installation: nothing is redeemed.
#[tokio::test]
async fn a_pending_cookie_opens_only_as_it_was_sealed_and_where_it_was_put() {
    let other = World::with(WorldPlan {
        session: "secrets = [\"another installation's secret, of 32 bytes and more\"]".into(),
        ..WorldPlan::default()
    })
    .await;
    let foreign = {
        let mut eve = other.browser();
        eve.visits("/x").await;
        let name = eve.cookie_names().into_iter().find(|it| it.starts_with("entrada-s-")).unwrap();
        eve.cookie(&name).unwrap()
    };
    let world = World::start().await;
    for kind in 0..7 {
        world.later(61);
        let mut maya = world.browser();
        maya.visits("/x").await;
        let shown = maya.page.clone();
        let callback = maya.stops_at_the_callback(MAYA, shown).await;
        let name = maya.cookie_names().into_iter().find(|it| it.starts_with("entrada-s-")).unwrap();
        let sealed = maya.cookie(&name).unwrap();
        let rounds = maya.cookie("entrada-r").unwrap();
        let state = callback.query_pairs().find(|it| it.0 == "state").unwrap().1.into_owned();
        let bent = |at: usize| {
            sealed
                .char_indices()
                .map(|(here, it)| if here == at { if it == 'A' { 'B' } else { 'A' } } else { it })
                .collect::<String>()
        };
        maya.forgets();
        match kind {
            0 => maya.plants(&name, &sealed[..sealed.len() - 4]),
            1 => maya.plants(&name, &bent(sealed.len() / 2)),
            2 => maya.plants(&name, &bent(3)),
            3 => maya.plants("entrada-s-AAAAAAAA", &sealed),
            4 => maya.plants(&name, &rounds),
            5 => maya.plants(&name, &foreign),
            _ => maya.plants(&name, state.split_once('.').unwrap().1),
        }
        let before = world.emulator.control().token_calls();
        let page = maya.asks("GET", &callback[url::Position::BeforePath..], NAVIGATION).await;
        assert_ne!(page.status, 303, "{kind}");
        assert_eq!(world.emulator.control().token_calls(), before, "{kind}");
        assert!(maya.cookie("entrada").is_none(), "{kind}");
        // Nor is it a session.
        maya.plants("entrada", &sealed);
        assert_eq!(maya.asks("GET", "/api/x", SCRIPT).await.status, 401);
    }
}

#[tokio::test]
async fn people_at_the_same_time_are_not_confused() {
    let world = World::start().await;
    let (maya, tom) = (world.signed_in(MAYA).await, world.signed_in(TOM).await);
    let people =
        [(maya.cookie_header(), "0001"), (tom.cookie_header(), "0002"), (String::new(), "")];
    let world = &world;
    let answers = (0..60).map(|at| (BOTH[at % 2], people[at % 3].clone())).map(
        |(http, (cookie, who))| async move {
            (ask(world, http, "GET", "/public/same", &[("cookie", &cookie)]).await, who)
        },
    );
    for (answer, who) in futures_util::future::join_all(answers).await {
        let user = answer.heard("x-forwarded-user");
        assert!(user.first().map_or("", String::as_str).ends_with(who), "{answer:?}");
        assert_eq!(user.is_empty(), who.is_empty());
    }
}
