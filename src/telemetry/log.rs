//! The log: one line for each request and each event, written by its own thread.

use crate::config::telemetry::{LogFormat, LogLevel, TelemetryConfig};
use serde::Serialize;
use std::io::{self, Write};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Maximum number of bytes in lines that wait for the writer, including those being written now.
/// Beyond it, lines are dropped and counted, because no request waits for a disk or a pipe.
const MAX_QUEUED_LOG_BYTES: usize = 4 * 1024 * 1024;

/// Maximum length of a line, in bytes; a longer line is cut.
const MAX_LOG_LINE_BYTES: usize = 16 * 1024;

/// Time that the writer lets lines gather after a write. Waking it for each line would cost more
/// than the line.
const WRITE_INTERVAL: Duration = Duration::from_millis(20);

/// A buffer that has grown beyond this size, in bytes, is freed.
const MAX_KEPT_BUFFER_BYTES: usize = 256 * 1024;

/// Maximum time to write the last lines.
const FINISH_TIMEOUT: Duration = Duration::from_secs(1);

/// Sends lines to the writer; cheap to clone.
#[derive(Clone, Debug)]
pub struct Log {
    sender: Arc<LogSender>,
    format: LogFormat,
    level: LogLevel,
}

/// Stops the writer when the last `Log` is dropped.
#[derive(Debug)]
struct LogSender(Arc<LogQueue>);

impl Drop for LogSender {
    fn drop(&mut self) {
        self.0.lock().is_over = true;
        self.0.wake.notify_one();
    }
}

/// The lines that wait for the writer. The lock is held to copy a line in or to swap buffers, never
/// during a write.
#[derive(Debug)]
struct LogQueue {
    waiting: Mutex<WaitingLines>,
    wake: Condvar,
}

#[derive(Debug)]
struct WaitingLines {
    lines: Vec<u8>,
    /// Number of bytes being written now.
    under_way: usize,
    /// Whether the writer is waiting for the first line.
    is_idle: bool,
    /// Notified when everything queued before is written.
    flushed: Vec<SyncSender<()>>,
    /// Lines dropped since the process started, and how many of them the log has reported.
    dropped: u64,
    reported: u64,
    /// Whether the last `Log` was dropped.
    is_over: bool,
}

impl WaitingLines {
    fn has_work(&self) -> bool {
        !self.lines.is_empty()
            || !self.flushed.is_empty()
            || self.dropped > self.reported
            || self.is_over
    }
}

/// The log line of one request.
#[derive(Debug, Serialize)]
pub struct RequestRecord<'a> {
    /// Milliseconds since 1970.
    pub time_ms: u64,
    /// Always `request`.
    pub event: &'static str,
    /// The request ID that the response and its page show too.
    pub request_id: &'a str,
    /// Request method.
    pub method: &'a str,
    /// Path without the query, which may hold a code. A long path is cut.
    pub path: &'a str,
    /// Length of the path in bytes, if it was cut.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_bytes: Option<usize>,
    /// Status of the response.
    pub status: u16,
    /// The kind of route that responded.
    pub route: &'static str,
    /// Line of the rule that decided, in the configuration file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<usize>,
    /// `oid` of the person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<&'a str>,
    /// The client's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<std::net::IpAddr>,
    /// Time until the head of the response, in microseconds.
    pub duration_us: u64,
    /// The reason why the request was refused or failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<&'a str>,
}

/// The log line, for the operator, of a sign-in that Entra refused. It contains neither a code nor
/// a token.
#[derive(Debug, Serialize)]
pub struct RefusedSignInRecord<'a> {
    /// Milliseconds since 1970.
    pub time_ms: u64,
    /// Always `sign_in_refused`.
    pub event: &'static str,
    /// `WARN` if people who run the app must act, otherwise `INFO`.
    pub level: &'static str,
    /// The request ID that the page shows too.
    pub request_id: &'a str,
    /// Who can fix it.
    pub whose: &'static str,
    /// The number after `AADSTS`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aadsts: Option<u32>,
    /// The OAuth error code, or a word of Entrada's own.
    pub error: &'a str,
    /// Entra's more specific reason (`suberror`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suberror: Option<&'a str>,
    /// ID to find it in Entra's sign-in log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<&'a str>,
    /// ID to find it in Microsoft's own log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<&'a str>,
    /// The cause, if it is not an error of Entra.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<&'a str>,
    /// How to fix it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<&'a str>,
    /// The place to fix it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<&'a str>,
}

