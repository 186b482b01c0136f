//! `[server.limits]`: limits of sizes, waits and counts.

use super::super::key_reader::KeyReader;
use super::super::section::ConfigSection;
use std::ops::RangeInclusive;
use std::time::Duration;

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

/// The range of `stream_timeout`.
pub(in crate::config) const STREAM_TIMEOUT: RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_hours(7 * 24);

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
    /// Maximum size of what all HTTP/2 streams together hold for slow readers, in bytes.
    pub stream_bytes: usize,
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
            stream_bytes: 2 * 1024 * 1024 * 1024,
        }
    }
}

pub(super) fn limits(section: &ConfigSection<'_>) -> ServerLimits {
    let default = ServerLimits::default();
    let size = |key: KeyReader<'_, '_>, default: usize, range| {
        usize::try_from(key.number(u64::try_from(default).unwrap_or(u64::MAX), range))
            .unwrap_or(default)
    };
    let second = Duration::from_secs(1);
    ServerLimits {
        header_bytes: size(
            section.key(
                "header_bytes",
                "Maximum bytes of a request head (HTTP/1.1) or header list (HTTP/2)",
            ),
            default.header_bytes,
            8 * 1024..=1024 * 1024,
        ),
        headers: size(
            section.key("headers", "Maximum number of header fields in a request"),
            default.headers,
            16..=4096,
        ),
        header_timeout: section
            .key("header_timeout", "Maximum time from the first byte of a request head to its last")
            .duration(default.header_timeout, second..=5 * MINUTE),
        idle_timeout: section
            .key("idle_timeout", "Maximum time without a request on a connection")
            .duration(default.idle_timeout, second..=HOUR),
        body_timeout: section
            .key(
                "body_timeout",
                "Maximum time in which a client sends nothing of its body before the response starts, \
                 or reads nothing of the response. Over HTTP/2, only DATA counts, and only the stream is reset",
            )
            .duration(default.body_timeout, second..=HOUR),
        stream_timeout: section
            .key(
                "stream_timeout",
                "Maximum time in which the app sends nothing of a response it started, its client \
                 sends nothing of a body meanwhile, or a WebSocket is silent. Over HTTP/2, only the stream is reset",
            )
            .duration(default.stream_timeout, STREAM_TIMEOUT),
        connections: size(
            section.key(
                "connections",
                "Maximum concurrent connections; further connections get 503. At most half of the \
                 open files that remain after 256 are reserved",
            ),
            default.connections,
            1..=1_000_000,
        ),
        streams: u32::try_from(
            section
                .key("streams", "Maximum HTTP/2 streams per connection")
                .number(u64::from(default.streams), 1..=10_000),
        )
        .unwrap_or(default.streams),
        stream_bytes: size(
            section.key(
                "stream_bytes",
                "Maximum bytes that all HTTP/2 streams together hold for slow readers: half for \
                 responses from h2c apps, half for request bodies. One client connection holds at \
                 most 8 MiB of each",
            ),
            default.stream_bytes,
            16 * 1024 * 1024..=1024 * 1024 * 1024 * 1024,
        ),
    }
}
