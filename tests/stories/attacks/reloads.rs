//! People who do not wait for Entra.

use crate::world::browser::NAVIGATION;
use crate::world::samples::TOM;
use crate::world::{World, WorldPlan};
use entrada::emulator::{TokenFault, UNTIL_CLEARED};
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

/// A callback that its client dropped counted as a refused code: while Entra was slow, thirty reloads made a whole office wait.
#[tokio::test]
async fn callbacks_that_are_dropped_while_entra_is_silent_count_as_no_refused_codes() {
    let world = World::with(WorldPlan { time_stands: true, ..WorldPlan::default() }).await;
    let control = world.emulator.control();
    let mut maya = world.browser();
    let begun = maya.asks("GET", "/x", NAVIGATION).await;
    let state = begun.state();
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

/// Each reload of a callback whose code Entra had refused counted as one more refused code and was
/// one more token request, and thirty of them made everyone behind the address wait.
#[tokio::test]
async fn attack_a_refused_code_that_is_sent_again_counts_once_and_is_not_asked_about_again() {
    let world = World::with(WorldPlan { time_stands: true, ..WorldPlan::default() }).await;
    let control = world.emulator.control();
    let mut maya = world.browser();
    let begun = maya.asks("GET", "/x", NAVIGATION).await;
    let state = begun.state();
    let cookie = maya.cookie_header();
    // Without the answer's cookies, as if each reload came before the answer.
    let sends = async |code: &str| {
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("code", code)
            .append_pair("state", &state)
            .finish();
        let says = [("cookie", cookie.as_str()), ("accept", "text/html")];
        let page = world.browser().asks("GET", &format!("/oauth2/callback?{query}"), &says).await;
        // The reference is the request's own.
        let reference = page.header("x-request-id");
        assert!(page.body.contains(reference) && !reference.is_empty());
        (page.status, page.body.replace(reference, ""))
    };
    let before = control.code_calls();
    let first = sends("junk").await;
    assert_ne!(first.0, 429);
    for at in 0..40 {
        assert_eq!(sends("junk").await, first, "{at}");
    }
    assert_eq!(control.code_calls() - before, 1);
    // Many at once are redeemed at the same time, but count once.
    futures_util::future::join_all((0..100).map(|_| sends("another"))).await;
    let mut tom = world.browser();
    tom.visits("/x").await;
    assert_eq!(tom.signs_in_as("tom@contoso.example").await.status, 200);
    // Other codes count, and a code that is known to be refused is answered all the same.
    for at in 0..28 {
        assert_ne!(sends(&format!("junk-{at}")).await.0, 429, "{at}");
    }
    assert_eq!(sends("junk-28").await.0, 429);
    assert_eq!(sends("junk").await, first);
    // A code lives ten minutes; until then, a minute changes nothing.
    world.later(60);
    let before = control.code_calls();
    assert_eq!((sends("junk").await, control.code_calls() - before), (first, 0));
}
