//! Upgraded connections: copies bytes in both directions until one side, the session or the process
//! ends.

use super::share::HeldShare;
use bytes::Bytes;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use std::fmt::Debug;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf, copy_bidirectional};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// All upgraded connections of the process. hyper does not track them after the upgrade, so the
/// drain uses this tracker.
#[derive(Clone, Debug, Default)]
pub struct TunnelTracker {
    tasks: TaskTracker,
    end: CancellationToken,
}

impl TunnelTracker {
    /// Creates a tracker without connections.
    pub fn new() -> Self {
        Self::default()
    }

    /// Waits until all tunnels have ended on their own.
    pub async fn wait(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Ends all tunnels.
    pub fn end(&self) {
        self.end.cancel();
    }

    /// Joins two upgraded connections until one side closes, `ends` ends the tunnel, or no bytes
    /// are transferred for `silence`.
    pub(super) fn join(
        &self,
        client: OnUpgrade,
        app: AppTunnel,
        ends: Option<TunnelEnd>,
        silence: Duration,
        share: HeldShare,
    ) {
        let end = self.end.clone();
        let (told, goes_on) = ends.map(|it| (it.cancelled, it.check)).unzip();
        self.tasks.spawn(async move {
            let _share = share;
            let told = async {
                match told {
                    Some(told) => told.cancelled_owned().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                // The end is polled first, so that a busy tunnel ends as well.
                biased;
                () = end.cancelled_owned() => {}
                () = told => {}
                () = carry(client, app, goes_on, silence) => {}
            }
        });
    }
}

/// How often a tunnel's session is checked.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);

type TunnelCheck = Box<dyn FnMut(bool) -> bool + Send>;

/// The conditions that end a tunnel.
pub(super) struct TunnelEnd {
    /// Canceled when the session ends.
    pub(super) cancelled: CancellationToken,
    /// Called every few seconds to check whether the tunnel may continue; the argument says whether
    /// bytes were transferred since the last call.
    pub(super) check: TunnelCheck,
}

async fn carry(
    client: OnUpgrade,
    mut app: AppTunnel,
    goes_on: Option<TunnelCheck>,
    silence: Duration,
) {
    let Ok(client) = client.await else { return };
    let spoke = Arc::new(AtomicBool::new(true));
    let mut client = ActivityNote { io: TokioIo::new(client), spoke: Arc::clone(&spoke) };
    let joined = async {
        client.write_all(&app.early).await?;
        copy_bidirectional(&mut client, &mut app.io).await
    };
    tokio::select! {
        // The tunnel ends when either side closes.
        _ = joined => {}
        () = over(&spoke, goes_on, silence) => {}
    }
}

/// Returns when no bytes were transferred for `silence`, or when the tunnel may not continue.
async fn over(spoke: &AtomicBool, mut goes_on: Option<TunnelCheck>, silence: Duration) {
    let look = CHECK_INTERVAL.min(silence);
    let mut quiet = Duration::ZERO;
    loop {
        let spoke = spoke.swap(false, Ordering::Relaxed);
        quiet = if spoke { Duration::ZERO } else { quiet.saturating_add(look) };
        if quiet >= silence || goes_on.as_mut().is_some_and(|it| !it(spoke)) {
            return;
        }
        tokio::time::sleep(look).await;
    }
}

/// A connection to the app, or a stream of one.
pub(super) trait TunnelIo: AsyncRead + AsyncWrite + Debug + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Debug + Send + Unpin> TunnelIo for T {}

/// The app's side of a tunnel.
#[derive(Debug)]
pub(super) struct AppTunnel {
    io: Box<dyn TunnelIo>,
    /// Bytes that arrived together with the response head.
    early: Bytes,
}

impl AppTunnel {
    pub(super) fn new(io: impl TunnelIo + 'static, early: Bytes) -> Self {
        Self { io: Box::new(io), early }
    }
}

/// Notes bytes from or to the client, which includes every byte of a tunnel.
struct ActivityNote<T> {
    io: T,
    spoke: Arc<AtomicBool>,
}

impl<T> ActivityNote<T> {
    fn note<R>(&self, polled: Poll<R>) -> Poll<R> {
        if polled.is_ready() {
            self.spoke.store(true, Ordering::Relaxed);
        }
        polled
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for ActivityNote<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let polled = Pin::new(&mut self.io).poll_read(context, into);
        self.note(polled)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for ActivityNote<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write(context, bytes);
        self.note(polled)
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
