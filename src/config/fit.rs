//! Whether the sections fit each other.

use super::entra;
use super::problem::{Complaint, quote};
use super::section::Found;
use super::server::{self, Listen};
use super::upstream::{self, Destination};
use super::written::Written;
use crate::base::site::{Site, is_loopback};
use std::net::IpAddr;

/// Names under our prefix that are taken; what is below them too.
const TAKEN: [&str; 10] = ["/auth", "/start", "/sign_in", "/sign_out", "/userinfo", "/session", "/jwks.json", "/front_channel_logout", "/setup", "/native"];

/// Notes whatever does not fit.
pub(super) fn judge(written: &Written<'_>, server: &server::Draft, entra: &entra::Draft, upstream: &upstream::Draft) {
    if let (Some(site), Some(redirect)) = (&server.site, &entra.redirect_path) {
        redirect_is_free(written, site, redirect, upstream);
    }
    if let Some(site) = &server.site {
        routes_are_theirs(written, site, upstream);
    }
    for it in &upstream.destinations {
        no_loop(written, it, server);
    }
}

fn redirect_is_free(written: &Written<'_>, site: &Site, redirect: &Found<String>, upstream: &upstream::Draft) {
    let is_at_or_below = |path: &str, place: &str| path.strip_prefix(place).is_some_and(|it| it.is_empty() || it.starts_with('/'));
    let path = redirect.value.as_str();
    let name = path.strip_prefix(site.prefix());
    if name.is_some_and(|name| name.is_empty() || TAKEN.iter().any(|it| is_at_or_below(name, it))) || is_at_or_below(path, "/.auth") {
        let complaint = Complaint::new(format!("{} is already a page of Entrada", quote(path)));
        written.complain(&redirect.spot, complaint.hint(format!("choose an unused path, like {}/callback", site.prefix())));
    }
    if let Some(route) = upstream.paths.iter().find(|it| it.value.matches(path)) {
        let complaint = Complaint::new(format!("{} is covered by the route {}", quote(path), quote(&route.value.to_string())));
        written.complain(&redirect.spot, complaint.hint(format!("choose a path that no route covers, like {}/callback", site.prefix())));
    }
}

fn routes_are_theirs(written: &Written<'_>, site: &Site, upstream: &upstream::Draft) {
    for it in &upstream.paths {
        let pattern = it.value.to_string();
        let path = pattern.trim_end_matches("/**");
        if site.is_ours(path) {
            let complaint = Complaint::new(format!("{} is handled by Entrada itself", quote(path)));
            written.complain(&it.spot, complaint.hint("choose another [server] prefix, or another path for the app"));
        }
    }
}

/// What goes to our own listener comes back for ever.
fn no_loop(written: &Written<'_>, to: &Found<Destination>, server: &server::Draft) {
    let ours = server.listen.iter().chain(&server.admin_listen);
    if ours.map(|it| &it.value).any(|it| leads_to(&to.value, it)) {
        let complaint = Complaint::new("is an address that Entrada listens on")
            .hint("write the app's address, with a port other than those of [server] listen and admin_listen");
        written.complain(&to.spot, complaint);
    }
}

fn leads_to(destination: &Destination, listen: &Listen) -> bool {
    match (destination, listen) {
        (Destination::Unix(path), Listen::Unix(ours)) => path == ours,
        (Destination::Http { host, port } | Destination::Https { host, port } | Destination::H2c { host, port }, Listen::Tcp(ours)) => {
            let address: Option<IpAddr> = host.parse().ok();
            let local = is_loopback(host) || address.is_some_and(|it| it.is_unspecified());
            let same_host = address == Some(ours.ip()) || (local && (ours.ip().is_unspecified() || ours.ip().is_loopback() && address.is_none()));
            *port == ours.port() && same_host
        }
        _ => false,
    }
}
