//! Opens connections to an app.

use super::connection_permits::ConnectionPermits;
use super::error::{BadUpstream, Error};
use crate::config::server::TlsFiles;
use crate::config::upstream::{AppAddress, UpstreamConfig as Config};
use crate::wire::tls::roots;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{AlertDescription, ClientConfig};
use socket2::{SockRef, TcpKeepalive};
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::OwnedSemaphorePermit;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// How long a connection is quiet before TCP asks whether the app's machine is still there, and
/// how often it asks again. The app itself does not notice.
const KEEPALIVE_TIME: Duration = Duration::from_secs(15);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_PROBES: u32 = 3;

/// How long bytes may stay unacknowledged on a connection that carries HTTP/2. Linux also counts
/// the time in which the app reads nothing from the socket: over HTTP/1.1 an app may pause an
/// upload for longer, and over HTTP/2 it does that with the window of the stream.
const MAX_UNACKNOWLEDGED_TIME: Duration = Duration::from_secs(30);

/// The names of the protocols in a TLS handshake (RFC 7301 section 6).
const HTTP1_ALPN: &[u8] = b"http/1.1";
const HTTP2_ALPN: &[u8] = b"h2";

/// The app accepts TLS, and not HTTP/2.
#[derive(Debug, thiserror::Error)]
#[error("the app does not offer HTTP/2")]
struct NoHttp2;

/// The address of an app, ready to connect to.
pub(super) struct AppDialer {
    route: DialRoute,
    is_http2: bool,
    timeout: Duration,
    permits: Arc<ConnectionPermits>,
}

#[derive(Clone)]
enum DialRoute {
    Tcp { host: String, port: u16 },
    Tls { host: String, port: u16, name: ServerName<'static>, tls: Arc<ClientConfig> },
    Unix(PathBuf),
}

/// A connection to an app, with its permit from `ConnectionPermits`.
#[derive(Debug)]
pub(super) struct AppConnection {
    stream: AppStream,
    _permit: OwnedSemaphorePermit,
}

#[derive(Debug)]
enum AppStream {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl AppConnection {
    /// Whether the app has sent neither bytes nor the end of the stream, according to the kernel.
    pub(super) fn is_silent(&self) -> bool {
        let socket = match &self.stream {
            AppStream::Tcp(stream) => SockRef::from(stream),
            AppStream::Unix(stream) => SockRef::from(stream),
            AppStream::Tls(stream) => SockRef::from(stream.get_ref().0),
        };
        // tokio's sockets do not block.
        let mut byte = [MaybeUninit::uninit()];
        matches!(socket.peek(&mut byte), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }
}

/// Calls a method of the stream inside.
macro_rules! with_stream {
    ($connection:expr, $stream:ident => $call:expr) => {
        match &mut $connection.stream {
            AppStream::Tcp($stream) => $call,
            AppStream::Unix($stream) => $call,
            AppStream::Tls($stream) => $call,
        }
    };
}

impl AsyncRead for AppConnection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        with_stream!(self, stream => Pin::new(stream).poll_read(context, buffer))
    }
}

impl AsyncWrite for AppConnection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        with_stream!(self, stream => Pin::new(stream).poll_write(context, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        with_stream!(self, stream => Pin::new(stream).poll_write_vectored(context, parts))
    }

    fn is_write_vectored(&self) -> bool {
        !matches!(self.stream, AppStream::Tls(_))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        with_stream!(self, stream => Pin::new(stream).poll_flush(context))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        with_stream!(self, stream => Pin::new(stream).poll_shutdown(context))
    }
}

impl AppDialer {
    pub(super) fn new(
        to: &AppAddress,
        config: &Config,
        timeout: Duration,
    ) -> Result<Self, BadUpstream> {
        let route = match to {
            AppAddress::Http { host, port } | AppAddress::H2c { host, port } => {
                DialRoute::Tcp { host: host.clone(), port: *port }
            }
            AppAddress::Unix(path) => DialRoute::Unix(path.clone()),
            AppAddress::Https { host, port } => {
                let name = ServerName::try_from(host.clone())
                    .map_err(|_| BadUpstream::Name(host.clone()))?;
                DialRoute::Tls {
                    host: host.clone(),
                    port: *port,
                    name,
                    tls: Arc::new(tls(config)?),
                }
            }
        };
        let permits = ConnectionPermits::of_process();
        let is_http2 = matches!(to, AppAddress::H2c { .. });
        Ok(Self { route, is_http2, timeout, permits })
    }

