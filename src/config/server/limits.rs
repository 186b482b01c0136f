//! `[server.limits]`: limits of sizes, waits and counts.

use super::super::section::ConfigSection;
use std::time::Duration;

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

/// Limits of sizes, waits and counts, `[server.limits]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerLimits {
    /// Maximum size of a request head (HTTP/1.1) or header list (HTTP/2), in bytes.
    pub header_bytes: usize,
    /// Maximum number of header fields.
    pub headers: usize,
    /// Maximum time from the first byte of a head to its last.
    pub header_timeout: Duration,
    /// Maximum time that a connection may have no request in progress, including one that never
    /// sent a request.
    pub idle_timeout: Duration,
    /// Maximum time that a client may send no byte of its request body, or accept none of the
    /// response.
    pub body_timeout: Duration,
    /// Maximum time that an app may send no byte of a response it began, and that a tunnel may be
    /// silent.
    pub stream_timeout: Duration,
    /// Maximum number of concurrent connections; further ones get 503.
    pub connections: usize,
    /// Maximum number of HTTP/2 streams in one connection.
    pub streams: u32,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            header_bytes: 64 * 1024,
            headers: 100,
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            body_timeout: Duration::from_secs(60),
            stream_timeout: Duration::from_secs(3600),
            connections: 10_000,
            streams: 128,
        }
    }
}

pub(super) fn limits(section: &ConfigSection<'_>) -> ServerLimits {
    let default = ServerLimits::default();
    let size = |name, default: usize, range| {
        usize::try_from(section.key(name).number(u64::try_from(default).unwrap_or(u64::MAX), range))
            .unwrap_or(default)
    };
    let time = |name, default, range| section.key(name).duration(default, range);
    let second = Duration::from_secs(1);
    ServerLimits {
        header_bytes: size("header_bytes", default.header_bytes, 8 * 1024..=1024 * 1024),
        headers: size("headers", default.headers, 16..=4096),
        header_timeout: time("header_timeout", default.header_timeout, second..=5 * MINUTE),
        idle_timeout: time("idle_timeout", default.idle_timeout, second..=HOUR),
        body_timeout: time("body_timeout", default.body_timeout, second..=HOUR),
        stream_timeout: time("stream_timeout", default.stream_timeout, second..=7 * 24 * HOUR),
        connections: size("connections", default.connections, 1..=1_000_000),
        streams: u32::try_from(
            section.key("streams").number(u64::from(default.streams), 1..=10_000),
        )
        .unwrap_or(default.streams),
    }
}
