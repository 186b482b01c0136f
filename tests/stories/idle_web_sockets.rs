//! The memory of `WebSockets` that are open and silent, as those of most apps are most of the time.

use crate::flood::FloodedProgram;
use crate::world::samples::MAYA;
use crate::world::{World, WorldPlan};
use futures_util::{StreamExt as _, stream};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

/// Measured: 30 035 bytes for each of 9 700, and 31 031 for each of 500, in the development build.
const MAX_BYTES_PER_SOCKET: u64 = 40 * 1024;
/// The program's limit of connections by default.
const MANY: usize = 10_000;
/// Files that a process has open beside its sockets, and that the program reserves.
const OTHER_FILES: usize = 600;
const HANDSHAKES_AT_ONCE: usize = 64;

/// More than the addresses of which each may hold only its share of the connections to the app.
const CLIENT_ADDRESSES: usize = 20;

/// Opens a WebSocket, and reads no more than the head of the response.
async fn open(program: &FloodedProgram, cookie: &str, number: usize) -> TcpStream {
    let client = TcpSocket::new_v4().unwrap();
    let last_byte = u8::try_from(1 + number % CLIENT_ADDRESSES).unwrap();
    client.bind(SocketAddr::from(([127, 0, 0, last_byte], 0))).unwrap();
    let mut stream = client.connect(program.address).await.unwrap();
    let request = format!(
        "GET /ws HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Cookie: {cookie}\r\n\r\n",
        program.host
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    if !head.starts_with("HTTP/1.1 101 ") {
        let mut body = vec![0; 400];
        let count = stream.read(&mut body).await.unwrap();
        panic!("{head}{}", String::from_utf8_lossy(&body[..count]));
    }
    stream
}

/// Opens that many at the program, and returns the bytes that each adds to its memory.
async fn bytes_per_socket(sockets: usize) -> u64 {
    let world = World::with(WorldPlan::default()).await;
    let program = FloodedProgram::start(&world).await;
    let mut maya = world.browser_at(program.address);
    maya.visits("/").await;
    assert_eq!(maya.signs_in_as(MAYA).await.status, 200);
    let cookie = maya.cookie_header();
    // The first ones pay for what all of them share.
    let _warm: Vec<TcpStream> =
        stream::iter(0..50).then(|at| open(&program, &cookie, at)).collect().await;
    let before = program.weighs();
    let opening = stream::iter(0..sockets).map(|at| open(&program, &cookie, at));
    let mut held: Vec<TcpStream> = opening.buffer_unordered(HANDSHAKES_AT_ONCE).collect().await;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let grown = program.weighs().saturating_sub(before);
    let last = held.last_mut().unwrap();
    // A masked text frame "hi" (RFC 6455 section 5.7) comes back: it is still open.
    last.write_all(&[0x81, 0x82, 0, 0, 0, 0, b'h', b'i']).await.unwrap();
    let mut echo = [0; 4];
    last.read_exact(&mut echo).await.unwrap();
    assert_eq!(&echo, b"\x81\x02hi");
    let each = grown / u64::try_from(sockets).unwrap();
    println!("{sockets} idle WebSockets: {} KiB, {each} bytes each", grown / 1024);
    each
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_idle_web_sockets_use_little_memory() {
    let each = bytes_per_socket(500).await;
    assert!(each < MAX_BYTES_PER_SOCKET, "{each} bytes");
}

/// Each takes two files in the program, and two here: as many as the limit of open files allows.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "ten thousand sockets: make test-long"]
async fn ten_thousand_idle_web_sockets_use_little_memory() {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let files = limits.lines().find(|it| it.starts_with("Max open files")).unwrap();
    let files: usize = files.split_whitespace().nth(3).unwrap().parse().unwrap();
    let each = bytes_per_socket(MANY.min((files - OTHER_FILES) / 2)).await;
    assert!(each < MAX_BYTES_PER_SOCKET, "{each} bytes");
}
