//! The whole configuration.

use super::section::Section;
use super::written::Written;
use super::{access, directory, entra, fit, headers, native, pages, server, session, telemetry, upstream};

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
    /// `[directory]`; without it there is one tenant, from `[entra]`.
    pub directory: Option<directory::Directory>,
    /// `[native]`; without it no app of a phone or a command line signs in.
    pub native: Option<native::Native>,
    /// `[headers]`.
    pub headers: headers::Headers,
    /// `[access]`.
    pub access: access::Access,
    /// `[pages]`.
    pub pages: pages::Pages,
    /// `[telemetry]`.
    pub telemetry: telemetry::Telemetry,
}

/// Reads every section, whatever is wrong with the others.
pub(super) fn read(root: &Section<'_>, written: &Written<'_>) -> Option<Config> {
    let (session, sealed) = root.inner("session", |it| (session::read(it), it.key("secrets").is_written()));
    let (has_directory, directory) = directory::read(root, sealed);
    let native = root.inner("native", |it| native::read(it, has_directory));
    let asks_entra = directory.as_ref().is_some_and(|it| it.unknown == directory::Unknown::AskEntra);
    let what_for = match has_directory {
        true if asks_entra => entra::For::Naming,
        true => entra::For::Nobody,
        false => entra::For::Everybody,
    };
    let entra = root.inner("entra", |it| entra::read(it, what_for));
    let server = root.inner("server", |it| server::read(it, entra.redirect_path.as_ref()));
    let upstream = root.inner("upstream", upstream::read);
    let origin = server.site.as_ref().map(crate::base::site::Site::origin);
    let headers = root.inner("headers", |it| headers::read(it, origin.as_deref()));
    let roles = directory.as_ref().map(|it| it.roles.as_slice());
    let people = entra::People { are_many: entra.people.are_many || has_directory, has_directory, roles, ..entra.people };
    let access = root.inner("access", |it| access::read(it, people));
    let pages = root.inner("pages", pages::read);
    let telemetry = root.inner("telemetry", telemetry::read);
    fit::judge(written, &server, &entra, &upstream);
    Some(Config { server: server.server?, upstream: upstream.upstream?, entra: entra.entra?, session, directory, native, headers, access, pages, telemetry })
}
