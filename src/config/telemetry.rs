//! `[telemetry]`: what is written down.

use super::section::ConfigSection;

/// `[telemetry]`, as meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TelemetryConfig {
    /// Shape of a log line.
    pub log: LogFormat,
    /// The least that is written: `error`, `warn`, `info`, `debug`.
    pub level: LogLevel,
}

/// Shape of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    #[default]
    Json,
    /// For people.
    Text,
}

/// The least that is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
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

pub(super) fn read(section: &ConfigSection<'_>) -> TelemetryConfig {
    TelemetryConfig {
        log: section.key("log").choice(&[("json", LogFormat::Json), ("text", LogFormat::Text)]),
        level: section.key("level").choice(&[("info", LogLevel::Info), ("error", LogLevel::Error), ("warn", LogLevel::Warn), ("debug", LogLevel::Debug)]),
    }
}
