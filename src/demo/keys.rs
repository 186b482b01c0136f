//! The public keys: fetched over plain HTTP from this machine, kept for a while, asked for again when a key is unknown.

use bytes::Bytes;
use http::header::{ACCEPT, HOST};
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

/// How long keys are kept.
const KEPT: Duration = Duration::from_secs(300);
/// No two fetches come closer than this, whatever tokens claim and however fetches fail.
const PAUSE: Duration = Duration::from_secs(1);
/// How long one fetch may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// The largest document in bytes.
const MOST_BYTES: usize = 64 * 1024;

/// A public key (RFC 7517), as far as an app needs it.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Key {
    #[serde(default)]
    pub(super) kid: String,
    #[serde(default)]
    pub(super) kty: String,
    #[serde(default)]
    pub(super) crv: String,
    #[serde(default)]
    pub(super) x: String,
    #[serde(default)]
    pub(super) y: String,
}

/// The keys of one address.
#[derive(Debug)]
pub(super) struct Keys {
    url: String,
    authority: String,
    host: String,
    path: String,
    kept: Mutex<Option<Kept>>,
}

#[derive(Debug)]
struct Kept {
    at: Instant,
    keys: Result<Arc<[Key]>, String>,
}

/// Why an address is not fetched from.
#[derive(Debug, thiserror::Error)]
pub enum BadAddress {
    /// It is no address.
    #[error("it is not a URL")]
    Unread,
    /// It is not http.
    #[error("the demo fetches over plain http only")]
    Scheme,
    /// It is on another machine, and plain HTTP is no protection there.
    #[error("it is not on this machine")]
    Elsewhere,
}

/// Why a fetch failed.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("no answer within {} seconds", PATIENCE.as_secs())]
    Late,
    #[error("cannot connect: {0}")]
    Connect(#[from] std::io::Error),
    #[error("the exchange broke off")]
    Http(#[from] hyper::Error),
    #[error("the request cannot be written")]
    Request(#[from] http::Error),
    #[error("the answer was {0}")]
    Status(StatusCode),
    #[error("the answer is larger than {MOST_BYTES} bytes, or broke off")]
    Body,
    #[error("the answer is no key set")]
    NotKeys,
}

impl Keys {
    /// The keys at that address.
    pub(super) fn at(url: &str) -> Result<Self, BadAddress> {
        let parsed = url::Url::parse(url).map_err(|_| BadAddress::Unread)?;
        if parsed.scheme() != "http" {
            return Err(BadAddress::Scheme);
        }
        let is_loopback = match parsed.host() {
            Some(url::Host::Domain(name)) => name == "localhost",
            Some(url::Host::Ipv4(it)) => it.is_loopback(),
            Some(url::Host::Ipv6(it)) => it.is_loopback(),
            None => false,
        };
        let (true, Some(host), Some(port)) = (is_loopback, parsed.host_str(), parsed.port_or_known_default()) else {
            return Err(BadAddress::Elsewhere);
        };
        let authority = format!("{host}:{port}");
        let host = parsed.port().map_or_else(|| host.to_owned(), |_| authority.clone());
        Ok(Self { url: url.to_owned(), authority, host, path: parsed.path().to_owned(), kept: Mutex::default() })
    }

    /// Where they are.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// All keys; fetched anew where `kid` is not among those that are kept. Whoever comes meanwhile waits for the one fetch.
    pub(super) async fn all(&self, kid: &str) -> Result<Arc<[Key]>, String> {
        let mut kept = self.kept.lock().await;
        match kept.as_ref() {
            Some(it) if it.is_good_for(kid) => it.keys.clone(),
            _ => {
                let keys = self.fetched().await.map_err(|it| it.to_string());
                *kept = Some(Kept { at: Instant::now(), keys: keys.clone() });
                keys
            }
        }
    }

    async fn fetched(&self) -> Result<Arc<[Key]>, Failed> {
        timeout(PATIENCE, self.fetch()).await.map_err(|_| Failed::Late)?
    }

    async fn fetch(&self) -> Result<Arc<[Key]>, Failed> {
        let stream = TcpStream::connect(&self.authority).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let exchange = async {
            let request = Request::get(&self.path).header(HOST, &self.host).header(ACCEPT, "application/json").body(Empty::<Bytes>::new())?;
            let response = sender.send_request(request).await?;
            if response.status() != StatusCode::OK {
                return Err(Failed::Status(response.status()));
            }
            let body = Limited::new(response.into_body(), MOST_BYTES).collect().await.map_err(|_| Failed::Body)?;
            keys_of(&body.to_bytes()).ok_or(Failed::NotKeys)
        };
        tokio::pin!(exchange);
        // The connection moves the exchange along, and ends with it.
        tokio::select! {
            out = exchange.as_mut() => out,
            ended = connection => {
                ended?;
                exchange.await
            }
        }
    }
}

impl Kept {
    fn is_good_for(&self, kid: &str) -> bool {
        let age = self.at.elapsed();
        let is_known = self.keys.as_ref().is_ok_and(|keys| keys.iter().any(|it| it.kid == kid));
        age < PAUSE || (is_known && age < KEPT)
    }
}

/// A key that does not read is left out, not the whole set with it (RFC 7517 section 5).
fn keys_of(document: &[u8]) -> Option<Arc<[Key]>> {
    #[derive(Deserialize)]
    struct Document {
        keys: Vec<serde_json::Value>,
    }
    let document: Document = serde_json::from_slice(document).ok()?;
    Some(document.keys.into_iter().filter_map(|it| serde_json::from_value(it).ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::{BadAddress, Keys, keys_of};

    #[test]
    fn keys_are_fetched_from_this_machine_only() {
        for url in ["http://localhost:4180/jwks.json", "http://127.0.0.1/jwks.json", "http://[::1]:1/x"] {
            assert!(Keys::at(url).is_ok(), "{url}");
        }
        assert!(matches!(Keys::at("http://app.example.com/jwks.json"), Err(BadAddress::Elsewhere)));
        assert!(matches!(Keys::at("http://192.0.2.1/"), Err(BadAddress::Elsewhere)));
        assert!(matches!(Keys::at("https://localhost/"), Err(BadAddress::Scheme)));
        assert!(matches!(Keys::at("jwks.json"), Err(BadAddress::Unread)));
    }

    #[test]
    fn a_key_that_does_not_read_leaves_the_others() {
        let keys = keys_of(br#"{"keys":[{"kid":7},{"kid":"a","kty":"EC"},{"kty":"oct"}]}"#).unwrap();
        assert_eq!(keys.iter().map(|it| it.kid.as_str()).collect::<Vec<_>>(), ["a", ""]);
        assert!(keys_of(b"[]").is_none());
    }
}
