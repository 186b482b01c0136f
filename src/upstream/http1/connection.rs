//! One HTTP/1.1 connection to the app.

use super::response_head::{BadResponse, HeadReader, RequestFraming, ResponseHead};
use super::upload::{Upload, UploadError};
use crate::upstream::connect::AppConnection;
use crate::upstream::deadline::{ConnectionTimer, RequestDeadline};
use crate::upstream::error::Error;
use bytes::{BufMut as _, BytesMut};
use std::future::{Future as _, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker, ready};
use tokio::io::{AsyncRead, AsyncReadExt as _, ReadBuf, ReadHalf, WriteHalf, split};

/// Size of the first read, in bytes. Most responses are smaller.
const FIRST_READ_BYTES: usize = 8 * 1024;

/// Buffers of an idle connection that are larger than this, in bytes, are given back.
const MAX_IDLE_BUFFER_BYTES: usize = 16 * 1024;

/// A connection with its buffers and its timer.
#[derive(Debug)]
pub(super) struct Http1Connection {
    io: ConnectionIo,
    /// Bytes that were received and not used yet.
    pub(super) incoming: BytesMut,
    /// Number of bytes that the next read may take. Grows while the app fills it.
    read_bytes: usize,
    /// The buffer of the last request, empty.
    outgoing: Vec<u8>,
    timer: ConnectionTimer,
}

#[derive(Debug)]
enum ConnectionIo {
    Whole(AppConnection),
    /// The other half still carries the client's body.
    Reading(ReadHalf<AppConnection>),
    Closed,
}

/// Why no response head was received.
#[derive(Debug)]
pub(super) enum AttemptError {
    /// The app closed the connection before it sent a byte.
    ClosedBeforeResponse(io::Error),
    Other(Error),
}

impl From<Error> for AttemptError {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl From<AttemptError> for Error {
    fn from(error: AttemptError) -> Self {
        match error {
            AttemptError::ClosedBeforeResponse(cause) => Self::broken(cause),
            AttemptError::Other(error) => error,
        }
    }
}

/// A response head, and whether the client's body was written completely by then.
#[derive(Debug)]
pub(super) struct ReceivedHead {
    pub(super) head: ResponseHead,
    pub(super) upload: UploadState,
    /// Number of interim responses (1xx) that came first.
    pub(super) interim: u32,
}

/// How far a request was written when its response began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UploadState {
    Written,
    UnderWay,
    /// The app accepts no more of it.
    Refused,
}

impl Http1Connection {
    pub(super) fn new(io: AppConnection, timer: ConnectionTimer) -> Self {
        Self {
            io: ConnectionIo::Whole(io),
            incoming: BytesMut::new(),
            read_bytes: FIRST_READ_BYTES,
            outgoing: Vec::new(),
            timer,
        }
    }

    /// Whether an idle connection is open and silent. Nothing watches it, and what the app sends
    /// without a request, for example a 408 or a body where none may be, must not become the
    /// response to one. The runtime learns of such bytes only when it polls, so the kernel is asked
    /// too; TLS may have some in its own buffer.
    pub(super) fn is_silent(&mut self) -> bool {
        let mut byte = [0];
        let mut buffer = ReadBuf::new(&mut byte);
        let mut context = Context::from_waker(Waker::noop());
        match &mut self.io {
            ConnectionIo::Whole(io) => {
                io.is_silent() && Pin::new(io).poll_read(&mut context, &mut buffer).is_pending()
            }
            _ => false,
        }
    }

