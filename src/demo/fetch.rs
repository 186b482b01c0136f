//! Requests to servers on this machine over plain HTTP: one connection for each request, with
//! limits on the response.

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Maximum time for one request.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum size of a response, in bytes.
const MAX_FETCHED_BYTES: usize = 64 * 1024;

/// An address on this machine.
#[derive(Clone, Debug)]
pub(super) struct LocalAddress {
    url: String,
    authority: String,
    host: String,
    target: String,
}

/// The reason that an address is not fetched.
#[derive(Debug, thiserror::Error)]
pub enum BadAddress {
    /// It is not a valid address.
    #[error("it is not a URL")]
    Unread,
    /// Its scheme is not http.
    #[error("the demo fetches over plain http only")]
    Scheme,
    /// It is on another machine, for which plain HTTP is not secure.
    #[error("it is not on this machine")]
    Elsewhere,
}

/// The reason that there is no response.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("no answer within {} seconds", FETCH_TIMEOUT.as_secs())]
    Late,
    #[error("cannot connect: {0}")]
    Connect(#[from] std::io::Error),
    #[error("the exchange broke off")]
    Http(#[from] hyper::Error),
    #[error("the answer is larger than {MAX_FETCHED_BYTES} bytes, or broke off")]
    Body,
}

impl LocalAddress {
    /// Parses an address.
    pub(super) fn read(url: &str) -> Result<Self, BadAddress> {
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
        let (true, Some(host), Some(port)) =
            (is_loopback, parsed.host_str(), parsed.port_or_known_default())
        else {
            return Err(BadAddress::Elsewhere);
        };
        let authority = format!("{host}:{port}");
        let host = parsed.port().map_or_else(|| host.to_owned(), |_| authority.clone());
        let target = parsed
            .query()
            .map_or_else(|| parsed.path().to_owned(), |it| format!("{}?{it}", parsed.path()));
        Ok(Self { url: url.to_owned(), authority, host, target })
    }

    /// Returns the address as it was written.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Sends a request, with a target and `Host` built from the address.
    pub(super) async fn send(
        &self,
        request: Request<Bytes>,
    ) -> Result<Response<Bytes>, FetchError> {
        timeout(FETCH_TIMEOUT, self.exchange(request)).await.map_err(|_| FetchError::Late)?
    }

    async fn exchange(&self, request: Request<Bytes>) -> Result<Response<Bytes>, FetchError> {
        let stream = TcpStream::connect(&self.authority).await?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let mut request = request.map(Full::new);
        *request.uri_mut() = self.target.parse().unwrap_or_default();
        request.headers_mut().extend(HeaderValue::from_str(&self.host).ok().map(|it| (HOST, it)));
        let exchange = async {
            let (head, body) = sender.send_request(request).await?.into_parts();
            let body = Limited::new(body, MAX_FETCHED_BYTES)
                .collect()
                .await
                .map_err(|_| FetchError::Body)?;
            Ok(Response::from_parts(head, body.to_bytes()))
        };
        tokio::pin!(exchange);
        // The connection drives the exchange, and ends with it.
        tokio::select! {
            out = exchange.as_mut() => out,
            ended = connection => {
                ended?;
                exchange.await
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BadAddress, LocalAddress};

    #[test]
    fn only_this_machine_is_asked() {
        for url in
            ["http://localhost:4180/jwks.json", "http://127.0.0.1/jwks.json", "http://[::1]:1/x"]
        {
            assert!(LocalAddress::read(url).is_ok(), "{url}");
        }
        assert!(matches!(
            LocalAddress::read("http://app.example.com/jwks.json"),
            Err(BadAddress::Elsewhere)
        ));
        assert!(matches!(LocalAddress::read("http://192.0.2.1/"), Err(BadAddress::Elsewhere)));
        assert!(matches!(LocalAddress::read("https://localhost/"), Err(BadAddress::Scheme)));
        assert!(matches!(LocalAddress::read("jwks.json"), Err(BadAddress::Unread)));
    }
}
