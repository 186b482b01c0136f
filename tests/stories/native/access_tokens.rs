//! What an access token opens beside plain requests, and what closes it from outside.

use super::*;
use crate::tunnels::web_socket;
use crate::world::raw;
use crate::world::samples::{MAYA, MAYA_ID};
use futures_util::{SinkExt as _, StreamExt as _};
use std::time::Duration;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

const ELSEWHERE: &str = "https://evil.example";

#[tokio::test]
async fn a_phone_opens_a_web_socket_which_ends_with_its_sign_in() {
    let world = NativeWorld::start().await;
    let given = world.signed_in(MAYA).await;
    let host = world.world.public_url.strip_prefix("http://").unwrap();
    let mut request = format!("ws://{host}/ws").into_client_request().unwrap();
    request
        .headers_mut()
        .insert("authorization", format!("Bearer {}", given.access).parse().unwrap());
    request.headers_mut().insert("origin", ELSEWHERE.parse().unwrap());
    let stream = tokio::net::TcpStream::connect(world.world.address).await.unwrap();
    let (mut socket, _) = tokio_tungstenite::client_async(request, stream).await.unwrap();
    socket.send(Message::text("hello")).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("hello"));
    let mut browser = world.world.browser();
    browser.visits("/oauth2/start?organization=contoso&rd=/x").await;
    browser.signs_in_as(MAYA).await;
    assert_eq!(
        web_socket(&world.world, "/ws", &browser.cookie_header(), Some(ELSEWHERE)).await.err(),
        Some(403),
        "a cookie still needs our own page"
    );
    posts(
        &mut world.world.browser(),
        "revoke",
        &[("client_id", "phone"), ("token", &given.refresh)],
    )
    .await;
    let end = tokio::time::timeout(Duration::from_secs(5), socket.next())
        .await
        .expect("the tunnel outlived its sign-in");
    assert!(end.is_none_or(|it| it.is_err() || it.is_ok_and(|it| it.is_close())));
}

#[tokio::test]
async fn behind_nginx_a_token_counts_as_in_the_path() {
    let world = NativeWorld::of(plan("").behind_proxy()).await;
    let given = world.signed_in(MAYA).await;
    let asked = format!("{}/api/x", world.world.public_url);
    let asks = async |token: &str| {
        let says = [
            ("x-original-url", asked.as_str()),
            ("x-original-method", "GET"),
            ("authorization", &format!("Bearer {token}")),
        ];
        world.world.browser().asks("GET", "/oauth2/auth", &says).await
    };
    let page = asks(&given.access).await;
    assert_eq!(
        (page.status, page.header("x-entrada-organization"), page.header("x-entrada-role")),
        (200, "contoso", "worker")
    );
    world.world.later(301);
    is_no_longer_taken(&asks(&given.access).await);
}

#[tokio::test]
async fn an_operator_signs_somebody_out_of_the_phone_too() {
    let world = NativeWorld::start().await;
    let given = world.signed_in(MAYA).await;
    assert_eq!(world.calls(&given.access).await.status, 200);
    let order = serde_json::json!({ "user": MAYA_ID }).to_string();
    let head = "POST /sessions/revoke HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n";
    let answer = raw::talk(
        world.world.admin,
        &format!("{head}Content-Length: {}\r\n\r\n{order}", order.len()),
    )
    .await;
    assert_eq!(raw::status(&answer), 200, "{answer}");
    for _ in 0..100 {
        if world.refreshes(&given.refresh).await.status == 400 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    is_refused(&world.refreshes(&given.refresh).await, "invalid_grant");
    tokio::time::sleep(Duration::from_millis(2500)).await;
    is_no_longer_taken(&world.calls(&given.access).await);
}

#[tokio::test]
async fn a_client_that_is_registered_no_more_opens_nothing() {
    let world = NativeWorld::start().await;
    let given = world.signed_in(MAYA).await;
    assert_eq!(world.calls(&given.access).await.status, 200);
    let changed = world.world.changed("id = \"phone\"", "id = \"another\"");
    assert_eq!(world.world.service.reload(&changed).await.unwrap(), Vec::<String>::new());
    is_no_longer_taken(&world.calls(&given.access).await);
    is_refused(&world.refreshes(&given.refresh).await, "invalid_client");
    world
        .world
        .service
        .reload(&world.world.changed("id = \"phone\"", "id = \"phone\""))
        .await
        .unwrap();
    assert_eq!(world.calls(&given.access).await.status, 200);
}

/// Both replicas ask one Entra whose refresh tokens are good once, for groups and for whether the person may still be here.
#[tokio::test]
async fn two_replicas_share_what_entra_gives_once_and_nobody_is_signed_out() {
    let graph = "groups = \"graph\"".to_owned();
    let world = NativeWorld::of(WorldPlan { entra: graph.clone(), ..plan("") }).await;
    world.world.emulator.control().single_use_refresh(true);
    let entra = format!("{graph}\nauthority = \"{}\"", world.world.emulator.authority());
    let other = World::with(WorldPlan { entra, ..plan("") }.replica_of(&world.world)).await;
    let control = world.world.emulator.control();
    let mut given = world.signed_in(MAYA).await;
    for _ in 0..4 {
        let mut there = world.world.browser_at(other.address);
        for _ in 0..2 {
            let pages = futures_util::future::join(
                world.calls(&given.access),
                calls(&mut there, &given.access, SCRIPT),
            )
            .await;
            assert_eq!((pages.0.status, pages.1.status), (200, 200));
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        for world in [&world.world, &other] {
            world.later(1900);
        }
        given = super::given(&world.refreshes(&given.refresh).await);
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(control.reused_refresh_tokens(), 0);
    assert!(
        control.refresh_calls() >= 4 && control.graph_calls() >= 4,
        "{} {}",
        control.refresh_calls(),
        control.graph_calls()
    );
}
