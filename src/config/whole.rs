//! The whole configuration.

use super::section::ConfigSection;
use super::source::ConfigSource;
use super::{
    access, directory, entra, fit, headers, native, pages, server, session, telemetry, upstream,
};

/// The whole configuration: every value is parsed and consistent with the others.
#[derive(Clone, Debug)]
pub struct Config {
    /// Listeners and public address, `[server]`.
    pub server: server::ServerConfig,
    /// The apps behind Entrada, `[upstream]`.
    pub upstream: upstream::UpstreamConfig,
    /// Tenant and app registration, `[entra]`.
    pub entra: entra::EntraConfig,
    /// Lifetime and secrets of sessions, `[session]`.
    pub session: session::SessionConfig,
    /// `[directory]`; without it there is only `[entra]`.
    pub directory: Option<directory::DirectoryConfig>,
    /// `[native]`; without it, mobile and command-line apps cannot sign in.
    pub native: Option<native::NativeConfig>,
    /// Headers for the app, `[headers]`.
    pub headers: headers::HeadersConfig,
    /// Access rules, `[access]`.
    pub access: access::AccessConfig,
    /// Pages for people, `[pages]`.
    pub pages: pages::PagesConfig,
    /// The log, `[telemetry]`.
    pub telemetry: telemetry::TelemetryConfig,
}

/// Reads every section, even if others have problems.
pub(super) fn read(root: &ConfigSection<'_>, written: &ConfigSource<'_>) -> Option<Config> {
    let (session, sealed) =
        root.inner("session", |it| (session::read(it), it.is_written("secrets")));
    let (has_directory, directory) = directory::read(root, sealed);
    let native = root.inner("native", |it| native::read(it, has_directory));
    let asks_entra =
        directory.as_ref().is_some_and(|it| it.unknown == directory::UnknownIdentifier::AskEntra);
    let what_for = match has_directory {
        true if asks_entra => entra::RegistrationUse::Naming,
        true => entra::RegistrationUse::Nobody,
        false => entra::RegistrationUse::AllPeople,
    };
    let entra = root.inner("entra", |it| entra::read(it, what_for));
    let server = root.inner("server", |it| server::read(it, entra.redirect_path.as_ref()));
    let upstream = root.inner("upstream", upstream::read);
    let origin = server.site.as_ref().map(crate::base::site::Site::origin);
    let headers = root.inner("headers", |it| headers::read(it, origin.as_deref()));
    let roles = directory.as_ref().map(|it| it.roles.as_slice());
    let people = entra::SignInAudience {
        are_many: entra.people.are_many || has_directory,
        has_directory,
        roles,
        ..entra.people
    };
    let access = root.inner("access", |it| access::read(it, people));
    let pages = root.inner("pages", pages::read);
    let telemetry = root.inner("telemetry", telemetry::read);
    fit::judge(written, &server, &entra, &upstream, &session);
    Some(Config {
        server: server.server?,
        upstream: upstream.upstream?,
        entra: entra.entra?,
        session,
        directory,
        native,
        headers,
        access,
        pages,
        telemetry,
    })
}
