//! Memory of the idle process, of an idle connection and of a session, and the time until `entrada
//! dev` listens.

use crate::entrada::{EntradaFolder, EntradaKind, EntradaProcess};
use crate::http::{BenchSite, HttpConnection};
use crate::nginx::{BenchCertificate, NginxApp, NginxProxy};
use crate::process::{ChildProcess, free_port};
use crate::sign_in::{BenchBrowser, EmulatorProcess};
use crate::stage::certificate;
use crate::statistics::median;
use crate::terminal::{BenchOutcome, hum, say};
use crate::tools::BenchTools;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

/// Number of sign-ins before the first measurement, so that the allocator and the tables have
/// completed their first growth, and that what is kept of recent sign-ins has reached its limit (16
/// MiB).
const FIRST: usize = 12_000;

/// Number of threads that sign in.
const THREADS: usize = 4;

/// Time until the background work of the measured process is done.
const REST: Duration = Duration::from_secs(1);

/// Time until idle connections have given their memory to the allocator.
const CONNECTIONS_REST: Duration = Duration::from_secs(8);
/// Time in which the allocator then gives it to the system, while other requests arrive.
const PURGE: Duration = Duration::from_secs(12);

/// Numbers of connections and sessions to create.
#[derive(Clone, Copy, Debug)]
pub struct MemoryAmount {
    /// Number of connections that are kept idle.
    pub connections: usize,
    /// Number of sign-ins.
    pub sessions: usize,
}

/// The memory that was measured, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct MemoryFigures {
    /// The process before its first request.
    pub idle: f64,
    /// For each idle connection that has served one request.
    pub connection: f64,
    /// The same for nginx.
    pub nginx_connection: f64,
    /// For each idle session.
    pub session: f64,
    /// For each session that made a request within the lifetime of its assertion.
    pub session_in_use: f64,
    /// Number of sessions that were created.
    pub sessions: usize,
    /// Number of connections that were created.
    pub connections: usize,
}

/// Measures all figures, each in a new process that has done nothing else.
pub fn measure(
    tools: &BenchTools,
    dir: &Path,
    binary: &Path,
    amount: MemoryAmount,
) -> BenchOutcome<MemoryFigures> {
    hum("memory: idle");
    let certificate = certificate(dir)?;
    let app = NginxApp::start(&tools.nginx, dir)?;
    let new = || fresh(binary, dir, app.port, &certificate);
    let (entrada, emulator) = new()?;
    sleep(REST);
    let idle = bytes(entrada.process.resident()?);
    hum(", connections");
    let cookie = BenchBrowser::open(&entrada.site, &emulator)?.sign_in()?;
    let connection = connections(&entrada.process, &entrada.site, &cookie, amount.connections)?;
    let proxy = NginxProxy::start(
        &tools.nginx,
        dir,
        app.port,
        &certificate,
        crate::nginx::NginxKind::Bare,
    )?;
    let nginx_connection = connections(&proxy.process, &proxy.clear, &cookie, amount.connections)?;
    hum(", sessions");
    let (entrada, emulator) = new()?;
    let (session, session_in_use) = sessions(&entrada, &emulator, amount.sessions)?;
    say("");
    Ok(MemoryFigures {
        idle,
        connection,
        nginx_connection,
        session,
        session_in_use,
        sessions: amount.sessions,
        connections: amount.connections,
    })
}

fn fresh(
    binary: &Path,
    dir: &Path,
    app: u16,
    certificate: &BenchCertificate,
) -> BenchOutcome<(EntradaProcess, EmulatorProcess)> {
    let place = EntradaFolder::choose(EntradaKind::Clear, certificate)?;
    let emulator = EmulatorProcess::start(binary, &[place.redirect_uri()])?;
    let entrada = EntradaProcess::start(binary, dir, app, &place, certificate, &emulator)?;
    Ok((entrada, emulator))
}

