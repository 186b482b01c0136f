//! nginx: as the app behind all proxies, and as the proxies with which Entrada is compared.

use crate::http::{BenchSite, HttpConnection};
use crate::process::{ChildProcess, free_port};
use crate::terminal::BenchOutcome;
use crate::tools::{cores, is_root};
use rustls::ClientConfig;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

/// No server closes a connection for its age or its number of requests, because the benchmark
/// measures requests.
const KEEP: &str = "keepalive_timeout 300s; keepalive_requests 1000000000;";

/// The app: static files from a separate nginx, whose CPU time is not counted.
#[derive(Debug)]
pub struct NginxApp {
    process: ChildProcess,
    /// The port on which it listens.
    pub port: u16,
    status: BenchSite,
}

impl NginxApp {
    /// Starts the app, with bodies of 1 KiB and 1 MiB under `/app` and `/public`.
    pub fn start(nginx: &Path, dir: &Path) -> BenchOutcome<Self> {
        let dir = folder(dir, "app")?;
        for place in ["files/app", "files/public"] {
            let place = folder(&dir, place)?;
            fs::write(place.join("1k"), body(1024))?;
            fs::write(place.join("1m"), body(1024 * 1024))?;
        }
        let (port, status) = (free_port()?, free_port()?);
        let servers = format!(
            "server {{ listen 127.0.0.1:{port} backlog=4096; root {}; open_file_cache max=100; sendfile on; tcp_nopush on; }}
             server {{ listen 127.0.0.1:{status}; location / {{ stub_status; }} }}",
            dir.join("files").display()
        );
        let process = start(nginx, &dir, "access_log off;", &servers, port)?;
        Ok(Self { process, port, status: BenchSite::local(status, None) })
    }

    /// Returns a counter for the requests that have reached it.
    pub fn counter(&mut self) -> BenchOutcome<AuthCounter> {
        self.process.must_live()?;
        Ok(AuthCounter { connection: HttpConnection::open(&self.status)?, own: 0 })
    }
}

/// Reads the number of requests that the app has received (nginx's `stub_status`).
pub struct AuthCounter {
    connection: HttpConnection,
    own: u64,
}

impl AuthCounter {
    /// Returns the number of requests so far, without those of this counter.
    pub fn requests(&mut self) -> BenchOutcome<u64> {
        let text = self.connection.get("/", &[])?.text();
        let count = text
            .lines()
            .nth(2)
            .and_then(|it| it.split_whitespace().nth(2))
            .and_then(|it| it.parse::<u64>().ok());
        self.own += 1;
        Ok(count.ok_or("nginx has no stub_status")?.saturating_sub(self.own))
    }
}

/// Returns text that does not consist of a single repeated letter.
fn body(size: usize) -> Vec<u8> {
    (0..size).map(|it| b'a' + u8::try_from(it * 7 % 26).unwrap_or_default()).collect()
}

/// The work that an nginx proxy does in addition to forwarding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NginxKind {
    /// `proxy_pass` with keep-alive connections; everything else is nginx's default.
    Bare,
    /// Adds the headers that Entrada adds.
    Headers,
    /// Writes its access log.
    Logged,
    /// Buffers that fit a large body.
    Tuned,
}

/// An nginx in front of the app, over plain HTTP and over TLS.
#[derive(Debug)]
pub struct NginxProxy {
    /// The nginx process: the master and its workers.
    pub process: ChildProcess,
    /// The site over plain HTTP.
    pub clear: BenchSite,
    /// The site over TLS.
    pub tls: BenchSite,
}

/// A certificate for `localhost` created for this run.
#[derive(Clone, Debug)]
pub struct BenchCertificate {
    /// The path of the chain, PEM.
    pub chain: PathBuf,
    /// The path of the key, PEM.
    pub key: PathBuf,
    /// The TLS configuration of a client that trusts it.
    pub believed: Arc<ClientConfig>,
}

