//! HTTP/2: the fate of a WebSocket if other streams on its connection stall.

use super::{LATE, NO_WINDOW, SECOND, with_short_limits};
use crate::world::h2::{DATA, END_HEADERS, GOAWAY, HEADERS, RST_STREAM, RawHttp2, head};
use std::time::{Duration, Instant};

/// A masked text frame "hi" (RFC 6455 section 5.7).
const HI: &[u8] = &[0x81, 0x82, 0, 0, 0, 0, b'h', b'i'];

/// A tunnel does not count as a request under way: a stuck download beside it was the only one, and
/// the WebSocket was closed together with it.
#[tokio::test]
async fn a_stuck_download_beside_a_websocket_is_reset_alone() {
    let world = with_short_limits().await;
    let host = world.address.to_string();
    let mut client = RawHttp2::connect(world.address, NO_WINDOW).await;
    let socket = client.next_stream();
    let asked = head(
        "CONNECT",
        &host,
        "/public/ws",
        &[(":protocol", "websocket"), ("sec-websocket-version", "13")],
    );
    client.sends(HEADERS, END_HEADERS, socket, &asked).await;
    client.opens_window(socket, 1 << 20).await;
    let answered = client.next_within(LATE).await;
    assert!(answered.is_some(), "the WebSocket was not answered");
    let stuck = client.gets(&host, "/public/download?bytes=1048576", &[]).await;
    let begun = Instant::now();
    let (mut reset_after, mut echoes_after_it) = (None, 0);
    while begun.elapsed() < SECOND + LATE && echoes_after_it < 10 {
        client.sends(DATA, 0, socket, HI).await;
        let Some(frame) = client.next_within(Duration::from_millis(100)).await else { continue };
        let frame = frame.expect("the connection was dropped, and the WebSocket with it");
        match (frame.kind, frame.stream) {
            (RST_STREAM, it) if it == stuck => reset_after = Some(begun.elapsed()),
            (RST_STREAM, it) => panic!("stream {it} was reset, which goes on"),
            (GOAWAY, _) => panic!("the connection was told to close"),
            (DATA, it) if it == socket && reset_after.is_some() => echoes_after_it += 1,
            _ => {}
        }
    }
    let reset_after = reset_after.expect("the stuck stream was not reset");
    assert!(reset_after >= SECOND && echoes_after_it == 10, "{reset_after:?} {echoes_after_it}");
}
