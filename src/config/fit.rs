//! Checks that the sections are consistent with each other.

use super::entra;
use super::problem::{InvalidValue, quote};
use super::section::LocatedValue;
use super::server::{self, ListenAddress};
use super::session::SessionConfig;
use super::source::ConfigSource;
use super::upstream::{self, AppAddress};
use crate::base::own_path::{RESERVED, is_at_or_below};
use crate::base::site::{Site, is_loopback};
use std::net::IpAddr;

/// Reports everything that is inconsistent.
pub(super) fn judge(
    written: &ConfigSource<'_>,
    server: &server::ServerDraft,
    entra: &entra::EntraDraft,
    upstream: &upstream::UpstreamDraft,
    session: &SessionConfig,
) {
    if let Some(place) = &server.reuse_port
        && session.store.is_memory()
        && session.snapshot.is_none()
    {
        let invalid = InvalidValue::new(
            "needs session.snapshot: a person's next request may reach the other process, which \
             does not know a session in memory",
        );
        let hint = "set session.snapshot = \"/var/lib/entrada/sessions\" and session.secrets";
        written.add_problem(place, invalid.hint(hint));
    }
    if let (Some(site), Some(redirect)) = (&server.site, &entra.redirect_path) {
        redirect_is_free(written, site, redirect, upstream);
    }
    if let Some(site) = &server.site {
        check_route_prefixes(written, site, upstream);
    }
    for it in &upstream.destinations {
        no_loop(written, it, server);
    }
}

fn redirect_is_free(
    written: &ConfigSource<'_>,
    site: &Site,
    redirect: &LocatedValue<String>,
    upstream: &upstream::UpstreamDraft,
) {
    let path = redirect.value.as_str();
    let name = path.strip_prefix(site.prefix());
    if name
        .is_some_and(|name| name.is_empty() || RESERVED.iter().any(|it| is_at_or_below(name, it)))
        || is_at_or_below(path, "/.auth")
    {
        let invalid = InvalidValue::new(format!("{} is already a page of Entrada", quote(path)));
        written.add_problem(
            &redirect.place,
            invalid.hint(format!("choose an unused path, like {}/callback", site.prefix())),
        );
    }
    if let Some(route) = upstream.paths.iter().find(|it| it.value.matches(path)) {
        let invalid = InvalidValue::new(format!(
            "{} is covered by the route {}",
            quote(path),
            quote(&route.value.to_string())
        ));
        written.add_problem(
            &redirect.place,
            invalid.hint(format!(
                "choose a path that no route covers, like {}/callback",
                site.prefix()
            )),
        );
    }
}

fn check_route_prefixes(
    written: &ConfigSource<'_>,
    site: &Site,
    upstream: &upstream::UpstreamDraft,
) {
    for it in &upstream.paths {
        let pattern = it.value.to_string();
        let path = pattern.trim_end_matches("/**");
        if site.is_ours(path) {
            let invalid =
                InvalidValue::new(format!("{} is handled by Entrada itself", quote(path)));
            written.add_problem(
                &it.place,
                invalid.hint("choose another [server] prefix, or another path for the app"),
            );
        }
    }
}

/// Reports an app address that is our own listener: such requests would loop forever.
fn no_loop(
    written: &ConfigSource<'_>,
    to: &LocatedValue<AppAddress>,
    server: &server::ServerDraft,
) {
    let ours = server.listen.iter().chain(&server.admin_listen);
    if ours.map(|it| &it.value).any(|it| leads_to(&to.value, it)) {
        let invalid = InvalidValue::new("is an address that Entrada listens on")
            .hint("write the app's address, with a port other than those of [server] listen and admin_listen");
        written.add_problem(&to.place, invalid);
    }
}

fn leads_to(destination: &AppAddress, listen: &ListenAddress) -> bool {
    match (destination, listen) {
        (AppAddress::Unix(path), ListenAddress::Unix(ours)) => path == ours,
        (
            AppAddress::Http { host, port }
            | AppAddress::Https { host, port }
            | AppAddress::H2c { host, port },
            ListenAddress::Tcp(ours),
        ) => {
            let address: Option<IpAddr> = host.parse().ok();
            let local = is_loopback(host) || address.is_some_and(|it| it.is_unspecified());
            let same_host = address == Some(ours.ip())
                || (local
                    && (ours.ip().is_unspecified()
                        || ours.ip().is_loopback() && address.is_none()));
            *port == ours.port() && same_host
        }
        _ => false,
    }
}
