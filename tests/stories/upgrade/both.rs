//! Two processes, each at a port of its own, so that a story chooses which one a request reaches.

use super::status;
use crate::tunnels::web_socket;
use crate::world::browser::{NAVIGATION, SCRIPT, TestBrowser};
use crate::world::raw::talk;
use crate::world::samples::{INES, MAYA, TOM};
use crate::world::{World, WorldPlan, free_port};
use entrada::seal::random;
use entrada::service::{BoundListener, Service};
use entrada::sidecar::Process;
use entrada::telemetry::log::Log;
use futures_util::StreamExt as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Maximum time until a sign-out in one process counts in the other.
const PROMISED: Duration = Duration::from_secs(1);

/// The process that follows.
struct Successor {
    address: SocketAddr,
    shutdown: CancellationToken,
    _served: JoinHandle<()>,
    _service: Arc<Service>,
}

/// A world whose program ends in ten seconds, and the program that follows.
struct Pair {
    world: World,
    new: Successor,
    _place: tempfile::TempDir,
}

async fn world() -> (World, tempfile::TempDir) {
    let place = tempfile::tempdir().unwrap();
    let session = format!("snapshot = \"{}\"", place.path().join("sessions").display());
    let server = "reuse_port = true\nshutdown_delay = \"10s\"".to_owned();
    let world = World::with(WorldPlan { server, session, ..WorldPlan::default() }).await;
    (world, place)
}

/// Starts a process that follows; it waits until the one before is told to end.
fn following(world: &World) -> JoinHandle<Successor> {
    let port = free_port();
    let listen = |port: u16| format!("listen = \"127.0.0.1:{port}\"");
    let config = world.changed(&listen(world.address.port()), &listen(port));
    let line = Log::start(&config.telemetry, world.log.clone()).unwrap();
    let process = Process::new(&config, world.clock.clone(), random::system(), line, Vec::new());
    tokio::spawn(async move {
        let process = process.opened(&config).await.unwrap();
        let service = Service::start(&config, process).unwrap().0;
        service.reached().await;
        let bound = BoundListener::new(&config).unwrap();
        let shutdown = CancellationToken::new();
        let served = tokio::spawn(Arc::clone(&service).serve(bound, shutdown.clone()));
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        Successor { address, shutdown, _served: served, _service: service }
    })
}

impl Pair {
    async fn of((world, place): (World, tempfile::TempDir)) -> Self {
        let new = following(&world);
        world.shutdown.cancel();
        let new = new.await.unwrap();
        Self { world, new, _place: place }
    }

    /// The same browser, at the new process.
    fn at_new(&self, browser: &TestBrowser) -> TestBrowser {
        let mut out = self.world.browser_at(self.new.address);
        out.plants("entrada", &browser.cookie("entrada").unwrap());
        out
    }

    fn at_old(&self, browser: &TestBrowser) -> TestBrowser {
        let mut out = self.world.browser();
        out.plants("entrada", &browser.cookie("entrada").unwrap());
        out
    }

    async fn signs_in_at_new(&self, person: &str) -> TestBrowser {
        let mut browser = self.world.browser_at(self.new.address);
        browser.visits("/").await;
        assert_eq!(browser.signs_in_as(person).await.status, 200);
        browser
    }
}

