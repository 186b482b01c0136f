//! Protocol upgrades: the client's request and the corresponding request to the app.

use super::error::Error;
use super::request_body::RequestBody;
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{CONNECTION, HeaderMap, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::upgrade::OnUpgrade;

const UPGRADE_VALUE: HeaderValue = HeaderValue::from_static("upgrade");
const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");

/// Appended to the key (RFC 6455 section 1.3).
const ACCEPT_MAGIC: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The protocol that the client wants to upgrade to.
pub(super) struct UpgradeProtocol {
    client: OnUpgrade,
    protocol: HeaderValue,
    /// The key that is sent on behalf of an HTTP/2 client, which has none (RFC 8441 section 5).
    key: Option<HeaderValue>,
}

impl UpgradeProtocol {
    /// Removes the upgrade from a request before it is forwarded.
    pub(super) fn of(request: &mut Request<RequestBody>, request_id: &HeaderValue) -> Option<Self> {
        let client = hyper::upgrade::on(&mut *request);
        if request.method() == Method::CONNECT {
            // The request ID has sixteen characters and is new for each request, so it serves as
            // the nonce of RFC 6455 section 4.1.
            let nonce: Vec<u8> = request_id
                .as_bytes()
                .iter()
                .copied()
                .chain(std::iter::repeat(b'0'))
                .take(16)
                .collect();
            let key = HeaderValue::from_str(&STANDARD.encode(nonce)).ok()?;
            return Some(Self { client, protocol: WEBSOCKET, key: Some(key) });
        }
        let protocol = request.headers().get(UPGRADE)?.clone();
        Some(Self { client, protocol, key: None })
    }

    /// Whether the client is an HTTP/2 client (RFC 8441).
    pub(super) fn is_extended_connect(&self) -> bool {
        self.key.is_some()
    }

    /// Writes the upgrade for the app. Must be called after hop-by-hop headers were removed.
    pub(super) fn write_request(&self, request: &mut Request<RequestBody>) {
        let connect = request.method() == Method::CONNECT;
        if connect {
            *request.method_mut() = Method::GET;
            *request.body_mut() = RequestBody::empty();
            request.extensions_mut().remove::<hyper::ext::Protocol>();
        }
        let headers = request.headers_mut();
        headers.insert(CONNECTION, UPGRADE_VALUE);
        headers.insert(UPGRADE, self.protocol.clone());
        if let Some(key) = &self.key {
            headers.insert(SEC_WEBSOCKET_KEY, key.clone());
        }
    }

    /// The app has switched protocols: returns the client's response and the client's end.
    pub(super) fn switched(
        self,
        mut response: Response<()>,
    ) -> Result<(Response<()>, OnUpgrade), Error> {
        let theirs = response.headers().get(UPGRADE).cloned().ok_or(Error::Upgrade)?;
        if !theirs.as_bytes().eq_ignore_ascii_case(self.protocol.as_bytes()) {
            return Err(Error::Upgrade);
        }
        let mut answer = Response::new(());
        *answer.headers_mut() = std::mem::take(response.headers_mut());
        super::hop_by_hop::strip(answer.headers_mut());
        match &self.key {
            None => {
                *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
                answer.headers_mut().insert(CONNECTION, UPGRADE_VALUE);
                answer.headers_mut().insert(UPGRADE, theirs);
            }
            Some(key) => accepted(key, answer.headers_mut())?,
        }
        Ok((answer, self.client))
    }
}

/// HTTP/2 has no `Sec-WebSocket-Accept`. Entrada sent the key, so it checks the value.
fn accepted(key: &HeaderValue, headers: &mut HeaderMap) -> Result<(), Error> {
    let said = headers.remove(SEC_WEBSOCKET_ACCEPT).ok_or(Error::Upgrade)?;
    if said.as_bytes() == accept_of(key).as_bytes() { Ok(()) } else { Err(Error::Upgrade) }
}

/// Returns the value of `Sec-WebSocket-Accept` for a key.
pub(super) fn accept_of(key: &HeaderValue) -> String {
    STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &[key.as_bytes(), ACCEPT_MAGIC].concat()))
}
