//! Sockets that note the bytes that pass.

use super::state::ConnectionState;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::OwnedSemaphorePermit;
use tokio_rustls::server::TlsStream;

/// An accepted connection.
#[derive(Debug)]
pub(super) enum AcceptedSocket {
    /// A TCP connection.
    Tcp(TcpStream),
    /// A connection to a unix socket.
    Unix(UnixStream),
}

impl AcceptedSocket {
    /// Returns the bare file handle, in non-blocking mode.
    pub(super) fn into_fd(self) -> io::Result<OwnedFd> {
        match self {
            Self::Tcp(it) => it.into_std().map(OwnedFd::from),
            Self::Unix(it) => it.into_std().map(OwnedFd::from),
        }
    }
}

/// The first bytes of an HTTP/2 client with prior knowledge (RFC 9113 section 3.4).
const HTTP2_PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Bytes that were read to detect the protocol. The next reader receives them.
#[derive(Debug, Default)]
struct PrefixedSocket {
    bytes: [u8; HTTP2_PREFACE.len()],
    given: usize,
    count: usize,
}

impl PrefixedSocket {
    fn read(&self) -> &[u8] {
        self.bytes.get(self.given..self.count).unwrap_or_default()
    }

    fn give(&mut self, buffer: &mut ReadBuf<'_>) {
        let part = self.read().get(..buffer.remaining()).unwrap_or(self.read());
        buffer.put_slice(part);
        self.given += part.len();
    }
}

/// A socket that notes when bytes pass. It counts toward the connection limit for as long as it
/// exists, even as a tunnel.
#[derive(Debug)]
pub(super) struct CountedSocket {
    socket: AcceptedSocket,
    state: Arc<ConnectionState>,
    prefixed: PrefixedSocket,
    shut: bool,
    _permit: OwnedSemaphorePermit,
}

impl CountedSocket {
    /// Creates a socket with its state and its permit.
    pub(super) fn new(
        socket: AcceptedSocket,
        state: Arc<ConnectionState>,
        place: OwnedSemaphorePermit,
    ) -> Self {
        Self { socket, state, prefixed: PrefixedSocket::default(), shut: false, _permit: place }
    }

    /// Returns its state.
    pub(super) fn state(&self) -> &Arc<ConnectionState> {
        &self.state
    }

    /// Reads just enough to detect HTTP/2. No bytes are lost: they are read again afterwards.
    ///
    /// `auto` in hyper-util does the same, but passes these few bytes on in a separate read, which
    /// makes hyper double its buffer: 8 KiB more for each idle connection.
    pub(super) fn poll_preface(&mut self, context: &mut Context<'_>) -> Poll<io::Result<bool>> {
        loop {
            let read = self.prefixed.read();
            if !HTTP2_PREFACE.starts_with(read) {
                return Poll::Ready(Ok(false));
            }
            if read.len() == HTTP2_PREFACE.len() {
                return Poll::Ready(Ok(true));
            }
            let mut buffer = ReadBuf::new(
                self.prefixed.bytes.get_mut(self.prefixed.count..).unwrap_or_default(),
            );
            ready!(self.socket.poll_read(context, &mut buffer))?;
            let count = buffer.filled().len();
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
            self.prefixed.count += count;
            self.state.has_read();
        }
    }

    /// Waits for bytes of the client, which the next reader receives. Returns false if the client
    /// has closed the connection.
    fn poll_arrival(&mut self, context: &mut Context<'_>) -> Poll<bool> {
        if self.prefixed.read().is_empty() {
            self.prefixed = PrefixedSocket::default();
            let mut buffer = ReadBuf::new(&mut self.prefixed.bytes);
            if ready!(self.socket.poll_read(context, &mut buffer)).is_err() {
                return Poll::Ready(false);
            }
            self.prefixed.count = buffer.filled().len();
            if self.prefixed.count == 0 {
                return Poll::Ready(false);
            }
            self.state.has_read();
        }
        Poll::Ready(true)
    }

    fn note(&self, polled: &Poll<io::Result<usize>>) {
        match polled {
            Poll::Pending => self.state.is_blocked(),
            Poll::Ready(Ok(count)) if *count > 0 => self.state.has_written(),
            Poll::Ready(_) => {}
        }
    }

    /// Reads and discards data until the client closes too. Closing a socket with unread bytes
    /// resets the connection, and the client might never see why its upload was refused. The
    /// sweeper limits the wait.
    fn poll_linger(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut bytes = [MaybeUninit::uninit(); 4096];
        loop {
            let mut buffer = ReadBuf::uninit(&mut bytes);
            let read = ready!(self.socket.poll_read(context, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl AcceptedSocket {
    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(it) => Pin::new(it).poll_read(context, buffer),
            Self::Unix(it) => Pin::new(it).poll_read(context, buffer),
        }
    }

    fn poll_shutdown(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(it) => Pin::new(it).poll_shutdown(context),
            Self::Unix(it) => Pin::new(it).poll_shutdown(context),
        }
    }
}

impl AsyncRead for CountedSocket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        self.prefixed.give(buffer);
        if buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let polled = self.socket.poll_read(context, buffer);
        if buffer.filled().len() == before {
            return polled;
        }
        self.state.has_read();
        // There is data to read in any case; the next read reports an error of the socket.
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for CountedSocket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = match &mut self.socket {
            AcceptedSocket::Tcp(it) => Pin::new(it).poll_write(context, bytes),
            AcceptedSocket::Unix(it) => Pin::new(it).poll_write(context, bytes),
        };
        self.note(&polled);
        polled
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = match &mut self.socket {
            AcceptedSocket::Tcp(it) => Pin::new(it).poll_write_vectored(context, parts),
            AcceptedSocket::Unix(it) => Pin::new(it).poll_write_vectored(context, parts),
        };
        self.note(&polled);
        polled
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Neither kind of socket buffers data.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.shut {
            ready!(self.socket.poll_shutdown(context))?;
            self.shut = true;
            if !self.state.uploads() {
                return Poll::Ready(Ok(()));
            }
            self.state.lingers();
        }
        self.poll_linger(context)
    }
}

/// The transport under HTTP. A single type, so that hyper's code is compiled only once.
#[derive(Debug)]
pub(super) enum Transport {
    /// Cleartext.
    Clear(CountedSocket),
    /// Within TLS.
    Tls(Box<TlsStream<CountedSocket>>),
}

impl Transport {
    /// Waits for bytes of the client, decrypted or not. Returns false if the client has closed the
    /// connection.
    pub(super) fn poll_arrival(&mut self, context: &mut Context<'_>) -> Poll<bool> {
        match self {
            Self::Clear(it) => it.poll_arrival(context),
            Self::Tls(it) => it.get_mut().0.poll_arrival(context),
        }
    }
}

impl AsyncRead for Transport {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Clear(it) => Pin::new(it).poll_read(context, buffer),
            Self::Tls(it) => Pin::new(it).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Clear(it) => Pin::new(it).poll_write(context, bytes),
            Self::Tls(it) => Pin::new(it).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Clear(it) => Pin::new(it).poll_write_vectored(context, parts),
            Self::Tls(it) => Pin::new(it).poll_write_vectored(context, parts),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Clear(it) => it.is_write_vectored(),
            Self::Tls(it) => it.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Clear(it) => Pin::new(it).poll_flush(context),
            Self::Tls(it) => Pin::new(it).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Clear(it) => Pin::new(it).poll_shutdown(context),
            Self::Tls(it) => Pin::new(it).poll_shutdown(context),
        }
    }
}
