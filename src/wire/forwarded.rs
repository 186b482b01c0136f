//! Trust in front proxies. Only this module reads `X-Forwarded-*`, `Forwarded` and `X-Original-*`.

use super::peer::Peer;
use crate::base::target::{AmbiguousTarget, PathStrictness, Target};
use crate::config::server::{PeerSet, ProxyTrust, TrustedHeaders};
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
    /// Whether the connection began with a PROXY protocol header.
    pub has_proxy_header: bool,
    /// What a trusted peer reports beyond that, if any of it is to be passed on.
    pub passed: Option<Box<PassedHeaders>>,
}

/// Headers of a trusted peer that reach the app as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PassedHeaders {
    /// `X-Forwarded-Prefix`.
    pub prefix: Option<HeaderValue>,
    /// `X-Forwarded-Port`.
    pub port: Option<HeaderValue>,
    /// `X-Request-Id`.
    pub request_id: Option<HeaderValue>,
}

impl PassedHeaders {
    /// Reads the headers that the operator listed. Each counts only if it appears once and is
    /// well-formed.
    fn read(headers: &HeaderMap, listed: TrustedHeaders) -> Option<Box<Self>> {
        if listed == TrustedHeaders::default() {
            return None;
        }
        let one = |is_listed: bool, name: &str, fits: fn(&[u8]) -> bool| {
            only(headers, name).filter(|it| is_listed && fits(it.as_bytes())).cloned()
        };
        Some(Box::new(Self {
            prefix: one(listed.prefix, "x-forwarded-prefix", is_prefix),
            port: one(listed.port, "x-forwarded-port", is_port),
            request_id: one(listed.request_id, "x-request-id", is_request_id),
        }))
    }
}

/// Maximum length of `X-Forwarded-Prefix`, in bytes.
const MAX_PREFIX_BYTES: usize = 256;
/// Maximum length of a request ID from a front proxy, in bytes.
const MAX_REQUEST_ID_BYTES: usize = 128;

/// An absolute path of unreserved characters (RFC 3986 section 2.3), without empty and dot segments.
fn is_prefix(value: &[u8]) -> bool {
    let is_plain = |it: &u8| it.is_ascii_alphanumeric() || b"-._~/".contains(it);
    value.len() <= MAX_PREFIX_BYTES
        && value.iter().all(is_plain)
        && value.strip_prefix(b"/").is_some_and(|rest| {
            let rest = rest.strip_suffix(b"/").unwrap_or(rest);
            rest.is_empty()
                || rest.split(|it| *it == b'/').all(|it| !matches!(it, b"" | b"." | b".."))
        })
}

fn is_port(value: &[u8]) -> bool {
    let digits = std::str::from_utf8(value).unwrap_or_default();
    !digits.starts_with(['0', '+']) && digits.parse::<u16>().is_ok()
}

fn is_request_id(value: &[u8]) -> bool {
    (1..=MAX_REQUEST_ID_BYTES).contains(&value.len())
        && value.iter().all(|it| it.is_ascii_alphanumeric() || b"._-".contains(it))
}

/// The reason why a request counts as http.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlainHttpReason {
    /// `X-Forwarded-Proto` came from an untrusted peer.
    Untrusted,
    /// No header says how the client connected, and the connection is not TLS.
    NotReported,
    /// A trusted peer reports http.
    Reported,
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

