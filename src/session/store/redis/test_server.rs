//! Real servers for tests: one, a master with Sentinels, a cluster.

use crate::config::session::{RedisConfig, RedisNode, RedisPlace};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

/// Maximum time until servers are ready.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// The kinds of servers that every test of a store runs with.
#[derive(Clone, Copy, Debug)]
pub(in crate::session::store) enum ServerKind {
    Single,
    Sentinel,
    Cluster,
    /// A single server of the oldest version that is supported.
    Redis6,
    /// A single server of Valkey.
    Valkey,
}

impl ServerKind {
    pub(in crate::session::store) const ALL: [Self; 5] =
        [Self::Single, Self::Sentinel, Self::Cluster, Self::Redis6, Self::Valkey];

    pub(in crate::session::store) fn name(self) -> &'static str {
        match self {
            Self::Single => "redis",
            Self::Sentinel => "redis with Sentinels",
            Self::Cluster => "redis as a cluster",
            Self::Redis6 => "redis 6.2",
            Self::Valkey => "valkey",
        }
    }

    /// Returns the server's program; `None` if it is not installed.
    fn program(self) -> Option<PathBuf> {
        let name = match self {
            Self::Single | Self::Sentinel | Self::Cluster => return Some("redis-server".into()),
            Self::Redis6 => "redis-server-6.2",
            Self::Valkey => "valkey-server",
        };
        // Where `tests/outside/setup.sh` installs what the distribution does not have.
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools").join(name);
        let is_there = program.is_file();
        assert!(is_there || std::env::var_os("CI").is_none(), "{name} is not installed");
        is_there.then_some(program)
    }
}

/// Servers that end with the test.
pub(in crate::session::store) struct TestServers {
    folder: PathBuf,
    children: Vec<Child>,
    place: RedisPlace,
    program: PathBuf,
}

/// Whether a server is installed. Where everything must be tested, it has to be.
pub(in crate::session::store) fn is_installed() -> bool {
    let found = Command::new("redis-server").arg("--version").stdout(Stdio::null()).status();
    let is_there = found.is_ok_and(|it| it.success());
    assert!(is_there || std::env::var_os("CI").is_none(), "redis-server is not installed");
    is_there
}

impl TestServers {
    /// Starts servers of this kind, which `is_installed` has found.
    pub(in crate::session::store) fn start(kind: ServerKind) -> Self {
        Self::start_installed(kind).unwrap()
    }

    /// Starts servers of this kind; `None` if they are not installed.
    pub(in crate::session::store) fn start_installed(kind: ServerKind) -> Option<Self> {
        let program = kind.program()?;
        let random = crate::seal::random::system().text::<8>();
        let folder = std::env::temp_dir().join(format!("entrada-redis-{random}"));
        std::fs::create_dir(&folder).unwrap();
        let socket = folder.join("redis.sock");
        let (children, place) = (Vec::new(), RedisPlace::Socket(socket));
        let mut servers = Self { folder, children, place, program };
        match kind {
            ServerKind::Single | ServerKind::Redis6 | ServerKind::Valkey => servers.start_single(),
            ServerKind::Sentinel => servers.start_sentinels(),
            ServerKind::Cluster => servers.start_cluster(),
        }
        Some(servers)
    }

    pub(in crate::session::store) fn config(&self) -> RedisConfig {
        RedisConfig {
            place: self.place.clone(),
            tls: false,
            user: None,
            password: None,
            sentinel_password: None,
            database: 0,
            ca_file: None,
            prefix: "entrada:".to_owned(),
            connect_timeout: Duration::from_secs(2),
            command_timeout: Duration::from_secs(2),
        }
    }

    fn socket(&self) -> PathBuf {
        self.folder.join("redis.sock")
    }

    pub(in crate::session::store) fn start_single(&mut self) {
        let socket = self.socket();
        self.spawn(&["--port", "0", "--unixsocket", socket.to_str().unwrap()]);
        let at = ["-s", socket.to_str().unwrap()];
        wait_for(|| run(&at, &["PING"]).trim() == "PONG");
    }

