//! Several replicas with one Redis: a person signs in at one, and all of them know.

use crate::tunnels::web_socket;
use crate::world::browser::{NAVIGATION, SCRIPT, TestBrowser};
use crate::world::raw::{self, talk};
use crate::world::redis::{RedisOptions, RedisServer};
use crate::world::samples::{MAYA, TOM};
use crate::world::{CLIENT_SECRET, CapturedEvents, World, WorldPlan};
use futures_util::StreamExt as _;
use std::time::{Duration, Instant};

/// What is promised for ends, and what the story itself takes.
const SOON: Duration = Duration::from_millis(1500);

/// Two replicas behind one public address, with one Entra.
struct Replicas {
    redis: RedisServer,
    one: World,
    other: World,
}

impl Replicas {
    async fn start() -> Option<Self> {
        Some(Self::with(RedisServer::start().await?, "", "").await)
    }

    /// With further lines of `[session]` and of `[session.redis]`.
    async fn with(redis: RedisServer, lines: &str, of_redis: &str) -> Self {
        let url = redis.url();
        let session = format!(
            "store = \"redis\"\n{lines}\n[session.redis]\nurl = \"{url}\"\nprefix = \"story:\"\n{of_redis}\n"
        );
        let plan = || WorldPlan { session: session.clone(), ..WorldPlan::default() };
        let one = World::with(plan()).await;
        let other = World::with(WorldPlan {
            public_url: Some(one.public_url.clone()),
            entra: format!("authority = \"{}\"", one.emulator.authority()),
            ..plan()
        })
        .await;
        let replicas = Self { redis, one, other };
        replicas.are_connected().await;
        replicas
    }

    async fn are_connected(&self) {
        for world in [&self.one, &self.other] {
            soon(Duration::from_secs(10), async || world.internals().process.store.ready().is_ok())
                .await;
        }
    }
}

/// Looks until it is so, for as long as it may take.
async fn soon(limit: Duration, mut is_so: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < limit, "not within {limit:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn status(browser: &mut TestBrowser) -> u16 {
    browser.asks("GET", "/api/x", SCRIPT).await.status
}

