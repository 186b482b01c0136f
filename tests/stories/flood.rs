//! The program as a process of its own: what it weighs, and how it stands many and slow clients.

use crate::world::raw::{self, talk};
use crate::world::{CLIENT_SECRET, SEAL, World, WorldPlan, free_port};
use bytes::Bytes;
use http::Request;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

/// `entrada run` beside a world: the same Entra, the same app, the same address; it ends with the story.
pub struct FloodedProgram {
    pub address: SocketAddr,
    pub host: String,
    admin: SocketAddr,
    process: Child,
    directory: tempfile::TempDir,
}

/// How the program is started.
#[derive(Default)]
pub struct ProgramLaunch {
    /// Soft and hard limit of open files.
    pub open_files: Option<(u32, u32)>,
    /// How much faster its clock runs; nothing for the machine's.
    pub clock: Option<FastClock>,
    pub output: ProgramOutput,
    /// Variables of its environment that the configuration reads.
    pub variables: Vec<(&'static str, String)>,
    /// The port at which a program listened before.
    pub port: Option<u16>,
    /// The socket that systemd would pass to it, listening at `port`.
    pub socket: Option<std::net::TcpListener>,
}

/// A clock for a process of its own, from the library `faketime`.
pub struct FastClock {
    pub library: PathBuf,
    pub times: u32,
}

/// Who reads the log.
#[derive(Default, PartialEq, Eq)]
pub enum ProgramOutput {
    /// It is thrown away.
    #[default]
    Discarded,
    /// It goes into a pipe, and nobody reads there.
    Stalled,
    /// It goes into a file, for `logged`.
    Kept,
}

impl Drop for FloodedProgram {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl ProgramLaunch {
    /// Starts the program without waiting until it is ready.
    pub fn starts(self, world: &World) -> FloodedProgram {
        let launch = self;
        let (port, admin) = (launch.port.unwrap_or_else(free_port), free_port());
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("entrada.toml");
        std::fs::write(&file, world.text_for(port, admin)).unwrap();
        let limit = launch.open_files.map_or(String::new(), |(soft, hard)| {
            format!("ulimit -Sn {soft} && ulimit -Hn {hard} && ")
        });
        let mut command = Command::new("sh");
        let mut prefix = limit;
        if let Some(socket) = launch.socket {
            // As systemd does it (sd_listen_fds(3)): `exec` keeps the process ID.
            prefix += "exec 3<&0 0</dev/null && export LISTEN_FDS=1 LISTEN_PID=$$ && ";
            command
                .stdin(Stdio::from(std::os::fd::OwnedFd::from(socket)))
                .env("ENTRADA_SERVER_LISTEN", "systemd");
        }
        if let Some(clock) = launch.clock {
            command
                .env("LD_PRELOAD", clock.library)
                .env("FAKETIME", format!("+0 x{}", clock.times));
        }
        let process = command
            .args([
                "-c",
                &format!("{prefix}exec \"$@\""),
                "sh",
                env!("CARGO_BIN_EXE_entrada"),
                "run",
                "--config",
            ])
            .arg(&file)
            .env("STORY_CLIENT_SECRET", CLIENT_SECRET)
            .env("STORY_SEAL", SEAL)
            .envs(launch.variables)
            .stdout(match launch.output {
                ProgramOutput::Discarded => Stdio::null(),
                ProgramOutput::Stalled => Stdio::piped(),
                ProgramOutput::Kept => {
                    std::fs::File::create(directory.path().join("log")).unwrap().into()
                }
            })
            .stderr(std::fs::File::create(directory.path().join("said")).unwrap())
            .spawn()
            .unwrap();
        let host = world.public_url.split_once("://").unwrap().1.to_owned();
        let admin = SocketAddr::from(([127, 0, 0, 1], admin));
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        FloodedProgram { address, host, admin, process, directory }
    }
}

impl FloodedProgram {
    pub async fn start(world: &World) -> Self {
        Self::launch(world, ProgramLaunch::default()).await
    }