    /// Kills the first server; what it had is lost.
    pub(in crate::session::store) fn kill(&mut self) {
        let mut child = self.children.remove(0);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Sends a signal to the first server.
    pub(in crate::session::store) fn signal(&self, signal: &str) {
        let id = self.children[0].id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// Runs a command at a single server.
    pub(in crate::session::store) fn command(&self, command: &[&str]) -> String {
        run(&["-s", self.socket().to_str().unwrap()], command)
    }

    fn start_sentinels(&mut self) {
        let master = free_port();
        self.spawn(&["--port", &master.to_string()]);
        wait_for(|| run(&at(master), &["PING"]).trim() == "PONG");
        let mut sentinels = Vec::new();
        for _ in 0..3 {
            let port = free_port();
            let file = self.folder.join(format!("sentinel-{port}.conf"));
            let quorum = format!("port {port}\nsentinel monitor main 127.0.0.1 {master} 2\n");
            std::fs::write(&file, quorum).unwrap();
            self.spawn(&[file.to_str().unwrap(), "--sentinel"]);
            wait_for(|| run(&at(port), &["SENTINEL", "masters"]).contains("main"));
            sentinels.push(RedisNode { host: "127.0.0.1".to_owned(), port });
        }
        self.place = RedisPlace::Sentinel { master: "main".to_owned(), sentinels };
    }

    fn start_cluster(&mut self) {
        let mut nodes = Vec::new();
        for _ in 0..3 {
            let port = free_port();
            let (name, text) = (format!("nodes-{port}.conf"), port.to_string());
            // The port for the other nodes is 10,000 higher otherwise.
            let bus = free_port().to_string();
            let node = ["--cluster-enabled", "yes", "--cluster-config-file", &name];
            self.spawn(&[&["--port", &text, "--cluster-port", &bus], &node[..]].concat());
            wait_for(|| run(&at(port), &["PING"]).trim() == "PONG");
            nodes.push(RedisNode { host: "127.0.0.1".to_owned(), port });
        }
        let addresses: Vec<_> = nodes.iter().map(|it| format!("127.0.0.1:{}", it.port)).collect();
        let mut create = vec!["--cluster", "create"];
        create.extend(addresses.iter().map(String::as_str));
        create.push("--cluster-yes");
        run(&create, &[]);
        for node in &nodes {
            wait_for(|| run(&at(node.port), &["CLUSTER", "INFO"]).contains("cluster_state:ok"));
        }
        self.place = RedisPlace::Cluster(nodes);
    }

    fn spawn(&mut self, arguments: &[&str]) {
        let is_sentinel = arguments.contains(&"--sentinel");
        let kept: &[&str] = if is_sentinel { &[] } else { &["--save", "", "--appendonly", "no"] };
        let child = Command::new(&self.program)
            .args(arguments)
            .args(kept)
            .args(["--dir", self.folder.to_str().unwrap()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        self.children.push(child.unwrap());
    }
}

impl Drop for TestServers {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = std::fs::remove_dir_all::<&Path>(&self.folder);
    }
}

fn at(port: u16) -> [String; 2] {
    ["-p".to_owned(), port.to_string()]
}

/// Returns a port that nothing else in this process was given, below those that systems assign by
/// themselves.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let begin = u16::try_from(std::process::id() % 7000).unwrap();
    let next = || 10_500 + (begin + NEXT.fetch_add(1, Ordering::Relaxed)) % 9000;
    let is_free = |it: &u16| TcpListener::bind(("127.0.0.1", *it)).is_ok();
    std::iter::repeat_with(next).find(is_free).unwrap()
}

fn run(connection: &[impl AsRef<std::ffi::OsStr>], command: &[&str]) -> String {
    let out = Command::new("redis-cli").args(connection).args(command).output().unwrap();
    String::from_utf8_lossy(&out.stdout).into_owned()
}

fn wait_for(is_ready: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_ready() {
        assert!(began.elapsed() < START_TIMEOUT, "the server does not start");
        std::thread::sleep(Duration::from_millis(20));
    }
}
