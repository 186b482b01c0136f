//! The log: a line for each request and for each event, written by a thread of its own.

use crate::config::telemetry::{Format, Level, Telemetry};
use serde::Serialize;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

/// Lines that wait for the writer at most; past it they are dropped and counted, since no request waits for a disk.
const QUEUE: usize = 16 * 1024;

/// How long the last lines may take.
const LAST: Duration = Duration::from_secs(1);

/// Hands lines to the writer; cheap to clone.
#[derive(Clone, Debug)]
pub struct Log {
    lines: SyncSender<Entry>,
    dropped: Arc<AtomicU64>,
    format: Format,
    level: Level,
}

#[derive(Debug)]
enum Entry {
    Line(Vec<u8>),
    /// Tells once everything before it is written.
    Written(SyncSender<()>),
}

/// One request, as it is logged.
#[derive(Debug, Serialize)]
pub struct Request<'a> {
    /// Milliseconds since 1970.
    pub time_ms: u64,
    /// Always `request`.
    pub event: &'static str,
    /// The reference that the answer and its page carry too.
    pub request_id: &'a str,
    /// Method.
    pub method: &'a str,
    /// Path without query: a query may hold a code.
    pub path: &'a str,
    /// Status of the answer.
    pub status: u16,
    /// Which kind of route answered.
    pub route: &'static str,
    /// Which rule decided, by its line in the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<usize>,
    /// `oid` of the person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<&'a str>,
    /// The client's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<std::net::IpAddr>,
    /// Until the head of the answer, microseconds.
    pub duration_us: u64,
    /// Why it was refused or failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<&'a str>,
}

impl Log {
    /// Starts the writer.
    ///
    /// # Errors
    /// Where the thread cannot be started.
    pub fn start(config: &Telemetry, to: impl Write + Send + 'static) -> io::Result<Self> {
        let (lines, received) = sync_channel(QUEUE);
        let dropped = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&dropped);
        std::thread::Builder::new().name("log".to_owned()).spawn(move || write(&received, to, &count))?;
        Ok(Self { lines, dropped, format: config.log, level: config.level })
    }

    /// Whether requests are written down at all.
    pub fn takes_requests(&self) -> bool {
        self.level >= Level::Info
    }

    /// Writes the line of a request.
    pub fn request(&self, it: &Request<'_>) {
        if !self.takes_requests() {
            return;
        }
        let mut line = Vec::with_capacity(320);
        let written = match self.format {
            Format::Json => serde_json::to_writer(&mut line, it).is_ok(),
            Format::Text => text(&mut line, it).is_ok(),
        };
        if written {
            self.send(line);
        }
    }

    /// Waits until all lines so far are written, at most a second: for the end of the process, which would cut them off.
    pub fn finish(&self) {
        let (written, told) = sync_channel(1);
        if self.lines.try_send(Entry::Written(written)).is_ok() {
            // A reader that takes nothing must not hold the end up.
            let _ = told.recv_timeout(LAST);
        }
    }

    fn send(&self, mut line: Vec<u8>) {
        line.push(b'\n');
        if self.lines.try_send(Entry::Line(line)).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// A writer for `tracing-subscriber`: events go the way of the request lines.
#[derive(Debug)]
pub struct Line {
    log: Log,
    text: Vec<u8>,
}

impl Log {
    /// A writer of one event.
    pub fn line(&self) -> Line {
        Line { log: self.clone(), text: Vec::new() }
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let mut text = std::mem::take(&mut self.text);
        while text.last() == Some(&b'\n') {
            text.pop();
        }
        if !text.is_empty() {
            self.log.send(text);
        }
    }
}

fn text(out: &mut Vec<u8>, it: &Request<'_>) -> io::Result<()> {
    write!(out, "{} {} {} {} {}us", it.status, it.method, it.path, it.route, it.duration_us)?;
    if let Some(user) = it.user {
        write!(out, " user={user}")?;
    }
    if let Some(cause) = it.cause {
        write!(out, " cause={cause:?}")?;
    }
    write!(out, " id={}", it.request_id)
}

fn write(lines: &Receiver<Entry>, mut to: impl Write, dropped: &AtomicU64) {
    while let Ok(first) = lines.recv() {
        let mut asked = Vec::new();
        for entry in std::iter::once(first).chain(lines.try_iter().take(QUEUE)) {
            match entry {
                // A log that cannot be written must not stop the service.
                Entry::Line(line) => {
                    let _ = to.write_all(&line);
                }
                Entry::Written(told) => asked.push(told),
            }
        }
        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let _ = writeln!(to, r#"{{"event":"log_lines_dropped","level":"WARN","count":{lost}}}"#);
        }
        let _ = to.flush();
        // Who does not wait any more needs no answer.
        for told in asked {
            let _ = told.try_send(());
        }
    }
}
