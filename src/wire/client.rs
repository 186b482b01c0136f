//! The HTTP client for Entra: limited in time and size, through a proxy if the environment sets
//! one.

use super::tls::{self, BadRoots};
use crate::base::site::is_loopback;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Maximum time to establish a TCP connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum time until the response is complete, including the connection.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum size of a response body, in bytes.
const MAX_RESPONSE_BODY_BYTES: usize = 1024 * 1024;
/// Maximum idle time of a connection that is used again: after it, the other end may have closed
/// the connection, and a code cannot be sent twice.
const POOLED_CONNECTION_IDLE_TIMEOUT: Duration = Duration::from_secs(15);

type DirectClient = HttpsConnector<HttpConnector>;
type TunneledClient = HttpsConnector<Tunnel<DirectClient>>;

/// Sends one request and reads one response; does not follow redirects, keep cookies or retry.
#[derive(Clone)]
pub struct HttpClient {
    direct: legacy::Client<DirectClient, Full<Bytes>>,
    proxy: Option<HttpProxy>,
}

#[derive(Clone)]
struct HttpProxy {
    tunneled: legacy::Client<TunneledClient, Full<Bytes>>,
    matcher: Arc<Matcher>,
    address: Uri,
    auth: Option<HeaderValue>,
}

/// The reason why a client could not be created.
#[derive(Debug, thiserror::Error)]
pub enum BadHttpClient {
    /// `ca_file` cannot be used.
    #[error("ca_file: {0}")]
    Roots(#[from] BadRoots),
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
    /// `HTTPS_PROXY` is not a valid proxy address; the message omits the value, which may hold a
    /// password.
    #[error("HTTPS_PROXY is not the address of an http or https proxy")]
    Proxy,
}

/// The reason why there is no response.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The address is neither https nor on this machine.
    #[error("only https addresses are allowed, or http on this machine")]
    Address,
    /// No connection could be established; the text is the cause.
    #[error("{0}")]
    Connect(String),
    /// The proxy opened no connection.
    #[error(
        "the proxy {proxy} opened no connection{}: {cause}",
        status.map(|it| format!(" and returned status {it}")).unwrap_or_default()
    )]
    Proxy {
        /// Its host and port.
        proxy: String,
        /// The HTTP status with which it refused.
        status: Option<u16>,
        /// The cause.
        cause: String,
    },
    /// The response did not arrive in time.
    #[error("no answer within {} s", RESPONSE_TIMEOUT.as_secs())]
    Timeout,
    /// The connection broke off; the text is the cause.
    #[error("the connection failed: {0}")]
    Broken(String),
    /// The response is larger than 1 MiB.
    #[error("the answer is larger than {MAX_RESPONSE_BODY_BYTES} bytes")]
    TooLarge,
}

