//! One round: wrk drives a server for a while, and a window in the middle is measured.

use crate::http::{BenchSite, HttpConnection};
use crate::nginx::{AuthCounter, NginxApp};
use crate::process::{ChildProcess, CpuTimes};
use crate::terminal::BenchOutcome;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

/// Makes wrk print exact figures at the end. It does not define `response`, which would slow wrk
/// down.
const SCRIPT: &str = r#"
done = function(summary, latency)
    local e = summary.errors
    io.write(string.format("figures %d %d %d %d %d %d %d %d %d %d\n", summary.requests, summary.duration, summary.bytes, e.connect, e.read, e.write, e.timeout, e.status,
        latency:percentile(50), latency:percentile(99)))
end
"#;

/// Ten headers that a browser sends; the cookie is added separately.
const HEADERS: [(&str, &str); 10] = [
    ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"),
    ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    ("Accept-Language", "en-US,en;q=0.5"),
    ("Accept-Encoding", "gzip, deflate, br, zstd"),
    ("Referer", "http://localhost/app/start"),
    ("Upgrade-Insecure-Requests", "1"),
    ("Sec-Fetch-Dest", "document"),
    ("Sec-Fetch-Mode", "navigate"),
    ("Sec-Fetch-Site", "same-origin"),
    ("Priority", "u=0, i"),
];

/// 150 bytes of cookies that belong to the app.
const COOKIES: &str = "theme=dark; lang=en-US; _ga=GA1.1.1234567890.1700000000; csrftoken=q8WJx0m2bV5tY7nL3kR9sD1fG6hZ4cXp; visit=2f1e7c9a-6b0d-4e8f-9a3c-5d7b1e2f4a6c";

/// The size of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadSize {
    /// 1 KiB, which measures the cost of a request.
    Small,
    /// 1 MiB, which measures the cost of the bytes.
    Large,
}

impl LoadSize {
    /// Returns the size in bytes.
    pub fn bytes(self) -> u32 {
        match self {
            Self::Small => 1024,
            Self::Large => 1024 * 1024,
        }
    }

    /// Returns the name of the file.
    pub fn file(self) -> &'static str {
        match self {
            Self::Small => "1k",
            Self::Large => "1m",
        }
    }
}

/// The timing of a round.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// Number of whole seconds that wrk runs; one more for large bodies.
    pub seconds: u64,
    /// Time before the window, for connections and TLS handshakes.
    pub lead: Duration,
    /// The window, in which CPU time and requests are counted.
    pub window: Duration,
}

/// The requests of a round, and their number of connections.
#[derive(Clone, Copy, Debug)]
pub struct LoadRun<'a> {
    /// The server to send requests to.
    pub site: &'a BenchSite,
    /// The path of the request, without the file.
    pub folder: &'a str,
    /// The file to request.
    pub size: LoadSize,
    /// The session's cookie, `name=value`.
    pub session: Option<&'a str>,
    /// Number of connections.
    pub connections: u32,
}

impl LoadRun<'_> {
    /// Returns the path.
    pub fn path(&self) -> String {
        format!("{}/{}", self.folder, self.size.file())
    }

    /// Returns the cookies.
    pub fn cookie(&self) -> String {
        self.session.map_or_else(|| COOKIES.to_owned(), |it| format!("{COOKIES}; {it}"))
    }

    fn url(&self) -> String {
        self.site.url(&self.path())
    }
}

/// The figures of one round.
#[derive(Clone, Copy, Debug)]
pub struct LoadFigures {
    /// CPU time of the whole process tree for each request, in microseconds.
    pub cpu: f64,
    /// Requests per second.
    pub rate: f64,
    /// Median latency in microseconds.
    pub p50: f64,
    /// 99th percentile of the latency in microseconds.
    pub p99: f64,
}

/// Drives servers with wrk.
#[derive(Debug)]
pub struct LoadDriver {
    wrk: PathBuf,
    script: PathBuf,
}

impl LoadDriver {
    /// Creates a driver with this wrk; its script is stored in `dir`.
    pub fn new(wrk: &Path, dir: &Path) -> BenchOutcome<Self> {
        let script = dir.join("figures.lua");
        fs::write(&script, SCRIPT)?;
        Ok(Self { wrk: wrk.to_owned(), script })
    }

    /// Drives `server` and measures it.
    ///
    /// # Errors
    ///
    /// If a response was not 2xx, or did not come from the app.
    pub fn round(
        &self,
        load: &LoadRun<'_>,
        server: &mut ChildProcess,
        app: &mut NginxApp,
        timing: Timing,
    ) -> BenchOutcome<LoadFigures> {
        probe(load)?;
        let mut counter = app.counter()?;
        let start = LoadMoment::take(server, &mut counter)?;
        let seconds = timing.seconds + u64::from(load.size == LoadSize::Large);
        let wrk =
            self.command(load, seconds).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        sleep(timing.lead);
        let first = LoadMoment::take(server, &mut counter)?;
        sleep(timing.window);
        let second = LoadMoment::take(server, &mut counter)?;
        let output = wrk.wait_with_output()?;
        let counted = read(&String::from_utf8_lossy(&output.stdout))?;
        let end = LoadMoment::take(server, &mut counter)?;
        server.must_live()?;
        counted.judge(load, end.requests.saturating_sub(start.requests))?;
        probe(load)?;
        let passed = counted.passed(load.size);
        // For small responses, requests under way at the edges of a window matter little. Large
        // responses are counted in bytes, over the whole round.
        let cpu = match load.size {
            LoadSize::Small => {
                second.since(&first) / count(second.requests.saturating_sub(first.requests))
            }
            LoadSize::Large => end.since(&start) / passed,
        };
        if !cpu.is_finite() {
            return Err(
                format!("no request went through {} in a whole round", load.site.host).into()
            );
        }
        Ok(LoadFigures {
            cpu: cpu / 1000.0,
            rate: passed * 1e6 / count(counted.microseconds),
            p50: count(counted.p50),
            p99: count(counted.p99),
        })
    }

