//! The connections to the app are shared fairly if there are few.

use crate::flood::{FloodedProgram, ProgramLaunch};
use crate::world::h2::RawHttp2;
use crate::world::raw::status;
use crate::world::{World, WorldPlan};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;

/// Open files that leave 80 connections to the app: a connection of a client may use 10 of them at
/// the same time, and an address 40.
const OPEN_FILES: u32 = 416;

async fn with_few_connections(world: &World) -> FloodedProgram {
    let open_files = Some((OPEN_FILES, OPEN_FILES));
    let program =
        FloodedProgram::launch(world, ProgramLaunch { open_files, ..ProgramLaunch::default() })
            .await;
    assert!(program.said().await.contains("allows 80 connections"), "{}", program.said().await);
    program
}

/// Opens streams with a download each, which the client does not read. `headers` are those of one stream.
pub(super) async fn greedy(
    program: &FloodedProgram,
    streams: u32,
    headers: impl Fn(u32) -> Vec<(&'static str, String)>,
) -> RawHttp2 {
    let mut client = RawHttp2::connect(program.address, &[]).await;
    for at in 0..streams {
        let headers = headers(at);
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, &**value)).collect();
        client.gets(&program.host, "/public/download?bytes=1073741824", &headers).await;
    }
    client
}

/// Returns how many requests the app works on once that number no longer changes.
async fn settled(world: &World) -> usize {
    let mut last = usize::MAX;
    loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let now = world.app.seen.under_way.load(Ordering::SeqCst);
        if now == last {
            return now;
        }
        last = now;
    }
}

/// Asks for a page from this address; it must be answered within a second.
pub(super) async fn is_served_at(program: &FloodedProgram, address: Ipv4Addr) {
    let (begun, socket) = (Instant::now(), TcpSocket::new_v4().unwrap());
    socket.bind(SocketAddr::from((address, 0))).unwrap();
    let mut io = socket.connect(program.address).await.unwrap();
    io.write_all(program.get("/public/x", "close").as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = tokio::time::timeout(Duration::from_secs(1), io.read_to_string(&mut answer)).await;
    assert!(read.is_ok(), "no answer after {:?}", begun.elapsed());
    assert_eq!(status(&answer), 200, "{answer}");
}

/// Three clients with a hundred streams each used up all connections to the app.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_three_clients_with_a_hundred_streams_each_leave_the_app_to_the_fourth() {
    let world = World::start().await;
    let program = with_few_connections(&world).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(greedy(&program, 100, |_| Vec::new()).await);
    }
    assert_eq!(settled(&world).await, 30);
    for _ in 0..20 {
        is_served_at(&program, Ipv4Addr::LOCALHOST).await;
    }
    // Streams that wait follow as soon as others end.
    held.truncate(1);
    assert_eq!(settled(&world).await, 10);
    drop(held);
    assert_eq!(settled(&world).await, 0);
    is_served_at(&program, Ipv4Addr::LOCALHOST).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_one_address_leaves_half_of_the_app_to_the_others_however_many_connections_it_opens()
{
    let world = World::start().await;
    let program = with_few_connections(&world).await;
    let mut held = Vec::new();
    for _ in 0..12 {
        held.push(greedy(&program, 100, |_| Vec::new()).await);
    }
    assert_eq!(settled(&world).await, 40);
    is_served_at(&program, Ipv4Addr::new(127, 0, 0, 2)).await;
    drop(held);
    assert_eq!(settled(&world).await, 0);
    is_served_at(&program, Ipv4Addr::LOCALHOST).await;
}

/// A front proxy brings many people over one connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trusted_front_proxy_is_not_limited_by_its_connection_but_each_of_its_clients_is() {
    let world = World::with(WorldPlan {
        server: "trusted_proxies = [\"127.0.0.1\"]".into(),
        ..WorldPlan::default()
    })
    .await;
    let program = with_few_connections(&world).await;
    let of = |client: String| vec![("x-forwarded-for", client)];
    let many = greedy(&program, 60, |at| of(format!("192.0.2.{at}"))).await;
    assert_eq!(settled(&world).await, 60);
    drop(many);
    assert_eq!(settled(&world).await, 0);
    let one = greedy(&program, 60, |_| of("192.0.2.1".into())).await;
    assert_eq!(settled(&world).await, 40);
    drop(one);
    assert_eq!(settled(&world).await, 0);
    // Without the clients' addresses, no one's share can be known.
    let _unnamed = greedy(&program, 60, |_| Vec::new()).await;
    assert_eq!(settled(&world).await, 60);
}