impl Log {
    /// Starts the writer.
    ///
    /// # Errors
    /// Returns an error if the thread cannot be started.
    pub fn start(config: &TelemetryConfig, to: impl Write + Send + 'static) -> io::Result<Self> {
        let waiting = WaitingLines {
            lines: Vec::new(),
            under_way: 0,
            is_idle: false,
            flushed: Vec::new(),
            dropped: 0,
            reported: 0,
            is_over: false,
        };
        let queue = Arc::new(LogQueue { waiting: Mutex::new(waiting), wake: Condvar::new() });
        let writer = Arc::clone(&queue);
        std::thread::Builder::new().name("log".to_owned()).spawn(move || writer.write(to))?;
        Ok(Self { sender: Arc::new(LogSender(queue)), format: config.log, level: config.level })
    }

    /// Number of lines dropped since the process started.
    pub fn dropped(&self) -> u64 {
        self.sender.0.lock().dropped
    }

    /// Whether requests are logged at the configured level.
    pub fn takes_requests(&self) -> bool {
        self.level >= LogLevel::Info
    }

    /// Writes the line of a request, if requests are logged.
    pub fn request(&self, record: &RequestRecord<'_>) {
        if !self.takes_requests() {
            return;
        }
        let mut line = Vec::with_capacity(320);
        let written = match self.format {
            LogFormat::Json => serde_json::to_writer(&mut line, record).is_ok(),
            LogFormat::Text => text(&mut line, record).is_ok(),
        };
        if written {
            self.send(line);
        }
    }

    /// Writes the line of a refused sign-in, if its level is logged.
    pub fn refused(&self, record: &RefusedSignInRecord<'_>) {
        let least = if record.level == "WARN" { LogLevel::Warn } else { LogLevel::Info };
        if self.level < least {
            return;
        }
        match self.format {
            LogFormat::Json => {
                if let Ok(line) = serde_json::to_vec(record) {
                    self.send(line);
                }
            }
            LogFormat::Text => self.send(refused_as_text(record).into_bytes()),
        }
    }

    /// Waits until all lines so far are written, at most one second. Called before the process
    /// ends, because the end would lose them.
    pub fn finish(&self) {
        let (written, confirmed) = sync_channel(1);
        self.sender.0.lock().flushed.push(written);
        self.sender.0.wake.notify_one();
        // A reader that has stalled must not delay the shutdown.
        let _ = confirmed.recv_timeout(FINISH_TIMEOUT);
    }

    fn send(&self, mut line: Vec<u8>) {
        if line.len() >= MAX_LOG_LINE_BYTES {
            // Cuts at the first byte of a character (UTF-8).
            let end = (0..MAX_LOG_LINE_BYTES)
                .rev()
                .find(|it| line.get(*it).is_some_and(|it| it & 0xc0 != 0x80));
            line.truncate(end.unwrap_or_default());
        }
        line.push(b'\n');
        self.sender.0.push(&line);
    }
}

impl LogQueue {
    fn push(&self, line: &[u8]) {
        let mut waiting = self.lock();
        if waiting.lines.len() + waiting.under_way + line.len() > MAX_QUEUED_LOG_BYTES {
            waiting.dropped += 1;
            return;
        }
        waiting.lines.extend_from_slice(line);
        if std::mem::take(&mut waiting.is_idle) {
            drop(waiting);
            self.wake.notify_one();
        }
    }

    /// Writes until the last `Log` is dropped. A log that cannot be written must not stop the
    /// service.
    fn write(&self, mut to: impl Write) {
        let mut lines = Vec::new();
        loop {
            let mut waiting = self.lock();
            while !waiting.has_work() {
                waiting.is_idle = true;
                waiting = self.wake.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            }
            std::mem::swap(&mut waiting.lines, &mut lines);
            (waiting.under_way, waiting.is_idle) = (lines.len(), false);
            let (flushed, is_over) = (std::mem::take(&mut waiting.flushed), waiting.is_over);
            let lost = waiting.dropped - waiting.reported;
            waiting.reported = waiting.dropped;
            drop(waiting);
            let _ = to.write_all(&lines);
            if lost > 0 {
                let _ = writeln!(
                    to,
                    r#"{{"event":"log_lines_dropped","level":"WARN","count":{lost}}}"#
                );
            }
            let _ = to.flush();
            lines.clear();
            if lines.capacity() > MAX_KEPT_BUFFER_BYTES {
                lines = Vec::new();
            }
            // The waiting thread may have given up by now.
            for it in flushed {
                let _ = it.try_send(());
            }
            if is_over {
                return;
            }
            self.gather();
        }
    }

    /// Lets lines gather, unless a thread waits for those already queued.
    fn gather(&self) {
        let mut waiting = self.lock();
        waiting.under_way = 0;
        let keeps_gathering = |it: &mut WaitingLines| it.flushed.is_empty() && !it.is_over;
        drop(self.wake.wait_timeout_while(waiting, WRITE_INTERVAL, keeps_gathering));
    }