impl HttpClient {
    /// Creates a client that trusts the system's root certificates and those in `ca_file`, and uses
    /// the proxy from `environment`.
    ///
    /// Reads `HTTPS_PROXY` and `NO_PROXY`, or their lower-case forms if those are not set. Requests
    /// to this machine never use the proxy.
    ///
    /// # Errors
    /// Returns an error if the root certificates, TLS or the proxy cannot be used.
    pub fn new(
        ca_file: Option<&Path>,
        environment: &[(String, String)],
    ) -> Result<Self, BadHttpClient> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config =
            ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let config = config.with_root_certificates(tls::roots(ca_file)?).with_no_client_auth();
        let direct = DirectClient::from((tcp(), config.clone()));
        let variable = |upper: &str| {
            let lower = upper.to_ascii_lowercase();
            let named = |name: &str| {
                environment.iter().find(|it| it.0 == name).map_or("", |it| it.1.trim())
            };
            [named(upper), named(&lower)]
                .into_iter()
                .find(|it| !it.is_empty())
                .unwrap_or_default()
                .to_owned()
        };
        let proxy = match variable("HTTPS_PROXY") {
            address if address.is_empty() => None,
            address => Some(
                HttpProxy::new(&address, &variable("NO_PROXY"), &direct, &config)
                    .ok_or(BadHttpClient::Proxy)?,
            ),
        };
        Ok(Self { direct: pool().build(direct), proxy })
    }

    /// Returns the host and port of the proxy that requests to this address take.
    pub fn proxy_of(&self, uri: &Uri) -> Option<String> {
        let proxy = self.proxy.as_ref().filter(|_| !uri.host().is_some_and(is_loopback))?;
        proxy.matcher.intercept(uri).map(|_| proxy.name())
    }

    /// Sends a request once.
    ///
    /// # Errors
    /// Returns an error if no complete response arrives in time. A response with any status is a
    /// success.
    pub async fn send(&self, request: Request<impl Into<Bytes>>) -> Result<Response<Bytes>, Error> {
        let request = request.map(|it| Full::new(it.into()));
        let local = request.uri().host().is_some_and(is_loopback);
        if request.uri().scheme_str() != Some("https")
            && !(local && request.uri().scheme_str() == Some("http"))
        {
            return Err(Error::Address);
        }
        let exchange = async {
            let proxy = self
                .proxy
                .as_ref()
                .filter(|it| !local && it.matcher.intercept(request.uri()).is_some());
            let uri = request.uri().clone();
            let response = match proxy {
                Some(proxy) => proxy.tunneled.request(request).await,
                None => self.direct.request(request).await,
            };
            let (head, body) = match (response, proxy) {
                (Ok(response), _) => response.into_parts(),
                (Err(cause), Some(proxy)) if cause.is_connect() => {
                    return Err(proxy.failure(&uri, chain(&cause)).await);
                }
                (Err(cause), None) if cause.is_connect() => {
                    return Err(Error::Connect(chain(&cause)));
                }
                (Err(cause), _) => return Err(Error::Broken(chain(&cause))),
            };
            let body = Limited::new(body, MAX_RESPONSE_BODY_BYTES)
                .collect()
                .await
                .map_err(|it| broken(&*it))?;
            Ok(Response::from_parts(head, body.to_bytes()))
        };
        tokio::time::timeout(RESPONSE_TIMEOUT, exchange).await.map_err(|_| Error::Timeout)?
    }
}

impl HttpProxy {
    fn new(
        address: &str,
        no_proxy: &str,
        direct: &DirectClient,
        config: &ClientConfig,
    ) -> Option<Self> {
        // Without exceptions here, to learn the meaning of the address for any host that is
        // requested later.
        let intercept = Matcher::builder()
            .https(address)
            .build()
            .intercept(&Uri::from_static("https://host.invalid/"))?;
        let tunnel = tunnel(&intercept, direct)?;
        let (address_of_proxy, auth) = (intercept.uri().clone(), intercept.basic_auth().cloned());
        let matcher = Matcher::builder().https(address).no(no_proxy).build();
        let tunneled = pool().build(TunneledClient::from((tunnel, config.clone())));
        Some(Self { tunneled, matcher: Arc::new(matcher), address: address_of_proxy, auth })
    }

    fn name(&self) -> String {
        let (host, port) = self.place();
        format!("{host}:{port}")
    }

    /// The host as in a URL: an IPv6 address is in brackets.
    fn place(&self) -> (&str, u16) {
        let default = if self.address.scheme_str() == Some("https") { 443 } else { 80 };
        (self.address.host().unwrap_or_default(), self.address.port_u16().unwrap_or(default))
    }

    /// Returns why the proxy opened no connection. Its tunnel reports no status, so a refusal is
    /// asked for once more.
    async fn failure(&self, uri: &Uri, cause: String) -> Error {
        let is_refusal =
            cause.contains("tunnel error") && self.address.scheme_str() == Some("http");
        let status = match uri.host().filter(|_| is_refusal) {
            Some(host) => {
                let target = format!("{host}:{}", uri.port_u16().unwrap_or(443));
                tokio::time::timeout(CONNECT_TIMEOUT, self.status(&target)).await
            }
            None => Ok(None),
        };
        Error::Proxy { proxy: self.name(), status: status.ok().flatten(), cause }
    }

    /// Returns the status of the proxy's answer to CONNECT (RFC 9110 section 9.3.6), unless it
    /// opens a connection.
    async fn status(&self, target: &str) -> Option<u16> {
        let (host, port) = self.place();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let mut stream = tokio::net::TcpStream::connect((host, port)).await.ok()?;
        let mut head = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n").into_bytes();
        if let Some(auth) = &self.auth {
            head.extend_from_slice(b"Proxy-Authorization: ");
            head.extend_from_slice(auth.as_bytes());
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"\r\n");
        stream.write_all(&head).await.ok()?;
        // "HTTP/1.1 407"
        let mut line = [0; 12];
        stream.read_exact(&mut line).await.ok()?;
        let status = std::str::from_utf8(line.get(9..)?).ok()?.parse().ok()?;
        (line.starts_with(b"HTTP/1.") && (300..600).contains(&status)).then_some(status)
    }
}

