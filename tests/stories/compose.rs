//! The example of two replicas: its processes, from its own files, without containers.
//!
//! Each service has an address of its own on loopback, and its ports are free ones.

use crate::outside;
use crate::world::browser::{NAVIGATION, SCRIPT, TestBrowser};
use crate::world::echo::EchoApp;
use crate::world::raw::{self, talk_for};
use crate::world::samples::{MAYA, TOM};
use crate::world::{CLIENT_ID, CLIENT_SECRET, free_port};
use entrada::base::clock::Clock;
use entrada::emulator::{Emulator, EmulatorOptions};
use entrada::seal::random;
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

/// Ports that the files name.
const PORTS: [&str; 4] = ["4180", "4181", "3000", "6379"];
const REPLICAS: [&str; 2] = ["entrada-1", "entrada-2"];
const PATIENCE: Duration = Duration::from_secs(20);

/// The running example.
struct ComposedServices {
    folder: tempfile::TempDir,
    compose: Value,
    /// The address of each service; its last byte is the service's own.
    addresses: BTreeMap<String, String>,
    ports: BTreeMap<&'static str, u16>,
    front: u16,
    emulator: Emulator,
    app: EchoApp,
    processes: BTreeMap<String, Child>,
}

impl Drop for ComposedServices {
    fn drop(&mut self) {
        for process in self.processes.values_mut() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn example() -> PathBuf {
    outside::root().join("examples/compose")
}

/// Reads the file as a program that knows YAML does.
fn compose_file(python: &Path) -> Value {
    let script = "import json, sys, yaml; json.dump(yaml.safe_load(open(sys.argv[1])), sys.stdout)";
    let read = Command::new(python)
        .args(["-c", script])
        .arg(example().join("compose.yaml"))
        .output()
        .unwrap();
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    serde_json::from_slice(&read.stdout).unwrap()
}

impl ComposedServices {
    /// Starts everything, `None` where a program is missing.
    async fn start() -> Option<Self> {
        let compose = compose_file(&outside::python()?);
        for program in ["caddy", "valkey-server"] {
            outside::tool(program)?;
        }
        let front = free_port();
        let emulator = Emulator::start(
            TcpListener::bind("127.0.0.1:0").unwrap(),
            EmulatorOptions {
                clock: Clock::system(),
                random: random::system(),
                redirect_uris: vec![format!("http://localhost:{front}/oauth2/callback")],
                client_id: Some(CLIENT_ID.to_owned()),
                client_secret: Some(CLIENT_SECRET.to_owned()),
                registrations: Vec::new(),
                tls: None,
                host: None,
            },
        )
        .await
        .unwrap();
        let names = compose["services"].as_object().unwrap().keys().cloned();
        let addresses = names.zip(2..).map(|it| (it.0, format!("127.0.0.{}", it.1))).collect();
        let mut example = Self {
            folder: tempfile::tempdir().unwrap(),
            compose,
            addresses,
            ports: PORTS.map(|it| (it, free_port())).into(),
            front,
            emulator,
            app: EchoApp::start().await,
            processes: BTreeMap::new(),
        };
        example.types_the_secrets();
        for service in ["valkey", REPLICAS[0], REPLICAS[1], "caddy"] {
            example.starts(service);
        }
        for service in REPLICAS {
            example.is_ready(service).await;
        }
        example.serves().await;
        Some(example)
    }

    /// Types what the page says, up to the containers.
    fn types_the_secrets(&self) {
        let page = std::fs::read_to_string(example().join("README.md")).unwrap();
        let block = page.split("```sh\n").find(|it| it.starts_with("mkdir")).unwrap();
        let lines = block.split("```").next().unwrap();
        let lines = lines.replace("the-Value-of-the-client-secret", CLIENT_SECRET);
        let binary = Path::new(env!("CARGO_BIN_EXE_entrada")).parent().unwrap();
        let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
        let mut command = Command::new("sh");
        command.args(["-ec", &lines]).env("PATH", path).current_dir(self.folder.path());
        assert!(command.status().unwrap().success(), "{lines}");
    }

    /// The text with addresses and folders of this machine in place of those of containers.
    fn placed(&self, text: &str, service: &str) -> String {
        let mut out = text.replace("https://app.example.com", "app.example.com");
        out = out.replace("app.example.com", &format!("http://localhost:{}", self.front));
        out = out.replace("app:3000", &self.app.address.to_string());
        for (port, free) in &self.ports {
            for (name, address) in &self.addresses {
                out = out.replace(&format!("{name}:{port}"), &format!("{address}:{free}"));
            }
            let own = format!("{}:{free}", self.addresses[service]);
            out = out.replace(&format!("0.0.0.0:{port}"), &own);
            out = out.replace(&format!("health_port {port}"), &format!("health_port {free}"));
        }
        let folder = self.folder.path().display();
        out.replace("172.30.0.0/24", "127.0.0.0/8")
            .replace("/run/secrets/", &format!("{folder}/secrets/"))
            .replace("dir /data", &format!("dir {folder}"))
    }

    /// Starts the command of a service with the files that it mounts.
    fn starts(&mut self, service: &str) {
        let about = &self.compose["services"][service];
        let mut line = about["command"].as_str().unwrap().to_owned();
        for mount in about["volumes"].as_array().unwrap() {
            let mount = mount.as_str().unwrap();
            let Some((file, place)) = mount.strip_suffix(":ro").and_then(|it| it.split_once(':'))
            else {
                continue;
            };
            let text = std::fs::read_to_string(example().join(file)).unwrap();
            let here = self.folder.path().join(format!("{service}-files")).join(file);
            std::fs::create_dir_all(here.parent().unwrap()).unwrap();
            std::fs::write(&here, self.placed(&text, service)).unwrap();
            assert!(line.contains(place), "{service} does not read {place}");
            line = line.replace(place, here.to_str().unwrap());
        }
        for secret in about["secrets"].as_array().into_iter().flatten() {
            let name = secret.as_str().unwrap();
            let file = self.compose["secrets"][name]["file"].as_str().unwrap();
            assert_eq!(file, format!("./secrets/{name}"));
            assert!(self.folder.path().join(file).is_file(), "no {file}");
        }
        let mut words = line.split_whitespace();
        let mut command = if REPLICAS.contains(&service) {
            Command::new(env!("CARGO_BIN_EXE_entrada"))
        } else {
            Command::new(outside::tool(words.next().unwrap()).unwrap())
        };
        command.args(words);
        if service == "valkey" {
            let port = self.ports["6379"].to_string();
            command.args(["--port", &port, "--bind", &self.addresses[service]]);
        }
        let log = std::fs::File::create(self.log(service)).unwrap();
        let process = command
            .env("AZURE_TENANT_ID", "contoso.example")
            .env("AZURE_CLIENT_ID", CLIENT_ID)
            .env("AZURE_AUTHORITY_HOST", self.emulator.authority())
            .env("XDG_DATA_HOME", self.folder.path())
            .env("XDG_CONFIG_HOME", self.folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.processes.insert(service.to_owned(), process);
    }

    fn log(&self, service: &str) -> PathBuf {
        self.folder.path().join(format!("{service}.log"))
    }

    fn logs(&self) -> String {
        let one = |service: &String| {
            let text = std::fs::read_to_string(self.log(service)).unwrap_or_default();
            format!("== {service}\n{text}")
        };
        self.processes.keys().map(one).collect()
    }

    fn address(&self, service: &str, port: &str) -> SocketAddr {
        format!("{}:{}", self.addresses[service], self.ports[port]).parse().unwrap()
    }

    async fn is_ready(&self, service: &str) {
        let began = Instant::now();
        let request = "GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        loop {
            let address = self.address(service, "4181");
            if TcpStream::connect(address).await.is_ok()
                && talk_for(address, request.as_bytes(), PATIENCE).await.contains(" 200 ")
            {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "{service} is not ready: {}", self.logs());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn front(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.front))
    }

    fn browser(&self) -> TestBrowser {
        TestBrowser::new(self.front(), &format!("http://localhost:{}", self.front))
    }

    /// Waits until Caddy serves.
    async fn serves(&self) {
        let began = Instant::now();
        while TcpStream::connect(self.front()).await.is_err() {
            assert!(began.elapsed() < PATIENCE, "Caddy does not listen: {}", self.logs());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn signed_in(&self, person: &str) -> TestBrowser {
        let mut browser = self.browser();
        browser.visits("/").await;
        let page = browser.signs_in_as(person).await;
        assert_eq!(page.status, 200, "{} {}", page.body, self.logs());
        browser
    }

    fn signals(&self, service: &str, signal: &str) {
        let id = self.processes[service].id().to_string();
        let sent = Command::new("kill").args([&format!("-{signal}"), &id]).status().unwrap();
        assert!(sent.success());
    }

    async fn ends(&mut self, service: &str) {
        let mut process = self.processes.remove(service).unwrap();
        let ended = tokio::task::spawn_blocking(move || process.wait().unwrap()).await.unwrap();
        assert!(ended.success() || ended.code().is_none(), "{service}: {ended}");
    }

    /// Returns the number of requests of the app's that a replica has answered.
    fn answered(&self, service: &str) -> usize {
        let log = std::fs::read_to_string(self.log(service)).unwrap();
        log.lines().filter(|it| it.contains("\"path\":\"/load\"")).count()
    }
}

impl ComposedServices {
    /// Waits until Caddy sends requests to a replica: it asks every two seconds whether it is ready.
    async fn is_asked(&self, service: &str) {
        let began = Instant::now();
        while self.answered(service) == 0 {
            assert!(began.elapsed() < PATIENCE, "{service} is not asked: {}", self.logs());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// Requests of a signed-in person, one after the other, until the end.
struct BackgroundLoad {
    is_over: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<Vec<u16>>,
}

impl BackgroundLoad {
    fn start(example: &ComposedServices, browser: &TestBrowser) -> Self {
        let request = format!(
            "GET /load HTTP/1.1\r\nHost: localhost:{}\r\nAccept: application/json\r\n\
             Cookie: {}\r\nConnection: close\r\n\r\n",
            example.front,
            browser.cookie_header()
        );
        let (address, is_over) = (example.front(), Arc::<AtomicBool>::default());
        let end = Arc::clone(&is_over);
        let task = tokio::spawn(async move {
            let mut all = Vec::new();
            while !end.load(Ordering::SeqCst) {
                all.push(raw::status(&talk_for(address, request.as_bytes(), PATIENCE).await));
                tokio::time::sleep(Duration::from_millis(15)).await;
            }
            all
        });
        Self { is_over, task }
    }

    /// Every answer was the app's.
    async fn was_served(self, what: &str, example: &ComposedServices) {
        self.is_over.store(true, Ordering::SeqCst);
        let all = self.task.await.unwrap();
        let others: Vec<_> = all.iter().filter(|it| **it != 200).collect();
        assert!(others.is_empty() && all.len() > 10, "{what}: {others:?} {}", example.logs());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_example_of_two_replicas_updates_loses_and_regains_parts_and_nobody_signs_in_again() {
    let Some(mut example) = ComposedServices::start().await else { return };
    let (mut maya, mut tom) = (example.signed_in(MAYA).await, example.signed_in(TOM).await);
    assert_eq!(maya.visits("/x").await.app_heard("x-forwarded-proto"), "http");
    let calls = example.emulator.control().code_calls();

    // The page's update: one replica after the other.
    let load = BackgroundLoad::start(&example, &maya);
    for service in REPLICAS {
        for replica in REPLICAS {
            example.is_asked(replica).await;
        }
        example.signals(service, "TERM");
        example.ends(service).await;
        example.starts(service);
        example.is_ready(service).await;
        example.is_asked(service).await;
    }
    load.was_served("an update", &example).await;

    // A replica dies, and requests go to the other.
    example.signals(REPLICAS[0], "KILL");
    example.ends(REPLICAS[0]).await;
    for _ in 0..20 {
        assert_eq!(tom.asks("GET", "/x", SCRIPT).await.status, 200);
    }
    example.starts(REPLICAS[0]);
    example.is_ready(REPLICAS[0]).await;
    for _ in 0..20 {
        assert_eq!(tom.asks("GET", "/x", SCRIPT).await.status, 200);
    }

    // Valkey is away for a moment. Both replicas know Maya, and she is served.
    maya_is_known_everywhere(&example, &mut maya).await;
    let load = BackgroundLoad::start(&example, &maya);
    example.signals("valkey", "KILL");
    example.ends("valkey").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    example.starts("valkey");
    tokio::time::sleep(Duration::from_secs(1)).await;
    load.was_served("an outage of Valkey", &example).await;

    assert_eq!(example.emulator.control().code_calls(), calls, "nobody signed in again");
    // A sign-out reaches the other replica within a second.
    maya.posts("/oauth2/sign_out", NAVIGATION, "").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    for _ in 0..6 {
        assert_eq!(tom.asks("GET", "/x", SCRIPT).await.status, 200);
        assert_ne!(maya.asks("GET", "/x", SCRIPT).await.status, 200);
    }
}

/// Sends requests until both replicas have certainly answered one.
async fn maya_is_known_everywhere(example: &ComposedServices, maya: &mut TestBrowser) {
    let began = Instant::now();
    let before = REPLICAS.map(|it| example.answered(it));
    while REPLICAS.iter().zip(before).any(|it| example.answered(it.0) <= it.1 + 1) {
        assert_eq!(maya.asks("GET", "/load", SCRIPT).await.status, 200);
        assert!(began.elapsed() < PATIENCE, "a replica is not asked: {}", example.logs());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
