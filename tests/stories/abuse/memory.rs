//! Slow readers over HTTP/2 hold a limited amount of memory.

use super::shares::{greedy, is_served_at};
use super::{MIB, under_attack};
use crate::flood::FloodedProgram;
use crate::world::echo::EchoApp;
use crate::world::h2::{
    DATA, END_HEADERS, HEADERS, RawHttp2, SETTINGS_INITIAL_WINDOW_SIZE, WINDOW_UPDATE, head,
};
use crate::world::{RULES, World, WorldPlan};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::net::TcpListener;

/// What connections, tasks and heads may use beside the bodies.
const OVERHEAD: u64 = 6 * MIB;

async fn before_h2c(app: &EchoApp, limits: &str) -> World {
    World::with(WorldPlan {
        upstream: format!("url = \"h2c://{}\"", app.address),
        server: limits.to_owned(),
        ..WorldPlan::default()
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_a_client_that_reads_none_of_its_streams_holds_eight_mebibytes() {
    let app = EchoApp::start().await;
    let world = before_h2c(&app, "").await;
    let program = FloodedProgram::start(&world).await;
    let attack = async {
        let _client = greedy(&program, 128, |_| Vec::new()).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
    };
    under_attack(&program, attack).await.is_borne(8 * MIB + OVERHEAD);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_clients_that_read_nothing_hold_no_more_than_the_limit_of_all_streams() {
    let app = EchoApp::start().await;
    let limits = "[server.limits]\nstream_bytes = 16777216";
    let world = before_h2c(&app, limits).await;
    let program = FloodedProgram::start(&world).await;
    is_served_at(&program, Ipv4Addr::LOCALHOST).await;
    let before = program.weighs();
    let mut held = Vec::new();
    for _ in 0..12 {
        held.push(greedy(&program, 128, |_| Vec::new()).await);
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    let grown = program.weighs().saturating_sub(before);
    println!("grown by {} KiB", grown / 1024);
    // The requests that wait use memory too.
    assert!(grown < 8 * MIB + 4 * OVERHEAD, "{} MiB", grown / MIB);
    // One address holds half of it at most.
    is_served_at(&program, Ipv4Addr::new(127, 0, 0, 2)).await;
    drop(held);
    for _ in 0..100 {
        if tokio::time::timeout(Duration::from_secs(1), program.serves()).await == Ok(true) {
            return;
        }
    }
    panic!("the shares were not given back");
}

/// Starts an app whose streams have no window.
async fn app_without_windows() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let io = listener.accept().await.unwrap().0;
            tokio::spawn(async move {
                let mut app = RawHttp2::accept(io, &[(SETTINGS_INITIAL_WINDOW_SIZE, 0)]).await;
                while app.next_request().await.is_some() {}
            });
        }
    });
    address
}

/// Sends 128 uploads of 64 KiB each.
async fn uploads(program: &FloodedProgram) -> RawHttp2 {
    let mut client = RawHttp2::connect(program.address, &[]).await;
    loop {
        let frame = client.next().await.unwrap();
        client.acknowledges(&frame).await;
        if frame.kind == WINDOW_UPDATE {
            break;
        }
    }
    for _ in 0..128 {
        let stream = client.next_stream();
        let head = head("POST", &program.host, "/public/stuck", &[]);
        client.sends(HEADERS, END_HEADERS, stream, &head).await;
        for _ in 0..4 {
            client.sends(DATA, 0, stream, &[b'x'; 16_000]).await;
        }
    }
    client
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_uploads_that_the_app_does_not_read_hold_no_more_than_the_limit() {
    let stuck = app_without_windows().await;
    let route = format!("[[upstream.route]]\npath = \"/public/stuck\"\nurl = \"h2c://{stuck}\"\n");
    let world = World::with(WorldPlan {
        more: route + RULES,
        server: "[server.limits]\nstream_bytes = 16777216".to_owned(),
        ..WorldPlan::default()
    })
    .await;
    let program = FloodedProgram::start(&world).await;
    let attack = async {
        let mut held = Vec::new();
        for _ in 0..8 {
            held.push(uploads(&program).await);
        }
        tokio::time::sleep(Duration::from_secs(3)).await;
    };
    // One address holds half of the half for uploads: 64 of a thousand.
    under_attack(&program, attack).await.is_borne(4 * MIB + 3 * OVERHEAD);
}
