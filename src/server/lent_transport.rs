//! A transport that hyper may use for as long as it serves a connection.
//!
//! hyper keeps a read buffer of 8 KiB and the space of the last request for an idle connection, and
//! a connection that may be upgraded cannot be taken apart. Dropping hyper's connection between two
//! requests gives its memory back, and the transport stays.

use super::sockets::Transport;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Where a transport returns to when hyper drops it.
#[derive(Clone, Debug, Default)]
pub(super) struct TransportHome(Arc<Mutex<Option<Transport>>>);

impl TransportHome {
    /// Lends a transport to hyper.
    pub(super) fn lend(&self, transport: Transport) -> LentTransport {
        LentTransport { transport: Some(transport), home: self.clone() }
    }

    /// Returns the transport, if hyper has dropped it.
    pub(super) fn take(&self) -> Option<Transport> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// A transport that returns home when it is dropped.
#[derive(Debug)]
pub(super) struct LentTransport {
    /// There until it is dropped.
    transport: Option<Transport>,
    home: TransportHome,
}

impl LentTransport {
    fn with<T>(
        self: Pin<&mut Self>,
        poll: impl FnOnce(Pin<&mut Transport>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        match &mut self.get_mut().transport {
            Some(transport) => poll(Pin::new(transport)),
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

impl Drop for LentTransport {
    fn drop(&mut self) {
        *self.home.0.lock().unwrap_or_else(PoisonError::into_inner) = self.transport.take();
    }
}

impl AsyncRead for LentTransport {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.with(|it| it.poll_read(context, buffer))
    }
}

impl AsyncWrite for LentTransport {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.with(|it| it.poll_write(context, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.with(|it| it.poll_write_vectored(context, parts))
    }

    fn is_write_vectored(&self) -> bool {
        self.transport.as_ref().is_some_and(AsyncWrite::is_write_vectored)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|it| it.poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|it| it.poll_shutdown(context))
    }
}