async fn is_signed_out_soon(browser: &mut TestBrowser) {
    let began = Instant::now();
    while status(browser).await != 401 {
        assert!(began.elapsed() < PROMISED, "signed in after {PROMISED:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn the_next_process_does_not_listen_before_the_one_before_is_told_to_end() {
    let (world, _place) = world().await;
    let mut maya = world.signed_in(MAYA).await;
    let new = following(&world);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!new.is_finished());
    assert_eq!(status(&mut maya).await, 200);
    world.shutdown.cancel();
    let new = new.await.unwrap();
    // The admin listener of both is at one port: that of the new one answers as soon as it listens.
    let ready = "GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let began = Instant::now();
    let mut in_a_row = 0;
    while in_a_row < 20 {
        let is_ready = talk(world.admin, ready).await.starts_with("HTTP/1.1 200");
        in_a_row = if is_ready { in_a_row + 1 } else { 0 };
        assert!(began.elapsed() < Duration::from_secs(8), "the old process answers");
    }
    assert_eq!(status(&mut maya).await, 200, "the old process serves");
    let mut there = world.browser_at(new.address);
    there.plants("entrada", &maya.cookie("entrada").unwrap());
    assert_eq!(status(&mut there).await, 200);
}

#[tokio::test]
async fn a_sign_in_in_either_process_counts_in_the_other_with_the_next_request() {
    let pair = Pair::of(world().await).await;
    let tokens = pair.world.emulator.control().token_calls();
    let old = pair.world.signed_in(MAYA).await;
    assert_eq!(status(&mut pair.at_new(&old)).await, 200);
    let new = pair.signs_in_at_new(TOM).await;
    let page = pair.at_old(&new).visits("/x").await;
    assert_eq!(page.app_heard("x-forwarded-name"), "Tom Becker");
    assert_eq!(pair.world.emulator.control().token_calls(), tokens + 2, "nobody signed in again");
    // A sign-in that began in one process ends in the other.
    let mut ines = pair.world.browser();
    let shown = ines.visits("/x").await;
    let callback = ines.stops_at_the_callback(INES, shown).await;
    let mut there = pair.world.browser_at(pair.new.address);
    let cookies = ines.cookie_header();
    there.says.push(("cookie", cookies));
    let target = format!("{}?{}", callback.path(), callback.query().unwrap());
    assert_eq!(there.asks("GET", &target, NAVIGATION).await.status, 303);
}

#[tokio::test]
async fn a_sign_out_in_either_process_counts_in_the_other_within_a_second() {
    let (world, place) = world().await;
    let (mut maya, tom, ines) =
        (world.signed_in(MAYA).await, world.signed_in(TOM).await, world.signed_in(INES).await);
    let mut socket = web_socket(&world, "/ws", &tom.cookie_header(), None).await.unwrap();
    let pair = Pair::of((world, place)).await;
    let mut maya_at_new = pair.at_new(&maya);
    assert_eq!(status(&mut maya_at_new).await, 200);
    maya.posts("/oauth2/sign_out", NAVIGATION, "").await;
    is_signed_out_soon(&mut maya_at_new).await;
    // Also what is under way in the process that ends.
    let began = Instant::now();
    pair.at_new(&tom).posts("/oauth2/sign_out", NAVIGATION, "").await;
    let end = tokio::time::timeout(PROMISED, socket.next()).await.expect("the tunnel goes on");
    assert!(end.is_none_or(|it| it.is_err() || it.is_ok_and(|it| it.is_close())));
    println!("the tunnel ended {:?} after the sign-out in the other process", began.elapsed());
    is_signed_out_soon(&mut pair.at_old(&tom)).await;
    // An operator's command reaches the new process, and ends what began in the old one since.
    let late = pair.world.signed_in(INES).await;
    tokio::time::sleep(Duration::from_millis(2500)).await;
    let text = format!(r#"{{"user": "{INES}"}}"#);
    let request = format!(
        "POST /sessions/revoke HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
        text.len()
    );
    let answer = talk(pair.world.admin, &request).await;
    assert!(answer.contains("\"ended\":2"), "{answer}");
    is_signed_out_soon(&mut pair.at_old(&late)).await;
    is_signed_out_soon(&mut pair.at_new(&ines)).await;
}

#[tokio::test]
async fn who_is_being_rechecked_when_the_sessions_are_handed_over_waits_and_stays_signed_in() {
    let (world, place) = world().await;
    let (mut maya, tom) = (world.signed_in(MAYA).await, world.signed_in(TOM).await);
    let control = world.emulator.control();
    control.single_use_refresh(true);
    world.later(31 * 60);
    // Entra needs longer than the hand-over waits.
    control.be_slow(5000);
    assert_eq!(status(&mut maya).await, 200);
    tokio::time::sleep(Duration::from_millis(300)).await;
    control.be_slow(0);
    let pair = Pair::of((world, place)).await;
    let mut maya_at_new = pair.at_new(&maya);
    let page = maya_at_new.asks("GET", "/api/x", SCRIPT).await;
    assert_eq!((page.status, page.header("retry-after")), (503, "1"));
    let page = maya_at_new.asks("GET", "/x", NAVIGATION).await;
    assert_eq!((page.status, page.header("refresh")), (503, "1"), "a page tries again by itself");
    // Nobody else waits; somebody who is not signed in is told so, and so is a forger.
    assert_eq!(status(&mut pair.at_new(&tom)).await, 200);
    let mut stranger = pair.world.browser_at(pair.new.address);
    assert_eq!(status(&mut stranger).await, 401);
    let cookie = maya.cookie("entrada").unwrap();
    let last = if cookie.ends_with('A') { "Q" } else { "A" };
    stranger.plants("entrada", &format!("{}{last}", &cookie[..cookie.len() - 1]));
    assert_eq!(status(&mut stranger).await, 401);
    let began = Instant::now();
    while status(&mut maya_at_new).await != 200 {
        assert!(began.elapsed() < Duration::from_secs(8), "signed out");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(status(&mut maya).await, 200, "in the process that ends, too");
    // Each refresh token was used by one process: the next recheck is with the new one.
    pair.world.later(31 * 60);
    let calls = pair.world.emulator.control().refresh_calls();
    assert_eq!(status(&mut maya_at_new).await, 200);
    assert_eq!(status(&mut maya).await, 200);
    for _ in 0..200 {
        if pair.world.emulator.control().refresh_calls() > calls {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let control = pair.world.emulator.control();
    assert_eq!((control.refresh_calls(), control.reused_refresh_tokens()), (calls + 1, 0));
    assert_eq!(status(&mut maya_at_new).await, 200);
}

#[tokio::test]
async fn a_third_process_follows_while_the_first_one_still_serves() {
    let pair = Pair::of(world().await).await;
    let old = pair.world.signed_in(MAYA).await;
    let mut new = pair.signs_in_at_new(TOM).await;
    pair.new.shutdown.cancel();
    let third = following(&pair.world).await.unwrap();
    for browser in [&old, &new] {
        let mut there = pair.world.browser_at(third.address);
        there.plants("entrada", &browser.cookie("entrada").unwrap());
        assert_eq!(status(&mut there).await, 200);
        there.posts("/oauth2/sign_out", NAVIGATION, "").await;
    }
    is_signed_out_soon(&mut pair.at_old(&old)).await;
    is_signed_out_soon(&mut new).await;
}