impl NginxProxy {
    /// Starts it in front of `app`.
    pub fn start(
        nginx: &Path,
        dir: &Path,
        app: u16,
        certificate: &BenchCertificate,
        kind: NginxKind,
    ) -> BenchOutcome<Self> {
        let dir = folder(dir, &format!("{kind:?}").to_lowercase())?;
        let (clear, tls) = (free_port()?, free_port()?);
        let log = match kind {
            NginxKind::Logged => format!("access_log {};", dir.join("access.log").display()),
            NginxKind::Bare | NginxKind::Headers | NginxKind::Tuned => "access_log off;".to_owned(),
        };
        let more = match kind {
            NginxKind::Bare | NginxKind::Logged => String::new(),
            NginxKind::Headers => added_headers(),
            NginxKind::Tuned => "proxy_buffer_size 64k; proxy_buffers 16 64k; proxy_busy_buffers_size 256k; proxy_max_temp_file_size 0;".to_owned(),
        };
        let servers = format!(
            "upstream app {{ server 127.0.0.1:{app}; keepalive 512; {KEEP} }}
             server {{
                 listen 127.0.0.1:{clear} backlog=4096;
                 listen 127.0.0.1:{tls} ssl backlog=4096;
                 ssl_certificate {chain}; ssl_certificate_key {key}; ssl_protocols TLSv1.2 TLSv1.3;
                 location / {{ proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection \"\"; {more} }}
             }}",
            chain = certificate.chain.display(),
            key = certificate.key.display()
        );
        let process = start(nginx, &dir, &log, &servers, clear)?;
        let believed = Some(Arc::clone(&certificate.believed));
        Ok(Self {
            process,
            clear: BenchSite::local(clear, None),
            tls: BenchSite::local(tls, believed),
        })
    }
}

/// Returns the thirteen headers that Entrada adds for a signed-in person, with values of the same
/// length.
fn added_headers() -> String {
    let assertion = "x".repeat(700);
    let group = "0a1b2c3d-0000-4000-8000-000000000001";
    let fixed = [
        ("X-Forwarded-User", "00aa00aa-bb11-cc22-dd33-44ee44ee0001".to_owned()),
        ("X-Forwarded-Preferred-Username", "maya@contoso.example".to_owned()),
        ("X-Forwarded-Email", "maya@contoso.example".to_owned()),
        ("X-Forwarded-Name", "Maya Okafor".to_owned()),
        ("X-Forwarded-Groups", [group; 3].join(",")),
        ("X-Forwarded-Roles", "Admin".to_owned()),
        ("X-Forwarded-Tenant", "aaaabbbb-0000-cccc-1111-dddd2222eeee".to_owned()),
        ("X-Entrada-Assertion", assertion),
        ("X-Forwarded-For", "$remote_addr".to_owned()),
        ("X-Forwarded-Proto", "$scheme".to_owned()),
        ("X-Forwarded-Host", "$http_host".to_owned()),
        ("Forwarded", "for=$remote_addr;host=$http_host;proto=$scheme".to_owned()),
        ("X-Request-Id", "$request_id".to_owned()),
    ];
    fixed.iter().map(|(name, value)| format!("proxy_set_header {name} \"{value}\"; ")).collect()
}

fn start(
    nginx: &Path,
    dir: &Path,
    log: &str,
    servers: &str,
    port: u16,
) -> BenchOutcome<ChildProcess> {
    let here = dir.display();
    let user = if is_root() { "user root;" } else { "" };
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|it| format!("{it}_temp_path {here}/{it}; "))
        .concat();
    let config = format!(
        "{user} worker_processes {cores}; daemon off; pid {here}/pid; error_log {here}/error.log warn;
         events {{ worker_connections 8192; }}
         http {{ {log} {KEEP} {temporary} {servers} }}",
        cores = cores()
    );
    let file = dir.join("nginx.conf");
    fs::write(&file, config)?;
    let mut command = Command::new(nginx);
    command
        .arg("-p")
        .arg(dir)
        .arg("-e")
        .arg(dir.join("error.log"))
        .arg("-c")
        .arg(file)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut process = ChildProcess::start("nginx", &mut command)?;
    process.wait_for(port).map_err(|it| {
        format!("{it}: {}", fs::read_to_string(dir.join("error.log")).unwrap_or_default())
    })?;
    Ok(process)
}

fn folder(dir: &Path, name: &str) -> BenchOutcome<PathBuf> {
    let dir = dir.join(name);
    fs::create_dir_all(&dir)?;
    Ok(dir)
}
