//! A request on its way to the app: its head, and its body as the app accepts it.

use super::request_head::{self, BodyEncoding};
use crate::config::upstream::HeaderCase;
use crate::upstream::error::{Error, RequestBodyError};
use crate::upstream::request_body::RequestBody;
use bytes::{Buf as _, Bytes};
use http::header::TRAILER;
use http::{HeaderMap, HeaderName, Method, Request};
use http_body::{Body as _, Frame};
use std::io::{self, IoSlice, Write as _};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::AsyncWrite;

/// Up to this size, in bytes, parts of a body are copied behind what waits already, so that a small
/// request leaves with one system call.
const MAX_COPIED_BYTES: usize = 8 * 1024;

/// A request that is being written.
pub(super) struct Upload {
    /// Bytes to write: the head at first, and later small parts of the body.
    buffer: Vec<u8>,
    /// Number of bytes of `buffer` that were written.
    written: usize,
    /// A part of the body that is too large to be copied, and what ends it.
    large: Bytes,
    large_end: &'static [u8],
    body: RequestBody,
    encoding: BodyEncoding,
    repeat: RepeatRule,
    /// Whether a part of the body was taken from the client.
    is_started: bool,
    is_finished: bool,
    /// Whether what was written has left this process: TLS keeps a part until it is flushed.
    is_flushed: bool,
    /// Names that the client's `Trailer` announces. Only those are sent (RFC 9110 section 6.6.2).
    announced: Vec<HeaderName>,
    /// Number of bytes that were written in all.
    progress: u64,
}

/// When a request may be sent again after the app closed the connection (RFC 9110 section 9.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RepeatRule {
    /// While its body is untouched.
    UntouchedBody,
    /// While nothing of it was written.
    Unwritten,
}

/// Why a request could not be written.
#[derive(Debug)]
pub(super) enum UploadError {
    /// The client's body ended early.
    Client(Error),
    /// The app does not accept it. It may have responded before that.
    App(io::Error),
}