fn tunnel(intercept: &Intercept, direct: &DirectClient) -> Option<Tunnel<DirectClient>> {
    if !matches!(intercept.uri().scheme_str(), Some("http" | "https")) {
        return None;
    }
    let tunnel = Tunnel::new(intercept.uri().clone(), direct.clone());
    Some(match intercept.basic_auth() {
        Some(value) => tunnel.with_auth(value.clone()),
        None => tunnel,
    })
}

fn tcp() -> HttpConnector {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
    tcp
}

fn pool() -> legacy::Builder {
    let mut builder = legacy::Client::builder(TokioExecutor::new());
    builder
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(POOLED_CONNECTION_IDLE_TIMEOUT)
        .pool_max_idle_per_host(4);
    builder
}

fn broken(error: &(dyn std::error::Error + 'static)) -> Error {
    if error.is::<LengthLimitError>() { Error::TooLarge } else { Error::Broken(chain(error)) }
}

/// Joins an error with all its causes: "invalid peer certificate" is at the very end.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |it| it.source()).map(ToString::to_string);
    causes.collect::<Vec<_>>().join(": ")
}

impl std::fmt::Debug for HttpClient {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Client")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    fn client(environment: &[(&str, &str)]) -> Result<HttpClient, BadHttpClient> {
        let environment: Vec<_> =
            environment.iter().map(|it| (it.0.to_owned(), it.1.to_owned())).collect();
        HttpClient::new(None, &environment)
    }

    /// Answers one connection with `answer`, and returns the received request.
    async fn one(answer: Vec<u8>) -> (u16, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let received = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = vec![0; 4096];
            let count = stream.read(&mut head).await.unwrap();
            let _ = stream.write_all(&answer).await;
            let _ = stream.shutdown().await;
            String::from_utf8_lossy(&head[..count]).into_owned()
        });
        (port, received)
    }

    async fn ask(client: &HttpClient, uri: &str) -> Result<Response<Bytes>, Error> {
        client.send(Request::get(uri).body(Bytes::new()).unwrap()).await
    }

    #[tokio::test]
    async fn plain_http_stays_on_this_machine() {
        let client = client(&[]).unwrap();
        for uri in [
            "http://192.0.2.1/",
            "http://example.com/",
            "http://127.0.0.1.example.com/",
            "/",
            "ftp://127.0.0.1/",
        ] {
            assert_eq!(ask(&client, uri).await.unwrap_err(), Error::Address, "{uri}");
        }
    }

    #[tokio::test]
    async fn a_redirect_is_an_answer_and_is_not_followed() {
        let (port, _) = one(
            b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 2\r\n\r\nok"
                .to_vec(),
        )
        .await;
        let response =
            ask(&client(&[]).unwrap(), &format!("http://127.0.0.1:{port}/")).await.unwrap();
        assert_eq!((response.status().as_u16(), &response.body()[..]), (302, &b"ok"[..]));
    }

    #[tokio::test]
    async fn a_body_past_the_limit_is_refused_with_and_without_a_length() {
        let body = vec![b'x'; MAX_RESPONSE_BODY_BYTES + 1];
        for length in [format!("content-length: {}\r\n", body.len()), String::new()] {
            let answer = [format!("HTTP/1.1 200 OK\r\n{length}\r\n").as_bytes(), &body].concat();
            let (port, _) = one(answer).await;
            assert_eq!(
                ask(&client(&[]).unwrap(), &format!("http://127.0.0.1:{port}/")).await.unwrap_err(),
                Error::TooLarge
            );
        }
    }

    #[tokio::test]
    async fn an_https_host_is_asked_through_the_proxy_with_its_password() {
        let (port, received) = one(b"HTTP/1.1 403 Forbidden\r\n\r\n".to_vec()).await;
        let client =
            client(&[("https_proxy", &format!("http://maya:secret@127.0.0.1:{port}"))]).unwrap();
        let error = ask(&client, "https://login.example.com/x").await.unwrap_err();
        let Error::Proxy { proxy, .. } = &error else { panic!("{error}") };
        assert_eq!(*proxy, format!("127.0.0.1:{port}"));
        assert!(!error.to_string().contains("secret"), "{error}");
        let received = received.await.unwrap();
        assert!(received.starts_with("CONNECT login.example.com:443 HTTP/1.1\r\n"), "{received}");
        assert!(received.contains("Proxy-Authorization: Basic bWF5YTpzZWNyZXQ="), "{received}");
    }

    #[tokio::test]
    async fn tls_reaches_through_the_tunnel_to_the_host_that_is_meant() {
        let made = rcgen::generate_simple_self_signed(["login.example.com".to_owned()]).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), made.cert.pem()).unwrap();
        let key =
            rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let config =
            rustls::ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap();
        let config = config
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", proxy.local_addr().unwrap());
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = proxy.accept().await.unwrap();
                let mut head = vec![0; 4096];
                let _ = stream.read(&mut head).await;
                stream.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").await.unwrap();
                let Ok(mut stream) =
                    tokio_rustls::TlsAcceptor::from(Arc::new(config.clone())).accept(stream).await
                else {
                    continue;
                };
                let _ = stream.read(&mut head).await;
                stream
                    .write_all(
                        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\ninner",
                    )
                    .await
                    .unwrap();
            }
        });
        let client =
            HttpClient::new(Some(file.path()), &[("HTTPS_PROXY".to_owned(), address)]).unwrap();
        assert_eq!(&ask(&client, "https://login.example.com/").await.unwrap().body()[..], b"inner");
        let error = ask(&client, "https://other.example.com/").await.unwrap_err();
        assert!(error.to_string().contains("certificate"), "{error}");
    }

    /// The refusal was asked for at port 443 whatever the address, and an IPv6 proxy was not found.
    #[tokio::test]
    async fn a_proxy_is_asked_for_the_same_address_again_whichever_way_it_is_written() {
        for (bound, written) in [("127.0.0.1:0", "127.0.0.1"), ("[::1]:0", "[::1]")] {
            let listener = TcpListener::bind(bound).await.unwrap();
            let port = listener.local_addr().unwrap().port();
            let asked = tokio::spawn(async move {
                let mut heads = Vec::new();
                for _ in 0..2 {
                    let (mut stream, _) = listener.accept().await.unwrap();
                    let mut head = vec![0; 4096];
                    let count = stream.read(&mut head).await.unwrap();
                    stream.write_all(b"HTTP/1.1 407 No\r\n\r\n").await.unwrap();
                    heads.push(String::from_utf8_lossy(&head[..count]).into_owned());
                }
                heads
            });
            let client = client(&[("HTTPS_PROXY", &format!("http://{written}:{port}"))]).unwrap();
            let error = ask(&client, "https://login.example.com:8443/x").await.unwrap_err();
            let Error::Proxy { proxy, status, .. } = error else { panic!("{error}") };
            assert_eq!((proxy, status), (format!("{written}:{port}"), Some(407)));
            for head in asked.await.unwrap() {
                assert!(head.starts_with("CONNECT login.example.com:8443 HTTP/1.1\r\n"), "{head}");
                assert!(head.contains("ost: login.example.com:8443\r\n"), "{head}");
            }
        }
    }

    #[tokio::test]
    async fn this_machine_and_no_proxy_hosts_are_asked_directly() {
        let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", proxy.local_addr().unwrap());
        let client = client(&[("HTTPS_PROXY", &address), ("NO_PROXY", "example.invalid")]).unwrap();
        let (port, _) = one(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec()).await;
        assert_eq!(
            ask(&client, &format!("http://localhost:{port}/")).await.unwrap().status().as_u16(),
            200
        );
        assert!(ask(&client, "https://login.example.invalid/").await.is_err());
        assert!(ask(&client, "https://127.0.0.1:1/").await.is_err());
        let asked = tokio::time::timeout(Duration::from_millis(50), proxy.accept()).await;
        assert!(asked.is_err(), "the proxy was asked");
    }

    #[test]
    fn a_proxy_that_cannot_be_one_is_named_without_its_value() {
        for value in ["socks5://127.0.0.1:1080", "::", "ftp://secret@proxy"] {
            let error = client(&[("HTTPS_PROXY", value)]).unwrap_err();
            assert!(matches!(error, BadHttpClient::Proxy), "{value}");
            assert!(!error.to_string().contains(value));
        }
        assert!(client(&[("HTTPS_PROXY", "proxy.example.com:3128")]).is_ok());
        assert!(client(&[("HTTPS_PROXY", " ")]).is_ok());
    }

    #[test]
    fn a_missing_file_of_roots_is_named() {
        let error = HttpClient::new(Some(Path::new("/nowhere/ca.pem")), &[]).unwrap_err();
        assert!(error.to_string().contains("/nowhere/ca.pem"), "{error}");
    }
}
