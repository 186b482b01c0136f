//! What the program logs, and that no secret is among it.

use super::browser::SECRETS;
use super::{CLIENT_SECRET, SEAL};
use std::io::Write;
use std::sync::{Arc, LazyLock, Mutex};

/// The events that the program logs for its operator in this story, besides one line for each
/// request. A story runs in one thread, and so does its program.
pub struct CapturedEvents(
    LogBuffer,
    #[expect(dead_code, reason = "it is heard for as long as this lives")]
    tracing::subscriber::DefaultGuard,
);

/// As long as there is only one subscriber, an event that first happens in the thread of another
/// story is taken to interest nobody from then on: only that thread's subscriber is asked.
static SECOND_SUBSCRIBER: LazyLock<tracing::Dispatch> =
    LazyLock::new(|| tracing::Dispatch::new(tracing::subscriber::NoSubscriber::new()));

impl CapturedEvents {
    pub fn listens() -> Self {
        LazyLock::force(&SECOND_SUBSCRIBER);
        let written = LogBuffer::default();
        let to = written.clone();
        let heard = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_max_level(tracing::Level::INFO)
            .with_writer(move || to.clone())
            .finish();
        Self(written, tracing::subscriber::set_default(heard))
    }

    pub fn text(&self) -> String {
        self.0.text()
    }

    pub fn times(&self, what: &str) -> usize {
        self.0.text().matches(what).count()
    }
}

/// Every story ends with this check: no value that was used as a secret is in a log.
pub fn secrets_are_not_in(log: &str) {
    if std::thread::panicking() {
        return;
    }
    // A copy, so that other stories in this process do not wait while a long log is read.
    let used = SECRETS.lock().unwrap().clone();
    for secret in used.iter().map(String::as_str).chain([CLIENT_SECRET, SEAL]) {
        assert!(!log.contains(secret), "a secret stands in the log");
    }
}

/// A buffer with the output of the log.
#[derive(Clone, Default)]
pub struct LogBuffer(Arc<Mutex<Vec<u8>>>);

impl LogBuffer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }

    /// Returns the text so far and clears it.
    pub fn take(&self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut *self.0.lock().unwrap())).into_owned()
    }
}

impl Write for LogBuffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
