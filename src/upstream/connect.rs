//! Opens connections to an app.

use super::error::{BadUpstream, Error};
use super::request_body::RequestBody;
use crate::config::server::TlsFiles;
use crate::config::upstream::{AppAddress, UpstreamConfig as Config};
use crate::wire::handles;
use crate::wire::tls::roots;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use std::io::{self, IoSlice};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsConnector;

/// Maximum size of a response head, in bytes.
const MAX_HEAD_BYTES: usize = 128 * 1024;

/// The address of an app, ready to connect to.
pub(super) struct AppDialer {
    route: DialRoute,
    timeout: Duration,
}

enum DialRoute {
    Tcp { host: String, port: u16 },
    Tls { host: String, port: u16, name: ServerName<'static>, connector: TlsConnector },
    Unix(PathBuf),
}

trait AppIo: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> AppIo for T {}

/// Limits the connections of this process to all apps: a single HTTP/2 client causes as many as it
/// has streams, and must not use up the file handles with which other clients are accepted.
static CONNECTION_PERMITS: LazyLock<Arc<Semaphore>> = LazyLock::new(|| {
    Arc::new(Semaphore::new(handles::max_connections().min(Semaphore::MAX_PERMITS)))
});

/// A connection to an app, with its permit from `CONNECTION_PERMITS`.
struct CountedConnection {
    io: Box<dyn AppIo>,
    _permit: OwnedSemaphorePermit,
}

impl AsyncRead for CountedConnection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl AsyncWrite for CountedConnection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

impl AppDialer {
    pub(super) fn new(to: &AppAddress, config: &Config) -> Result<Self, BadUpstream> {
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
                    connector: TlsConnector::from(Arc::new(tls(config)?)),
                }
            }
        };
        Ok(Self { route, timeout: config.connect_timeout })
    }

    /// Opens an HTTP/1.1 connection. Its own task drives it, so that an end of file is noticed
    /// while the connection is idle.
    pub(super) async fn http1(&self) -> Result<http1::SendRequest<RequestBody>, Error> {
        let io = self.open().await?;
        let mut builder = http1::Builder::new();
        builder.max_buf_size(MAX_HEAD_BYTES);
        let (sender, connection) =
            builder.handshake(TokioIo::new(io)).await.map_err(Error::of_hyper)?;
        // Errors are reported to the request that waits for a response.
        tokio::spawn(async move { drop(connection.with_upgrades().await) });
        Ok(sender)
    }

    /// Opens an HTTP/2 connection in cleartext, with prior knowledge (RFC 9113 section 3.3).
    pub(super) async fn http2(&self) -> Result<http2::SendRequest<RequestBody>, Error> {
        let io = self.open().await?;
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .max_header_list_size(64 * 1024)
            .keep_alive_interval(Duration::from_secs(20));
        let (sender, connection) =
            builder.handshake(TokioIo::new(io)).await.map_err(Error::of_hyper)?;
        tokio::spawn(async move { drop(connection.await) });
        Ok(sender)
    }

    async fn open(&self) -> Result<CountedConnection, Error> {
        let opening = async {
            let place =
                Arc::clone(&CONNECTION_PERMITS).acquire_owned().await.map_err(io::Error::other)?;
            Ok(CountedConnection { io: self.dial().await?, _permit: place })
        };
        match tokio::time::timeout(self.timeout, opening).await {
            Ok(io) => io.map_err(Error::Connect),
            Err(_) => Err(Error::ConnectTimeout),
        }
    }

    async fn dial(&self) -> io::Result<Box<dyn AppIo>> {
        match &self.route {
            DialRoute::Tcp { host, port } => Ok(Box::new(tcp(host, *port).await?)),
            DialRoute::Unix(path) => Ok(Box::new(UnixStream::connect(path).await?)),
            DialRoute::Tls { host, port, name, connector } => {
                Ok(Box::new(connector.connect(name.clone(), tcp(host, *port).await?).await?))
            }
        }
    }
}

async fn tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((host, port)).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
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
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
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
