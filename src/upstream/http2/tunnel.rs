//! A stream that carries a WebSocket (RFC 8441).

use super::connection::StreamSlot;
use bytes::{Buf as _, Bytes};
use h2::{Reason, RecvStream, SendStream};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Maximum size of one write, in bytes: one frame of the usual size.
const MAX_WRITE_BYTES: usize = 16 * 1024;

/// Both directions of a stream, as bytes.
#[derive(Debug)]
pub(super) struct Http2Tunnel {
    receiving: RecvStream,
    sending: SendStream<Bytes>,
    /// The rest of the last part.
    rest: Bytes,
    is_shut_down: bool,
    _slot: StreamSlot,
}

impl Http2Tunnel {
    pub(super) fn new(receiving: RecvStream, sending: SendStream<Bytes>, slot: StreamSlot) -> Self {
        Self { receiving, sending, rest: Bytes::new(), is_shut_down: false, _slot: slot }
    }
}

impl AsyncRead for Http2Tunnel {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.rest.is_empty() {
            match ready!(self.receiving.poll_data(context)) {
                Some(Ok(data)) => self.rest = data,
                None => return Poll::Ready(Ok(())),
                // RFC 8441 section 5: a reset with CANCEL is the end of the TCP connection.
                Some(Err(error))
                    if matches!(error.reason(), Some(Reason::NO_ERROR | Reason::CANCEL)) =>
                {
                    return Poll::Ready(Ok(()));
                }
                Some(Err(error)) => return Poll::Ready(Err(io::Error::other(error))),
            }
        }
        let count = self.rest.len().min(buffer.remaining());
        buffer.put_slice(self.rest.get(..count).unwrap_or_default());
        self.rest.advance(count);
        // Fails only if the stream has ended, and with it the window.
        drop(self.receiving.flow_control().release_capacity(count));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Http2Tunnel {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.sending.reserve_capacity(bytes.len().min(MAX_WRITE_BYTES));
        while self.sending.capacity() == 0 {
            match ready!(self.sending.poll_capacity(context)) {
                Some(Ok(_)) => {}
                Some(Err(error)) => return Poll::Ready(Err(io::Error::other(error))),
                None => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            }
        }
        let count = bytes.len().min(self.sending.capacity()).min(MAX_WRITE_BYTES);
        let part = Bytes::copy_from_slice(bytes.get(..count).unwrap_or_default());
        let sent = self.sending.send_data(part, false);
        Poll::Ready(sent.map(|()| count).map_err(io::Error::other))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !std::mem::replace(&mut self.is_shut_down, true) {
            // Fails only if the stream has ended.
            drop(self.sending.send_data(Bytes::new(), true));
        }
        Poll::Ready(Ok(()))
    }
}