impl Upload {
    /// Writes the head into `buffer`, which must be empty.
    pub(super) fn new(
        mut buffer: Vec<u8>,
        request: Request<RequestBody>,
        own_fields: &[u8],
        upgrades: bool,
        header_case: HeaderCase,
    ) -> Self {
        let encoding = request_head::write(&mut buffer, &request, own_fields, header_case);
        let announced = match encoding {
            BodyEncoding::Chunked => announced(request.headers()),
            BodyEncoding::Empty | BodyEncoding::Length(_) => Vec::new(),
        };
        let method = request.method();
        let is_safe =
            matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE);
        let may_repeat = (is_safe && encoding == BodyEncoding::Empty)
            || matches!(*method, Method::PUT | Method::DELETE);
        Self {
            buffer,
            written: 0,
            large: Bytes::new(),
            large_end: b"",
            body: request.into_body(),
            is_finished: encoding == BodyEncoding::Empty,
            encoding,
            repeat: if may_repeat && !upgrades {
                RepeatRule::UntouchedBody
            } else {
                RepeatRule::Unwritten
            },
            is_started: false,
            is_flushed: false,
            announced,
            progress: 0,
        }
    }

    /// Begins again, for another connection, if the request may be repeated.
    pub(super) fn rewind(&mut self) -> bool {
        let may = match self.repeat {
            RepeatRule::UntouchedBody => !self.is_started,
            RepeatRule::Unwritten => !self.is_started && self.written == 0,
        };
        if may {
            self.written = 0;
            self.is_flushed = false;
        }
        may
    }

    /// Number of bytes that were written in all.
    pub(super) fn progress(&self) -> u64 {
        self.progress
    }

    /// Whether the app accepts bytes too slowly, rather than the client.
    pub(super) fn waits_for_app(&self) -> bool {
        self.has_pending() || !self.is_flushed
    }

    /// Whether everything was written.
    pub(super) fn is_written(&self) -> bool {
        self.is_finished && !self.waits_for_app()
    }

    /// Returns the buffer, for the next request on the connection.
    pub(super) fn into_buffer(self) -> Vec<u8> {
        self.buffer
    }

    /// Writes as much as the client has sent and the app accepts. Is ready when everything was
    /// written.
    pub(super) fn poll_write(
        &mut self,
        io: &mut (impl AsyncWrite + Unpin),
        context: &mut Context<'_>,
    ) -> Poll<Result<(), UploadError>> {
        loop {
            let mut waits_for_client = false;
            while !self.is_finished && self.has_room() {
                match Pin::new(&mut self.body).poll_frame(context) {
                    Poll::Ready(Some(Ok(frame))) => self.take(frame)?,
                    Poll::Ready(Some(Err(error))) => {
                        return Poll::Ready(Err(UploadError::Client(Error::of_request_body(
                            error,
                        ))));
                    }
                    Poll::Ready(None) => self.finish(None)?,
                    Poll::Pending => {
                        waits_for_client = true;
                        break;
                    }
                }
            }
            ready!(self.poll_drain(io, context)).map_err(UploadError::App)?;
            if self.is_finished {
                return Poll::Ready(Ok(()));
            }
            if waits_for_client {
                return Poll::Pending;
            }
        }
    }

    fn has_pending(&self) -> bool {
        self.written < self.buffer.len() || !self.large.is_empty() || !self.large_end.is_empty()
    }

    /// Whether another part of the body can be taken: a large one waits until it was written.
    fn has_room(&self) -> bool {
        self.large.is_empty()
            && self.large_end.is_empty()
            && self.buffer.len() - self.written < MAX_COPIED_BYTES
    }

    fn take(&mut self, frame: Frame<Bytes>) -> Result<(), UploadError> {
        self.starts();
        match frame.into_data() {
            Ok(data) => self.take_data(data),
            Err(frame) => self.finish(frame.into_trailers().ok()),
        }
    }

    /// From the first part on, the head is not needed again.
    fn starts(&mut self) {
        self.is_started = true;
        if self.written == self.buffer.len() {
            self.buffer.clear();
            self.written = 0;
        } else if self.written > MAX_COPIED_BYTES {
            // A slow app may leave a rest each time.
            self.buffer.drain(..self.written);
            self.written = 0;
        }
    }

    fn take_data(&mut self, data: Bytes) -> Result<(), UploadError> {
        if data.is_empty() {
            return Ok(());
        }
        let mut end: &'static [u8] = b"";
        match &mut self.encoding {
            BodyEncoding::Length(left) => {
                *left = left
                    .checked_sub(data.len() as u64)
                    .ok_or(UploadError::Client(RequestBodyError::Off.into()))?;
            }
            BodyEncoding::Chunked => {
                // Writing to memory cannot fail.
                drop(write!(self.buffer, "{:x}\r\n", data.len()));
                end = b"\r\n";
            }
            BodyEncoding::Empty => return Err(UploadError::Client(RequestBodyError::Off.into())),
        }
        if data.len() <= MAX_COPIED_BYTES {
            self.buffer.extend_from_slice(&data);
            self.buffer.extend_from_slice(end);
        } else {
            self.large = data;
            self.large_end = end;
        }
        // Trailers need chunks, so nothing follows.
        self.is_finished = self.encoding == BodyEncoding::Length(0);
        Ok(())
    }

    fn finish(&mut self, trailers: Option<HeaderMap>) -> Result<(), UploadError> {
        self.starts();
        match self.encoding {
            BodyEncoding::Chunked => {
                self.buffer.extend_from_slice(b"0\r\n");
                let trailers = trailers.iter().flatten();
                for (name, value) in trailers.filter(|it| self.announced.contains(it.0)) {
                    request_head::write_field(
                        &mut self.buffer,
                        name.as_str(),
                        value,
                        HeaderCase::Lower,
                    );
                }
                self.buffer.extend_from_slice(b"\r\n");
            }
            // The body is shorter than its length: nothing that follows could be understood.
            BodyEncoding::Length(1..) => {
                return Err(UploadError::Client(RequestBodyError::Off.into()));
            }
            BodyEncoding::Length(0) | BodyEncoding::Empty => {}
        }
        self.is_finished = true;
        Ok(())
    }

    fn poll_drain(
        &mut self,
        io: &mut (impl AsyncWrite + Unpin),
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while self.has_pending() {
            let small = self.buffer.get(self.written..).unwrap_or_default();
            let written = if self.large.is_empty() && self.large_end.is_empty() {
                ready!(Pin::new(&mut *io).poll_write(context, small))?
            } else {
                let parts = [small, &self.large, self.large_end].map(IoSlice::new);
                ready!(Pin::new(&mut *io).poll_write_vectored(context, &parts))?
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.is_flushed = false;
            self.advance(written);
        }
        if !self.is_flushed {
            ready!(Pin::new(io).poll_flush(context))?;
            self.is_flushed = true;
        }
        Poll::Ready(Ok(()))
    }

    fn advance(&mut self, mut written: usize) {
        self.progress += written as u64;
        let small = written.min(self.buffer.len() - self.written);
        self.written += small;
        written -= small;
        let large = written.min(self.large.len());
        self.large.advance(large);
        written -= large;
        self.large_end = self.large_end.get(written..).unwrap_or_default();
    }
}

fn announced(headers: &HeaderMap) -> Vec<HeaderName> {
    let lines = headers.get_all(TRAILER).iter().filter_map(|it| it.to_str().ok());
    lines
        .flat_map(|it| it.split(','))
        .filter_map(|it| HeaderName::from_bytes(it.trim().as_bytes()).ok())
        .collect()
}
