//! How a session stands with Entra: asked again and again, lived on through outages, and ended when Entra says so.

mod crowd;
mod ends;
mod grace;
mod outages;
mod refresh;

use crate::world::browser::{SCRIPT, TestBrowser};
use crate::world::raw::{self, talk};
use crate::world::{CapturedEvents, World, WorldPlan};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;

/// Sessions that last, so that only Entra ends one.
const LONG: &str = "per_person = 100000\nidle = \"20d\"\nlifetime = \"60d\"";

async fn long_lived() -> World {
    World::with(WorldPlan { session: LONG.into(), ..WorldPlan::default() }).await
}

/// Waits until `done`, which something under way brings about.
async fn until(what: &str, done: impl Fn() -> bool) {
    for _ in 0..500 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what}: it did not come about");
}

/// A request that finds the question due, and the answer after it.
async fn is_rechecked(world: &World, browser: &mut TestBrowser) -> u16 {
    let before = rechecks(world).await;
    let status = browser.asks("GET", "/api/x", SCRIPT).await.status;
    for _ in 0..500 {
        if rechecks(world).await > before {
            return status;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("Entra was not asked");
}

async fn metrics(world: &World) -> String {
    talk(world.admin, "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await
}

/// How often Entra was asked about a session, and it was over.
async fn rechecks(world: &World) -> u64 {
    let metrics = metrics(world).await;
    let counts = metrics.lines().filter(|it| it.starts_with("entrada_rechecks_total{"));
    counts.map(|it| it.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}

fn get(world: &World, path: &str, cookie: &str) -> String {
    let host = world.public_url.split_once("://").unwrap().1;
    format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: application/json\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n"
    )
}

/// Many requests at once; how long each took.
async fn at_once(world: &World, count: usize, cookie: &str) -> Vec<(u16, Duration)> {
    let mut tasks = tokio::task::JoinSet::new();
    for at in 0..count {
        let (address, request) = (world.address, get(world, &format!("/api/{at}"), cookie));
        tasks.spawn(async move {
            let began = Instant::now();
            (raw::status(&talk(address, &request).await), began.elapsed())
        });
    }
    tasks.join_all().await
}

/// An upgraded connection of a signed-in person.
pub async fn tunnel(world: &World, cookie: &str) -> TcpStream {
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    let request = get(world, "/raw-upgrade", cookie)
        .replace("Connection: close", "Connection: upgrade\r\nUpgrade: mine");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
    stream
}

pub async fn carries(tunnel: &mut TcpStream) -> bool {
    let mut back = [0; 4];
    tunnel.write_all(b"ping").await.is_ok()
        && tunnel.read_exact(&mut back).await.is_ok()
        && &back == b"ping"
}

pub async fn ends(tunnel: &mut TcpStream, within: Duration) {
    let mut rest = Vec::new();
    tokio::time::timeout(within, tunnel.read_to_end(&mut rest))
        .await
        .expect("the tunnel goes on")
        .unwrap_or_default();
}
