//! Trust in front proxies. Only this module reads `X-Forwarded-*`, `Forwarded` and `X-Original-*`.

use super::peer::Peer;
use crate::base::target::{AmbiguousTarget, PathStrictness, Target};
use crate::config::server::TrustedProxies;
use http::{HeaderMap, HeaderValue, Method};
use std::net::{IpAddr, SocketAddr};

/// Maximum number of `X-Forwarded-For` entries that are read.
const MAX_HOPS: usize = 32;

/// The trusted facts about how a request arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestOrigin {
    /// The client's address: the peer's own, or the one that a trusted peer reports.
    pub client: Option<IpAddr>,
    /// The address of the other end of the connection.
    pub peer: Option<IpAddr>,
    /// Whether the client used https, as a trusted peer reports it; `None` if unknown.
    pub https: Option<bool>,
    /// The host that the client requested, from a trusted peer.
    pub host: Option<HeaderValue>,
    /// The `X-Forwarded-For` chain so far, from a trusted peer.
    pub chain: Option<HeaderValue>,
    /// Whether the peer is one of `trusted_proxies`.
    pub trusted: bool,
    /// The address and port of the other end of the connection.
    pub connection: Option<SocketAddr>,
}

/// The reason why a request counts as http.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlainHttpReason {
    /// `X-Forwarded-Proto` came from an untrusted peer.
    Untrusted,
    /// No header says how the client connected, and the connection is not TLS.
    NotSaid,
    /// A trusted peer reports http.
    Said,
}

/// The reason why a forward-auth request is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ForwardAuthError {
    /// The caller is not in `trusted_proxies`.
    #[error("the caller is not one of [server] trusted_proxies")]
    Untrusted,
    /// A header of the dialect is missing, repeated or contradicts another.
    #[error("{0} is missing, doubled or contradicts another header")]
    Header(&'static str),
    /// The requested host is not ours: its cookies never arrive here, and the rules were not
    /// written for it.
    #[error("the requested host is not in [server] public_url or hosts")]
    OtherHost,
    /// The target can be read in two ways.
    #[error("the requested target is rejected: {0}")]
    Ambiguous(#[from] AmbiguousTarget),
}

/// Whether the peer's forwarded headers are trusted.
fn is_trusted(peer: &Peer, trust: &TrustedProxies) -> bool {
    match peer.ip() {
        Some(ip) => trust.networks.iter().any(|it| it.contains(&ip)),
        None => trust.unix,
    }
}

/// The reason why a request that did not arrive over https counts as http.
pub fn why_http(headers: &HeaderMap, origin: &RequestOrigin) -> PlainHttpReason {
    match (origin.trusted, headers.contains_key("x-forwarded-proto")) {
        (false, true) => PlainHttpReason::Untrusted,
        _ if origin.https == Some(false) => PlainHttpReason::Said,
        _ => PlainHttpReason::NotSaid,
    }
}

/// The first front-proxy header in a request; it is ignored if the peer is not trusted.
pub fn ignored_header(headers: &HeaderMap) -> Option<&'static str> {
    let names = [
        "x-forwarded-for",
        "forwarded",
        "x-forwarded-proto",
        "x-forwarded-host",
        "x-forwarded-port",
    ];
    names.into_iter().find(|it| headers.contains_key(*it))
}

/// Reads the trusted facts about how a request arrived; for an untrusted peer, only its own
/// address.
pub fn read(headers: &HeaderMap, peer: &Peer, trust: &TrustedProxies) -> RequestOrigin {
    if !is_trusted(peer, trust) {
        return RequestOrigin {
            client: peer.ip(),
            peer: peer.ip(),
            https: None,
            host: None,
            chain: None,
            trusted: false,
            connection: peer.address,
        };
    }
    let chain = listed(headers, "x-forwarded-for");
    let https = match only(headers, "x-forwarded-proto").map(HeaderValue::as_bytes) {
        Some(b"https" | b"wss") => Some(true),
        Some(b"http" | b"ws") => Some(false),
        _ => None,
    };
    let client = chain.as_ref().and_then(|it| client(it, trust)).or(peer.ip());
    RequestOrigin {
        client,
        peer: peer.ip(),
        https,
        host: only(headers, "x-forwarded-host").cloned(),
        chain,
        trusted: true,
        connection: peer.address,
    }
}

