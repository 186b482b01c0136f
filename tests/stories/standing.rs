//! How a session stands with Entra: asked again and again, lived on through outages, and ended when Entra says so.

use crate::world::browser::{Browser, FORM, NAVIGATION, SCRIPT};
use crate::world::raw::{self, talk, talk_for};
use crate::world::{Plan, World, Written};
use entrada::emulator::{Refused, TokenFault, UNTIL_CLEARED, Wrong};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const MAYA: &str = "maya@contoso.example";
const MAYA_ID: &str = "00aa00aa-bb11-cc22-dd33-44ee44ee0001";
const TOM: &str = "tom@contoso.example";
const TOM_ID: &str = "00aa00aa-bb11-cc22-dd33-44ee44ee0002";

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;

/// Sessions that last, so that only Entra ends one.
const LONG: &str = "idle = \"20d\"\nlifetime = \"60d\"";

async fn long_lived() -> World {
    World::with(Plan { session: LONG.into(), ..Plan::default() }).await
}

/// Waits until `done`, which something under way brings about.
async fn until(what: &str, done: impl Fn() -> bool) {
    for _ in 0..500 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what}: it did not come about");
}

/// A request that finds the question due, and the answer after it.
async fn is_rechecked(world: &World, browser: &mut Browser) -> u16 {
    let before = rechecks(world).await;
    let status = browser.asks("GET", "/api/x", SCRIPT).await.status;
    for _ in 0..500 {
        if rechecks(world).await > before {
            return status;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("Entra was not asked");
}

async fn metrics(world: &World) -> String {
    talk(world.admin, "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await
}

/// How often Entra was asked about a session, and it was over.
async fn rechecks(world: &World) -> u64 {
    let metrics = metrics(world).await;
    let counts = metrics.lines().filter(|it| it.starts_with("entrada_rechecks_total{"));
    counts.map(|it| it.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}

/// What the program tells its operator in this story, beside a line a request. A story runs in one thread, and so does its program.
struct Told(Written, #[expect(dead_code, reason = "it is heard for as long as this lives")] tracing::subscriber::DefaultGuard);

impl Told {
    fn listens() -> Self {
        let written = Written::default();
        let to = written.clone();
        let heard = tracing_subscriber::fmt().with_ansi(false).with_max_level(tracing::Level::INFO).with_writer(move || to.clone()).finish();
        Self(written, tracing::subscriber::set_default(heard))
    }

    fn times(&self, what: &str) -> usize {
        self.0.text().matches(what).count()
    }
}

fn get(world: &World, path: &str, cookie: &str) -> String {
    let host = world.public_url.split_once("://").unwrap().1;
    format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: application/json\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n")
}

/// Many requests at once; how long each took.
async fn at_once(world: &World, count: usize, cookie: &str) -> Vec<(u16, Duration)> {
    let mut tasks = tokio::task::JoinSet::new();
    for at in 0..count {
        let (address, request) = (world.address, get(world, &format!("/api/{at}"), cookie));
        tasks.spawn(async move {
            let began = Instant::now();
            (raw::status(&talk(address, &request).await), began.elapsed())
        });
    }
    tasks.join_all().await
}

/// An upgraded connection of a signed-in person.
async fn tunnel(world: &World, cookie: &str) -> TcpStream {
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    let request = get(world, "/raw-upgrade", cookie).replace("Connection: close", "Connection: upgrade\r\nUpgrade: mine");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
    stream
}

async fn carries(tunnel: &mut TcpStream) -> bool {
    let mut back = [0; 4];
    tunnel.write_all(b"ping").await.is_ok() && tunnel.read_exact(&mut back).await.is_ok() && &back == b"ping"
}

async fn ends(tunnel: &mut TcpStream, within: Duration) {
    let mut rest = Vec::new();
    tokio::time::timeout(within, tunnel.read_to_end(&mut rest)).await.expect("the tunnel goes on").unwrap_or_default();
}

fn assertion(page: &crate::world::browser::Page) -> serde_json::Value {
    jsonwebtoken::dangerous::insecure_decode::<serde_json::Value>(&page.app_heard("x-entrada-assertion")).unwrap().claims
}

#[tokio::test]
async fn p2_fifty_requests_at_the_moment_of_refresh_make_one_call_and_none_fails_or_waits() {
    let world = World::start().await;
    let control = world.emulator.control();
    let maya = world.signed_in(MAYA).await;
    let mut usual = Duration::ZERO;
    for _ in 0..3 {
        usual = usual.max(at_once(&world, 50, &maya.cookie_header()).await.iter().map(|it| it.1).max().unwrap());
    }
    assert_eq!(control.refresh_calls(), 0);
    world.later(30 * MINUTE);
    // Whoever waited for Entra would show it.
    control.be_slow(1500);
    let now = at_once(&world, 50, &maya.cookie_header()).await;
    assert!(now.iter().all(|it| it.0 == 200), "{now:?}");
    let slowest = now.iter().map(|it| it.1).max().unwrap();
    assert!(slowest < usual + Duration::from_millis(50), "{slowest:?} against {usual:?}");
    until("the answer", || control.refresh_calls() == 1).await;
    tokio::time::sleep(Duration::from_millis(1700)).await;
    control.be_slow(0);
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
    assert_eq!((&after["sid"], &after["auth_time"]), (&before["sid"], &before["auth_time"]), "the session is the same");
    assert_ne!(after["jti"], before["jti"]);
    assert_eq!(maya.asks("GET", "/oauth2/userinfo", SCRIPT).await.json()["roles"], serde_json::json!(["Reader"]));
}

#[tokio::test]
async fn whom_entra_disables_or_revokes_is_signed_out_with_every_tunnel() {
    let told = Told::listens();
    let world = World::start().await;
    let control = world.emulator.control();
    let (mut maya, mut tom) = (world.signed_in(MAYA).await, world.signed_in(TOM).await);
    let mut tunnel = tunnel(&world, &tom.cookie_header()).await;
    assert!(carries(&mut tunnel).await);
    control.disable(MAYA_ID, true);
    control.revoke(TOM_ID);
    world.later(31 * MINUTE);
    for browser in [&mut maya, &mut tom] {
        assert_eq!(is_rechecked(&world, browser).await, 200, "the request that found it due is served");
        assert_eq!(browser.asks("GET", "/api/x", SCRIPT).await.status, 401);
    }
    ends(&mut tunnel, Duration::from_secs(2)).await;
    let page = tom.visits("/x").await;
    assert!(page.is_the_sign_in_at_entra(), "{page:?}");
    assert!(metrics(&world).await.contains("entrada_rechecks_total{outcome=\"ended\"} 2"));
    assert_eq!((told.times("AADSTS50057"), told.times("AADSTS50173")), (1, 1), "{}", told.0.text());
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
async fn a_tunnel_ends_when_its_person_loses_the_role_that_opened_it() {
    let more = "[[access.rule]]\npath = \"/raw-upgrade\"\nallow = { roles = [\"Admin\"] }".to_owned();
    let world = World::with(Plan { more, ..Plan::default() }).await;
    let mut maya = world.signed_in(MAYA).await;
    let mut tunnel = tunnel(&world, &maya.cookie_header()).await;
    world.emulator.control().set_roles(MAYA_ID, vec!["Reader".to_owned()]);
    world.later(31 * MINUTE);
    is_rechecked(&world, &mut maya).await;
    assert_eq!(maya.asks("GET", "/raw-upgrade", SCRIPT).await.status, 403);
    ends(&mut tunnel, Duration::from_secs(7)).await;
    assert_eq!(maya.asks("GET", "/api/x", SCRIPT).await.status, 200, "she is signed in all the same");
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
        talk_for(world.address, get(&world, "/never", &cookie).as_bytes(), Duration::from_millis(15)).await;
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
    let session = world.service.house().lasting.store.look(&maya.cookie("entrada").unwrap()).unwrap();
    assert_eq!(raw::status(&talk(world.address, &get(&world, "/api/x", &cookie)).await), 200);
    let tries = session.standing().tries();
    world.shutdown.cancel();
    tokio::time::timeout(Duration::from_secs(5), world.served.take().unwrap()).await.expect("the drain did not end").unwrap();
    assert_eq!(session.standing().tries(), tries + 1, "the process ended before it heard the answer");
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
async fn whatever_goes_wrong_at_the_token_endpoint_signs_nobody_out() {
    let told = Told::listens();
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
    for (error, code) in [("invalid_client", 7_000_215), ("unauthorized_client", 700_016), ("temporarily_unavailable", 90_033), ("invalid_grant", 50_196)] {
        world.later(31 * MINUTE);
        control.refuse_next_token(Refused { error: error.to_owned(), code, suberror: None, claims: None });
        is_rechecked(&world, &mut maya).await;
        assert_eq!(maya.asks("GET", "/api/x", SCRIPT).await.status, 200, "{error} {code}");
        world.later(3 * MINUTE);
        is_rechecked(&world, &mut maya).await;
    }
    let metrics = metrics(&world).await;
    assert!(metrics.contains("outcome=\"live\"} 11") && metrics.contains("outcome=\"later\"} 11"), "{metrics}");
    assert!(!metrics.contains("outcome=\"ended\"") && !metrics.contains("outcome=\"sign_in\""), "{metrics}");
    assert_eq!((told.times("Entra does not answer"), told.times("this app registration or this machine is at fault")), (9, 2), "{}", told.0.text());
    assert_eq!(told.times("Entra answers again"), 11, "{}", told.0.text());
    assert!(told.times("AADSTS7000215") > 0);
}

/// As `is_rechecked`, for an answer that takes as long as the client waits.
async fn is_asked(world: &World, browser: &mut Browser, fault: TokenFault) {
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
    assert!(metrics(&world).await.contains("entrada_entra_rests 1"));
    for _ in 0..9 {
        world.later(MINUTE);
        assert_eq!(maya.asks("GET", "/api/x", SCRIPT).await.status, 200);
    }
    assert_eq!(control.refresh_calls(), 1);
    // Somebody signs in, and Entra answers: so it may be asked about sessions as well.
    world.signed_in(TOM).await;
    assert!(metrics(&world).await.contains("entrada_entra_rests 0"));
    world.later(2 * MINUTE);
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

#[tokio::test]
async fn past_the_grace_a_session_is_closed_and_lives_again_when_entra_answers() {
    let told = Told::listens();
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
    assert!(closed.header("retry-after").parse::<u64>().unwrap() >= 1 && closed.header("cache-control") == "no-store");
    assert_eq!(closed.json()["title"], "Your sign-in cannot be checked at the moment");
    let page = maya.asks("GET", "/x", NAVIGATION).await;
    assert_eq!((page.status, page.body.contains("You are not signed out")), (503, true), "{}", page.body);
    // What anybody may see is seen, by nobody.
    let public = maya.asks("GET", "/public/x", SCRIPT).await;
    assert_eq!((public.status, public.app_heard("x-forwarded-user")), (200, String::new()));
    ends(&mut tunnel, Duration::from_secs(12)).await;
    control.be_down(false);
    world.later(2 * MINUTE);
    let page = maya.visits("/x").await;
    assert_eq!((page.status, page.app_heard("x-forwarded-name")), (200, "Maya Okafor".to_owned()));
    assert_eq!((told.times("Entra does not answer"), told.times("Entra answers again")), (1, 1), "{}", told.0.text());
}

/// 401 would send people to sign in, and 403 tell them that they may not: nginx makes a 500 of this, and tries again with the next request.
#[tokio::test]
async fn past_the_grace_nginx_hears_503_and_no_sign_in() {
    let world = World::with(Plan { session: LONG.into(), server: "trusted_proxies = [\"127.0.0.1\"]".into(), ..Plan::default() }).await;
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
    assert!(raw::status(&answer) == 503 && answer.contains("retry-after") && !answer.contains("location"), "{answer}");
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
    assert!(answers.iter().all(|it| it.1 >= Duration::from_millis(250)), "somebody was let in unasked: {answers:?}");
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

#[tokio::test]
async fn whoever_must_prove_something_signs_in_again_for_just_that() {
    let world = World::start().await;
    let control = world.emulator.control();
    let mut maya = world.signed_in(MAYA).await;
    let mut tunnel = tunnel(&world, &maya.cookie_header()).await;
    assert!(carries(&mut tunnel).await);
    let claims = r#"{"id_token":{"acrs":{"essential":true,"value":"c1"}}}"#;
    control.refuse_next_token(Refused {
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
    assert!(metrics(&world).await.contains("entrada_rechecks_total{outcome=\"sign_in\"} 1"));
}

#[tokio::test]
async fn a_refreshed_token_of_another_person_or_with_a_fault_ends_the_session() {
    let told = Told::listens();
    let world = long_lived().await;
    for wrong in [Wrong::Person, Wrong::Signature, Wrong::Audience, Wrong::Issuer, Wrong::AlgNone] {
        let mut maya = world.signed_in(MAYA).await;
        world.later(31 * MINUTE);
        world.emulator.control().wrong(wrong);
        is_rechecked(&world, &mut maya).await;
        assert_eq!(maya.asks("GET", "/api/x", SCRIPT).await.status, 401, "{wrong:?}");
    }
    assert_eq!((told.times("about another person"), told.times("the signature does not fit")), (1, 1), "{}", told.0.text());
}

#[tokio::test]
async fn a_token_whose_times_do_not_fit_says_something_of_a_clock_and_nothing_of_the_person() {
    let told = Told::listens();
    let world = long_lived().await;
    let mut maya = world.signed_in(MAYA).await;
    for wrong in [Wrong::Expired, Wrong::NotYet] {
        world.later(31 * MINUTE);
        world.emulator.control().wrong(wrong);
        is_rechecked(&world, &mut maya).await;
        assert_eq!(maya.asks("GET", "/api/x", SCRIPT).await.status, 200, "{wrong:?}");
    }
    assert_eq!(told.times("Entra cannot be asked about a session"), 2, "{}", told.0.text());
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
async fn a_session_without_a_refresh_token_ends_when_silence_would_end_it() {
    let world = long_lived().await;
    let mut maya = world.signed_in(MAYA).await;
    let house = world.service.house();
    let (id, _) = house.lasting.store.begin(fresh(&world, &maya).await, None, None);
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
async fn fresh(world: &World, browser: &Browser) -> entrada::entra::verified::VerifiedUser {
    let house = world.service.house();
    let session = house.lasting.store.look(&browser.cookie("entrada").unwrap()).unwrap();
    let lease = session.standing().lease().await;
    let refreshed = house.entra.refresh(lease.grant().unwrap()).await.unwrap();
    house.entra.verify(refreshed).await.unwrap()
}

#[tokio::test]
async fn scripts_ask_for_a_check_and_within_a_minute_it_is_the_same_answer() {
    let world = World::start().await;
    let control = world.emulator.control();
    let mut maya = world.signed_in(MAYA).await;
    let began = maya.asks("GET", "/oauth2/session", SCRIPT).await.json();
    let (checked, next) = (began["checked_at"].as_u64().unwrap(), began["next_check_at"].as_u64().unwrap());
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
    let foreign: Vec<_> = FORM.iter().map(|it| if it.0 == "sec-fetch-site" { ("sec-fetch-site", "cross-site") } else { *it }).collect();
    assert_eq!(maya.asks("POST", "/oauth2/session/refresh", &foreign).await.status, 403);
    assert_eq!(maya.asks("POST", "/oauth2/session/refresh", &[("origin", "https://evil.example")]).await.status, 403);
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
    assert!(metrics(&world).await.contains("entrada_entra_rests 1"));
    world.later(5 * MINUTE);
    assert_eq!(maya.asks("GET", "/api/x", SCRIPT).await.status, 200);
    assert_eq!(control.refresh_calls(), 1);
    world.later(11 * MINUTE);
    is_rechecked(&world, &mut maya).await;
    assert_eq!(control.refresh_calls(), 2);
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
    assert_eq!((world.emulator.control().refresh_calls(), world.emulator.control().reused_refresh_tokens()), (48, 0));
    assert_eq!(world.emulator.control().authorize_calls(), 1, "nobody was sent to Entra again");
}

/// Cookies of sign-ins under way: none for scripts, five at most, gone at the end, and a missing one is no dead end.
#[tokio::test]
async fn p4_cookies_of_sign_ins_neither_pile_up_nor_go_missing_for_good() {
    let world = World::start().await;
    let mut maya = world.browser();
    let under_way = |it: &Browser| it.cookie_names().iter().filter(|it| it.starts_with("entrada-s-")).count();
    for at in 0..30 {
        let page = maya.asks("GET", &format!("/api/{at}"), SCRIPT).await;
        assert_eq!((page.status, page.headers.contains_key("set-cookie")), (401, false));
    }
    let mut tabs = Vec::new();
    for at in 0..8 {
        world.later(25);
        tabs.push(maya.visits(&format!("/{at}")).await);
    }
    assert_eq!(under_way(&maya), 5);
    assert!(maya.cookie_header().len() < 4096, "{}", maya.cookie_header().len());
    // The oldest tab has lost its cookie to the newer ones.
    let oldest = tabs.remove(0);
    let callback = maya.stops_at_the_callback(MAYA, oldest).await;
    world.later(61);
    let page = maya.opens(&callback).await;
    assert!(page.is_the_sign_in_at_entra() || page.status == 200, "it is begun again: {} {}", page.status, page.body);
    let page = if page.is_the_sign_in_at_entra() { maya.signs_in_as(MAYA).await } else { page };
    assert_eq!(page.app_heard("x-forwarded-name"), "Maya Okafor");
    // Whoever has a session goes on with it, whatever became of the cookie.
    let next = tabs.remove(0);
    let callback = maya.stops_at_the_callback(MAYA, next).await;
    let page = maya.opens(&callback).await;
    assert_eq!((page.status, page.app_heard("x-forwarded-name")), (200, "Maya Okafor".to_owned()));
}

/// Sessions begun without a browser each, as far as Entra and the store go.
async fn crowd(world: &World, browser: &Browser, count: u64) -> Vec<String> {
    const AT_ONCE: u64 = 4;
    let house = world.service.house();
    let session = house.lasting.store.look(&browser.cookie("entrada").unwrap()).unwrap();
    // Entra's refresh tokens are good for more than once.
    let grant = session.standing().lease().await.grant().unwrap().clone();
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..AT_ONCE {
        let (house, grant) = (Arc::clone(&house), grant.clone());
        tasks.spawn(async move {
            let mut out = Vec::new();
            for at in (task..count).step_by(AT_ONCE as usize) {
                let mut refreshed = house.entra.refresh(&grant).await.unwrap();
                let own = refreshed.grant.take();
                let (id, session) = house.lasting.store.begin(house.entra.verify(refreshed).await.unwrap(), own, None);
                // As a sign-in does; a little earlier each.
                session.standing().ask_in(house.lasting.clock.now(), 1620 + at * 180 / count);
                out.push(format!("entrada={}", id.expose()));
            }
            out
        });
    }
    tasks.join_all().await.concat()
}

/// Each session of the crowd asks the running program once; the answers that were not 200.
async fn all_ask(world: &World, cookies: &Arc<Vec<String>>) -> usize {
    const CONNECTIONS: usize = 8;
    let host = world.public_url.split_once("://").unwrap().1.to_owned();
    let mut tasks = tokio::task::JoinSet::new();
    for connection in 0..CONNECTIONS {
        let (cookies, host, address) = (Arc::clone(cookies), host.clone(), world.address);
        tasks.spawn(async move {
            let mut stream = tokio::io::BufReader::new(TcpStream::connect(address).await.unwrap());
            let mut failed = 0;
            for cookie in cookies.iter().skip(connection).step_by(CONNECTIONS) {
                let request = format!("GET /oauth2/userinfo HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\n\r\n");
                stream.get_mut().write_all(request.as_bytes()).await.unwrap();
                failed += usize::from(!answer_is_200(&mut stream).await);
            }
            failed
        });
    }
    tasks.join_all().await.into_iter().sum()
}

async fn answer_is_200(stream: &mut tokio::io::BufReader<TcpStream>) -> bool {
    use tokio::io::AsyncBufReadExt as _;
    let (mut first, mut length) = (String::new(), 0);
    stream.read_line(&mut first).await.unwrap();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        let line = line.trim_end().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    first.starts_with("HTTP/1.1 200")
}

#[tokio::test(flavor = "multi_thread")]
async fn p2_an_hour_without_entra_signs_none_of_ten_thousand_out_and_asks_it_fewer_than_two_hundred_times() {
    let world = long_lived().await;
    let maya = world.signed_in(MAYA).await;
    let cookies = Arc::new(crowd(&world, &maya, 10_000).await);
    let control = world.emulator.control();
    control.be_down(true);
    let before = control.calls();
    world.later(31 * MINUTE);
    // Everybody every twenty minutes, and a few every ten seconds.
    let few: Arc<Vec<_>> = Arc::new(cookies.iter().step_by(250).cloned().collect());
    for step in 0..360 {
        let who = if step % 120 == 0 { &cookies } else { &few };
        assert_eq!(all_ask(&world, who).await, 0, "somebody was signed out at step {step}");
        world.later(10);
    }
    let calls = control.calls() - before;
    assert!((10..200).contains(&calls), "{calls} calls");
    // Once Entra answers again everybody's turn comes, and nobody's session ends.
    control.be_down(false);
    world.later(2 * MINUTE);
    assert_eq!(all_ask(&world, &cookies).await, 0);
    for _ in 0..100 {
        if answers(&world).await >= 10_000 {
            break;
        }
        world.later(MINUTE);
        assert_eq!(all_ask(&world, &few).await, 0);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(all_ask(&world, &cookies).await, 0);
    println!("an hour without Entra: {calls} calls for {} sessions, then {} answers", cookies.len(), answers(&world).await);
}

/// How many sessions Entra has said yes to.
async fn answers(world: &World) -> u64 {
    let metrics = metrics(world).await;
    let line = metrics.lines().find(|it| it.starts_with("entrada_rechecks_total{outcome=\"live\"}"));
    line.map_or(0, |it| it.rsplit(' ').next().unwrap().parse().unwrap())
}