    pub(super) fn take_buffer(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.outgoing)
    }

    /// Makes the connection ready for another request.
    pub(super) fn restore_buffer(&mut self, mut buffer: Vec<u8>) {
        if buffer.capacity() <= MAX_IDLE_BUFFER_BYTES {
            buffer.clear();
            self.outgoing = buffer;
        }
    }

    /// Gives back what an idle connection does not need.
    pub(super) fn rest(&mut self) {
        self.read_bytes = FIRST_READ_BYTES;
        if self.incoming.capacity() > MAX_IDLE_BUFFER_BYTES {
            self.incoming = BytesMut::new();
        }
    }

    /// Writes the request, and returns the head of its response. The body may still be under way
    /// then.
    pub(super) async fn exchange(
        &mut self,
        upload: &mut Upload,
        framing: RequestFraming,
        deadline: &mut RequestDeadline<'_>,
    ) -> Result<ReceivedHead, AttemptError> {
        let Self { io, incoming, read_bytes, timer, .. } = self;
        let ConnectionIo::Whole(io) = io else {
            return Err(AttemptError::ClosedBeforeResponse(io::ErrorKind::NotConnected.into()));
        };
        let mut exchange = HeadExchange {
            io,
            incoming,
            read_bytes,
            upload,
            reader: HeadReader::default(),
            framing,
            refused: None,
        };
        deadline.run_with_timer(timer, pin!(poll_fn(|context| exchange.poll(context)))).await?
    }

    /// Receives more bytes, `most` at most. Returns 0 at the end of the stream.
    pub(super) fn poll_fill(
        &mut self,
        most: usize,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        match &mut self.io {
            ConnectionIo::Whole(io) => {
                poll_fill(io, &mut self.incoming, &mut self.read_bytes, most, context)
            }
            ConnectionIo::Reading(io) => {
                poll_fill(io, &mut self.incoming, &mut self.read_bytes, most, context)
            }
            ConnectionIo::Closed => Poll::Ready(Ok(0)),
        }
    }

    /// Separates the half that writes, for a body that is still under way.
    pub(super) fn split(&mut self) -> Option<WriteHalf<AppConnection>> {
        match std::mem::replace(&mut self.io, ConnectionIo::Closed) {
            ConnectionIo::Whole(io) => {
                let (reading, writing) = split(io);
                self.io = ConnectionIo::Reading(reading);
                Some(writing)
            }
            other => {
                self.io = other;
                None
            }
        }
    }

    /// Joins the halves again.
    pub(super) fn unsplit(&mut self, writing: WriteHalf<AppConnection>) {
        match std::mem::replace(&mut self.io, ConnectionIo::Closed) {
            ConnectionIo::Reading(reading) if reading.is_pair_of(&writing) => {
                self.io = ConnectionIo::Whole(reading.unsplit(writing));
            }
            other => self.io = other,
        }
    }

    /// Whether the connection can be used for another request.
    pub(super) fn is_whole(&self) -> bool {
        matches!(self.io, ConnectionIo::Whole(_)) && self.incoming.is_empty()
    }

    /// Returns the connection itself, and the bytes that follow the response head.
    pub(super) fn into_tunnel(self) -> Option<(AppConnection, BytesMut)> {
        match self.io {
            ConnectionIo::Whole(io) => Some((io, self.incoming)),
            _ => None,
        }
    }
}

/// A request under way, until the head of its response.
struct HeadExchange<'a> {
    io: &'a mut AppConnection,
    incoming: &'a mut BytesMut,
    read_bytes: &'a mut usize,
    upload: &'a mut Upload,
    reader: HeadReader,
    framing: RequestFraming,
    /// Why the app accepts no more of the request. It may have responded before that, for example
    /// with 413.
    refused: Option<io::Error>,
}

impl HeadExchange<'_> {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<ReceivedHead, AttemptError>> {
        if self.refused.is_none() && !self.upload.is_written() {
            match self.upload.poll_write(self.io, context) {
                Poll::Ready(Err(UploadError::Client(error))) => {
                    return Poll::Ready(Err(error.into()));
                }
                Poll::Ready(Err(UploadError::App(error))) => self.refused = Some(error),
                Poll::Ready(Ok(())) | Poll::Pending => {}
            }
        }
        loop {
            let filled = ready!(poll_fill(
                self.io,
                self.incoming,
                self.read_bytes,
                FIRST_READ_BYTES,
                context
            ));
            if !matches!(filled, Ok(1..)) {
                return Poll::Ready(Err(self.closed(filled.err())));
            }
            match self.reader.read(self.incoming, self.framing) {
                Ok(Some(head)) => return Poll::Ready(Ok(self.received(head))),
                Ok(None) => {}
                Err(error) => return Poll::Ready(Err(Error::broken(error).into())),
            }
        }
    }

    fn closed(&mut self, error: Option<io::Error>) -> AttemptError {
        let cause =
            self.refused.take().or(error).unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into());
        if self.incoming.is_empty() && self.reader.interim() == 0 {
            AttemptError::ClosedBeforeResponse(cause)
        } else {
            Error::broken(BadResponse::Incomplete).into()
        }
    }

    fn received(&self, head: ResponseHead) -> ReceivedHead {
        let upload = match &self.refused {
            Some(_) => UploadState::Refused,
            None if self.upload.is_written() => UploadState::Written,
            None => UploadState::UnderWay,
        };
        ReceivedHead { head, upload, interim: self.reader.interim() }
    }
}

fn poll_fill(
    io: &mut (impl AsyncRead + Unpin),
    incoming: &mut BytesMut,
    read_bytes: &mut usize,
    most: usize,
    context: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    let wanted = (*read_bytes).min(most);
    incoming.reserve(wanted);
    let mut limited = incoming.limit(wanted);
    // The future keeps nothing between two polls.
    let read = ready!(pin!(io.read_buf(&mut limited)).poll(context))?;
    if read == wanted {
        *read_bytes = wanted.saturating_mul(2);
    }
    Poll::Ready(Ok(read))
}