/// The reason why a request that did not arrive over https counts as http.
pub fn why_http(headers: &HeaderMap, origin: &RequestOrigin) -> PlainHttpReason {
    match (origin.trusted, headers.contains_key("x-forwarded-proto")) {
        (false, true) => PlainHttpReason::Untrusted,
        _ if origin.https == Some(false) => PlainHttpReason::Reported,
        _ => PlainHttpReason::NotReported,
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
pub fn read(headers: &HeaderMap, peer: &Peer, trust: &ProxyTrust) -> RequestOrigin {
    let ProxyTrust { proxies: trust, headers: listed_headers } = trust;
    // An address that a PROXY protocol header names is a client's, and trusted with nothing.
    if !trust.contains(peer.socket) {
        return RequestOrigin {
            client: peer.ip(),
            peer: peer.ip(),
            https: None,
            host: None,
            chain: None,
            trusted: false,
            connection: peer.address,
            has_proxy_header: peer.has_proxy_header,
            passed: None,
        };
    }
    // The client is known. It may have written a chain itself.
    let chain = listed(headers, "x-forwarded-for").filter(|_| !peer.has_proxy_header);
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
        has_proxy_header: peer.has_proxy_header,
        passed: PassedHeaders::read(headers, *listed_headers),
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
    // A query may be in UTF-8.
    first
        .map(|it| std::str::from_utf8(it.as_bytes()).map_err(|_| ForwardAuthError::Header(name)))
        .transpose()
}

/// The value of a header that appears once; a second line invalidates both.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    values.next().is_none().then_some(first)
}

/// The value of a list header: its lines form one list, in order (RFC 9110 section 5.3); HAProxy
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
fn client(chain: &HeaderValue, trust: &PeerSet) -> Option<IpAddr> {
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

    fn proxies() -> PeerSet {
        PeerSet { networks: vec!["10.0.0.0/8".parse().unwrap()], unix: false }
    }

    fn trust() -> ProxyTrust {
        ProxyTrust { proxies: proxies(), headers: TrustedHeaders::default() }
    }

    fn peer(ip: &str) -> Peer {
        Peer::of_socket(Some(format!("{ip}:1").parse().unwrap()), false)
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
                has_proxy_header: false,
                passed: None,
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
    fn a_client_that_a_load_balancer_names_vouches_for_nobody() {
        let claims = headers(&[("x-forwarded-for", "6.6.6.6"), ("x-forwarded-proto", "https")]);
        let behind = |socket: &str, named: &str| {
            let peer = peer(socket).or_named(Some(format!("{named}:2").parse().unwrap()));
            read(&claims, &peer, &trust())
        };
        // The name of a trusted address is trusted no more than any other.
        let origin = behind("192.0.2.1", "10.0.0.1");
        assert_eq!((origin.client, origin.trusted), ("10.0.0.1".parse().ok(), false));
        assert_eq!((origin.chain, origin.https), (None, None));
        // A trusted load balancer sets the scheme; the chain is what its client wrote.
        let origin = behind("10.0.0.1", "192.0.2.9");
        assert_eq!((origin.client, origin.trusted), ("192.0.2.9".parse().ok(), true));
        assert_eq!((origin.chain, origin.https), (None, Some(true)));
    }

    #[test]
    fn only_listed_well_formed_headers_of_a_trusted_peer_are_passed_on() {
        let all = TrustedHeaders { prefix: true, port: true, request_id: true };
        let passed = |ip: &str, listed, pairs: &[(&'static str, &str)]| {
            let trust = ProxyTrust { proxies: proxies(), headers: listed };
            let passed = read(&headers(pairs), &peer(ip), &trust).passed.unwrap_or_default();
            [passed.prefix, passed.port, passed.request_id].map(|it| it.is_some())
        };
        let sent = [
            ("x-forwarded-prefix", "/apps/shop"),
            ("x-forwarded-port", "8443"),
            ("x-request-id", "4b-1.c_D"),
        ];
        assert_eq!(passed("10.0.0.1", all, &sent), [true; 3]);
        assert_eq!(passed("192.0.2.1", all, &sent), [false; 3]);
        assert_eq!(passed("10.0.0.1", TrustedHeaders::default(), &sent), [false; 3]);
        let only_port = TrustedHeaders { port: true, ..TrustedHeaders::default() };
        assert_eq!(passed("10.0.0.1", only_port, &sent), [false, true, false]);
        for (name, value) in sent {
            let twice = [(name, value), (name, value)];
            assert_eq!(passed("10.0.0.1", all, &twice), [false; 3], "{name}");
        }
        let long = |bytes: usize| format!("/{}", "a".repeat(bytes - 1));
        for (name, value, fits) in [
            ("x-forwarded-prefix", "/", true),
            ("x-forwarded-prefix", "/a/", true),
            ("x-forwarded-prefix", long(256).as_str(), true),
            ("x-forwarded-prefix", long(257).as_str(), false),
            ("x-forwarded-prefix", "", false),
            ("x-forwarded-prefix", "a", false),
            ("x-forwarded-prefix", "//evil.example", false),
            ("x-forwarded-prefix", "/a//b", false),
            ("x-forwarded-prefix", "/a/../b", false),
            ("x-forwarded-prefix", "/a/./b", false),
            ("x-forwarded-prefix", "/a%2fb", false),
            ("x-forwarded-prefix", "/a, /b", false),
            ("x-forwarded-prefix", "/a?b", false),
            ("x-forwarded-prefix", "/\"><script>", false),
            ("x-forwarded-port", "1", true),
            ("x-forwarded-port", "65535", true),
            ("x-forwarded-port", "65536", false),
            ("x-forwarded-port", "0", false),
            ("x-forwarded-port", "0443", false),
            ("x-forwarded-port", "+443", false),
            ("x-forwarded-port", "443, 80", false),
            ("x-forwarded-port", "", false),
            ("x-request-id", &long(129)[1..], true),
            ("x-request-id", &long(130)[1..], false),
            ("x-request-id", "", false),
            ("x-request-id", "a b", false),
            ("x-request-id", "a\tb", false),
        ] {
            let found = passed("10.0.0.1", all, &[(name, value)]);
            assert_eq!(found.contains(&true), fits, "{name}: {value}");
        }
    }

    #[test]
    fn a_unix_socket_is_trusted_where_the_operator_says_so() {
        let nobody = Peer::of_socket(None, false);
        let trusts = |unix| PeerSet { unix, ..proxies() }.contains(nobody.socket);
        assert_eq!((trusts(true), trusts(false)), (true, false));
    }

    #[test]
    fn why_a_request_counts_as_one_by_http_is_known() {
        let said = [("x-forwarded-proto", "http")];
        for (headers, ip, why) in [
            (headers(&said), "192.0.2.1", PlainHttpReason::Untrusted),
            (headers(&[("x-forwarded-proto", "https")]), "192.0.2.1", PlainHttpReason::Untrusted),
            (headers(&[]), "192.0.2.1", PlainHttpReason::NotReported),
            (headers(&said), "10.0.0.1", PlainHttpReason::Reported),
            (headers(&[("x-forwarded-proto", "gopher")]), "10.0.0.1", PlainHttpReason::NotReported),
            (headers(&[]), "10.0.0.1", PlainHttpReason::NotReported),
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
    fn nginx_is_accepted_only_with_its_own_headers_once_each() {
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