    /// Returns one that opens HTTP/2 to the same app, for an https app; the handshake fails if the
    /// app does not offer it.
    pub(super) fn for_http2(&self) -> Self {
        let mut route = self.route.clone();
        if let DialRoute::Tls { tls, .. } = &mut route {
            Arc::make_mut(tls).alpn_protocols = vec![HTTP2_ALPN.to_vec()];
        }
        Self { route, is_http2: true, timeout: self.timeout, permits: Arc::clone(&self.permits) }
    }

    /// Returns one for an app on this machine that has its own permits.
    #[cfg(test)]
    pub(super) fn of_local(port: u16, timeout: Duration, permits: Arc<ConnectionPermits>) -> Self {
        let route = DialRoute::Tcp { host: "127.0.0.1".to_owned(), port };
        Self { route, is_http2: false, timeout, permits }
    }

    /// Maximum time to connect.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// `Error` if the app cannot be reached within `connect_timeout`.
    pub(super) async fn open(&self) -> Result<AppConnection, Error> {
        let opening = async {
            let permit = self.permits.acquire().await?;
            Ok(AppConnection { stream: self.dial().await?, _permit: permit })
        };
        match tokio::time::timeout(self.timeout, opening).await {
            Ok(io) => io.map_err(Error::Connect),
            Err(_) => Err(Error::ConnectTimeout),
        }
    }

    async fn dial(&self) -> io::Result<AppStream> {
        match &self.route {
            DialRoute::Tcp { host, port } => Ok(AppStream::Tcp(self.tcp(host, *port).await?)),
            DialRoute::Unix(path) => Ok(AppStream::Unix(UnixStream::connect(path).await?)),
            DialRoute::Tls { host, port, name, tls } => {
                let stream = self.tcp(host, *port).await?;
                let connector = TlsConnector::from(Arc::clone(tls));
                let stream = connector.connect(name.clone(), stream).await?;
                if self.is_http2 && stream.get_ref().1.alpn_protocol() != Some(HTTP2_ALPN) {
                    return Err(no_http2());
                }
                Ok(AppStream::Tls(Box::new(stream)))
            }
        }
    }

    async fn tcp(&self, host: &str, port: u16) -> io::Result<TcpStream> {
        let stream = TcpStream::connect((host, port)).await?;
        stream.set_nodelay(true)?;
        let socket = SockRef::from(&stream);
        socket.set_tcp_keepalive(
            &TcpKeepalive::new()
                .with_time(KEEPALIVE_TIME)
                .with_interval(KEEPALIVE_INTERVAL)
                .with_retries(KEEPALIVE_PROBES),
        )?;
        #[cfg(target_os = "linux")]
        if self.is_http2 {
            socket.set_tcp_user_timeout(Some(MAX_UNACKNOWLEDGED_TIME))?;
        }
        Ok(stream)
    }
}

/// The error for an app that chose another protocol than HTTP/2.
pub(super) fn no_http2() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, NoHttp2)
}

/// Whether the app was reached but does not offer HTTP/2.
pub(super) fn lacks_protocol(error: &Error) -> bool {
    let Error::Connect(cause) = error else { return false };
    let cause = cause.get_ref().and_then(|it| it.downcast_ref::<NoHttp2>());
    cause.is_some() || refuses_protocol(error)
}

/// Whether the app ended a TLS handshake because it does not offer the protocol.
pub(super) fn refuses_protocol(error: &Error) -> bool {
    let Error::Connect(error) = error else { return false };
    let cause = error.get_ref().and_then(|it| it.downcast_ref::<rustls::Error>());
    let alert = rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol);
    cause == Some(&alert)
}

fn tls(config: &Config) -> Result<ClientConfig, BadUpstream> {
    let roots = roots(config.ca_file.as_deref())?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let bad = |it: rustls::Error| BadUpstream::Certificate(it.to_string());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(bad)?
        .with_root_certificates(roots);
    let mut tls = match &config.client_certificate {
        Some(files) => {
            let (chain, key) = pair(files)?;
            builder.with_client_auth_cert(chain, key).map_err(bad)?
        }
        None => builder.with_no_client_auth(),
    };
    tls.alpn_protocols = vec![HTTP1_ALPN.to_vec()];
    Ok(tls)
}

fn pair(
    files: &TlsFiles,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), BadUpstream> {
    let bad = |path: &std::path::Path, cause: rustls::pki_types::pem::Error| {
        BadUpstream::Certificate(format!("{}: {cause}", path.display()))
    };
    let chain = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect)
        .map_err(|it| bad(&files.certificate, it))?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|it| bad(&files.key, it))?;
    Ok((chain, key))
}

impl std::fmt::Debug for AppDialer {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.route {
            DialRoute::Tcp { host, port } | DialRoute::Tls { host, port, .. } => {
                write!(out, "{host}:{port}")
            }
            DialRoute::Unix(path) => write!(out, "unix:{}", path.display()),
        }
    }
}
