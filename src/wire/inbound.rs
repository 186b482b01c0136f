//! What is true of a request, read once.

use super::forwarded::{self, RequestOrigin};
use super::peer::Peer;
use crate::base::ids::RequestIds;
use crate::base::language::Language;
use crate::base::target::{AmbiguousTarget, PathStrictness, Target};
use crate::config::server::TrustedProxies;
use http::header::{ACCEPT, ACCEPT_LANGUAGE, CONNECTION, HOST, HeaderMap, HeaderValue, TRANSFER_ENCODING, UPGRADE};
use http::request::Parts;
use http::{HeaderName, Method, Version};

const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const SEC_PURPOSE: HeaderName = HeaderName::from_static("sec-purpose");
const PURPOSE: HeaderName = HeaderName::from_static("purpose");
const X_REQUESTED_WITH: HeaderName = HeaderName::from_static("x-requested-with");

/// A request, as far as it is known before anybody is asked who sent it.
#[derive(Debug)]
pub struct InboundRequest {
    /// What is asked for, in its one reading.
    pub target: Target,
    /// The host that was asked, as it was written.
    pub host: HeaderValue,
    /// The way it came.
    pub origin: RequestOrigin,
    /// Whether the client spoke https.
    pub https: bool,
    /// What kind of caller it is, for the shape of a refusal.
    pub caller: CallerKind,
    /// Our reference for this request: in the answer, the log and the page.
    pub request_id: HeaderValue,
    /// Whether it wants to leave HTTP (`Upgrade`, or extended `CONNECT`).
    pub upgrade: bool,
    /// The language for a page of ours; `language` reads it where one may be shown, the way to the app does not ask.
    pub language: Language,
}

/// What kind of caller asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallerKind {
    /// A browser that goes to a page: it can be redirected.
    Navigation,
    /// A form that a browser sends: it gets a page, but what was typed is not sent on.
    Form,
    /// A script, an API client, a preflight, a WebSocket: it gets JSON and no redirect.
    Script,
}

/// Why a request is not read at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InboundError {
    /// The target can be read two ways.
    #[error("the target can be read two ways: {0}")]
    Target(#[from] AmbiguousTarget),
    /// No host, two hosts, or two that differ (RFC 9112 3.2).
    #[error("the host is missing or repeated")]
    Host,
    /// Another transfer coding than `chunked`, or one that is said twice: where the body ends is a matter of opinion (RFC 9112 6.1).
    #[error("a transfer coding that is not supported")]
    Framing,
}

impl InboundRequest {
    /// Reads the head of a request.
    ///
    /// # Errors
    /// `InboundError` where two readers could disagree on it.
    pub fn read(parts: &Parts, peer: &Peer, trust: &TrustedProxies, strictness: PathStrictness, ids: &RequestIds) -> Result<Self, InboundError> {
        if parts.headers.get_all(TRANSFER_ENCODING).iter().enumerate().any(|(at, it)| at > 0 || !it.as_bytes().eq_ignore_ascii_case(b"chunked")) {
            return Err(InboundError::Framing);
        }
        let host = host(parts)?;
        let connect = parts.method == Method::CONNECT && parts.extensions.get::<hyper::ext::Protocol>().is_some_and(|it| it.as_str() == "websocket");
        // RFC 8441: an extended CONNECT asks for a page as GET would; it is judged as one.
        let method = if connect { &Method::GET } else { &parts.method };
        let target = Target::read(method, &parts.uri, strictness)?;
        let origin = forwarded::read(&parts.headers, peer, trust);
        let https = origin.https.unwrap_or(peer.tls);
        let upgrade = connect || asks_to_upgrade(parts);
        let caller = if upgrade { CallerKind::Script } else { kind_of_caller(&parts.method, &parts.headers) };
        let request_id = HeaderValue::from_bytes(&ids.next()).map_err(|_| InboundError::Host)?;
        let host = origin.host.clone().unwrap_or(host);
        Ok(Self { target, host, origin, https, caller, request_id, upgrade, language: Language::default() })
    }

    /// The reference as text.
    pub fn reference(&self) -> &str {
        self.request_id.to_str().unwrap_or_default()
    }
}

/// The one host of a request: `Host` in HTTP/1.1, `:authority` in HTTP/2, and never two that differ.
fn host(parts: &Parts) -> Result<HeaderValue, InboundError> {
    let mut lines = parts.headers.get_all(HOST).iter();
    let line = lines.next();
    if lines.next().is_some() {
        return Err(InboundError::Host);
    }
    let authority = parts.uri.authority().map(|it| it.as_str());
    match (line, authority) {
        (Some(line), None) => Ok(line.clone()),
        (Some(line), Some(authority)) if line.as_bytes().eq_ignore_ascii_case(authority.as_bytes()) => Ok(line.clone()),
        (None, Some(authority)) if parts.version >= Version::HTTP_2 => HeaderValue::from_str(authority).map_err(|_| InboundError::Host),
        _ => Err(InboundError::Host),
    }
}

