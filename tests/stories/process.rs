//! The life of the process: limits, reload, drain, and what the operator sees.

use crate::world::browser::{NAVIGATION, SCRIPT};
use crate::world::raw::{self, talk, talk_for};
use crate::world::samples::{MAYA, MAYA_ID};
use crate::world::{World, WorldPlan};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

fn get(world: &World, path: &str) -> String {
    let host = world.public_url.split_once("://").unwrap().1;
    format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
}

#[tokio::test]
async fn a_silent_or_slow_connection_is_closed_and_a_working_one_is_not() {
    let world = World::with(WorldPlan {
        server: "[server.limits]\nheader_timeout = \"1s\"\nidle_timeout = \"2s\"".into(),
        ..WorldPlan::default()
    })
    .await;
    for bytes in
        [&b""[..], b"P", b"GET /public/x HTTP/1.1\r\nHos", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]
    {
        let began = Instant::now();
        talk_for(world.address, bytes, Duration::from_secs(15)).await;
        assert!(began.elapsed() < Duration::from_secs(9), "{bytes:?} was never closed");
    }
    // A response that takes longer than all of these is left alone.
    let answer = talk(world.address, &get(&world, "/public/slow")).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn beyond_the_last_place_a_client_is_told_to_come_again() {
    let world = World::with(WorldPlan {
        server: "[server.limits]\nconnections = 3".into(),
        ..WorldPlan::default()
    })
    .await;
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut stream = TcpStream::connect(world.address).await.unwrap();
        stream
            .write_all(get(&world, "/public/x").replace("close", "keep-alive").as_bytes())
            .await
            .unwrap();
        let mut buffer = [0; 64];
        stream.read_exact(&mut buffer).await.unwrap();
        held.push(stream);
    }
    let began = Instant::now();
    let answer = talk(world.address, &get(&world, "/public/x")).await;
    assert!(
        answer.starts_with("HTTP/1.1 503") && answer.to_lowercase().contains("retry-after"),
        "{answer}"
    );
    assert!(began.elapsed() < Duration::from_secs(1));
    drop(held);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(talk(world.address, &get(&world, "/public/x")).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn heads_that_are_too_big_are_refused() {
    let world = World::start().await;
    let long = "x".repeat(100_000);
    let host = world.public_url.split_once("://").unwrap().1;
    let answer = talk(
        world.address,
        &format!(
            "GET /public/x HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nX-Long: {long}\r\n\r\n"
        ),
    )
    .await;
    assert_eq!(raw::status(&answer), 431);
    // An address that is too long has a status of its own, whoever finds it.
    for bytes in [17_000, 66_000, 100_000] {
        let path = format!("/public/{}", "x".repeat(bytes));
        let answer = talk(world.address, &get(&world, &path)).await;
        assert_eq!(raw::status(&answer), 414, "{bytes}");
    }
    let many: String = (0..200).map(|at| format!("X-{at}: 1\r\n")).collect();
    let answer = talk(
        world.address,
        &format!("GET /public/x HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{many}\r\n"),
    )
    .await;
    assert_eq!(raw::status(&answer), 431);
    assert_eq!(world.app.seen.count(), 0);
}

#[tokio::test]
async fn draining_finishes_what_is_under_way_and_ends_the_rest_at_the_deadline() {
    let mut world = World::start().await;
    let slow = tokio::spawn({
        let (address, request) = (world.address, get(&world, "/public/slow"));
        async move { talk(address, &request).await }
    });
    // A tunnel that nobody closes, and a connection that rests.
    let mut tunnel = TcpStream::connect(world.address).await.unwrap();
    let upgrade = get(&world, "/public/raw-upgrade")
        .replace("Connection: close", "Connection: upgrade\r\nUpgrade: mine");
    tunnel.write_all(upgrade.as_bytes()).await.unwrap();
    let mut buffer = [0; 12];
    tunnel.read_exact(&mut buffer).await.unwrap();
    assert_eq!(&buffer, b"HTTP/1.1 101");
    let mut resting = TcpStream::connect(world.address).await.unwrap();
    resting
        .write_all(get(&world, "/public/x").replace("close", "keep-alive").as_bytes())
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let began = Instant::now();
    world.shutdown.cancel();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(TcpStream::connect(world.address).await.is_err(), "a new connection was taken");
    let ready = talk(world.admin, &get(&world, "/readyz")).await;
    assert!(ready.starts_with("HTTP/1.1 503") && ready.contains("draining"), "{ready}");
    let mut rest = Vec::new();
    tokio::time::timeout(Duration::from_millis(1000), resting.read_to_end(&mut rest))
        .await
        .expect("a resting connection was kept")
        .unwrap();
    assert!(slow.await.unwrap().starts_with("HTTP/1.1 200"));
    tokio::time::timeout(Duration::from_secs(8), world.served.take().unwrap())
        .await
        .expect("the drain did not end")
        .unwrap();
    assert!(began.elapsed() >= Duration::from_millis(2800), "the tunnel was not given its time");
    let mut rest = Vec::new();
    tunnel.read_to_end(&mut rest).await.unwrap_or_default();
}

#[tokio::test]
async fn a_reload_takes_new_rules_and_keeps_the_people() {
    let world = World::start().await;
    let mut maya = world.signed_in(MAYA).await;
    assert_eq!(maya.asks("GET", "/admin/x", SCRIPT).await.status, 200);
    let changed = world.changed("allow = { roles = [\"Admin\"] }", "allow = \"nobody\"");
    let warnings = world.service.reload(&changed).await.unwrap();
    assert!(warnings.is_empty(), "{warnings:?}");
    assert_eq!(maya.asks("GET", "/admin/x", SCRIPT).await.status, 403);
    let page = maya.visits("/x").await;
    assert_eq!(page.app_heard("x-forwarded-name"), "Maya Okafor");
    let changed = world.changed("shutdown_grace = \"3s\"", "shutdown_grace = \"9s\"");
    let warnings = world.service.reload(&changed).await.unwrap();
    assert_eq!(warnings, ["server.shutdown_grace changed; restart entrada to apply it"]);
    // It does not take a second reload for granted what the first one could not do, and it is content where all is as it began.
    assert_eq!(
        world.service.reload(&changed).await.unwrap(),
        ["server.shutdown_grace changed; restart entrada to apply it"]
    );
    assert!(world.service.reload(&world.changed("[server]", "[server]")).await.unwrap().is_empty());
    // What cannot be used keeps the old one.
    let broken = world.changed(
        "[upstream]\nurl = \"http:",
        "[upstream]\nca_file = \"Cargo.toml\"\nurl = \"https:",
    );
    assert!(world.service.reload(&broken).await.is_err());
    assert_eq!(maya.visits("/x").await.status, 200);
}

#[tokio::test]
async fn a_reload_of_headers_is_heard_at_once_and_no_value_slips_under_another_name() {
    let headers = "custom = { \"X-Employee-Id\" = \"acct\" }";
    let world = World::with(WorldPlan { headers: headers.into(), ..WorldPlan::default() }).await;
    let mut maya = world.signed_in(MAYA).await;
    let page = maya.visits("/x").await;
    assert_eq!(page.app_heard("x-employee-id"), "0");
    let changed = world.changed(headers, "custom = { \"X-Department\" = \"department\" }\n[headers.assertion]\naudience = \"another\"");
    world.service.reload(&changed).await.unwrap();
    let page = maya.visits("/x").await;
    assert_eq!(
        (page.app_heard("x-employee-id"), page.app_heard("x-department")),
        (String::new(), String::new())
    );
    let claims = page.app_heard("x-entrada-assertion");
    let claims =
        jsonwebtoken::dangerous::insecure_decode::<serde_json::Value>(&claims).unwrap().claims;
    assert_eq!(claims["aud"], "another");
}

#[tokio::test]
async fn a_reload_while_entra_is_down_forgets_nothing() {
    let world = World::start().await;
    world.emulator.control().be_down(true);
    let changed = world.changed("allow = { roles = [\"Admin\"] }", "allow = \"nobody\"");
    world.service.reload(&changed).await.unwrap();
    assert!(talk(world.admin, &get(&world, "/readyz")).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn turned_secrets_keep_sign_ins_under_way_and_old_assertions_verifiable() {
    let world = World::start().await;
    let mut maya = world.browser();
    maya.visits("/x").await;
    let old = maya.asks("GET", "/oauth2/jwks.json", SCRIPT).await.json();
    let turned =
        world.changed("secrets = [{ env = \"STORY_SEAL\" }]", "secrets = [\"a newer secret of the stories, 32 bytes and more\", { env = \"STORY_SEAL\" }]");
    world.service.reload(&turned).await.unwrap();
    let new = maya.asks("GET", "/oauth2/jwks.json", SCRIPT).await.json();
    assert_eq!(new["keys"].as_array().unwrap().len(), 2);
    assert!(new["keys"].as_array().unwrap().contains(&old["keys"][0]));
    assert_eq!(maya.signs_in_as(MAYA).await.path_and_query(), "/x");
}

#[tokio::test]
async fn the_admin_listener_tells_health_readiness_and_figures_and_the_data_listener_none() {
    let world = World::start().await;
    world.signed_in(MAYA).await;
    assert!(talk(world.admin, &get(&world, "/healthz")).await.starts_with("HTTP/1.1 200"));
    assert!(talk(world.admin, &get(&world, "/readyz")).await.starts_with("HTTP/1.1 200"));
    let metrics = talk(world.admin, &get(&world, "/metrics")).await;
    assert!(
        metrics.contains("entrada_requests_total{")
            && metrics.contains("entrada_sign_ins_total{outcome=\"signed_in\"} 1"),
        "{metrics}"
    );
    assert!(!metrics.contains("maya") && !metrics.contains("00aa00aa"));
    assert!(talk(world.admin, &get(&world, "/x")).await.starts_with("HTTP/1.1 404"));
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert!(
            talk(world.address, &get(&world, path)).await.starts_with("HTTP/1.1 401"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn one_line_a_request_with_the_reference_of_the_answer() {
    let world = World::start().await;
    let mut maya = world.signed_in(MAYA).await;
    let page = maya.asks("GET", "/reports?token=hush", SCRIPT).await;
    let log = world.logged().await;
    let id = page.header("x-request-id");
    let lines: Vec<_> = log.lines().filter(|it| it.contains(id)).collect();
    assert_eq!(lines.len(), 1, "{log}");
    let line: serde_json::Value = serde_json::from_str(lines[0]).unwrap();
    assert_eq!(line["path"], "/reports");
    assert_eq!(line["status"], 200);
    assert_eq!(line["user"], MAYA_ID);
    assert!(!log.contains("hush"));
}

#[tokio::test]
async fn it_listens_on_a_unix_socket_too() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("entrada.sock");
    let plan = WorldPlan {
        server: format!("listen = \"unix:{}\"\ntrusted_proxies = [\"unix\"]", path.display()),
        ..WorldPlan::default()
    };
    let world = World::with(plan).await;
    let mut stream = tokio::net::UnixStream::connect(&path).await.unwrap();
    let request =
        get(&world, "/public/x").replace("Connection", "X-Forwarded-For: 192.0.2.9\r\nConnection");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("for=192.0.2.9"), "{answer}");
}

#[tokio::test]
async fn a_load_balancer_learns_of_the_end_before_connections_are_refused() {
    let mut world =
        World::with(WorldPlan { server: "shutdown_delay = \"2s\"".into(), ..WorldPlan::default() })
            .await;
    let began = Instant::now();
    world.shutdown.cancel();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let ready = talk(world.admin, &get(&world, "/readyz")).await;
    assert!(ready.starts_with("HTTP/1.1 503") && ready.contains("draining"), "{ready}");
    while began.elapsed() < Duration::from_millis(1500) {
        let answer = talk(world.address, &get(&world, "/public/x")).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    tokio::time::timeout(Duration::from_secs(8), world.served.take().unwrap())
        .await
        .expect("the drain did not end")
        .unwrap();
    assert!(began.elapsed() >= Duration::from_secs(2));
    assert!(TcpStream::connect(world.address).await.is_err(), "a new connection was taken");
}

#[tokio::test]
async fn a_cookie_outlasts_the_browser_only_where_the_operator_says_so() {
    for (session, seconds) in [("", None), ("persistent = true\nlifetime = \"3h\"", Some(10_800))] {
        let plan = WorldPlan { session: session.into(), ..WorldPlan::default() };
        let world = World::with(plan.where_time_stands()).await;
        let mut maya = world.browser();
        let shown = maya.visits("/x").await;
        let callback = maya.stops_at_the_callback(MAYA, shown).await;
        let target = format!("{}?{}", callback.path(), callback.query().unwrap());
        let page = maya.asks("GET", &target, NAVIGATION).await;
        let name = format!("entrada-{}=", world.address.port());
        let all = page.headers.get_all("set-cookie");
        let mut all = all.iter().map(|it| it.to_str().unwrap());
        let cookie = all.find(|it| it.starts_with(&name)).expect("no session");
        let age = cookie.split("; ").find_map(|it| it.strip_prefix("Max-Age="));
        assert_eq!(age.map(|it| it.parse().unwrap()), seconds, "{cookie}");
        assert_eq!(maya.asks("GET", "/api/x", SCRIPT).await.status, 200);
    }
}
