//! `[telemetry]`: the log.

use super::section::ConfigSection;

/// The parsed section `[telemetry]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TelemetryConfig {
    /// Format of log lines.
    pub log: LogFormat,
    /// Lowest level that is logged: `error`, `warn`, `info`, `debug`.
    pub level: LogLevel,
}

/// Format of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object per line.
    #[default]
    Json,
    /// Plain text for people.
    Text,
}

/// Level of a log line; the configured level is the lowest that is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Failures that need action.
    Error,
    /// Conditions that lead to a failure.
    Warn,
    /// Requests and state changes.
    #[default]
    Info,
    /// Details for troubleshooting.
    Debug,
}

pub(super) fn read(section: &ConfigSection<'_>) -> TelemetryConfig {
    TelemetryConfig {
        log: section
            .key("log", "Format of log lines: JSON, or text for people")
            .choice(&[("json", LogFormat::Json), ("text", LogFormat::Text)]),
        level: section.key("level", "Minimum level of Entrada's own events").choice(&[
            ("info", LogLevel::Info),
            ("error", LogLevel::Error),
            ("warn", LogLevel::Warn),
            ("debug", LogLevel::Debug),
        ]),
    }
}
