//! People who do not wait for Entra.

use crate::world::browser::NAVIGATION;
use crate::world::samples::TOM;
use crate::world::{World, WorldPlan};
use entrada::emulator::{TokenFault, UNTIL_CLEARED};
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use url::Url;

/// A callback that its client dropped counted as a refused code: while Entra was slow, thirty reloads made a whole office wait.
#[tokio::test]
async fn callbacks_that_are_dropped_while_entra_is_silent_count_as_no_refused_codes() {
    let world = World::with(WorldPlan { time_stands: true, ..WorldPlan::default() }).await;
    let control = world.emulator.control();
    let mut maya = world.browser();
    let begun = maya.asks("GET", "/x", NAVIGATION).await;
    let state = Url::parse(begun.header("location"))
        .unwrap()
        .query_pairs()
        .find(|it| it.0 == "state")
        .unwrap()
        .1
        .into_owned();
    control.token_answer(TokenFault::Hang, UNTIL_CLEARED);
    let (host, before) = (world.public_url.split_once("://").unwrap().1, control.code_calls());
    let mut gone = Vec::new();
    for at in 0..30 {
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("code", &format!("code-{at}"))
            .append_pair("state", &state)
            .finish();
        let mut io = TcpStream::connect(world.address).await.unwrap();
        let request = format!(
            "GET /oauth2/callback?{query} HTTP/1.1\r\nHost: {host}\r\nCookie: {}\r\n\r\n",
            maya.cookie_header()
        );
        io.write_all(request.as_bytes()).await.unwrap();
        gone.push(io);
    }
    let until = Instant::now() + Duration::from_secs(8);
    while control.code_calls() < before + 30 && Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    drop(gone);
    let background = &world.internals().process.background;
    let until = Instant::now() + Duration::from_secs(30);
    while !background.is_empty() {
        assert!(Instant::now() < until, "{} redemptions are under way", background.len());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    control.clear_token_answer();
    let mut tom = world.browser();
    tom.visits("/x").await;
    let page = tom.signs_in_as(TOM).await;
    assert_eq!(page.status, 200, "{}", page.body);
}
