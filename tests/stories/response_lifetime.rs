//! Answers that last longer than the groups of their session are believed.

use crate::world::browser::TestBrowser;
use crate::world::samples::{GRACE, GRACE_ID};
use crate::world::{CapturedEvents, World, WorldPlan};
use entrada::emulator::{GraphFault, TokenFault, UNTIL_CLEARED};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// In more groups than a token tells.
/// Past the time after which groups are asked for anew, and before the known ones are too old.
const RECHECK: i64 = 31 * 60;
/// Past the time for which a session goes on without an answer of Entra.
const PAST_GRACE: i64 = 5 * 3600;

async fn events(world: &World, browser: &TestBrowser) -> TcpStream {
    let mut io = TcpStream::connect(world.address).await.unwrap();
    let host = world.public_url.split_once("://").unwrap().1;
    let request = format!(
        "GET /group/events HTTP/1.1\r\nHost: {host}\r\nCookie: {}\r\n\r\n",
        browser.cookie_header()
    );
    io.write_all(request.as_bytes()).await.unwrap();
    let mut begun = [0; 1024];
    let count = io.read(&mut begun).await.unwrap();
    assert!(
        begun[..count].starts_with(b"HTTP/1.1 200"),
        "{}",
        String::from_utf8_lossy(&begun[..count])
    );
    io
}

/// Whether events end within that time.
async fn ends_within(io: &mut TcpStream, time: Duration) -> bool {
    let to_the_end = async { while !matches!(io.read(&mut [0; 1024]).await, Ok(0) | Err(_)) {} };
    tokio::time::timeout(time, to_the_end).await.is_ok()
}

/// Only requests asked for groups anew: a stream of events went on with those of the last request for as long as its session did.
#[tokio::test]
async fn an_answer_ends_once_its_person_is_out_of_the_group_though_no_other_request_comes() {
    let world = World::start().await;
    let grace = world.signed_in(GRACE).await;
    let mut stream = events(&world, &grace).await;
    world.emulator.control().set_groups(
        GRACE_ID,
        (2..=600).map(|it| format!("0a1b2c3d-0000-4000-8000-{it:012x}")).collect(),
    );
    world.later(RECHECK);
    assert!(
        ends_within(&mut stream, Duration::from_secs(10)).await,
        "it went on without the group"
    );
}

#[tokio::test]
async fn an_answer_ends_when_its_groups_are_too_old_to_be_believed() {
    let told = CapturedEvents::listens();
    let world = World::start().await;
    let grace = world.signed_in(GRACE).await;
    let mut stream = events(&world, &grace).await;
    world.emulator.control().graph(GraphFault::Down, UNTIL_CLEARED);
    world.later(RECHECK);
    assert!(
        !ends_within(&mut stream, Duration::from_secs(3)).await,
        "an outage of Graph ends nothing at once"
    );
    world.later(RECHECK);
    assert!(
        ends_within(&mut stream, Duration::from_secs(10)).await,
        "groups of two rechecks ago were believed"
    );
    assert!(told.text().contains("its groups are no longer known"), "{}", told.text());
}

#[tokio::test]
async fn an_answer_that_ends_with_the_grace_is_logged_as_such() {
    let told = CapturedEvents::listens();
    let world = World::with(WorldPlan {
        session: "idle = \"10h\"\nlifetime = \"12h\"".into(),
        ..WorldPlan::default()
    })
    .await;
    let grace = world.signed_in(GRACE).await;
    let mut stream = events(&world, &grace).await;
    world.emulator.control().token_answer(TokenFault::Html(503), UNTIL_CLEARED);
    world.later(PAST_GRACE);
    assert!(ends_within(&mut stream, Duration::from_secs(10)).await, "it went on past the grace");
    assert!(
        told.text().contains("Entra has not answered for longer than entra.recheck_grace"),
        "{}",
        told.text()
    );
}
