//! HTTP/2: only DATA that moves counts as progress, and each stream has its own time limit.

use super::{LATE, NO_WINDOW, SECOND, with_short_limits};
use crate::world::h2::{
    ACK, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, RST_STREAM, RawFrame, RawHttp2,
    SETTINGS, SETTINGS_INITIAL_WINDOW_SIZE, WINDOW_UPDATE, frame, head,
};
use crate::world::{RULES, World, WorldPlan};
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpSocket;

/// PONGs once counted as bytes that the client read: a stream whose client read nothing lived as
/// long as the client sent PINGs.
#[tokio::test]
async fn a_stream_whose_client_takes_nothing_is_reset_alone_though_it_sends_pings() {
    let world = with_short_limits().await;
    let host = world.address.to_string();
    let mut client = RawHttp2::connect(world.address, NO_WINDOW).await;
    let stuck = client.gets(&host, "/public/download?bytes=1048576", &[]).await;
    let events = client.gets(&host, "/public/events", &[]).await;
    client.opens_window(events, 1 << 20).await;
    let begun = Instant::now();
    let (mut reset_after, mut events_after_it) = (None, 0);
    while begun.elapsed() < SECOND + LATE && events_after_it < 10 {
        client.pings().await;
        let Some(frame) = client.next_within(Duration::from_millis(100)).await else { continue };
        let frame = frame.expect("the connection was dropped, and not the stream reset");
        match (frame.kind, frame.stream) {
            (RST_STREAM, it) if it == stuck => reset_after = Some(begun.elapsed()),
            (RST_STREAM, it) => panic!("stream {it} was reset, which goes on"),
            (DATA, it) if it == events && reset_after.is_some() => events_after_it += 1,
            _ => {}
        }
    }
    let reset_after = reset_after.expect("the stream was not reset");
    println!("reset after {reset_after:?}");
    assert!(reset_after >= SECOND && events_after_it == 10, "{reset_after:?} {events_after_it}");
}

/// A paused video was once the only stream, and its whole connection was dropped.
#[tokio::test]
async fn a_paused_download_is_reset_alone_though_no_other_stream_goes_on() {
    let world = with_short_limits().await;
    let host = world.address.to_string();
    let mut client = RawHttp2::connect(world.address, &[]).await;
    let paused = client.gets(&host, "/public/download?bytes=1048576", &[]).await;
    let begun = Instant::now();
    loop {
        let frame = client.next_within(SECOND + LATE).await.expect("the stream was not reset");
        let frame = frame.expect("the connection was dropped");
        assert_ne!(frame.kind, GOAWAY, "after {:?}", begun.elapsed());
        if frame.kind == RST_STREAM {
            assert_eq!(frame.stream, paused);
            break;
        }
    }
    assert!(begun.elapsed() >= SECOND);
    // What was sent of the other stream used up the window of the connection.
    client.opens_window(0, 1 << 20).await;
    let other = client.gets(&host, "/public/x", &[]).await;
    loop {
        let frame = client.next_within(LATE).await.expect("no answer").expect("it was dropped");
        if frame.kind == DATA && frame.stream == other {
            return;
        }
    }
}

/// Starts an app that accepts connections and reads nothing.
async fn app_that_reads_nothing() -> SocketAddr {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let listener = socket.listen(64).unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut open = Vec::new();
        loop {
            open.push(listener.accept().await.unwrap().0);
        }
    });
    address
}

/// A client that follows flow control (RFC 9113 section 6.9).
struct Uploader {
    client: RawHttp2,
    host: String,
    connection_window: i64,
    stream_window: i64,
}

impl Uploader {
    async fn posts(&mut self, path: &str) -> u32 {
        let stream = self.client.next_stream();
        let head = head("POST", &self.host, path, &[]);
        self.client.sends(HEADERS, END_HEADERS, stream, &head).await;
        stream
    }

    /// Sends as much as the windows allow, until they stay shut.
    async fn sends_until_it_stalls(&mut self, stream: u32) {
        let mut window = self.stream_window;
        loop {
            let next = window.min(self.connection_window).min(16_384);
            if next > 0 {
                let part = vec![b'x'; usize::try_from(next).unwrap()];
                self.client.sends(DATA, 0, stream, &part).await;
                window -= next;
                self.connection_window -= next;
            }
            let wait = if next > 0 { Duration::ZERO } else { SECOND };
            match self.client.next_within(wait).await {
                None if next > 0 => {}
                None => return,
                Some(frame) => {
                    let frame = frame.expect("the connection was dropped");
                    assert_ne!(frame.kind, RST_STREAM);
                    // The new window holds from then on.
                    self.client.acknowledges(&frame).await;
                    window += self.reads(&frame, stream);
                }
            }
        }
    }

