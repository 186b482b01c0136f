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
    let (session, rounds) = (maya.with_port("entrada"), maya.with_port("entrada-r"));
    let browser = maya.with_port("entrada-b");
    let changed = |at: usize| {
        live.char_indices()
            .map(|(here, it)| if here == at { if it == 'A' { 'B' } else { 'A' } } else { it })
            .collect::<String>()
    };
    let mut junk: Vec<String> =
        (0..live.len() - 1).map(changed).map(|it| format!("{session}={it}")).collect();
    junk.extend((0..live.len()).step_by(7).map(|it| format!("{session}={}", &live[..it])));
    for name in [
        "entrada",
        &format!("{session} "),
        &session.replace("ent", "Ent"),
        &session.to_uppercase(),
        &format!("{session}0"),
        "__Host-entrada",
        "__Secure-entrada",
        &format!("x{session}"),
        &browser,
        &rounds,
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
        junk.push(format!("{session}={value}"));
    }
    junk.push((0..300).map(|it| format!("{session}-{it:08}=x")).collect::<Vec<_>>().join("; "));
    junk.push(format!("{session}={}", "A".repeat(15_000)));
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
            request.extend_from_slice(format!("entrada-{}=", world.address.port()).as_bytes());
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
    let empty = format!("{}=", maya.with_port("entrada"));
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
                    ("cookie", empty.as_str()),
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

/// Cut, bent, sealed for something else or by another installation: nothing is redeemed.
#[tokio::test]
async fn a_state_opens_only_as_it_was_sealed() {
    let other = World::with(WorldPlan {
        session: "secrets = [\"another installation's secret, of 32 bytes and more\"]".into(),
        ..WorldPlan::default()
    })
    .await;
    let foreign = other.browser().asks("GET", "/x", NAVIGATION).await.state();
    let world = World::start().await;
    let mut maya = world.browser();
    let shown = maya.visits("/x").await;
    let callback = maya.stops_at_the_callback(MAYA, shown).await;
    let parameter =
        |name: &str| callback.query_pairs().find(|it| it.0 == name).unwrap().1.into_owned();
    let (code, state) = (parameter("code"), parameter("state"));
    let (secret, rounds) = (maya.cookie("entrada-b").unwrap(), maya.cookie("entrada-r").unwrap());
    let bent = |at: usize| {
        let other = |it| if it == 'A' { 'B' } else { 'A' };
        let mut chars: Vec<_> = state.chars().collect();
        chars[at] = other(chars[at]);
        chars.into_iter().collect::<String>()
    };
    let last = state.len() - 1;
    let before = world.emulator.control().token_calls();
    for wrong in [
        state[..last - 3].to_owned(),
        bent(0),
        bent(3),
        bent(last / 2),
        bent(last - 1),
        format!("{state}A"),
        rounds,
        secret.clone(),
        foreign,
        "A".repeat(1500),
        "A".repeat(8000),
        String::new(),
    ] {
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("code", &code)
            .append_pair("state", &wrong)
            .finish();
        let page = maya.asks("GET", &format!("/oauth2/callback?{query}"), NAVIGATION).await;
        assert_eq!(page.status, 400, "{wrong}: {}", page.body);
        assert!(maya.cookie("entrada").is_none(), "{wrong}");
        // Nor is it a session.
        maya.plants("entrada", &wrong);
        assert_eq!(maya.asks("GET", "/api/x", SCRIPT).await.status, 401);
        maya.plants("entrada", &state);
        assert_eq!(maya.asks("GET", "/api/x", SCRIPT).await.status, 401);
        maya.forgets();
        maya.plants("entrada-b", &secret);
    }
    assert_eq!(world.emulator.control().token_calls(), before);
    // As it was sealed, it ends the sign-in.
    let page = maya.opens(&callback).await;
    assert_eq!((page.status, page.path_and_query().as_str()), (200, "/x"));
}

/// The `state` of a sign-in is worth nothing with another browser's secret, with two, or with one
/// that is changed.
#[tokio::test]
async fn attack_a_state_ends_only_in_the_browser_with_its_secret() {
    let world = World::start().await;
    let mut eve = world.browser();
    eve.visits("/eve").await;
    let eves = eve.cookie("entrada-b").unwrap();
    let mut maya = world.browser();
    let shown = maya.visits("/x").await;
    let secret = maya.cookie("entrada-b").unwrap();
    let callback = maya.stops_at_the_callback(MAYA, shown).await;
    let target = &callback[url::Position::BeforePath..];
    let name = maya.with_port("entrada-b");
    let before = world.emulator.control().token_calls();
    for cookie in [
        String::new(),
        format!("{name}={eves}"),
        format!("{name}={secret}; {name}={eves}"),
        format!("{name}={secret}; {name}={secret}"),
        format!("{name}={secret}x"),
        format!("{name}={}", &secret[1..]),
        format!("{name}={}", secret.to_lowercase()),
        format!("entrada-b={secret}"),
        format!("__Host-entrada-b={secret}"),
        format!("entrada-1-b={secret}"),
    ] {
        let mut other = world.browser();
        other.says.push(("cookie", cookie.clone()));
        let page = other.asks("GET", target, NAVIGATION).await;
        // It only says which page was wanted: a sign-in for that page begins.
        assert!(
            page.status == 302 && page.header("location").starts_with(&world.emulator.authority()),
            "{cookie}: {} {}",
            page.status,
            page.body
        );
        assert!(other.cookie("entrada").is_none(), "{cookie}");
    }
    assert_eq!(world.emulator.control().token_calls(), before);
    assert_eq!(maya.opens(&callback).await.path_and_query(), "/x");
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