    pub async fn launch(world: &World, launch: ProgramLaunch) -> Self {
        let program = launch.starts(world);
        for _ in 0..500 {
            if is_ready(program.admin).await {
                return program;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the program did not become ready: {}", program.said().await);
    }

    /// What it has told its operator on stderr.
    pub async fn said(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("said")).unwrap()
    }

    /// Its log so far, where it is kept; lines are written a moment after their request.
    pub async fn logged(&self) -> String {
        tokio::time::sleep(Duration::from_millis(500)).await;
        std::fs::read_to_string(self.directory.path().join("log")).unwrap()
    }

    /// Its figures, as Prometheus reads them.
    pub async fn figures(&self) -> String {
        talk(self.admin, "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .await
    }

    /// Processor time of all its threads so far, also of those that have ended, in seconds.
    pub fn processor_time(&self) -> f64 {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id())).unwrap();
        // utime and stime are fields 14 and 15 (proc_pid_stat(5)), in hundredths of a second (USER_HZ). Field 2 may have spaces in it.
        let fields = text.rsplit_once(')').unwrap().1.split_whitespace();
        fields.skip(11).take(2).map(|it| it.parse::<f64>().unwrap()).sum::<f64>() / 100.0
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Waits until it has ended; returns whether it ended well.
    pub async fn ended(&mut self) -> bool {
        for _ in 0..1000 {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status.success();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the program did not end");
    }

    /// Sends a signal by its short name.
    pub fn is_told(&self, signal: &str) {
        let status = Command::new("kill")
            .arg(format!("-{signal}"))
            .arg(self.process.id().to_string())
            .status()
            .unwrap();
        assert!(status.success());
    }

    /// Bytes of memory that are its own.
    pub fn weighs(&self) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/statm", self.process.id())).unwrap();
        text.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
    }

    pub fn get(&self, path: &str, connection: &str) -> String {
        format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: {connection}\r\n\r\n", self.host)
    }

    pub async fn serves(&self) -> bool {
        raw::status(&talk(self.address, &self.get("/public/x", "close")).await) == 200
    }

    /// The places that clients have left are free a moment later.
    pub async fn serves_soon(&self) {
        let begun = Instant::now();
        while !self.serves().await {
            assert!(begun.elapsed() < Duration::from_secs(5), "no place is free");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn is_ready(admin: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect(admin).await else { return false };
    stream
        .write_all(b"GET /readyz HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.is_ok() && answer.starts_with("HTTP/1.1 200")
}

const GIB: u64 = 1 << 30;
const MIB: u64 = 1 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gigabytes_stream_both_ways_and_the_program_does_not_grow() {
    let size: u64 = std::env::var("STORY_GIB").map_or(5, |it| it.parse().unwrap()) * GIB;
    let world = World::start().await;
    let program = FloodedProgram::start(&world).await;
    assert!(program.serves().await);
    let before = program.weighs();
    let mut most = before;
    let stream = TcpStream::connect(program.address).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut uploaded = tokio::spawn(sender.send_request(upload(&program.host, size)));
    let response = loop {
        most = most.max(program.weighs());
        if let Ok(done) = tokio::time::timeout(Duration::from_millis(50), &mut uploaded).await {
            break done.unwrap().unwrap();
        }
    };
    let said = response.into_body().collect().await.unwrap().to_bytes();
    assert!(String::from_utf8_lossy(&said).contains(&format!("\"bytes\":{size}")));

    sender.ready().await.unwrap();
    let request =
        Request::get(format!("/public/download?bytes={size}")).header("host", &program.host);
    let request = request.body(BodyExt::boxed(Full::new(Bytes::new()))).unwrap();
    let mut body = sender.send_request(request).await.unwrap().into_body();
    let (mut count, mut measured) = (0, 0);
    while let Some(frame) = body.frame().await {
        count += frame.unwrap().data_ref().map_or(0, |it| it.len() as u64);
        if count - measured > 16 * MIB {
            most = most.max(program.weighs());
            measured = count;
        }
    }
    assert_eq!(count, size);
    let grown = most - before;
    assert!(grown < 64 * MIB, "memory grew by {grown} bytes");
}

fn upload(host: &str, size: u64) -> Request<BoxBody<Bytes, Infallible>> {
    const BLOCK: u64 = 64 * 1024;
    let block = Bytes::from(vec![b'u'; usize::try_from(BLOCK).unwrap()]);
    let frames = futures_util::stream::unfold(0, move |sent| {
        let block = block.clone();
        async move { (sent < size).then(|| (Ok(Frame::data(block)), sent + BLOCK)) }
    });
    Request::post("/public/upload")
        .header("host", host)
        .body(BodyExt::boxed(StreamBody::new(Box::pin(frames))))
        .unwrap()
}

#[tokio::test]
async fn two_thousand_connections_at_rest_cost_little_and_block_nobody() {
    let world = World::start().await;
    let program = FloodedProgram::start(&world).await;
    assert!(program.serves().await);
    let before = program.weighs();
    let mut held = Vec::new();
    for at in 0..2000 {
        let mut stream = TcpStream::connect(program.address).await.unwrap();
        // Some have been served, some begin to say something, most say nothing.
        match at % 10 {
            0 => stream.write_all(program.get("/public/x", "keep-alive").as_bytes()).await.unwrap(),
            1 => stream.write_all(b"GET /pub").await.unwrap(),
            _ => {}
        }
        held.push(stream);
    }
    let began = Instant::now();
    for _ in 0..20 {
        assert!(program.serves().await);
    }
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let grown = program.weighs().saturating_sub(before);
    assert!(grown < 64 * MIB, "2000 connections cost {grown} bytes");
    let mut answered = [0; 15];
    held[0].read_exact(&mut answered).await.unwrap();
    assert_eq!(&answered, b"HTTP/1.1 200 OK");
}

#[tokio::test]
async fn a_flood_beyond_the_last_place_is_told_at_once_and_passes() {
    let world = World::with(WorldPlan {
        server: "[server.limits]\nconnections = 50".into(),
        ..WorldPlan::default()
    })
    .await;
    let program = FloodedProgram::start(&world).await;
    let mut held = Vec::new();
    for _ in 0..50 {
        let mut stream = TcpStream::connect(program.address).await.unwrap();
        stream.write_all(program.get("/public/x", "keep-alive").as_bytes()).await.unwrap();
        let mut begun = [0; 15];
        stream.read_exact(&mut begun).await.unwrap();
        assert_eq!(&begun, b"HTTP/1.1 200 OK");
        held.push(stream);
    }
    let began = Instant::now();
    let mut refused = tokio::task::JoinSet::new();
    for _ in 0..500 {
        let (address, request) = (program.address, program.get("/public/x", "close"));
        refused.spawn(async move { talk(address, &request).await });
    }
    while let Some(answer) = refused.join_next().await {
        let answer = answer.unwrap().to_lowercase();
        assert!(answer.starts_with("http/1.1 503") && answer.contains("retry-after"), "{answer}");
    }
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    drop(held);
    program.serves_soon().await;
}

#[tokio::test]
async fn a_download_that_nobody_takes_is_dropped_and_the_app_is_freed() {
    let world = World::with(WorldPlan {
        server: "[server.limits]\nbody_timeout = \"1s\"".into(),
        ..WorldPlan::default()
    })
    .await;
    let program = FloodedProgram::start(&world).await;
    assert!(program.serves().await);
    let before = program.weighs();
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(program.address).await.unwrap();
    stream
        .write_all(program.get("/public/download?bytes=1073741824", "close").as_bytes())
        .await
        .unwrap();
    // The client sleeps; a dropped connection shows as its end, long before the gigabyte is through.
    tokio::time::sleep(Duration::from_secs(4)).await;
    let mut heard = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut heard))
        .await
        .expect("the connection was not dropped");
    assert!(heard.starts_with(b"HTTP/1.1 200") || read.is_err());
    assert!((heard.len() as u64) < 64 * MIB, "{} bytes", heard.len());
    assert!(program.weighs().saturating_sub(before) < 64 * MIB);
    assert!(program.serves().await);
}
