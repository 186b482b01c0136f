//! `[upstream]`: the app behind Entrada.

use super::address::{origin, pattern, socket_path};
use super::duration;
use super::key_reader::KeyReader;
use super::problem::{InvalidValue, quote};
use super::section::{ConfigSection, LocatedValue};
use super::server;
use crate::base::pattern::PathPattern;
use crate::base::routes::PathRoutes;
use crate::base::target::PathStrictness;
use crate::config::server::TlsFiles;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

/// The parsed section `[upstream]`.
#[derive(Clone, Debug)]
pub struct UpstreamConfig {
    /// The app that receives requests that match no route.
    pub destination: AppAddress,
    /// Additional apps; longest path first.
    pub routes: Vec<UpstreamRoute>,
    /// The `Host` that the app receives.
    pub host: HostHeader,
    /// How names of header fields are written to apps that use HTTP/1.1.
    pub header_case: HeaderCase,
    /// How strictly paths are read.
    pub paths: PathStrictness,
    /// Additional root certificates for https upstreams.
    pub ca_file: Option<PathBuf>,
    /// Our client certificate for https upstreams that request one.
    pub client_certificate: Option<TlsFiles>,
    /// Timeout for connecting, including TLS.
    pub connect_timeout: Duration,
    /// Timeout until the head of the response arrives.
    pub response_timeout: Duration,
}

/// `[[upstream.route]]`: a path and its destination. The pattern is always `path/**`.
#[derive(Clone, Debug)]
pub struct UpstreamRoute {
    /// The paths it covers.
    pub path: PathPattern,
    /// The app that receives the requests.
    pub destination: AppAddress,
    /// The audience of the assertion for its requests, if it is not the default audience.
    pub audience: Option<String>,
    /// The timeouts of its requests, where they differ.
    pub timeouts: RouteTimeouts,
}

/// The timeouts of a route. Those that are not set are those of all apps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RouteTimeouts {
    /// Instead of `upstream.connect_timeout`.
    pub connect: Option<Duration>,
    /// Instead of `upstream.response_timeout`.
    pub response: Option<Duration>,
    /// Instead of `server.limits.stream_timeout`.
    pub stream: Option<Duration>,
}

impl UpstreamConfig {
    /// The paths of the routes, in their order.
    pub fn routes(&self) -> PathRoutes {
        PathRoutes::new(self.routes.iter().map(|it| it.path.clone()))
    }
}

/// The address of an app.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AppAddress {
    /// HTTP/1.1 in cleartext, `http://host:port`.
    Http {
        /// Host name or IP address; IPv6 without brackets.
        host: String,
        /// Port number.
        port: u16,
    },
    /// HTTPS, `https://host:port`.
    Https {
        /// Host name or IP address; IPv6 without brackets.
        host: String,
        /// Port number.
        port: u16,
    },
    /// `h2c://host:port`: HTTP/2 in cleartext.
    H2c {
        /// Host name or IP address; IPv6 without brackets.
        host: String,
        /// Port number.
        port: u16,
    },
    /// `unix:/path`: HTTP/1.1 over a unix socket.
    Unix(PathBuf),
}

/// The `Host` that the app receives, `host = "preserve" | "upstream"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HostHeader {
    /// The one that the client sent.
    #[default]
    Preserve,
    /// The host of the upstream.
    Upstream,
}

/// How names of header fields are written, `header_case = "lower" | "title"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HeaderCase {
    /// `x-request-id`, as in HTTP/2.
    #[default]
    Lower,
    /// `X-Request-Id`, for apps that compare names with case.
    Title,
}

/// The parts of `[upstream]` that could be read, including those that must be consistent with
/// `[server]`.
#[derive(Debug)]
pub(super) struct UpstreamDraft {
    pub(super) upstream: Option<UpstreamConfig>,
    /// All destinations, including those of the routes.
    pub(super) destinations: Vec<LocatedValue<AppAddress>>,
    /// The paths of the routes.
    pub(super) paths: Vec<LocatedValue<PathPattern>>,
}

/// The range of `connect_timeout`.
const CONNECT_TIMEOUT: RangeInclusive<Duration> =
    Duration::from_millis(100)..=Duration::from_mins(5);
/// The range of `response_timeout`.
const RESPONSE_TIMEOUT: RangeInclusive<Duration> =
    Duration::from_millis(100)..=Duration::from_hours(1);

/// Maximum number of routes; each request searches them in order.
const MAX_UPSTREAM_ROUTES: usize = 1000;

