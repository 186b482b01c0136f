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

/// A sign-in that Entra refused, as it is logged for the operator. Neither a code nor a token stands in it.
#[derive(Debug, Serialize)]
pub struct Refused<'a> {
    /// Milliseconds since 1970.
    pub time_ms: u64,
    /// Always `sign_in_refused`.
    pub event: &'static str,
    /// `WARN` where somebody who runs the app must act, else `INFO`.
    pub level: &'static str,
    /// The reference that the page carries too.
    pub request_id: &'a str,
    /// Whose move it is.
    pub whose: &'static str,
    /// The number after `AADSTS`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aadsts: Option<u32>,
    /// The OAuth error.
    pub error: &'a str,
    /// Entra's finer reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suberror: Option<&'a str>,
    /// Finds it in Entra's sign-in log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<&'a str>,
    /// Finds it in Microsoft's own log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<&'a str>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<&'a str>,
    /// Where.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<&'a str>,
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

    /// Writes the line of a refused sign-in.
    pub fn refused(&self, it: &Refused<'_>) {
        let least = if it.level == "WARN" { Level::Warn } else { Level::Info };
        if self.level < least {
            return;
        }
        match self.format {
            Format::Json => serde_json::to_vec(it).into_iter().for_each(|line| self.send(line)),
            Format::Text => self.send(refused_as_text(it).into_bytes()),
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

fn refused_as_text(it: &Refused<'_>) -> String {
    let code = it.aadsts.map(|it| format!(" AADSTS{it}")).unwrap_or_default();
    let pairs = [("suberror", it.suberror), ("correlation_id", it.correlation_id), ("trace_id", it.trace_id), ("remedy", it.remedy), ("place", it.place)];
    let rest: String = pairs.iter().filter_map(|(name, value)| Some(format!(" {name}={:?}", (*value)?))).collect();
    format!("{} {} {}{code} whose={}{rest} id={}", it.level, it.event, it.error, it.whose, it.request_id)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_a_line_for_people_too() {
        let it = Refused {
            time_ms: 0,
            event: "sign_in_refused",
            level: "WARN",
            request_id: "r1",
            whose: "app-owner",
            aadsts: Some(7_000_222),
            error: "invalid_client",
            suberror: None,
            correlation_id: Some("c"),
            trace_id: None,
            remedy: Some("Create a new client secret."),
            place: None,
        };
        let text = refused_as_text(&it);
        assert_eq!(text, "WARN sign_in_refused invalid_client AADSTS7000222 whose=app-owner correlation_id=\"c\" remedy=\"Create a new client secret.\" id=r1");
    }
}
