//! `[telemetry]`: what is written down.

use super::section::Section;

/// `[telemetry]`, as meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Telemetry {
    /// Shape of a log line.
    pub log: Format,
    /// The least that is written: `error`, `warn`, `info`, `debug`.
    pub level: Level,
}

/// Shape of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    #[default]
    Json,
    /// For people.
    Text,
}

/// The least that is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Failures that need somebody.
    Error,
    /// What will become one.
    Warn,
    /// Requests and changes of state.
    #[default]
    Info,
    /// More, for finding a fault.
    Debug,
}

pub(super) fn read(section: &Section<'_>) -> Telemetry {
    Telemetry {
        log: section.key("log").choice(&[("json", Format::Json), ("text", Format::Text)]),
        level: section.key("level").choice(&[("info", Level::Info), ("error", Level::Error), ("warn", Level::Warn), ("debug", Level::Debug)]),
    }
}