    fn lock(&self) -> MutexGuard<'_, WaitingLines> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A writer for `tracing-subscriber`: events use the same queue as request lines.
#[derive(Debug)]
pub struct EventWriter {
    log: Log,
    text: Vec<u8>,
}

impl Log {
    /// Creates a writer for one event.
    pub fn line(&self) -> EventWriter {
        EventWriter { log: self.clone(), text: Vec::new() }
    }
}

impl Write for EventWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for EventWriter {
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

fn text(out: &mut Vec<u8>, record: &RequestRecord<'_>) -> io::Result<()> {
    write!(
        out,
        "{} {} {} {} {}us",
        record.status, record.method, record.path, record.route, record.duration_us
    )?;
    if let Some(user) = record.user {
        write!(out, " user={user}")?;
    }
    if let Some(cause) = record.cause {
        write!(out, " cause={cause:?}")?;
    }
    write!(out, " id={}", record.request_id)
}

fn refused_as_text(record: &RefusedSignInRecord<'_>) -> String {
    let code = record.aadsts.map(|it| format!(" AADSTS{it}")).unwrap_or_default();
    let pairs = [
        ("suberror", record.suberror),
        ("correlation_id", record.correlation_id),
        ("trace_id", record.trace_id),
        ("cause", record.cause),
        ("remedy", record.remedy),
        ("place", record.place),
    ];
    let rest: String =
        pairs.iter().filter_map(|(name, value)| Some(format!(" {name}={:?}", (*value)?))).collect();
    format!(
        "{} {} {}{code} whose={}{rest} id={}",
        record.level, record.event, record.error, record.whose, record.request_id
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_stalls_costs_lines_and_no_memory_and_the_lost_lines_are_counted() {
        let (release, stalled) = sync_channel::<()>(0);
        let (written, read) = std::sync::mpsc::channel();
        struct Reader(Option<std::sync::mpsc::Receiver<()>>, std::sync::mpsc::Sender<Vec<u8>>);
        impl Write for Reader {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                if let Some(stalled) = self.0.take() {
                    let _ = stalled.recv();
                }
                self.1.send(bytes.to_vec()).map_err(io::Error::other)?;
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let config = TelemetryConfig { log: LogFormat::Text, level: LogLevel::Info };
        let log = Log::start(&config, Reader(Some(stalled), written)).unwrap();
        let (line, count) = (vec![b'x'; 4000], 5000);
        // That this returns shows that no request waits: the reader only continues afterwards.
        (0..count).for_each(|_| log.send(line.clone()));
        let kept = MAX_QUEUED_LOG_BYTES / 4001;
        assert_eq!(log.dropped(), count - kept as u64);
        assert!(log.sender.0.lock().lines.capacity() <= 2 * MAX_QUEUED_LOG_BYTES);
        release.send(()).unwrap();
        log.finish();
        log.finish();
        drop(log);
        let text = String::from_utf8(read.iter().flatten().collect()).unwrap();
        assert_eq!(text.lines().filter(|it| it.starts_with('x')).count(), kept);
        // In one line or in two: the writer may get to its first lines only after some were
        // dropped.
        let reported = text.lines().filter_map(|it| {
            it.strip_prefix(r#"{"event":"log_lines_dropped","level":"WARN","count":"#)?
                .strip_suffix('}')?
                .parse::<u64>()
                .ok()
        });
        assert_eq!(reported.sum::<u64>(), count - kept as u64);
    }

    #[test]
    fn a_line_that_is_too_long_is_cut_between_characters() {
        let (written, read) = std::sync::mpsc::channel::<Vec<u8>>();
        struct Reader(std::sync::mpsc::Sender<Vec<u8>>);
        impl Write for Reader {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.send(bytes.to_vec()).map_err(io::Error::other)?;
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let log = Log::start(
            &TelemetryConfig { log: LogFormat::Text, level: LogLevel::Info },
            Reader(written),
        )
        .unwrap();
        log.send("€".repeat(MAX_LOG_LINE_BYTES).into_bytes());
        log.finish();
        drop(log);
        let text = String::from_utf8(read.iter().flatten().collect()).unwrap();
        assert!(
            text.len() <= MAX_LOG_LINE_BYTES
                && text.len() > MAX_LOG_LINE_BYTES - 4
                && text.ends_with("€\n"),
            "{}",
            text.len()
        );
    }

    #[test]
    fn a_refusal_is_a_line_for_people_too() {
        let it = RefusedSignInRecord {
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
            cause: None,
            remedy: Some("Create a new client secret."),
            place: None,
        };
        let text = refused_as_text(&it);
        assert_eq!(
            text,
            "WARN sign_in_refused invalid_client AADSTS7000222 whose=app-owner correlation_id=\"c\" remedy=\"Create a new client secret.\" id=r1"
        );
    }
}
