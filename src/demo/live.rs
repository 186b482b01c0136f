//! Long bodies: events, uploads and downloads, which use the same amount of memory from the first
//! byte to the last.

use super::web::{self, DemoReply};
use crate::base::clock::Clock;
use crate::wire::body::{Body, BoxError};
use bytes::Bytes;
use futures_util::stream;
use http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH};
use http::{HeaderValue, StatusCode};
use http_body::{Frame, SizeHint};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Incoming;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Maximum size of a download, in bytes.
pub(super) const MAX_DOWNLOAD_BYTES: u64 = 64 << 30;

static CHUNK: [u8; 64 * 1024] = [b'.'; 64 * 1024];

/// Returns server-sent events: one immediately, then one each second.
pub(super) fn events(clock: Clock, shutdown: CancellationToken) -> DemoReply {
    let ticks = stream::unfold((0_u64, clock, shutdown), |(count, clock, shutdown)| async move {
        if count > 0 {
            tokio::select! {
                () = shutdown.cancelled() => return None,
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
            }
        }
        let tick = format!("id: {count}\ndata: {{\"tick\":{count},\"time\":{}}}\n\n", clock.now());
        Some((Ok::<_, BoxError>(Frame::data(Bytes::from(tick))), (count + 1, clock, shutdown)))
    });
    web::reply(StatusCode::OK, "text/event-stream", Body::stream(StreamBody::new(ticks)))
}

/// Counts the bytes in a body without storing them. Returns `None` if the body breaks off.
pub(super) async fn count(mut body: Incoming) -> Option<u64> {
    let mut count = 0;
    while let Some(frame) = body.frame().await {
        count += frame.ok()?.data_ref().map_or(0, |it| it.len() as u64);
    }
    Some(count)
}

/// Returns a download of this number of bytes.
pub(super) fn download(bytes: u64) -> DemoReply {
    let mut out = web::reply(
        StatusCode::OK,
        "application/octet-stream",
        Body::stream(DotsBody { left: bytes }),
    );
    out.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(bytes));
    out.headers_mut()
        .insert(CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"dots.txt\""));
    out
}

/// A body with this number of dots, all from one piece of memory.
struct DotsBody {
    left: u64,
}

impl http_body::Body for DotsBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let size = usize::try_from(self.left).unwrap_or(usize::MAX).min(CHUNK.len());
        self.left -= size as u64;
        let chunk = CHUNK.get(..size).filter(|it| !it.is_empty());
        Poll::Ready(chunk.map(|it| Ok(Frame::data(Bytes::from_static(it)))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