    /// Drives a server without measuring it.
    pub fn drive(&self, load: &LoadRun<'_>, seconds: u64) -> BenchOutcome<()> {
        probe(load)?;
        let output = self.command(load, seconds).output()?;
        let counted = read(&String::from_utf8_lossy(&output.stdout))?;
        counted.judge(load, counted.requests)
    }

    fn command(&self, load: &LoadRun<'_>, seconds: u64) -> Command {
        let threads = if load.connections < 2 { 1 } else { 2 };
        let mut command = Command::new(&self.wrk);
        command.args([
            "-t",
            &threads.to_string(),
            "-c",
            &load.connections.to_string(),
            "-d",
            &format!("{seconds}s"),
            "--timeout",
            "10s",
            "-s",
        ]);
        command
            .arg(&self.script)
            .arg("-H")
            .arg(format!("Host: {}", load.site.host))
            .arg("-H")
            .arg(format!("Cookie: {}", load.cookie()));
        for (name, value) in HEADERS {
            command.arg("-H").arg(format!("{name}: {value}"));
        }
        command.arg(load.url());
        command
    }
}

/// The headers of a browser with these cookies.
pub fn browser_headers(cookie: &str) -> Vec<(&'static str, &str)> {
    HEADERS.into_iter().chain([("Cookie", cookie)]).collect()
}

/// Sends one request itself, because wrk counts a redirect as a success.
pub fn probe(load: &LoadRun<'_>) -> BenchOutcome<()> {
    let cookie = load.cookie();
    let headers = browser_headers(&cookie);
    let reply = HttpConnection::open(load.site)?.get(&load.path(), &headers)?;
    if reply.status != 200 || reply.body.len() != load.size.bytes() as usize {
        return Err(format!(
            "{} answered {} with {} bytes: {}",
            load.url(),
            reply.status,
            reply.body.len(),
            start_of(&reply.text())
        )
        .into());
    }
    Ok(())
}

fn start_of(text: &str) -> String {
    text.chars().take(200).collect()
}

/// CPU time and requests at one moment.
struct LoadMoment {
    before: CpuTimes,
    after: CpuTimes,
    requests: u64,
}

impl LoadMoment {
    /// Reads the counters. CPU time is read before and after the request count, because the count
    /// takes time under load.
    fn take(server: &ChildProcess, counter: &mut AuthCounter) -> BenchOutcome<Self> {
        let before = server.cpu()?;
        let requests = counter.requests()?;
        Ok(Self { before, after: server.cpu()?, requests })
    }

    /// Returns the nanoseconds between the midpoints of two moments.
    fn since(&self, earlier: &Self) -> f64 {
        f64::midpoint(
            count(self.before.since(&earlier.before)),
            count(self.after.since(&earlier.after)),
        )
    }
}

/// Converts to `f64`, which is exact for nanoseconds and bytes over some seconds.
#[expect(clippy::cast_precision_loss, reason = "nothing here reaches 2^53")]
fn count(it: u64) -> f64 {
    it as f64
}

/// The figures that wrk prints at the end.
struct RequestCounts {
    requests: u64,
    microseconds: u64,
    bytes: u64,
    broken: u64,
    refused: u64,
    p50: u64,
    p99: u64,
}

impl RequestCounts {
    /// Returns the number of responses: small ones as wrk counts them, large ones from their bytes,
    /// including unfinished ones.
    fn passed(&self, size: LoadSize) -> f64 {
        match size {
            LoadSize::Small => count(self.requests),
            LoadSize::Large => count(self.bytes) / f64::from(size.bytes()),
        }
    }

    fn judge(&self, load: &LoadRun<'_>, seen_by_the_app: u64) -> BenchOutcome<()> {
        let whose = load.url();
        if self.refused > 0 {
            return Err(format!(
                "{} of {} answers of {whose} were not 2xx",
                self.refused, self.requests
            )
            .into());
        }
        if self.broken > 0 {
            return Err(format!("{} connections of {whose} failed", self.broken).into());
        }
        if seen_by_the_app < self.requests {
            return Err(format!(
                "{whose} answered {} requests, the app has seen {seen_by_the_app} of them",
                self.requests
            )
            .into());
        }
        Ok(())
    }
}

fn read(output: &str) -> BenchOutcome<RequestCounts> {
    let line = output
        .lines()
        .find_map(|it| it.strip_prefix("figures "))
        .ok_or_else(|| format!("wrk gave no figures: {output}"))?;
    let numbers: Vec<u64> = line.split(' ').map(str::parse).collect::<Result<_, _>>()?;
    let [requests, microseconds, bytes, connect, read, write, timeout, refused, p50, p99] =
        numbers.try_into().map_err(|_| "wrk gave other figures")?;
    Ok(RequestCounts {
        requests,
        microseconds,
        bytes,
        broken: connect + read + write + timeout,
        refused,
        p50,
        p99,
    })
}
