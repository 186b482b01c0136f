//! Floods of all kinds, next to a second client.

use super::{MIB, under_attack};
use crate::flood::FloodedProgram;
use crate::world::World;
use crate::world::h2::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, PRIORITY, RST_STREAM, RawHttp2,
    SETTINGS, SETTINGS_HEADER_TABLE_SIZE, WINDOW_UPDATE, frame, head, text,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::{JoinError, JoinSet};

/// Duration of an attack.
const ATTACK: Duration = Duration::from_millis(1500);

/// The amount that the attackers have sent so far: bytes, streams or connections.
#[derive(Clone, Default)]
struct Sent(Arc<AtomicU64>);

impl Sent {
    fn add(&self, count: usize) {
        self.0.fetch_add(count as u64, Ordering::Relaxed);
    }
}

/// Repeats an action of a connection until the attack is over; a connection that ends is opened
/// again. At least the amount `least` must be sent, because an attack that does not take place
/// costs nothing.
async fn attack<F: Future<Output = ()> + Send + 'static>(
    connections: usize,
    least: u64,
    one: impl Fn(Sent) -> F,
) {
    let (mut all, sent, begun) = (JoinSet::new(), Sent::default(), Instant::now());
    while begun.elapsed() < ATTACK {
        while all.len() < connections {
            all.spawn(tokio::time::timeout(
                ATTACK.saturating_sub(begun.elapsed()),
                one(sent.clone()),
            ));
        }
        let left = ATTACK.saturating_sub(begun.elapsed());
        if let Ok(Some(ended)) =
            tokio::time::timeout(left.min(Duration::from_millis(50)), all.join_next()).await
        {
            goes_on(ended);
        }
    }
    while let Some(ended) = all.join_next().await {
        goes_on(ended);
    }
    let sent = sent.0.load(Ordering::Relaxed);
    println!("sent {sent}");
    assert!(sent >= least, "{sent} is no attack");
}

/// Fails the test if an attacker panicked, because a panicking attacker does not attack.
fn goes_on<T>(ended: Result<T, JoinError>) {
    if let Err(error) = ended {
        std::panic::resume_unwind(error.into_panic());
    }
}

/// Writes all bytes; returns `false` if the connection has ended.
async fn writes(io: &mut TcpStream, bytes: &[u8], sent: &Sent) -> bool {
    let mut rest = bytes;
    while !rest.is_empty() {
        let Ok(count @ 1..) = io.write(rest).await else { return false };
        sent.add(count);
        rest = &rest[count..];
    }
    true
}

/// Writes the same bytes repeatedly and reads nothing.
async fn pours(mut io: TcpStream, bytes: Vec<u8>, sent: Sent) {
    while writes(&mut io, &bytes, &sent).await {}
}

async fn narrow(address: std::net::SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(address).await.unwrap()
}

/// Returns lines of cookies with names like ours that do not come from Entrada.
fn junk_cookies(line: u32) -> String {
    (0..35).map(|it| format!("entrada-{:08}=x", line * 100 + it)).collect::<Vec<_>>().join("; ")
}

/// Returns a head of 75 lines with 35 such cookies each. The first head adds five lines to the
/// dynamic table of the connection (RFC 7541 section 6.2.1); later heads refer to them with one
/// byte each.
fn compressed_head(host: &str, is_first: bool) -> Vec<u8> {
    let mut out = head(
        "GET",
        host,
        "/",
        &[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document"), ("accept", "text/html")],
    );
    if is_first {
        (0..5).for_each(|line| {
            out.extend([&[0x40][..], &text("cookie"), &text(&junk_cookies(line))].concat());
        });
    }
    (0..70).for_each(|it| out.push(0x80 | (62 + it % 5)));
    out
}

/// Each such head, 200 bytes on the wire, once produced a response of 260 kB that removed its
/// cookies one by one, and HTTP/2 has no flow control for heads: 74 kB from an anonymous client
/// exhausted the program's memory.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_of_junk_cookies_over_http2_cost_no_memory() {
    let world = World::start().await;
    let program = FloodedProgram::start(&world).await;
    let (address, host) = (program.address, program.host.clone());
    let all = Instant::now();
    under_attack(
        &program,
        attack(4, 100, move |sent| {
            let host = host.clone();
            async move {
                let mut client =
                    RawHttp2::connect_narrow(address, &[(SETTINGS_HEADER_TABLE_SIZE, 0)]).await;
                for at in 0..120 {
                    let stream = client.next_stream();
                    if !client
                        .sends(
                            HEADERS,
                            END_HEADERS | END_STREAM,
                            stream,
                            &compressed_head(&host, at == 0),
                        )
                        .await
                    {
                        return;
                    }
                    sent.add(1);
                }
                tokio::time::sleep(ATTACK.saturating_sub(all.elapsed())).await;
            }
        }),
    )
    .await
    .is_borne(64 * MIB);
}

