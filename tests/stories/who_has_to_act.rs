//! "It passes" is told only for what is known to pass; for everything else, the cause and who has to act are named alike on pages,
//! in `/readyz` and in the log.

use crate::world::browser::{BrowserPage, NAVIGATION, SCRIPT};
use crate::world::company::company;
use crate::world::samples::{CONTOSO, MAYA};
use crate::world::{CapturedEvents, World, WorldPlan, raw};
use entrada::emulator::{InjectedRefusal, TokenDefect, TokenFault, UNTIL_CLEARED};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// Something that answers every request with the same text, such as the sign-in page of a network.
async fn portal(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = vec![0; 8192];
            let _ = stream.read(&mut head).await;
            let length = answer.split_once("\r\n\r\n").unwrap().1.len();
            let answer = answer.replacen(
                "\r\n",
                &format!("\r\nContent-Length: {length}\r\nConnection: close\r\n"),
                1,
            );
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    address
}

async fn world_at(entra: &str, proxy: Option<String>) -> World {
    let plan =
        WorldPlan { entra: entra.to_owned(), entra_down: true, proxy, ..WorldPlan::default() };
    World::with(plan).await
}

async fn readiness(world: &World) -> String {
    raw::talk(world.admin, "GET /readyz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await
}

fn is_for_the_owner(page: &BrowserPage, cause: &str) {
    assert_eq!(page.status, 503, "{}", page.body);
    let body = page.body.replace("&#x2f;", "/").replace("&#x27;", "'");
    for part in ["<dd>The app’s owner</dd>", cause] {
        assert!(body.contains(part), "no {part:?} in {body}");
    }
    assert!(!body.contains("Try again in a few minutes"), "{body}");
}

/// The same words on the page, in `/readyz` and in the log.
async fn told_alike(world: &World, events: &CapturedEvents, cause: &str) {
    is_for_the_owner(&world.browser().visits("/x").await, cause);
    let ready = readiness(world).await;
    assert!(ready.starts_with("HTTP/1.1 503") && ready.contains(cause), "no {cause:?} in {ready}");
    let log = world.logged().await;
    assert!(log.contains(cause), "no {cause:?} in {log}");
    let log = events.text();
    let warning = log.lines().find(|it| it.contains("Entra was not reached yet"));
    assert!(warning.is_some_and(|it| it.contains(cause)), "no {cause:?} in {log}");
}

#[tokio::test]
async fn an_answer_that_is_not_entras_is_for_the_owner_with_status_and_content_type() {
    for (answer, cause) in [
        (
            "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<html>Welcome to our network</html>",
            "the discovery endpoint returned status 200 with text/html instead of JSON; check entra.authority, HTTPS_PROXY",
        ),
        (
            "HTTP/1.1 302 Found\r\nLocation: http://portal.example/\r\n\r\n",
            "returned status 302 with no content type instead of JSON",
        ),
        (
            "HTTP/1.1 403 Forbidden\r\nContent-Type: text/html\r\n\r\n<html>blocked</html>",
            "returned status 403 with text/html instead of JSON",
        ),
        (
            "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Type: text/plain\r\n\r\nno",
            "returned status 407 with text/plain instead of JSON",
        ),
        (
            "HTTP/1.1 511 Network Authentication Required\r\nContent-Type: text/html\r\n\r\n<html>",
            "returned status 511 with text/html instead of JSON",
        ),
        // Nothing is known to pass before Entra answered once.
        (
            "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/html\r\n\r\n<html>",
            "the discovery endpoint returned status 503; check entra.authority",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"issuer\":\"https://other.example/v2.0\"}",
            "check entra.tenant, entra.cloud and entra.authority",
        ),
    ] {
        let (portal, events) = (portal(answer).await, CapturedEvents::listens());
        let world = world_at(&format!("authority = \"http://{portal}\""), None).await;
        told_alike(&world, &events, cause).await;
    }
}

#[tokio::test]
async fn a_proxy_that_refuses_is_named_with_its_status() {
    for (status, answer) in [
        (407, "HTTP/1.1 407 Proxy Authentication Required\r\n\r\nno"),
        (403, "HTTP/1.1 403 Forbidden\r\n\r\nno"),
    ] {
        let (proxy, events) = (portal(answer).await, CapturedEvents::listens());
        let address = format!("http://maya:secret@{proxy}");
        let world = world_at("authority = \"https://login.example.com\"", Some(address)).await;
        let cause = format!("the proxy {proxy} opened no connection and returned status {status}");
        told_alike(&world, &events, &cause).await;
        told_alike(&world, &events, "check HTTPS_PROXY and NO_PROXY").await;
        assert!(!(world.logged().await + &events.text()).contains("secret"));
    }
}

#[tokio::test]
async fn an_entra_that_was_never_reached_and_a_tenant_that_does_not_exist_are_for_the_owner() {
    let events = CapturedEvents::listens();
    let world = world_at("authority = \"http://127.0.0.1:1\"", None).await;
    told_alike(&world, &events, "check entra.authority, entra.cloud and HTTPS_PROXY").await;
    let world = world_at("tenant = \"contoso-typo.example\"", None).await;
    world.emulator.control().be_down(false);
    for _ in 0..100 {
        if readiness(&world).await.contains("90002") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let ready = readiness(&world).await;
    assert!(ready.contains("check entra.tenant and entra.cloud"), "{ready}");
    let page = world.browser().visits("/x").await;
    assert!(
        page.body.contains("AADSTS90002") && page.body.contains("<dd>The app’s owner</dd>"),
        "{}",
        page.body
    );
}

#[tokio::test]
async fn an_outage_after_entra_has_answered_passes_and_an_odd_answer_does_not() {
    let world = World::start().await;
    let control = world.emulator.control();
    for (fault, passes) in [
        (TokenFault::Html(503), true),
        (TokenFault::TooMany(None), true),
        (TokenFault::CutBefore, true),
        (TokenFault::Html(403), false),
        (TokenFault::Html(200), false),
        (TokenFault::Garbage, false),
    ] {
        let mut maya = world.browser();
        maya.visits("/x").await;
        control.token_answer(fault, 1);
        let page = maya.signs_in_as(MAYA).await;
        if passes {
            assert!(
                page.status == 503 && page.body.contains("Try again in a few minutes"),
                "{fault:?} {}",
                page.body
            );
        } else {
            is_for_the_owner(&page, "token endpoint");
        }
    }
}

#[tokio::test]
async fn a_recheck_that_our_own_credential_prevents_is_for_the_owner() {
    for (is_ours, words) in
        [(true, "can no longer ask Microsoft Entra"), (false, "Try again in a few")]
    {
        let session = "idle = \"20d\"\nlifetime = \"60d\"".to_owned();
        let world = World::with(WorldPlan { session, ..WorldPlan::default() }).await;
        let mut maya = world.signed_in(MAYA).await;
        if is_ours {
            world.emulator.control().expire_secret(crate::world::CLIENT_SECRET);
        } else {
            world.emulator.control().token_answer(TokenFault::Html(503), UNTIL_CLEARED);
        }
        // Asked once within the grace period, and then again after it.
        world.later(31 * 60);
        maya.asks("GET", "/api/x", SCRIPT).await;
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        world.later(5 * 3600);
        let page = maya.visits("/x").await;
        assert!(page.status == 503 && page.body.contains(words), "{is_ours} {}", page.body);
        assert_eq!(page.body.contains("<dd>The app’s owner</dd>"), is_ours, "{}", page.body);
    }
}

async fn refusals(world: &World, whose: &str) -> u64 {
    let metrics =
        raw::talk(world.admin, "GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            .await;
    let line = format!("entrada_sign_in_refusals_total{{whose=\"{whose}\"}} ");
    metrics.lines().find_map(|it| it.strip_prefix(&line)?.parse().ok()).unwrap_or_default()
}

/// The refused sign-in of this page is counted once, and one line has its reference.
async fn is_recorded(world: &World, page: &BrowserPage, before: u64, whose: &str, error: &str) {
    let lines: Vec<Value> = (world.logged().await.lines())
        .filter(|it| it.contains("sign_in_refused") && it.contains(page.header("x-request-id")))
        .map(|it| serde_json::from_str(it).unwrap())
        .collect();
    assert_eq!(lines.len(), 1, "{error}: {lines:?} {}", page.body);
    let found = (lines[0]["whose"].as_str().unwrap(), lines[0]["error"].as_str().unwrap());
    assert_eq!(found, (whose, error), "{}", lines[0]);
    let ours = if whose == "app-owner" { "WARN" } else { "INFO" };
    assert_eq!(lines[0]["level"], ours, "{}", lines[0]);
    assert!(page.body.contains(page.header("x-request-id")), "{}", page.body);
    assert_eq!(refusals(world, whose).await, before + 1, "{error}");
}

#[tokio::test]
async fn every_refused_sign_in_is_counted_and_leaves_one_line_with_the_reference() {
    let world = World::start().await;
    let control = world.emulator.control();
    let cases: [(&str, &str, &dyn Fn()); 7] = [
        ("app-owner", "clock", &|| control.wrong(TokenDefect::Expired)),
        ("app-owner", "token", &|| control.wrong(TokenDefect::Signature)),
        ("app-owner", "other_tenant", &|| control.wrong(TokenDefect::Stranger)),
        ("app-owner", "no_answer", &|| control.token_answer(TokenFault::Garbage, 1)),
        ("nobody", "no_answer", &|| control.token_answer(TokenFault::Html(503), 1)),
        ("app-owner", "no_answer", &|| control.wrong(TokenDefect::UnknownKid)),
        ("admin", "invalid_grant", &|| {
            control.refuse_next_token(InjectedRefusal {
                error: "invalid_grant".to_owned(),
                code: 53_003,
                suberror: None,
                claims: None,
            });
        }),
    ];
    for (whose, error, cause) in cases {
        let before = refusals(&world, whose).await;
        let mut maya = world.browser();
        maya.visits("/x").await;
        cause();
        let page = maya.signs_in_as(MAYA).await;
        is_recorded(&world, &page, before, whose, error).await;
    }
    // A sign-in that cannot begin.
    let world = world_at("authority = \"http://127.0.0.1:1\"", None).await;
    let page = world.browser().visits("/x").await;
    is_recorded(&world, &page, 0, "app-owner", "no_answer").await;
}

#[tokio::test]
async fn so_is_one_that_the_directory_or_a_rule_refuses() {
    let organizations = [company("contoso", CONTOSO)];
    let plan =
        WorldPlan::of_directory("first_sign_in = \"refuse\"").with_organizations(organizations);
    let world = World::with(plan).await;
    let mut maya = world.browser();
    maya.visits("/oauth2/start?rd=%2Fx&organization=contoso").await;
    let page = maya.signs_in_as(MAYA).await;
    is_recorded(&world, &page, 0, "admin", "not_known").await;
    let more = "[[access.rule]]\npath = \"/**\"\nallow = { acrs = [\"c1\"] }\n".to_owned();
    let world = World::with(WorldPlan { more, ..WorldPlan::default() }).await;
    let mut maya = world.browser();
    maya.visits("/x").await;
    world.emulator.control().wrong(TokenDefect::NoContext);
    let page = maya.signs_in_as(MAYA).await;
    is_recorded(&world, &page, 0, "admin", "context_missing").await;
}

/// A callback with another code, after its sign-in had ended, was refused without a trace.
#[tokio::test]
async fn so_is_one_that_cannot_begin_again_after_a_sign_in_that_has_ended() {
    let world = World::start().await;
    let mut maya = world.browser();
    let shown = maya.visits("/x").await;
    let callback = maya.stops_at_the_callback(MAYA, shown).await;
    assert_eq!(maya.opens(&callback).await.path_and_query(), "/x");
    let config = world.changed(&world.emulator.authority(), "http://127.0.0.1:1");
    world.service.reload(&config).await.unwrap();
    maya.plants("entrada", "nobody's");
    let state = callback.query_pairs().find(|it| it.0 == "state").unwrap().1.into_owned();
    let target = format!("/oauth2/callback?code=another&state={state}");
    let page = maya.asks("GET", &target, NAVIGATION).await;
    assert_eq!(page.status, 503, "{}", page.body);
    is_recorded(&world, &page, 0, "app-owner", "no_answer").await;
}