/// RFC 9110 7.8. An upgrade to HTTP/2 in clear or to TLS (RFC 2817) is not taken: requests would follow that nobody judges.
fn asks_to_upgrade(parts: &Parts) -> bool {
    let mut lines = parts.headers.get_all(UPGRADE).iter();
    let (Some(protocol), None) = (lines.next().and_then(|it| it.to_str().ok()), lines.next()) else { return false };
    let begins = |it: &str, with: &str| it.get(..with.len()).is_some_and(|it| it.eq_ignore_ascii_case(with));
    let http = protocol.split(',').map(str::trim).any(|it| ["h2", "http", "tls"].iter().any(|with| begins(it, with)));
    let named = parts.headers.get_all(CONNECTION).iter().filter_map(|it| it.to_str().ok()).flat_map(|it| it.split(','));
    parts.version == Version::HTTP_11 && !http && named.map(str::trim).any(|it| it.eq_ignore_ascii_case("upgrade"))
}

/// What kind of caller it is, by what browsers say of themselves (Fetch Metadata) and by what it accepts.
pub fn kind_of_caller(method: &Method, headers: &HeaderMap) -> CallerKind {
    let text = |name: HeaderName| headers.get(name).and_then(|it| it.to_str().ok());
    // Asked in this order, and only as far as it matters: each is a search in every request.
    let early = || text(SEC_PURPOSE).or_else(|| text(PURPOSE)).is_some_and(|it| it.contains("prefetch") || it.contains("prerender"));
    let html = || headers.get_all(ACCEPT).iter().filter_map(|it| it.to_str().ok()).any(accepts_html);
    let navigates = || match text(SEC_FETCH_MODE) {
        Some(mode) => mode == "navigate",
        None => html() && text(X_REQUESTED_WITH).is_none(),
    };
    match *method {
        Method::GET | Method::HEAD if navigates() && !early() => CallerKind::Navigation,
        Method::POST if navigates() && html() && !early() => CallerKind::Form,
        _ => CallerKind::Script,
    }
}

/// The language that a browser wants its pages in.
pub fn language(headers: &HeaderMap) -> Language {
    let mut lines = headers.get_all(ACCEPT_LANGUAGE).iter();
    match (lines.next().and_then(|it| it.to_str().ok()), lines.next()) {
        (Some(accepted), None) => Language::preferred(accepted),
        _ => Language::default(),
    }
}

fn accepts_html(accept: &str) -> bool {
    accept.split(',').any(|it| {
        let mut parts = it.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default();
        let html = kind.eq_ignore_ascii_case("text/html") || kind.eq_ignore_ascii_case("application/xhtml+xml");
        html && !parts.any(|it| matches!(it, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn read(request: http::request::Builder) -> Result<InboundRequest, InboundError> {
        let parts = request.body(()).unwrap().into_parts().0;
        let peer = Peer { address: Some("192.0.2.1:1".parse().unwrap()), tls: false };
        InboundRequest::read(&parts, &peer, &TrustedProxies::default(), PathStrictness::Strict, &RequestIds::new(&crate::seal::random::system()))
    }

    #[test]
    fn one_host_or_none_at_all() {
        assert!(read(Request::get("/").header("host", "a")).is_ok());
        assert!(read(Request::get("http://a/").header("host", "A")).is_ok());
        assert_eq!(read(Request::get("/")).unwrap_err(), InboundError::Host);
        assert_eq!(read(Request::get("/").header("host", "a").header("host", "a")).unwrap_err(), InboundError::Host);
        assert_eq!(read(Request::get("http://b/").header("host", "a")).unwrap_err(), InboundError::Host);
        assert!(read(Request::get("http://b/").version(Version::HTTP_2)).is_ok());
        assert!(matches!(read(Request::builder().method("CONNECT").uri("a:443").header("host", "a:443")), Err(InboundError::Target(_))));
    }

    #[test]
    fn no_upgrade_leads_to_requests_that_nobody_judges() {
        let upgrade = |protocol: &str| read(Request::get("/").header("host", "a").header("connection", "upgrade").header("upgrade", protocol)).unwrap().upgrade;
        for protocol in ["websocket", "mine/1", "WebSocket"] {
            assert!(upgrade(protocol), "{protocol}");
        }
        for protocol in ["h2c", "H2C", "TLS/1.0", "tls/1.3", "TLS", "HTTP/2.0", "websocket, TLS/1.0", "websocket, h2c"] {
            assert!(!upgrade(protocol), "{protocol}");
        }
    }

    #[test]
    fn who_can_be_redirected_and_who_cannot() {
        let caller = |method: &str, headers: &[(&str, &str)]| {
            let mut request = Request::builder().method(method).uri("/").header("host", "a");
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            read(request).unwrap().caller
        };
        assert_eq!(caller("GET", &[("sec-fetch-mode", "navigate")]), CallerKind::Navigation);
        assert_eq!(caller("GET", &[("accept", "text/html,*/*;q=0.8")]), CallerKind::Navigation);
        assert_eq!(caller("POST", &[("accept", "text/html"), ("sec-fetch-mode", "navigate")]), CallerKind::Form);
        for script in [
            &[("sec-fetch-mode", "cors"), ("accept", "text/html")][..],
            &[("accept", "*/*")],
            &[("accept", "application/json")],
            &[("accept", "text/html;q=0")],
            &[("accept", "text/html"), ("x-requested-with", "XMLHttpRequest")],
            &[("sec-fetch-mode", "navigate"), ("sec-purpose", "prefetch")],
            &[("accept", "text/html"), ("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")],
        ] {
            assert_eq!(caller("GET", script), CallerKind::Script, "{script:?}");
        }
        assert_eq!(caller("OPTIONS", &[("accept", "text/html")]), CallerKind::Script);
        assert_eq!(caller("PUT", &[("accept", "text/html")]), CallerKind::Script);
    }
}
