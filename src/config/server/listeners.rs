//! The addresses of the listeners, and conflicts between them.

use super::super::address::socket_path;
use super::super::problem::{InvalidValue, quote};
use super::super::section::{ConfigSection, LocatedValue};
use super::super::source::LocatedKey;
use std::net::SocketAddr;
use std::path::PathBuf;

/// The address of one listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// A TCP socket, `address:port`.
    Tcp(SocketAddr),
    /// A unix socket, `unix:/path`.
    Unix(PathBuf),
    /// The sockets that systemd passes to the process.
    Systemd,
}

impl std::fmt::Display for ListenAddress {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(out),
            Self::Unix(path) => write!(out, "unix:{}", path.display()),
            Self::Systemd => out.write_str("systemd"),
        }
    }
}

/// Parses the address of a listener.
pub(super) fn listen(text: &str) -> Result<ListenAddress, InvalidValue> {
    if text == "systemd" {
        return Ok(ListenAddress::Systemd);
    }
    if let Some(path) = text.strip_prefix("unix:") {
        return socket_path(path).map(ListenAddress::Unix);
    }
    if let Ok(address) = text.parse() {
        return Ok(ListenAddress::Tcp(address));
    }
    let invalid = InvalidValue::new(format!("{} is not an address to listen on", quote(text)));
    let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
    Err(match (host, port.parse::<u16>()) {
        ("" | "*", Ok(port)) => invalid.hint(format!("write \"0.0.0.0:{port}\" for all addresses, or \"127.0.0.1:{port}\" for this machine only")),
        ("localhost", Ok(port)) => invalid.hint(format!("write \"127.0.0.1:{port}\"")),
        _ => invalid.hint("write an address and a port, like \"127.0.0.1:4180\" or \"[::1]:4180\"; or \"unix:/run/entrada.sock\", or \"systemd\""),
    })
}

pub(super) fn judge_listeners(
    section: &ConfigSection<'_>,
    listen: &[LocatedValue<ListenAddress>],
    admin: Option<&LocatedValue<ListenAddress>>,
) {
    for (at, it) in listen.iter().enumerate() {
        if listen.iter().take(at).any(|earlier| overlap(&earlier.value, &it.value)) {
            section.add_problem(
                &it.place,
                InvalidValue::new(format!("{} is listed twice", quote(&it.value.to_string()))),
            );
        }
    }
    let Some(admin) = admin else { return };
    if listen.iter().any(|it| overlap(&it.value, &admin.value)) {
        let invalid = InvalidValue::new(format!(
            "{} is the public listener",
            quote(&admin.value.to_string())
        ));
        section.add_problem(
            &admin.place,
            invalid.hint("the admin listener needs its own address, like \"127.0.0.1:4181\""),
        );
    }
    if matches!(admin.value, ListenAddress::Tcp(address) if address.ip().is_unspecified()) {
        let invalid =
            InvalidValue::new("health and metrics are open to everyone who can reach this machine");
        section.warn(
            &admin.place,
            invalid.hint("block the port from the public, or write \"127.0.0.1:4181\""),
        );
    }
}

/// Reports listeners that two processes cannot have at the same time, or have anyway.
pub(super) fn judge_reuse_port<'a>(
    section: &ConfigSection<'_>,
    place: &LocatedKey,
    listeners: impl Iterator<Item = &'a LocatedValue<ListenAddress>>,
) {
    for it in listeners {
        let address = quote(&it.value.to_string());
        match it.value {
            ListenAddress::Tcp(_) => {}
            ListenAddress::Unix(_) => {
                let invalid = InvalidValue::new(format!(
                    "two processes cannot listen on {address} at the same time"
                ))
                .hint("write an address and a port, or leave reuse_port out");
                section.add_problem(place, invalid);
            }
            ListenAddress::Systemd => {
                let invalid = InvalidValue::new(format!(
                    "has no effect on {address}: systemd keeps its sockets over a restart"
                ))
                .hint("leave reuse_port out, unless two services share the sockets");
                section.warn(place, invalid);
            }
        }
    }
}

/// Whether two listeners conflict. Port 0 means any free port.
fn overlap(one: &ListenAddress, other: &ListenAddress) -> bool {
    match (one, other) {
        (ListenAddress::Tcp(one), ListenAddress::Tcp(other)) => {
            // [::] also accepts IPv4, if the system allows it.
            let all = |it: &SocketAddr, theirs: &SocketAddr| {
                it.ip().is_unspecified() && (it.is_ipv6() || theirs.is_ipv4())
            };
            one.port() != 0
                && one.port() == other.port()
                && (one.ip() == other.ip() || all(one, other) || all(other, one))
        }
        (one, other) => one == other,
    }
}