    /// Returns what the window of the stream grows by.
    fn reads(&mut self, frame: &RawFrame, stream: u32) -> i64 {
        match frame.kind {
            WINDOW_UPDATE => {
                let more = i64::from(u32::from_be_bytes(frame.payload[..4].try_into().unwrap()));
                if frame.stream == 0 {
                    self.connection_window += more;
                }
                if frame.stream == stream { more } else { 0 }
            }
            SETTINGS if frame.flags & ACK == 0 => {
                let window = frame.payload.chunks(6).find(|it| it[..2] == [0, 4]);
                let window = window.map_or(65_535, |it| {
                    i64::from(u32::from_be_bytes(it[2..].try_into().unwrap()))
                });
                let more = window - self.stream_window;
                self.stream_window = window;
                more
            }
            _ => 0,
        }
    }
}

/// A stalled upload once used up the window of the connection: whatever else the browser sent
/// waited for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stalled_upload_uses_up_its_own_window_only() {
    let stuck = app_that_reads_nothing().await;
    let route = format!("[[upstream.route]]\npath = \"/public/stuck\"\nurl = \"http://{stuck}\"\n");
    let world = World::with(WorldPlan { more: route + RULES, ..WorldPlan::default() }).await;
    let mut uploader = Uploader {
        client: RawHttp2::connect(world.address, &[]).await,
        host: world.address.to_string(),
        connection_window: 65_535,
        stream_window: 65_535,
    };
    for _ in 0..3 {
        let stream = uploader.posts("/public/stuck").await;
        uploader.sends_until_it_stalls(stream).await;
    }
    assert!(uploader.connection_window > 1000, "{}", uploader.connection_window);
    let other = uploader.posts("/public/x").await;
    uploader.client.sends(DATA, END_STREAM, other, b"pay=1").await;
    loop {
        let frame = uploader.client.next_within(LATE).await.expect("no answer").unwrap();
        if frame.kind == HEADERS && frame.stream == other {
            return;
        }
    }
}