async fn metrics(world: &World) -> String {
    talk(world.admin, "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await
}

#[tokio::test]
async fn whoever_signs_in_at_one_replica_is_signed_in_at_the_other_and_signs_out_at_both() {
    let Some(replicas) = Replicas::start().await else { return };
    let Replicas { one, other, .. } = &replicas;
    let mut maya = one.signed_in(MAYA).await;
    maya.moves_to(other);
    let page = maya.visits("/x").await;
    assert_eq!((page.status, page.way.len()), (200, 1), "{}", page.body);
    let cookies = maya.cookie_header();
    let mut socket = web_socket(one, "/ws", &cookies, Some(&one.public_url)).await.unwrap();
    // Also after the process of the sign-in is gone, and with a callback at the other one.
    maya.visits("/oauth2/sign_out").await;
    let end = tokio::time::timeout(SOON, socket.next()).await.expect("the WebSocket goes on");
    assert!(!matches!(end, Some(Ok(ref it)) if it.is_text()), "{end:?}");
    maya.moves_to(one);
    assert_eq!(status(&mut maya).await, 401);
}

#[tokio::test]
async fn a_sign_in_may_begin_at_one_replica_and_end_at_the_other() {
    let Some(replicas) = Replicas::start().await else { return };
    let mut maya = replicas.one.browser();
    // Too long for `state`: the page is kept at the server.
    let long = format!("/reports?filter={}", "x".repeat(3000));
    maya.visits(&long).await;
    maya.moves_to(&replicas.other);
    let page = maya.signs_in_as(MAYA).await;
    assert_eq!((page.status, page.path_and_query()), (200, long));
}

#[tokio::test]
async fn a_restart_signs_nobody_out() {
    let Some(mut replicas) = Replicas::start().await else { return };
    let mut maya = replicas.one.signed_in(MAYA).await;
    replicas.one.restarts(async |_| {}).await;
    replicas.are_connected().await;
    assert_eq!(status(&mut maya).await, 200);
}

#[tokio::test]
async fn fifty_requests_at_the_moment_of_a_recheck_on_two_replicas_are_one_question() {
    let lines = "idle = \"20d\"\nlifetime = \"60d\"";
    let Some(redis) = RedisServer::start().await else { return };
    let replicas = Replicas::with(redis, lines, "").await;
    let Replicas { one, other, .. } = &replicas;
    let mut maya = one.signed_in(MAYA).await;
    maya.moves_to(other);
    assert_eq!(status(&mut maya).await, 200);
    for round in 1..=3 {
        one.emulator.control().be_slow(150);
        one.later(31 * 60);
        other.later(31 * 60);
        let before = one.emulator.control().refresh_calls();
        let mut tasks = tokio::task::JoinSet::new();
        for at in 0..50 {
            let world = if at % 2 == 0 { one } else { other };
            let host = world.public_url.split_once("://").unwrap().1.to_owned();
            let cookie = maya.cookie_header();
            let request = format!(
                "GET /api/{at} HTTP/1.1\r\nHost: {host}\r\nAccept: application/json\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n"
            );
            let address = world.address;
            tasks.spawn(async move {
                let began = Instant::now();
                (raw::status(&talk(address, &request).await), began.elapsed())
            });
        }
        let answers = tasks.join_all().await;
        assert!(answers.iter().all(|it| it.0 == 200), "{answers:?}");
        let calls = || one.emulator.control().refresh_calls() - before;
        soon(Duration::from_secs(5), async || calls() >= 1).await;
        // The one that came too late looks again, and finds the answer of the other.
        for _ in 0..4 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            assert_eq!(status(&mut maya).await, 200);
        }
        one.later(10);
        other.later(10);
        for world in [one, other] {
            maya.moves_to(world);
            assert_eq!(status(&mut maya).await, 200);
        }
        tokio::time::sleep(Duration::from_millis(400)).await;
        let longest = answers.iter().map(|it| it.1).max().unwrap();
        println!("round {round}: {} token calls, longest request {longest:?}", calls());
        assert_eq!(calls(), 1);
    }
}

