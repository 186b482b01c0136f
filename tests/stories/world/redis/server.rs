//! One server, and what can happen to it.

use super::{RedisClient, RedisProgram, RedisReply, free_port};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The name and the password of the user with which tests look into a server that has users.
const CONTROL: [&str; 2] = ["control", "the-password-of-the-tests-themselves"];

/// Maximum time for a server to start or to answer something else.
const PATIENCE: Duration = Duration::from_secs(30);

/// Number of keys that make loading take its time.
const FILLERS: u32 = 200;

/// What is different from a server without users on loopback.
#[derive(Clone, Debug, Default)]
pub struct RedisOptions {
    pub program: RedisProgram,
    /// The password of the user `default`.
    pub password: Option<String>,
    /// The only user that may connect besides the tests: `app on >password ~entrada:* &* +@all`.
    pub user: Option<String>,
    /// Whether it accepts TLS only, with a certificate for `localhost` and 127.0.0.1.
    pub tls: bool,
    /// The port of the server that it replicates.
    pub replica_of: Option<u16>,
    /// Further arguments.
    pub more: Vec<String>,
}

/// A running server; it ends with the test.
pub struct RedisServer {
    pub port: u16,
    options: RedisOptions,
    program: PathBuf,
    process: Child,
    folder: tempfile::TempDir,
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

impl RedisServer {
    /// Starts a server without users; `None` if it is not installed.
    pub async fn start() -> Option<Self> {
        Self::with(RedisOptions::default()).await
    }

    /// Starts a server that differs.
    pub async fn with(options: RedisOptions) -> Option<Self> {
        Self::with_file(options, "").await
    }

    async fn with_file(options: RedisOptions, text: &str) -> Option<Self> {
        let program = options.program.find()?;
        let folder = tempfile::Builder::new().prefix("entrada-redis-").tempdir_in("/tmp").unwrap();
        std::fs::create_dir(folder.path().join("data")).unwrap();
        std::fs::write(folder.path().join("server.conf"), text).unwrap();
        if options.tls {
            certify(folder.path());
        }
        let port = free_port();
        let process = spawn(&program, folder.path(), port, &options, &[]);
        let server = Self { port, options, program, process, folder };
        server.waits_until("it answers", async |it| it.ask(&["PING"]).await.is_ok()).await;
        Some(server)
    }

    /// Starts a Sentinel with these lines of its file.
    pub(super) async fn sentinel(text: &str, password: Option<String>) -> Option<Self> {
        let more = vec!["--sentinel".to_owned()];
        let options = RedisOptions { password, more, ..RedisOptions::default() };
        Self::with_file(options, text).await
    }

    /// Returns the value of `session.redis.url`, with the name of the user.
    pub fn url(&self) -> String {
        let scheme = if self.options.tls { "rediss" } else { "redis" };
        let user = self
            .options
            .user
            .as_ref()
            .map_or(String::new(), |it| format!("{}@", it.split_whitespace().next().unwrap()));
        format!("{scheme}://{user}127.0.0.1:{}", self.port)
    }

    /// Returns the same for the unix socket.
    pub fn unix_url(&self) -> String {
        format!("unix:{}", self.socket().display())
    }

    /// Returns the file with the authority that issued its certificate.
    pub fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("control.sock")
    }