/// Reads the target that nginx asks about: `X-Original-URL` or `X-Original-URI`, and
/// `X-Original-Method`.
///
/// nginx's `auth_request` also sends the client's own headers. Therefore only headers that the
/// nginx configuration sets are read, and each at most once: a second line would come from the
/// client.
///
/// # Errors
/// Returns a `ForwardAuthError` with the reason why the request cannot be judged.
pub fn from_nginx(
    headers: &HeaderMap,
    origin: &RequestOrigin,
    strictness: PathStrictness,
) -> Result<ForwardAuthRequest, ForwardAuthError> {
    if !origin.trusted {
        return Err(ForwardAuthError::Untrusted);
    }
    let method =
        once(headers, "x-original-method")?.ok_or(ForwardAuthError::Header("X-Original-Method"))?;
    let method = Method::from_bytes(method.as_bytes())
        .map_err(|_| ForwardAuthError::Header("X-Original-Method"))?;
    let uri = once(headers, "x-original-uri")?;
    let url = once(headers, "x-original-url")?.map(split_url).transpose()?;
    let (host, path) = match (uri, url) {
        (Some(uri), None) => (None, uri),
        (None, Some((host, path))) => (Some(host), path),
        (Some(uri), Some((host, path))) if uri == path => (Some(host), uri),
        (Some(_), Some(_)) => return Err(ForwardAuthError::Header("X-Original-URL")),
        (None, None) => return Err(ForwardAuthError::Header("X-Original-URI")),
    };
    let target = Target::parse(&method, path, strictness)?;
    Ok(ForwardAuthRequest { target, host: host.map(str::to_owned) })
}

/// The request that a front proxy asks about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardAuthRequest {
    /// The target to judge.
    pub target: Target,
    /// The host that the client requested, if the dialect includes it.
    pub host: Option<String>,
}

fn split_url(url: &str) -> Result<(&str, &str), ForwardAuthError> {
    let bad = ForwardAuthError::Header("X-Original-URL");
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")).ok_or(bad)?;
    let split = rest.find('/').ok_or(bad)?;
    rest.split_at_checked(split).ok_or(bad)
}

fn once<'a>(
    headers: &'a HeaderMap,
    name: &'static str,
) -> Result<Option<&'a str>, ForwardAuthError> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(ForwardAuthError::Header(name));
    }
    first.map(|it| it.to_str().map_err(|_| ForwardAuthError::Header(name))).transpose()
}

/// The value of a header that appears once; a second line invalidates both.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    values.next().is_none().then_some(first)
}

/// The value of a list header: its lines form one list, in order (RFC 9110 section 5.3); `HAProxy`
/// adds a line of its own.
fn listed(headers: &HeaderMap, name: &str) -> Option<HeaderValue> {
    let mut lines = headers.get_all(name).iter();
    let first = lines.next()?;
    let mut joined: Option<Vec<u8>> = None;
    for line in lines {
        let joined = joined.get_or_insert_with(|| first.as_bytes().to_vec());
        joined.extend_from_slice(b", ");
        joined.extend_from_slice(line.as_bytes());
    }
    match joined {
        Some(joined) => HeaderValue::from_bytes(&joined).ok(),
        None => Some(first.clone()),
    }
}

/// The first address from the right that does not belong to a trusted proxy.
fn client(chain: &HeaderValue, trust: &TrustedProxies) -> Option<IpAddr> {
    let chain = chain.to_str().ok()?;
    let mut last = None;
    for entry in chain.rsplit(',').take(MAX_HOPS) {
        let address = address(entry.trim())?;
        last = Some(address);
        if !trust.networks.iter().any(|it| it.contains(&address)) {
            return last;
        }
    }
    last
}