#[tokio::test]
async fn where_no_stream_goes_on_the_connection_is_dropped_and_the_app_is_freed() {
    let world = with_short_limits().await;
    let host = world.address.to_string();
    let mut client = RawHttp2::connect(world.address, NO_WINDOW).await;
    for _ in 0..100 {
        client.gets(&host, "/public/download?bytes=1048576", &[]).await;
    }
    let begun = Instant::now();
    while begun.elapsed() < SECOND + LATE && client.pings().await {
        if let Some(None) = client.next_within(Duration::from_millis(50)).await {
            break;
        }
    }
    println!("dropped after {:?}", begun.elapsed());
    assert!(begun.elapsed() < SECOND + LATE, "100 stuck streams hold a connection each to the app");
    // The connections to the app ended too: it has no request under way.
    for _ in 0..50 {
        if world.app.seen.under_way.load(Ordering::SeqCst) == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!(
        "{} requests are still under way at the app",
        world.app.seen.under_way.load(Ordering::SeqCst)
    );
}

#[tokio::test]
async fn a_client_that_opens_its_window_bit_by_bit_keeps_its_stream() {
    let world = with_short_limits().await;
    let mut client = RawHttp2::connect(world.address, NO_WINDOW).await;
    let slow = client.gets(&world.address.to_string(), "/public/download?bytes=1048576", &[]).await;
    let (begun, mut taken) = (Instant::now(), 0);
    while begun.elapsed() < 4 * SECOND {
        client.opens_window(slow, 100).await;
        tokio::time::sleep(Duration::from_millis(250)).await;
        while let Some(frame) = client.next_within(Duration::from_millis(10)).await {
            let frame = frame.expect("the connection was dropped");
            assert_ne!(frame.kind, RST_STREAM, "after {:?}", begun.elapsed());
            taken += if frame.kind == DATA { frame.payload.len() } else { 0 };
        }
    }
    assert!(taken >= 1000, "only {taken} bytes moved");
}

/// hyper no longer controls the last part of a response: its stream cannot be reset, so the
/// connection ends.
#[tokio::test]
async fn a_short_answer_that_is_not_taken_to_its_end_holds_no_connection() {
    let world = with_short_limits().await;
    let mut client = RawHttp2::connect(world.address, &[(SETTINGS_INITIAL_WINDOW_SIZE, 10)]).await;
    let host = world.address.to_string();
    client.gets(&host, "/public/x", &[]).await;
    let events = client.gets(&host, "/public/events", &[]).await;
    client.opens_window(events, 1 << 20).await;
    let begun = Instant::now();
    while begun.elapsed() < SECOND + LATE {
        client.pings().await;
        match client.next_within(Duration::from_millis(50)).await {
            Some(Some(frame)) if frame.kind == GOAWAY => return assert!(begun.elapsed() >= SECOND),
            Some(None) => return assert!(begun.elapsed() >= SECOND),
            _ => {}
        }
    }
    panic!("nothing happened");
}

/// h2 does not pass on empty DATA frames, whether from a client or from an app, and ends a
/// connection after a hundred of them: the limits in `src/upstream` rely on it. In HTTP/1.1, an
/// empty chunk is the last one.
#[tokio::test]
async fn empty_data_frames_are_no_progress_of_an_upload() {
    let world = with_short_limits().await;
    let mut client = RawHttp2::connect(world.address, &[]).await;
    let stream = client.next_stream();
    client
        .sends(
            HEADERS,
            END_HEADERS,
            stream,
            &head("POST", &world.address.to_string(), "/public/upload", &[]),
        )
        .await;
    let begun = Instant::now();
    while begun.elapsed() < SECOND + LATE {
        client.sends(DATA, 0, stream, b"").await;
        let Some(frame) = client.next_within(Duration::from_millis(100)).await else { continue };
        let Some(frame) = frame else { panic!("the connection was dropped") };
        if frame.stream == stream && matches!(frame.kind, HEADERS | RST_STREAM) {
            assert!(begun.elapsed() >= SECOND, "{:?}", begun.elapsed());
            return;
        }
    }
    panic!("the upload holds a connection to the app for as long as its client sends nothing");
}

#[tokio::test]
async fn pings_keep_no_connection_open_that_asks_for_nothing() {
    let world = with_short_limits().await;
    let mut client = RawHttp2::connect(world.address, &[]).await;
    client.gets(&world.address.to_string(), "/public/x", &[]).await;
    let begun = Instant::now();
    while begun.elapsed() < 2 * SECOND + LATE {
        client.pings().await;
        match client.next_within(Duration::from_millis(50)).await {
            Some(None) => break,
            Some(Some(frame)) if frame.kind == GOAWAY => break,
            _ => {}
        }
    }
    let took = begun.elapsed();
    assert!(
        took >= (2 * SECOND).checked_sub(Duration::from_millis(100)).unwrap()
            && took < 2 * SECOND + LATE,
        "{took:?}"
    );
}

/// Opens and resets ten streams in one write: h2 ends a connection if more than 20 are waiting.
async fn resets_ten(client: &mut RawHttp2, host: &str) {
    let mut bytes = Vec::new();
    for _ in 0..10 {
        let stream = client.next_stream();
        bytes.extend(frame(
            HEADERS,
            END_HEADERS | END_STREAM,
            stream,
            &head("GET", host, "/oauth2/jwks.json", &[]),
        ));
        bytes.extend(frame(RST_STREAM, 0, stream, &[0, 0, 0, 8]));
    }
    client.io.write_all(&bytes).await.unwrap();
}

/// A reset that arrived together with its head used to be lost: the stream was never freed. If its
/// response was ready immediately, the stream counted as one that the client does not read, which
/// ended a connection that others used.
#[tokio::test]
async fn streams_that_were_reset_with_their_heads_end_no_connection_that_is_used() {
    let world = with_short_limits().await;
    let host = world.address.to_string();
    let mut client = RawHttp2::connect(world.address, &[]).await;
    let (begun, mut answered) = (Instant::now(), 0);
    while begun.elapsed() < 3 * SECOND {
        resets_ten(&mut client, &host).await;
        let stream = client.gets(&host, "/public/x", &[]).await;
        loop {
            let frame = client.next().await.expect("the connection was dropped");
            assert_ne!(frame.kind, GOAWAY, "after {:?}", begun.elapsed());
            if frame.stream == stream && frame.kind == DATA {
                break;
            }
        }
        answered += 1;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(answered > 10, "{answered}");
}

/// A request that is reset costs its client nothing, but the app has begun to work on it
/// (CVE-2023-44487).
#[tokio::test]
async fn attack_a_client_that_keeps_resetting_its_requests_loses_its_connection() {
    let world = with_short_limits().await;
    let host = world.address.to_string();
    let mut client = RawHttp2::connect(world.address, &[]).await;
    let (begun, mut resets) = (Instant::now(), 0_u32);
    // hyper has accepted the requests when the PONG arrives.
    let is_open = async |client: &mut RawHttp2, bytes: &[u8]| {
        if client.io.write_all(bytes).await.is_err() || !client.pings().await {
            return false;
        }
        loop {
            match client.next().await {
                Some(frame) if frame.kind == PING => return true,
                Some(_) => {}
                None => return false,
            }
        }
    };
    loop {
        let streams: Vec<_> = (0..15).map(|_| client.next_stream()).collect();
        let requests = streams.iter().flat_map(|stream| {
            let head = head("GET", &host, "/public/x", &[]);
            frame(HEADERS, END_HEADERS | END_STREAM, *stream, &head)
        });
        let cancels =
            streams.iter().flat_map(|stream| frame(RST_STREAM, 0, *stream, &[0, 0, 0, 8]));
        let (requests, cancels): (Vec<_>, Vec<_>) = (requests.collect(), cancels.collect());
        let is_served = is_open(&mut client, &requests).await;
        if !is_served || !is_open(&mut client, &cancels).await {
            break;
        }
        resets += 15;
        assert!(begun.elapsed() < 30 * SECOND, "{resets} resets, and it is still open");
    }
    let earned = u32::try_from(begun.elapsed().as_millis() / 30).unwrap();
    println!("ended after {resets} resets");
    assert!((985..=1030 + earned).contains(&resets), "{resets}");
    let mut other = RawHttp2::connect(world.address, &[]).await;
    let stream = other.gets(&host, "/public/x", &[]).await;
    loop {
        let frame = other.next_within(LATE).await.expect("no answer").expect("it was dropped");
        if frame.kind == DATA && frame.stream == stream {
            return;
        }
    }
}