    /// Kills it as `kill -9` does, and waits until it is gone.
    pub fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Stops it without ending it: connections stay, and nothing is answered.
    pub fn pause(&self) {
        self.signal("STOP");
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap().success());
    }

    /// Starts it again at the same port with the data that it had; kills it first if it runs.
    pub async fn restart(&mut self) {
        self.starts_again(&[]);
        self.has_loaded().await;
    }

    /// Waits until it has loaded its data.
    pub async fn has_loaded(&self) {
        self.waits_until("it has loaded its data", async |it| {
            it.ask(&["PING"]).await.is_ok_and(|it| it.text() == "PONG")
        })
        .await;
    }

    /// The same, without its data.
    pub async fn restart_empty(&mut self) {
        self.kill();
        let data = self.folder.path().join("data");
        std::fs::remove_dir_all(&data).unwrap();
        std::fs::create_dir(&data).unwrap();
        self.restart().await;
    }

    /// Starts it again so that it loads its data for that long, and answers `LOADING` meanwhile; not
    /// with Redis 6, which answers nothing in that time.
    pub async fn restart_loading(&mut self, time: Duration) {
        let mut client = self.client().await.unwrap();
        client.ask(&["CONFIG", "SET", "rdbcompression", "no"]).await.unwrap();
        for number in 0..FILLERS {
            let (key, value) = (format!("filler:{number}"), "x".repeat(200));
            client.ask(&["SET", &key, &value]).await.unwrap();
        }
        // A snapshot is loaded key by key, and clients are answered in between.
        client.ask(&["BGREWRITEAOF"]).await.unwrap();
        self.waits_until("its snapshot is written", async |it| {
            let info = it.ask(&["INFO", "persistence"]).await.unwrap().text();
            info.contains("aof_rewrite_in_progress:0") && info.contains("aof_rewrite_scheduled:0")
        })
        .await;
        let delay = (time / FILLERS).as_micros().to_string();
        let slow = ["--key-load-delay", &delay, "--loading-process-events-interval-bytes", "1024"];
        self.starts_again(&slow);
        self.waits_until("it answers at all", async |it| it.ask(&["GET", "x"]).await.is_ok()).await;
    }

    fn starts_again(&mut self, more: &[&str]) {
        self.kill();
        let _ = std::fs::remove_file(self.socket());
        self.process = spawn(&self.program, self.folder.path(), self.port, &self.options, more);
    }

    /// Answers `READONLY` to writes from now on, as a former primary after a failover.
    pub async fn becomes_a_replica(&self) {
        // Nothing listens there: it keeps its data and waits for a primary.
        self.command(&["REPLICAOF", "127.0.0.1", "1"]).await;
    }

    /// Accepts writes again.
    pub async fn becomes_primary(&self) {
        self.command(&["REPLICAOF", "NO", "ONE"]).await;
    }

    /// Answers `OOM` to writes from now on.
    pub async fn runs_out_of_memory(&self) {
        self.command(&["CONFIG", "SET", "maxmemory", "1"]).await;
    }

    /// Has memory again.
    pub async fn has_memory(&self) {
        self.command(&["CONFIG", "SET", "maxmemory", "0"]).await;
    }

    /// Connects for more than one command.
    pub async fn client(&self) -> std::io::Result<RedisClient> {
        let auth = match (&self.options.user, &self.options.password) {
            (Some(_), _) => CONTROL.to_vec(),
            (None, Some(password)) => vec![password.as_str()],
            (None, None) => Vec::new(),
        };
        RedisClient::connect(&self.socket(), &auth).await
    }

    /// Runs a command that the server carries out.
    pub async fn command(&self, words: &[&str]) -> RedisReply {
        let answer = self.client().await.unwrap().ask(words).await.unwrap();
        assert!(!matches!(answer, RedisReply::Error(_)), "{words:?}: {answer:?}");
        answer
    }

    /// Returns every key with all bytes of its value, of the database with this number.
    pub async fn everything(&self, database: u32) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut client = self.client().await.unwrap();
        client.ask(&["SELECT", &database.to_string()]).await.unwrap();
        let mut all = Vec::new();
        for key in client.ask(&["KEYS", "*"]).await.unwrap().list() {
            let key = key.flat();
            let kind = client.ask_bytes(&[b"TYPE", &key]).await.unwrap().text();
            let words: &[&[u8]] = match kind.as_str() {
                "string" => &[b"GET", &key],
                "hash" => &[b"HGETALL", &key],
                "set" => &[b"SMEMBERS", &key],
                "zset" => &[b"ZRANGE", &key, b"0", b"-1", b"WITHSCORES"],
                "list" => &[b"LRANGE", &key, b"0", b"-1"],
                "stream" => &[b"XRANGE", &key, b"-", b"+"],
                // It expired in the meantime.
                "none" => continue,
                other => panic!("{other}"),
            };
            let value = client.ask_bytes(words).await.unwrap().flat();
            all.push((key, value));
        }
        all
    }

    /// Waits for something that a command shows.
    pub async fn waits_until(&self, what: &str, is_so: impl AsyncFn(&mut RedisClient) -> bool) {
        let began = Instant::now();
        loop {
            if let Ok(mut client) = self.client().await
                && is_so(&mut client).await
            {
                return;
            }
            let log = || std::fs::read_to_string(self.folder.path().join("log"));
            assert!(began.elapsed() < PATIENCE, "not so: {what}:\n{}", log().unwrap_or_default());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

fn spawn(program: &Path, folder: &Path, port: u16, options: &RedisOptions, more: &[&str]) -> Child {
    let path = |name: &str| folder.join(name).display().to_string();
    let port = port.to_string();
    let mut command = Command::new(program);
    let is_sentinel = options.more.iter().any(|it| it == "--sentinel");
    // A Sentinel rewrites its file.
    command.arg(path("server.conf"));
    command.args(["--bind", "127.0.0.1", "--unixsocket", &path("control.sock")]);
    command.args(["--dir", &path("data"), "--logfile", &path("log"), "--daemonize", "no"]);
    if options.tls {
        command.args(["--port", "0", "--tls-port", &port, "--tls-auth-clients", "no"]);
        command.args(["--tls-cert-file", &path("server.pem"), "--tls-key-file"]);
        command.args([path("server.key"), "--tls-ca-cert-file".to_owned(), path("ca.pem")]);
    } else {
        command.args(["--port", &port]);
    }
    if !is_sentinel {
        // What was answered is in the file, also after `kill -9`.
        command.args(["--appendonly", "yes", "--appendfsync", "no", "--save", ""]);
        command.args(["--repl-diskless-sync-delay", "0"]);
    }
    if let Some(user) = &options.user {
        command.args(["--user", "default", "off", "--user"]).args(user.split_whitespace());
        command.args(["--user", CONTROL[0], "on", &format!(">{}", CONTROL[1])]);
        command.args(["~*", "&*", "+@all"]);
    }
    if let Some(password) = &options.password {
        command.args(["--requirepass", password]);
        if !is_sentinel {
            command.args(["--masterauth", password]);
        }
    }
    if let Some(primary) = options.replica_of {
        command.args(["--replicaof", "127.0.0.1", &primary.to_string()]);
    }
    command.args(&options.more).args(more);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

/// Creates a certificate for this machine, and the authority that issued it.
fn certify(folder: &Path) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let authority_key = KeyPair::generate().unwrap();
    let issued = authority.self_signed(&authority_key).unwrap();
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let (key, leaf) = (KeyPair::generate().unwrap(), CertificateParams::new(names).unwrap());
    let leaf = leaf.signed_by(&key, &Issuer::new(authority, authority_key)).unwrap();
    for (name, text) in
        [("ca.pem", issued.pem()), ("server.pem", leaf.pem()), ("server.key", key.serialize_pem())]
    {
        std::fs::write(folder.join(name), text).unwrap();
    }
}