/// Parses an address with or without port; IPv6 with or without brackets.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|it| it.split_once(']')).map(|(it, _)| it);
    let parsed = match bare {
        Some(bare) => bare.parse().ok(),
        None => text
            .parse()
            .ok()
            .or_else(|| text.parse::<std::net::SocketAddr>().ok().map(|it| it.ip())),
    };
    parsed.map(|it: IpAddr| it.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trust() -> TrustedProxies {
        TrustedProxies { networks: vec!["10.0.0.0/8".parse().unwrap()], unix: false }
    }

    fn peer(ip: &str) -> Peer {
        Peer { address: Some(format!("{ip}:1").parse().unwrap()), tls: false }
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut out = HeaderMap::new();
        for (name, value) in pairs {
            out.append(*name, HeaderValue::from_str(value).unwrap());
        }
        out
    }

    #[test]
    fn a_stranger_speaks_for_nobody() {
        let origin = read(
            &headers(&[
                ("x-forwarded-for", "1.2.3.4"),
                ("x-forwarded-proto", "https"),
                ("x-forwarded-host", "evil"),
            ]),
            &peer("192.0.2.1"),
            &trust(),
        );
        assert_eq!(
            origin,
            RequestOrigin {
                client: peer("192.0.2.1").ip(),
                peer: peer("192.0.2.1").ip(),
                https: None,
                host: None,
                chain: None,
                trusted: false,
                connection: peer("192.0.2.1").address,
            }
        );
    }

    #[test]
    fn the_client_is_the_first_stranger_from_the_right() {
        for (chain, client) in [
            ("6.6.6.6, 1.2.3.4, 10.0.0.7", "1.2.3.4"),
            ("::ffff:1.2.3.4", "1.2.3.4"),
            ("[2001:db8::1]:99, 10.1.1.1", "2001:db8::1"),
            ("junk, 10.0.0.9", "10.0.0.1"),
            ("1.2.3.4:80", "1.2.3.4"),
        ] {
            let origin = read(&headers(&[("x-forwarded-for", chain)]), &peer("10.0.0.1"), &trust());
            assert_eq!(origin.client, Some(client.parse().unwrap()), "{chain}");
        }
    }

    #[test]
    fn the_lines_of_a_chain_are_one_list_in_their_order() {
        let lines = headers(&[
            ("x-forwarded-for", "6.6.6.6, 1.2.3.4"),
            ("x-forwarded-for", "10.0.0.7"),
            ("x-forwarded-for", "10.0.0.8"),
        ]);
        let origin = read(&lines, &peer("10.0.0.1"), &trust());
        assert_eq!(origin.client, Some("1.2.3.4".parse().unwrap()));
        assert_eq!(origin.chain.unwrap(), "6.6.6.6, 1.2.3.4, 10.0.0.7, 10.0.0.8");
        let stranger = read(&lines, &peer("192.0.2.1"), &trust());
        assert_eq!((stranger.client, stranger.chain), (peer("192.0.2.1").ip(), None));
        // The line that the proxy added counts, regardless of the client's own line.
        let forged = headers(&[("x-forwarded-for", "10.0.0.9"), ("x-forwarded-for", "1.2.3.4")]);
        assert_eq!(
            read(&forged, &peer("10.0.0.1"), &trust()).client,
            Some("1.2.3.4".parse().unwrap())
        );
    }

    #[test]
    fn a_header_that_stands_twice_is_worth_nothing() {
        let origin = read(
            &headers(&[("x-forwarded-proto", "https"), ("x-forwarded-proto", "http")]),
            &peer("10.0.0.1"),
            &trust(),
        );
        assert_eq!(origin.https, None);
    }

    #[test]
    fn a_trusted_peer_says_whether_the_client_spoke_https() {
        for (proto, https) in [
            ("https", Some(true)),
            ("wss", Some(true)),
            ("http", Some(false)),
            ("ws", Some(false)),
            ("HTTPS", None),
            ("", None),
        ] {
            assert_eq!(
                read(&headers(&[("x-forwarded-proto", proto)]), &peer("10.0.0.1"), &trust()).https,
                https,
                "{proto}"
            );
        }
        let origin =
            read(&headers(&[("x-forwarded-host", "a.example")]), &peer("10.0.0.1"), &trust());
        assert_eq!(
            (origin.host.unwrap(), origin.https, origin.trusted),
            (HeaderValue::from_static("a.example"), None, true)
        );
    }

    #[test]
    fn a_unix_socket_is_trusted_where_the_operator_says_so() {
        let nobody = Peer { address: None, tls: false };
        let trusts = |unix| is_trusted(&nobody, &TrustedProxies { unix, ..trust() });
        assert_eq!((trusts(true), trusts(false)), (true, false));
    }

    #[test]
    fn why_a_request_counts_as_one_by_http_is_known() {
        let said = [("x-forwarded-proto", "http")];
        for (headers, ip, why) in [
            (headers(&said), "192.0.2.1", PlainHttpReason::Untrusted),
            (headers(&[("x-forwarded-proto", "https")]), "192.0.2.1", PlainHttpReason::Untrusted),
            (headers(&[]), "192.0.2.1", PlainHttpReason::NotSaid),
            (headers(&said), "10.0.0.1", PlainHttpReason::Said),
            (headers(&[("x-forwarded-proto", "gopher")]), "10.0.0.1", PlainHttpReason::NotSaid),
            (headers(&[]), "10.0.0.1", PlainHttpReason::NotSaid),
        ] {
            assert_eq!(
                why_http(&headers, &read(&headers, &peer(ip), &trust())),
                why,
                "{headers:?} {ip}"
            );
        }
    }

    #[test]
    fn each_header_of_a_front_proxy_is_found() {
        for name in [
            "x-forwarded-for",
            "forwarded",
            "x-forwarded-proto",
            "x-forwarded-host",
            "x-forwarded-port",
        ] {
            assert_eq!(ignored_header(&headers(&[("accept", "*/*"), (name, "x")])), Some(name));
        }
        assert_eq!(
            ignored_header(&headers(&[("x-forwarded-prefix", "/"), ("x-real-ip", "6.6.6.6")])),
            None
        );
    }

    #[test]
    fn nginx_is_heard_only_with_its_own_headers_once_each() {
        let ask = |pairs: &[(&'static str, &str)], ip| {
            from_nginx(
                &headers(pairs),
                &read(&HeaderMap::new(), &peer(ip), &trust()),
                PathStrictness::Strict,
            )
        };
        let good =
            ask(&[("x-original-uri", "/a?b"), ("x-original-method", "POST")], "10.0.0.1").unwrap();
        assert_eq!((good.target.method().as_str(), good.target.path()), ("POST", "/a"));
        let url = ask(
            &[("x-original-url", "https://app.example/a"), ("x-original-method", "GET")],
            "10.0.0.1",
        )
        .unwrap();
        assert_eq!((url.target.path(), url.host.as_deref()), ("/a", Some("app.example")));
        let both = ask(
            &[
                ("x-original-uri", "/a?b"),
                ("x-original-url", "http://h:1/a?b"),
                ("x-original-method", "GET"),
            ],
            "10.0.0.1",
        )
        .unwrap();
        assert_eq!(
            (both.target.path_and_query().as_str(), both.host.as_deref()),
            ("/a?b", Some("h:1"))
        );
        for url in ["ftp://h/a", "https://h", "//h/a", "/a"] {
            let outcome = ask(&[("x-original-url", url), ("x-original-method", "GET")], "10.0.0.1");
            assert_eq!(outcome, Err(ForwardAuthError::Header("X-Original-URL")), "{url}");
        }
        assert_eq!(
            ask(&[("x-original-method", "GET")], "10.0.0.1"),
            Err(ForwardAuthError::Header("X-Original-URI"))
        );
        assert_eq!(
            ask(&[("x-original-uri", "/a"), ("x-original-method", "GET")], "192.0.2.1"),
            Err(ForwardAuthError::Untrusted)
        );
        assert!(matches!(
            ask(&[("x-original-uri", "/a")], "10.0.0.1"),
            Err(ForwardAuthError::Header(_))
        ));
        assert!(matches!(
            ask(
                &[("x-original-uri", "/a"), ("x-original-uri", "/b"), ("x-original-method", "GET")],
                "10.0.0.1"
            ),
            Err(ForwardAuthError::Header(_))
        ));
        assert!(matches!(
            ask(
                &[
                    ("x-original-uri", "/a"),
                    ("x-original-url", "http://h/b"),
                    ("x-original-method", "GET")
                ],
                "10.0.0.1"
            ),
            Err(ForwardAuthError::Header(_))
        ));
        assert!(matches!(
            ask(&[("x-original-uri", "/a/../b"), ("x-original-method", "GET")], "10.0.0.1"),
            Err(ForwardAuthError::Ambiguous(_))
        ));
    }
}
