//! Upgrades while people use the app: nobody is refused, and nobody is signed out.

mod both;
mod load;
mod long;

use crate::flood::{FloodedProgram, ProgramLaunch, ProgramOutput};
use crate::world::browser::{NAVIGATION, SCRIPT, TestBrowser};
use crate::world::raw::talk;
use crate::world::samples::{INES, MAYA, MAYA_ID, TOM, TOM_ID};
use crate::world::{World, free_port};
use load::{Load, LoadCounts, LoadPerson};
use long::{LongRequests, upload_bytes};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::{Duration, Instant};

const PEOPLE: usize = 36;
/// `shutdown_grace` of the stories.
const GRACE: Duration = Duration::from_secs(3);
/// Time in which two processes serve, at least.
const MIN_OVERLAP: Duration = Duration::from_secs(2);
/// Time between two parts of what takes long, on a busy machine.
const TOLERANCE: Duration = Duration::from_millis(500);

/// A program that is upgraded: a folder of sessions, and a world around it.
struct Upgrade {
    world: World,
    place: tempfile::TempDir,
    variables: Vec<(&'static str, String)>,
}

impl Upgrade {
    async fn with(variables: &[(&'static str, &str)]) -> Self {
        let variables = variables.iter().map(|it| (it.0, it.1.to_owned())).collect();
        let place = tempfile::tempdir().unwrap();
        Self { world: World::start().await, place, variables }
    }

    fn folder(&self) -> PathBuf {
        self.place.path().join("sessions")
    }

    fn launch(&self, port: Option<u16>) -> ProgramLaunch {
        let mut variables = self.variables.clone();
        variables.push(("ENTRADA_SESSION_SNAPSHOT", self.folder().display().to_string()));
        ProgramLaunch { output: ProgramOutput::Kept, variables, port, ..ProgramLaunch::default() }
    }

    async fn program(&self, port: Option<u16>) -> FloodedProgram {
        FloodedProgram::launch(&self.world, self.launch(port)).await
    }

    async fn signs_in(&self, program: &FloodedProgram, person: &str) -> TestBrowser {
        let mut browser = self.world.browser_at(program.address);
        browser.visits("/").await;
        assert_eq!(browser.signs_in_as(person).await.status, 200);
        browser
    }

    /// Some dozens of signed-in people.
    async fn people(&self, program: &FloodedProgram) -> Vec<LoadPerson> {
        let all = [(MAYA, MAYA_ID), (TOM, TOM_ID)].into_iter().cycle().take(PEOPLE);
        let one = async |(person, id)| {
            let cookie = self.signs_in(program, person).await.cookie_header();
            LoadPerson { cookie, id }
        };
        futures_util::future::join_all(all.map(one)).await
    }
}

async fn status(browser: &mut TestBrowser) -> u16 {
    browser.asks("GET", "/api/x", SCRIPT).await.status
}

/// Everyone is signed in, and not one request failed.
fn nobody_noticed(what: &str, counts: &LoadCounts) {
    println!("{what}: {counts:?}");
    assert!(counts.are_perfect(), "{what}: {counts:?}");
    assert!(counts.answers[&200] > 1000, "{what}: too few requests");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_reuse_port_a_new_process_takes_over_under_load_and_nobody_notices() {
    let upgrade = Upgrade::with(&[("ENTRADA_SERVER_REUSE_PORT", "true")]).await;
    let mut old = upgrade.program(None).await;
    let people = upgrade.people(&old).await;
    let load = Load::start(old.address, &old.host, people.clone());
    let upload = Duration::from_secs(5);
    let long = LongRequests::start(&old, &people[0].cookie, upload).await;
    // It waits, and does not listen yet.
    let next = upgrade.program(Some(old.address.port()));
    let stops = async {
        tokio::time::sleep(Duration::from_millis(1500)).await;
        old.is_told("TERM");
        Instant::now()
    };
    let (new, told) = tokio::join!(next, stops);
    assert!(old.ended().await, "{}", old.said().await);
    let took = told.elapsed();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (counts, ends) = (load.stops().await, long.ended().await);
    nobody_noticed("reuse_port", &counts);
    assert_eq!(ends.upload, (200, upload_bytes(upload)));
    let [stream, socket] = [ends.stream, ends.socket].map(|it| it.duration_since(told));
    println!("ended after {took:?}; the stream after {stream:?}, the WebSocket after {socket:?}");
    let expected = MIN_OVERLAP + GRACE;
    let [stream, socket] = [stream, socket].map(|it| it + TOLERANCE);
    assert!(stream >= expected && socket >= expected, "not until shutdown_grace");
    let (of_old, of_new) = (old.logged().await, new.logged().await);
    let served = [&of_old, &of_new].map(|it| it.matches("/api/load").count());
    println!("served by the old process {}, by the new one {}", served[0], served[1]);
    assert!(of_old.contains("sessions handed over") && of_old.contains("next process listens"));
    assert!(of_new.contains("waiting until another process releases the sessions"), "{of_new}");
    assert!(of_new.contains("the process before has ended"), "{of_new}");
    assert!(served[0] > 300 && served[1] > 300);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_socket_of_systemd_a_restart_under_load_is_noticed_by_nobody() {
    let upgrade = Upgrade::with(&[]).await;
    let port = free_port();
    let socket = listening(port);
    let launch = || ProgramLaunch {
        socket: Some(socket.try_clone().unwrap()),
        ..upgrade.launch(Some(port))
    };
    let mut old = FloodedProgram::launch(&upgrade.world, launch()).await;
    let people = upgrade.people(&old).await;
    let load = Load::start(old.address, &old.host, people.clone());
    let upload = Duration::from_secs(3);
    let long = LongRequests::start(&old, &people[0].cookie, upload).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    // As systemctl restart does it: the next process starts when the first one has ended.
    old.is_told("TERM");
    let told = Instant::now();
    assert!(old.ended().await, "{}", old.said().await);
    let took = told.elapsed();
    let new = FloodedProgram::launch(&upgrade.world, launch()).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let (counts, ends) = (load.stops().await, long.ended().await);
    nobody_noticed("systemd", &counts);
    assert_eq!(ends.upload, (200, upload_bytes(upload)));
    let [stream, socket] = [ends.stream, ends.socket].map(|it| it.duration_since(told));
    println!("ended after {took:?}; the stream after {stream:?}, the WebSocket after {socket:?}");
    let [stream, socket] = [stream, socket].map(|it| it + TOLERANCE);
    assert!(stream >= GRACE && socket >= GRACE, "not until shutdown_grace");
    assert!(new.logged().await.contains("sessions restored"));
}

/// The socket that systemd keeps.
fn listening(port: u16) -> TcpListener {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_reuse_address(true).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], port)).into()).unwrap();
    socket.listen(4096).unwrap();
    socket.into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_signs_in_or_out_while_two_processes_serve_is_signed_in_or_out_in_both() {
    let variables =
        [("ENTRADA_SERVER_REUSE_PORT", "true"), ("ENTRADA_SERVER_SHUTDOWN_DELAY", "9s")];
    let upgrade = Upgrade::with(&variables).await;
    let mut old = upgrade.program(None).await;
    let leaves = futures_util::future::join_all(
        [MAYA, TOM, INES, MAYA].map(|person| upgrade.signs_in(&old, person)),
    );
    let mut leaves = leaves.await;
    let next = upgrade.program(Some(old.address.port()));
    let stops = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        old.is_told("TERM");
    };
    let (new, ()) = tokio::join!(next, stops);
    // Each request is on a connection of its own, which the kernel gives to either process.
    let mut comes = Vec::new();
    for person in [MAYA, TOM, INES, TOM] {
        let mut browser = upgrade.signs_in(&new, person).await;
        for _ in 0..8 {
            assert_eq!(status(&mut browser).await, 200);
        }
        comes.push(browser);
    }
    let cookies = leaves.iter().map(TestBrowser::cookie_header).collect::<Vec<_>>();
    for browser in &mut leaves {
        browser.posts("/oauth2/sign_out", NAVIGATION, "").await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    for cookie in &cookies {
        let request = old.get("/api/x", "close");
        let request = request.replace("\r\n\r\n", &format!("\r\nCookie: {cookie}\r\n\r\n"));
        for _ in 0..8 {
            let answer = talk(new.address, &request).await;
            assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
        }
    }
    let served = [old.logged().await, new.logged().await].map(|it| it.matches("/api/x").count());
    println!("served by the old process {}, by the new one {}", served[0], served[1]);
    assert!(served[0] > 8 && served[1] > 8, "both served: {served:?}");
    assert!(old.ended().await);
    for browser in &mut comes {
        assert_eq!(status(browser).await, 200);
    }
}

#[tokio::test]
async fn a_process_that_nobody_follows_ends_by_itself_and_its_sessions_are_there_at_the_next_start()
{
    let upgrade = Upgrade::with(&[("ENTRADA_SERVER_REUSE_PORT", "true")]).await;
    let mut old = upgrade.program(None).await;
    let mut maya = upgrade.signs_in(&old, MAYA).await;
    old.is_told("TERM");
    let told = Instant::now();
    tokio::time::sleep(Duration::from_millis(500)).await;
    // After the hand-over.
    let mut tom = upgrade.signs_in(&old, TOM).await;
    assert!(old.ended().await);
    assert!((MIN_OVERLAP..MIN_OVERLAP * 2).contains(&told.elapsed()), "{:?}", told.elapsed());
    let new = upgrade.program(Some(old.address.port())).await;
    assert_eq!((status(&mut maya).await, status(&mut tom).await), (200, 200));
    drop(new);
}

#[tokio::test]
async fn a_process_that_waits_for_the_sessions_ends_when_it_is_told() {
    let upgrade = Upgrade::with(&[("ENTRADA_SERVER_REUSE_PORT", "true")]).await;
    let old = upgrade.program(None).await;
    let mut waiting = upgrade.launch(Some(old.address.port())).starts(&upgrade.world);
    for _ in 0..500 {
        if waiting.logged().await.contains("waiting until another process") {
            break;
        }
    }
    waiting.is_told("TERM");
    assert!(waiting.ended().await, "{}", waiting.said().await);
    assert!(waiting.logged().await.contains("stopped before it listened"));
    assert!(old.serves().await);
}
