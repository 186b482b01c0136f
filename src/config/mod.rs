//! What the operator wants: one file per section, as written and as meant side by side.
//!
//! Everything is read and judged before anything is refused, so an operator sees every mistake at once. Nothing here opens a
//! socket or asks Entra; secrets' files are read.

pub mod access;
pub mod entra;
pub mod headers;
pub mod pages;
pub mod server;
pub mod session;
pub mod telemetry;
pub mod upstream;

/// The whole configuration, as meant: every value is parsed and fits the others.
#[derive(Clone, Debug)]
pub struct Config {
    /// `[server]`.
    pub server: server::Server,
    /// `[upstream]`.
    pub upstream: upstream::Upstream,
    /// `[entra]`.
    pub entra: entra::Entra,
    /// `[session]`.
    pub session: session::Session,
    /// `[headers]`.
    pub headers: headers::Headers,
    /// `[access]`.
    pub access: access::Access,
    /// `[pages]`.
    pub pages: pages::Pages,
    /// `[telemetry]`.
    pub telemetry: telemetry::Telemetry,
}