pub(super) fn read(section: &ConfigSection<'_>) -> UpstreamDraft {
    let destination = section
        .key("url", "Required. The app; receives every request that no route matches")
        .needed()
        .parse(destination);
    let host = section
        .key("host", "The Host that the app receives: the one that people typed, or its own")
        .choice(&[("preserve", HostHeader::Preserve), ("upstream", HostHeader::Upstream)]);
    let header_case = section
        .key(
            "header_case",
            "How names of header fields are written to apps that use HTTP/1.1: `lower`, or \
             `title` (`X-Request-Id`) for old apps that compare them with case",
        )
        .choice(&[("lower", HeaderCase::Lower), ("title", HeaderCase::Title)]);
    let paths = section
        .key(
            "paths",
            "Whether paths that can be read in two ways are rejected; `lenient` allows `//`, `;`, \
             `%2f` and `%25`, but no dot segments and no encoded bytes other than UTF-8",
        )
        .choice(&[("strict", PathStrictness::Strict), ("lenient", PathStrictness::Lenient)]);
    let ca_file = section.key("ca_file", "Additional root certificates for an https app").file();
    let client_certificate = section.inner("client_certificate", |it| {
        server::tls(it, "Certificate chain presented to an https app that requests one")
    });
    let connect_timeout = section
        .key("connect_timeout", "Maximum time to connect to the app, including TLS")
        .duration(Duration::from_secs(5), CONNECT_TIMEOUT);
    let response_timeout = section
        .key(
            "response_timeout",
            "Maximum time until the response starts; streams and WebSockets are not limited by it",
        )
        .duration(Duration::from_mins(1), RESPONSE_TIMEOUT);
    let written = section.each("route", MAX_UPSTREAM_ROUTES, route);
    refuse_twins(section, &written);
    let routes = longest_first(&written);
    let upstream = destination.clone().map(|it| UpstreamConfig {
        destination: it.value,
        routes,
        host,
        header_case,
        paths,
        ca_file,
        client_certificate,
        connect_timeout,
        response_timeout,
    });
    let destinations = destination
        .into_iter()
        .chain(written.iter().filter_map(|it| it.destination.clone()))
        .collect();
    UpstreamDraft {
        upstream,
        destinations,
        paths: written.into_iter().filter_map(|it| it.path).collect(),
    }
}

/// A route as it was written.
struct WrittenRoute {
    path: Option<LocatedValue<PathPattern>>,
    destination: Option<LocatedValue<AppAddress>>,
    audience: Option<String>,
    timeouts: RouteTimeouts,
}

fn route(section: &ConfigSection<'_>) -> WrittenRoute {
    WrittenRoute {
        path: section
            .key("path", "This path and all below it; the longest matching path wins")
            .needed()
            .parse(route_path),
        destination: section
            .key("url", "The app that receives requests to that path")
            .needed()
            .parse(destination),
        audience: section
            .key(
                "audience",
                "The `aud` of the assertion on requests that take this route; without it, \
                 `headers.assertion.audience`",
            )
            .text()
            .map(|it| it.value),
        timeouts: route_timeouts(section),
    }
}

fn route_timeouts(section: &ConfigSection<'_>) -> RouteTimeouts {
    let timeout = |key: KeyReader<'_, '_>, range: RangeInclusive<Duration>| {
        let read = |text: &str| duration::parse_within(text, &range);
        key.optional_duration(range.clone(), read).map(|it| it.value)
    };
    RouteTimeouts {
        connect: timeout(
            section.key(
                "connect_timeout",
                "Maximum time to connect to this app; without it, `upstream.connect_timeout`",
            ),
            CONNECT_TIMEOUT,
        ),
        response: timeout(
            section.key(
                "response_timeout",
                "Maximum time until the response of this app starts; without it, \
                 `upstream.response_timeout`",
            ),
            RESPONSE_TIMEOUT,
        ),
        stream: timeout(
            section.key(
                "stream_timeout",
                "Maximum time in which this app sends nothing of a response, or a WebSocket is \
                 silent; without it, `server.limits.stream_timeout`",
            ),
            server::STREAM_TIMEOUT,
        ),
    }
}

fn refuse_twins(section: &ConfigSection<'_>, routes: &[WrittenRoute]) {
    let mut seen = std::collections::HashSet::new();
    for path in routes.iter().filter_map(|it| it.path.as_ref()) {
        if !seen.insert(path.value.to_string()) {
            section
                .add_problem(&path.place, InvalidValue::new("another route already has this path"));
        }
    }
}

fn longest_first(written: &[WrittenRoute]) -> Vec<UpstreamRoute> {
    let whole = |route: &WrittenRoute| {
        Some(UpstreamRoute {
            path: route.path.clone()?.value,
            destination: route.destination.clone()?.value,
            audience: route.audience.clone(),
            timeouts: route.timeouts,
        })
    };
    let mut routes: Vec<_> = written.iter().filter_map(whole).collect();
    routes.sort_by_key(|it| std::cmp::Reverse(it.path.to_string().len()));
    routes
}

/// Parses a plain path, which also covers everything below it.
fn route_path(text: &str) -> Result<PathPattern, InvalidValue> {
    let refused = || InvalidValue::new(format!("{} is not a valid route path", quote(text)));
    if matches!(text, "/" | "/**") {
        return Err(refused().hint("remove the route: everything else goes to [upstream] url"));
    }
    if let Some(path) = text.strip_suffix("/**").or_else(|| text.strip_suffix('/')) {
        return Err(refused().hint(format!("write {}; it includes everything below", quote(path))));
    }
    if text.contains(['*', '{', '}', '?']) {
        return Err(
            refused().hint("write a plain path, like \"/api\"; it includes everything below")
        );
    }
    pattern(text).and_then(|_| pattern(&format!("{text}/**")))
}

fn destination(text: &str) -> Result<AppAddress, InvalidValue> {
    if let Some(path) = text.strip_prefix("unix:") {
        return socket_path(path).map(AppAddress::Unix);
    }
    // The URL library does not treat h2c as a scheme with a host.
    let http = text.strip_prefix("h2c://").map(|it| format!("http://{it}"));
    let url = origin(http.as_deref().unwrap_or(text), &["http", "https"])?;
    let port = url.port_or_known_default().unwrap_or(80);
    let host =
        url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
    Ok(match (url.scheme(), http) {
        (_, Some(_)) => AppAddress::H2c { host, port },
        ("https", _) => AppAddress::Https { host, port },
        _ => AppAddress::Http { host, port },
    })
}