/// Entrada cannot limit the size of the app's response heads, but it limits how many of them wait
/// for a client that reads nothing: h2 keeps encoded heads in a buffer without a limit, and counts
/// a stream that waits there as closed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_reads_no_heads_is_dropped_once_a_mebibyte_of_them_waits() {
    let world = World::start().await;
    let program = FloodedProgram::start(&world).await;
    let host = program.host.clone();
    let mut client =
        RawHttp2::connect_narrow(program.address, &[(SETTINGS_HEADER_TABLE_SIZE, 0)]).await;
    let (mut asked, before) = (0, world.app.seen.count());
    // 20 MiB of heads; the system's own buffers absorb up to 4 MiB of them.
    while asked < 2000 {
        let stream = client.next_stream();
        if !client
            .sends(
                HEADERS,
                END_HEADERS | END_STREAM,
                stream,
                &head("GET", &host, "/public/large-head", &[]),
            )
            .await
        {
            break;
        }
        asked += 1;
        // As fast as the app responds, because streams beyond the limit would be refused. After the
        // connection is dropped, no more requests are sent.
        let begun = Instant::now();
        while asked % 50 == 0
            && world.app.seen.count() < before + asked
            && begun.elapsed() < Duration::from_secs(5)
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    println!("dropped after {asked} requests");
    assert!((100..1500).contains(&asked), "{asked} requests");
    assert!(program.serves().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pipelined_requests_whose_answers_nobody_reads_cost_little() {
    let world = World::start().await;
    let program = FloodedProgram::start(&world).await;
    let (address, host) = (program.address, program.host.clone());
    let request =
        format!("GET /oauth2/start?rd=/{} HTTP/1.1\r\nHost: {host}\r\n\r\n", "a".repeat(1800))
            .repeat(20);
    under_attack(
        &program,
        attack(8, 100_000, move |sent| {
            let request = request.clone();
            async move { pours(narrow(address).await, request.into_bytes(), sent).await }
        }),
    )
    .await
    .is_borne(48 * MIB);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_heads_and_slow_bodies_and_silent_connections_block_no_client() {
    let world = World::start().await;
    let program = FloodedProgram::start(&world).await;
    let (address, host) = (program.address, program.host.clone());
    let cost = under_attack(
        &program,
        attack(600, 600, move |sent| {
            let host = host.clone();
            async move {
                let mut io = TcpStream::connect(address).await.unwrap();
                let begun = [
                    "GET / HT".to_owned(),
                    String::new(),
                    format!("POST /public/upload HTTP/1.1\r\nHost: {host}\r\nContent-Length: 100000\r\n\r\n"),
                    format!("GET /public/x HTTP/1.1\r\nHost: {host}\r\n\r\n"),
                ];
                let begun = &begun[usize::from(io.local_addr().unwrap().port()) % begun.len()];
                let _ = io.write_all(begun.as_bytes()).await;
                sent.add(1);
                loop {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    if !begun.is_empty() && !begun.starts_with("GET /public") && io.write_all(b"x").await.is_err() {
                        return;
                    }
                }
            }
        }),
    )
    .await;
    cost.is_borne(48 * MIB);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn floods_of_header_fields_are_refused_at_once() {
    let world = World::start().await;
    let program = FloodedProgram::start(&world).await;
    let address = program.address;
    let many = format!(
        "GET /public/x HTTP/1.1\r\nHost: {}\r\n{}\r\n",
        program.host,
        "x: y\r\n".repeat(5000)
    );
    let long = format!(
        "GET /public/x HTTP/1.1\r\nHost: {}\r\nx: {}\r\n\r\n",
        program.host,
        "y".repeat(1 << 20)
    );
    for bytes in [many, long] {
        under_attack(
            &program,
            attack(8, 100_000, move |sent| {
                let bytes = bytes.clone();
                async move {
                    let mut io = TcpStream::connect(address).await.unwrap();
                    writes(&mut io, bytes.as_bytes(), &sent).await;
                    let _ = io.read_to_end(&mut Vec::new()).await;
                }
            }),
        )
        .await
        .is_borne(48 * MIB);
    }
}

/// Repeats one kind of frame on connections that read nothing.
async fn frames(world: &World, repeated: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) {
    let program = FloodedProgram::start(world).await;
    let (address, host) = (program.address, program.host.clone());
    let bytes = repeated(&host);
    under_attack(
        &program,
        attack(4, 100_000, move |sent| {
            let bytes = bytes.clone();
            async move { pours(RawHttp2::connect(address, &[]).await.io, bytes, sent).await }
        }),
    )
    .await
    .is_borne(48 * MIB);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_that_ask_for_nothing_cost_little() {
    let world = World::start().await;
    let open =
        |host: &str| frame(HEADERS, END_HEADERS, 1, &head("POST", host, "/public/upload", &[]));
    for (kind, flags, stream, payload) in [
        (PING, 0, 0, b"pingpong".to_vec()),
        (SETTINGS, 0, 0, [0, 4, 0, 0, 255, 255].repeat(10)),
        (PRIORITY, 0, 3, vec![0, 0, 0, 0, 1]),
        (WINDOW_UPDATE, 0, 0, vec![0, 0, 0, 1]),
        (DATA, 0, 1, Vec::new()),
    ] {
        println!("frame {kind}");
        let one = frame(kind, flags, stream, &payload);
        frames(&world, move |host| {
            if kind == DATA { [open(host), one.repeat(1000)].concat() } else { one.repeat(1000) }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_never_ends_in_continuation_frames_is_cut_off() {
    let world = World::start().await;
    let begin = |host: &str| frame(HEADERS, 0, 1, &head("GET", host, "/public/x", &[]));
    frames(&world, move |host| {
        let field = [&[0x10, 1][..], b"x", &[100], &[b'y'; 100]].concat();
        [begin(host), frame(CONTINUATION, 0, 1, &field.repeat(150)).repeat(200)].concat()
    })
    .await;
    frames(&world, move |host| {
        [begin(host), frame(CONTINUATION, 0, 1, b"").repeat(10_000)].concat()
    })
    .await;
}

/// CVE-2023-44487: streams that are opened and reset immediately, so that none counts as open.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rapid_resets_cost_little() {
    let world = World::start().await;
    let program = FloodedProgram::start(&world).await;
    let (address, host) = (program.address, program.host.clone());
    under_attack(
        &program,
        attack(4, 400, move |sent| {
            let host = host.clone();
            async move {
                let mut client = RawHttp2::connect(address, &[]).await;
                loop {
                    let mut bytes = Vec::new();
                    for _ in 0..100 {
                        let stream = client.next_stream();
                        bytes.extend(frame(
                            HEADERS,
                            END_HEADERS | END_STREAM,
                            stream,
                            &head("GET", &host, "/public/x", &[]),
                        ));
                        bytes.extend(frame(RST_STREAM, 0, stream, &[0, 0, 0, 8]));
                    }
                    if client.io.write_all(&bytes).await.is_err() {
                        return;
                    }
                    sent.add(100);
                }
            }
        }),
    )
    .await
    .is_borne(48 * MIB);
}