#[tokio::test]
async fn an_outage_of_redis_signs_nobody_out_and_strangers_wait() {
    let Some(mut replicas) = Replicas::start().await else { return };
    let mut maya = replicas.one.signed_in(MAYA).await;
    let mut tom = replicas.other.signed_in(TOM).await;
    let events = CapturedEvents::listens();
    replicas.redis.kill();
    let Replicas { one, other, .. } = &replicas;
    let down = "entrada_session_store_unreachable 1";
    for world in [one, other] {
        soon(Duration::from_secs(10), async || metrics(world).await.contains(down)).await;
    }
    assert_eq!(status(&mut maya).await, 200);
    // At the other replica she is unknown: that is no sign-out.
    maya.moves_to(other);
    let page = maya.asks("GET", "/x", NAVIGATION).await;
    let seen = (page.status, page.header("retry-after"), page.header("refresh"));
    assert_eq!(seen, (503, "2", "2"), "{}", page.body);
    assert!(page.body.contains("You are not signed out"), "{}", page.body);
    let answer = maya.asks("GET", "/api/x", SCRIPT).await;
    assert_eq!((answer.status, answer.header("refresh")), (503, ""));
    // Nobody is sent to Entra for nothing.
    let begun = one.browser().asks("GET", "/x", NAVIGATION).await;
    assert_eq!((begun.status, begun.header("location")), (503, ""));
    // A sign-out counts here at once, and afterwards everywhere.
    tom.visits("/oauth2/sign_out").await;
    assert_eq!(status(&mut tom).await, 401);
    let ready = talk(one.admin, "GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert_eq!(raw::status(&ready.await), 200);
    replicas.redis.restart_empty().await;
    replicas.are_connected().await;
    let Replicas { one, other, .. } = &replicas;
    for world in [one, other] {
        maya.moves_to(world);
        assert_eq!(status(&mut maya).await, 200);
        tom.moves_to(world);
        assert_eq!(status(&mut tom).await, 401);
        assert!(metrics(world).await.contains("entrada_session_store_unreachable 0"));
    }
    // One line of each for each of the two.
    for line in ["session store does not answer;", "session store answers again"] {
        assert_eq!(events.times(line), 2, "{}", events.text());
    }
}

#[tokio::test]
async fn a_revocation_and_a_sign_out_at_entra_end_sessions_of_all_replicas() {
    let Some(replicas) = Replicas::start().await else { return };
    let Replicas { one, other, .. } = &replicas;
    let (mut maya, mut tom) = (one.signed_in(MAYA).await, one.signed_in(TOM).await);
    let body = format!(r#"{{"user":"{MAYA}"}}"#);
    let request = format!(
        "POST /sessions/revoke HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    // The replica that is asked has never seen her.
    let answer = talk(other.admin, &request).await;
    assert!(raw::status(&answer) == 200 && answer.contains(r#""ended":1"#), "{answer}");
    soon(SOON, async || status(&mut maya).await == 401).await;
    assert_eq!(status(&mut tom).await, 200);
    // At Entra, which tells the other replica.
    let sid = one.internals().process.live.find(&tom.cookie("entrada").unwrap()).unwrap();
    let sid = sid.session.identity().entra_sid.clone().unwrap();
    let host = other.public_url.split_once("://").unwrap().1;
    let request = format!(
        "GET /oauth2/front_channel_logout?sid={sid} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    );
    assert_eq!(raw::status(&talk(other.address, &request).await), 200);
    soon(SOON, async || status(&mut tom).await == 401).await;
}

#[tokio::test]
async fn a_server_with_tls_and_users_keeps_sessions_and_the_user_needs_few_rights() {
    // The rights that docs/guides/high-availability.md names.
    let user = format!("app on >{CLIENT_SECRET} ~story:* +@read +@write +@connection +@scripting");
    let options = RedisOptions { tls: true, user: Some(user), ..RedisOptions::default() };
    let Some(redis) = RedisServer::with(options).await else { return };
    let lines = format!(
        "password = {{ env = \"STORY_CLIENT_SECRET\" }}\nca_file = \"{}\"",
        redis.ca_file().display()
    );
    let replicas = Replicas::with(redis, "", &lines).await;
    let mut maya = replicas.one.signed_in(MAYA).await;
    maya.moves_to(&replicas.other);
    assert_eq!(status(&mut maya).await, 200);
    maya.visits("/oauth2/sign_out").await;
    maya.moves_to(&replicas.one);
    soon(SOON, async || status(&mut maya).await == 401).await;
    let keys = replicas.redis.everything(0).await;
    assert!(keys.len() >= 2 && keys.iter().all(|it| it.0.starts_with(b"story:")));
}

#[tokio::test]
async fn attack_whoever_reads_the_server_finds_no_session_and_no_name() {
    let Some(replicas) = Replicas::start().await else { return };
    let maya = replicas.one.signed_in(MAYA).await;
    let cookie = maya.cookie("entrada").unwrap();
    let session = replicas.one.internals().process.live.find(&cookie).unwrap().session;
    let who = session.identity().clone();
    let all = replicas.redis.everything(0).await;
    let text: String = all
        .iter()
        .flat_map(|it| [&it.0, &it.1])
        .map(|it| String::from_utf8_lossy(it).into_owned())
        .collect();
    assert!(all.len() >= 5, "{text}");
    let (oid, tid) = (who.oid.to_string(), who.tid.to_string());
    let names = [who.name.as_deref(), who.preferred_username.as_deref(), who.email.as_deref()];
    let told = [Some(cookie.as_str()), Some(&oid), Some(&tid), who.entra_sid.as_deref()];
    for readable in names.into_iter().chain(told).flatten() {
        assert!(!text.contains(readable), "{readable}");
    }
    // Names of keys are no cookies.
    for (key, _) in &all {
        let name = String::from_utf8_lossy(key).replace("story:", "").replace(['{', '}'], "");
        let mut thief = replicas.one.browser();
        thief.plants("entrada", name.split(':').next().unwrap());
        assert_eq!(status(&mut thief).await, 401, "{name}");
    }
}
