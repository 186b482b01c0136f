//! The app behind `entrada dev`: an ordinary web app without any sign-in, which shows the requests
//! that it receives.
//!
//! It verifies the assertion as an app in any language would, with code that shares nothing with
//! the code that signs: it imports neither `seal` nor `headers`. It listens on loopback only, and
//! the size of everything it reads is bounded.

mod claims;
mod fetch;
mod keys;
mod live;
mod phone;
mod received;
mod render;
mod route;
mod socket;
#[cfg(test)]
mod tests;
mod verify;
mod web;

use crate::base::clock::Clock;
use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use keys::AssertionKeys;
use phone::DemoPhone;
pub use phone::PhoneClient;
use render::DemoRenderer;
use route::DemoApp;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use verify::ExpectedAssertion;

/// Maximum number of concurrent connections.
const MAX_DEMO_CONNECTIONS: usize = 1024;
/// Maximum size of a header section, in bytes.
const MAX_REQUEST_HEAD_BYTES: usize = 64 * 1024;
/// Time for a connection to finish its current work after the shutdown begins.
const DEMO_SHUTDOWN_GRACE: Duration = Duration::from_secs(1);

/// The app's configuration for the sign-in in front of it; any app needs the first four fields.
#[derive(Clone, Debug)]
pub struct DemoOptions {
    /// The header that carries the assertion.
    pub assertion_header: String,
    /// The address of the public keys, with http on loopback.
    pub jwks_url: String,
    /// The issuer: `iss`.
    pub issuer: String,
    /// The audience: `aud`.
    pub audience: String,
    /// The path to which a form is posted to sign out.
    pub sign_out_path: String,
    /// The path at which a sign-in begins.
    pub start_path: String,
    /// The demo's phone client, if one is registered.
    pub phone: Option<PhoneClient>,
    /// The source of the current time.
    pub clock: Clock,
}

/// The reason that the demo does not serve.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is not loopback. The demo trusts every connection, so other machines must not
    /// reach it.
    #[error("the demo listens on loopback only, not on {0}")]
    NotLoopback(SocketAddr),
    /// The demo does not fetch keys from this address.
    #[error("the address of the keys: {0}")]
    Keys(#[from] fetch::BadAddress),
    /// The page templates do not parse.
    #[error("a page of the demo: {0}")]
    Template(#[from] minijinja::Error),
    /// The listener has no address.
    #[error(transparent)]
    Listener(#[from] std::io::Error),
}

/// Serves HTTP/1.1, and HTTP/2 with prior knowledge, until `shutdown`.
///
/// # Errors
///
/// Returns an [`Error`] immediately if it cannot start.
pub async fn serve(
    listener: TcpListener,
    options: DemoOptions,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let address = listener.local_addr()?;
    if !address.ip().is_loopback() {
        return Err(Error::NotLoopback(address));
    }
    let app = Arc::new(build(options, address, shutdown.clone())?);
    let permits = Arc::new(Semaphore::new(MAX_DEMO_CONNECTIONS));
    loop {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return Ok(()) };
        let stream = tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = stream else {
            // Most likely out of file descriptors: pause to avoid a busy loop.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let (app, shutdown) = (Arc::clone(&app), shutdown.clone());
        tokio::spawn(async move {
            connection(app, stream, shutdown).await;
            drop(permit);
        });
    }
}

fn build(
    options: DemoOptions,
    address: SocketAddr,
    shutdown: CancellationToken,
) -> Result<DemoApp, Error> {
    let expected = ExpectedAssertion {
        header: options.assertion_header.to_ascii_lowercase(),
        issuer: options.issuer,
        audience: options.audience,
        keys: AssertionKeys::at(&options.jwks_url)?,
    };
    let renderer = DemoRenderer::new(
        &expected.header,
        options.sign_out_path,
        &options.start_path,
        options.phone.is_some(),
    )?;
    let phone = options.phone.map(|it| DemoPhone::new(it, address));
    Ok(DemoApp { expected, renderer, phone, clock: options.clock, shutdown })
}

async fn connection(app: Arc<DemoApp>, stream: TcpStream, shutdown: CancellationToken) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request: Request<Incoming>| {
        let app = Arc::clone(&app);
        async move { Ok::<_, Infallible>(app.answer(request).await) }
    });
    let mut server = auto::Builder::new(TokioExecutor::new());
    // There is no header timeout on purpose: it would also end idle connections that the proxy is
    // about to reuse.
    server
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .max_buf_size(MAX_REQUEST_HEAD_BYTES)
        .max_headers(200);
    server
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(64 * 1024)
        .max_concurrent_streams(200);
    let connection = server.serve_connection_with_upgrades(TokioIo::new(stream), service);
    tokio::pin!(connection);
    // A broken connection is not an error of the demo.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = shutdown.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    let _ = tokio::time::timeout(DEMO_SHUTDOWN_GRACE, connection).await;
}
