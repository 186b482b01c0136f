//! The other ends of connections: front proxies and load balancers.

use crate::config::problem::{InvalidValue, quote};
use crate::config::section::ConfigSection;
use ipnet::IpNet;
use std::net::IpAddr;

/// Other ends of connections, by their sockets. Empty by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerSet {
    /// Networks of addresses.
    pub networks: Vec<IpNet>,
    /// Whether it contains every peer on a unix socket.
    pub unix: bool,
}

impl PeerSet {
    /// Whether it contains an address, or with `None` the peers on unix sockets.
    pub fn contains(&self, address: Option<IpAddr>) -> bool {
        match address {
            Some(it) => self.networks.iter().any(|network| network.contains(&it)),
            None => self.unix,
        }
    }
}

/// Headers of trusted proxies that are passed on to the app. None by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrustedHeaders {
    /// `X-Forwarded-Prefix`.
    pub prefix: bool,
    /// `X-Forwarded-Port`.
    pub port: bool,
    /// `X-Request-Id`.
    pub request_id: bool,
}

/// The trusted proxies, with the headers of theirs that are passed on.
#[derive(Clone, Debug, Default)]
pub struct ProxyTrust {
    /// The proxies.
    pub proxies: PeerSet,
    /// The headers.
    pub headers: TrustedHeaders,
}

/// The keys of `[server]` about other ends.
pub(super) struct Peers {
    pub(super) trust: ProxyTrust,
    pub(super) proxy_protocol: PeerSet,
}

pub(super) fn peers(section: &ConfigSection<'_>) -> Peers {
    let proxies = peer_set(
        section,
        "trusted_proxies",
        "Proxies whose `X-Forwarded-*` and `X-Original-*` are trusted; none by default",
    );
    let headers = trusted_headers(section, &proxies);
    let proxy_protocol = proxy_protocol(section, &proxies);
    Peers { trust: ProxyTrust { proxies, headers }, proxy_protocol }
}

fn peer_set(section: &ConfigSection<'_>, name: &'static str, about: &'static str) -> PeerSet {
    let mut set = PeerSet::default();
    for it in section.key(name, about).list(&[], peer) {
        match it.value {
            None => set.unix = true,
            Some(network) => {
                if network.prefix_len() == 0 {
                    let invalid = InvalidValue::new(
                        "every client can forge its address and the requested host",
                    );
                    section.warn(
                        &it.place,
                        invalid.hint("list only the networks of your proxies, like \"10.0.0.0/8\""),
                    );
                }
                set.networks.push(network);
            }
        }
    }
    set
}

#[derive(Clone, Copy)]
enum TrustedHeader {
    Prefix,
    Port,
    RequestId,
}

fn trusted_headers(section: &ConfigSection<'_>, proxies: &PeerSet) -> TrustedHeaders {
    let mut listed = TrustedHeaders::default();
    let key = section.key(
        "trusted_headers",
        "Headers of `trusted_proxies` that the app receives as they are: `X-Forwarded-Prefix`, \
         `X-Forwarded-Port`, `X-Request-Id`; none by default",
    );
    let found = key.list(&[], trusted_header);
    if !found.is_empty() && *proxies == PeerSet::default() {
        section.warn(
            &section.locate("trusted_headers"),
            InvalidValue::new("has no effect without trusted_proxies")
                .hint("list the addresses of your proxies in trusted_proxies"),
        );
    }
    for header in found {
        match header.value {
            TrustedHeader::Prefix => listed.prefix = true,
            TrustedHeader::Port => listed.port = true,
            TrustedHeader::RequestId => listed.request_id = true,
        }
    }
    listed
}

fn trusted_header(text: &str) -> Result<TrustedHeader, InvalidValue> {
    match text.to_ascii_lowercase().as_str() {
        "x-forwarded-prefix" => Ok(TrustedHeader::Prefix),
        "x-forwarded-port" => Ok(TrustedHeader::Port),
        "x-request-id" => Ok(TrustedHeader::RequestId),
        _ => Err(InvalidValue::new(format!("{} is not one of these headers", quote(text)))
            .hint("choose from \"X-Forwarded-Prefix\", \"X-Forwarded-Port\" and \"X-Request-Id\"; of the others, Entrada writes its own")),
    }
}

/// Reads `proxy_protocol`. A load balancer that speaks it usually passes a client's bytes through,
/// with the client's own `X-Forwarded-*`.
fn proxy_protocol(section: &ConfigSection<'_>, trusted: &PeerSet) -> PeerSet {
    let set = peer_set(
        section,
        "proxy_protocol",
        "Load balancers whose connections must begin with a PROXY protocol header (version 1 or 2), \
         which names the client; none by default",
    );
    let overlaps = |one: &IpNet| {
        trusted.networks.iter().any(|other| one.contains(other) || other.contains(one))
    };
    if set.networks.iter().any(overlaps) || (set.unix && trusted.unix) {
        let invalid = InvalidValue::new("names proxies that trusted_proxies names too");
        section.warn(
            &section.locate("proxy_protocol"),
            invalid.hint("a load balancer that passes bytes through also passes what clients write into X-Forwarded-*: list it there only if it sets these headers itself"),
        );
    }
    set
}

/// Parses a network or a single address; `None` stands for unix sockets.
fn peer(text: &str) -> Result<Option<IpNet>, InvalidValue> {
    let refused = || {
        InvalidValue::new(format!("{} is not a network", quote(text)))
            .hint("write \"10.0.0.0/8\", \"fd00::/8\", a single address, or \"unix\"")
    };
    if text == "unix" {
        return Ok(None);
    }
    let single = || text.parse::<IpAddr>().ok().map(IpNet::from);
    text.parse().ok().or_else(single).map(Some).ok_or_else(refused)
}