/// Returns the bytes for each connection that is kept open after one request.
fn connections(
    process: &ChildProcess,
    site: &BenchSite,
    cookie: &str,
    count: usize,
) -> BenchOutcome<f64> {
    let ask = || -> BenchOutcome<HttpConnection> {
        let mut connection = HttpConnection::open(site)?;
        let reply = connection.get("/app/1k", &[("accept", "text/html"), ("cookie", cookie)])?;
        if reply.status == 200 {
            Ok(connection)
        } else {
            Err(format!("{} answered {}", site.host, reply.status).into())
        }
    };
    for _ in 0..50 {
        ask()?;
    }
    sleep(REST);
    let before = process.resident()?;
    let kept = (0..count).map(|_| ask()).collect::<BenchOutcome<Vec<_>>>()?;
    sleep(CONNECTIONS_REST);
    let began = Instant::now();
    while began.elapsed() < PURGE {
        ask()?;
        sleep(Duration::from_millis(50));
    }
    let after = process.resident()?;
    drop(kept);
    Ok(per(before, after, count))
}

/// Returns the bytes for each session, idle and in use.
fn sessions(
    entrada: &EntradaProcess,
    emulator: &EmulatorProcess,
    count: usize,
) -> BenchOutcome<(f64, f64)> {
    let process = &entrada.process;
    let first = sign_in_many(entrada, emulator, FIRST)?;
    use_all(&entrada.site, &first)?;
    sleep(REST);
    let before = process.resident()?;
    let cookies = sign_in_many(entrada, emulator, count)?;
    sleep(REST);
    let at_rest = process.resident()?;
    use_all(&entrada.site, &cookies)?;
    sleep(REST);
    let in_use = process.resident()?;
    Ok((per(before, at_rest, count), per(before, in_use, count)))
}

fn sign_in_many(
    entrada: &EntradaProcess,
    emulator: &EmulatorProcess,
    count: usize,
) -> BenchOutcome<Vec<String>> {
    let share = |it: usize| (it + 1) * count / THREADS - it * count / THREADS;
    let sign_in = |count: usize| -> BenchOutcome<Vec<String>> {
        let mut browser = BenchBrowser::open(&entrada.site, emulator)?;
        (0..count).map(|_| browser.sign_in()).collect()
    };
    thread::scope(|scope| {
        let threads: Vec<_> =
            (0..THREADS).map(|it| scope.spawn(move || sign_in(share(it)))).collect();
        let parts = threads
            .into_iter()
            .map(|it| it.join().map_err(|_| "a thread failed")?)
            .collect::<BenchOutcome<Vec<_>>>()?;
        Ok(parts.concat())
    })
}

/// Sends one request for each session.
fn use_all(site: &BenchSite, cookies: &[String]) -> BenchOutcome<()> {
    let mut connection = HttpConnection::open(site)?;
    for cookie in cookies {
        let reply = connection.get("/app/1k", &[("accept", "text/html"), ("cookie", cookie)])?;
        if reply.status != 200 {
            return Err(format!("a session was not known any more: {}", reply.status).into());
        }
    }
    Ok(())
}

fn per(before: u64, after: u64, count: usize) -> f64 {
    (bytes(after) - bytes(before)) / f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

#[expect(clippy::cast_precision_loss, reason = "no process here has 2^53 bytes")]
fn bytes(count: u64) -> f64 {
    count as f64
}

/// Returns the median time from starting `entrada dev` to its first accepted connection, in
/// milliseconds.
pub fn start_time(binary: &Path, starts: usize) -> BenchOutcome<f64> {
    hum("start of entrada dev");
    let mut times = Vec::new();
    for _ in 0..=starts {
        let port = free_port()?;
        let mut command = Command::new(binary);
        command
            .args(["dev", "--port", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let began = Instant::now();
        let mut process = ChildProcess::start("entrada dev", &mut command)?;
        process.wait_for(port)?;
        times.push(began.elapsed().as_secs_f64() * 1000.0);
        process.stop()?;
    }
    say("");
    // The first start is skipped, because it reads the file from disk.
    Ok(median(times.into_iter().skip(1)))
}
