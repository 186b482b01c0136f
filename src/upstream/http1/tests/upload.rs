//! A request's body on its way to the app, byte for byte.

use crate::config::upstream::HeaderCase;
use crate::upstream::http1::upload::Upload;
use crate::upstream::request_body::RequestBody;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request};
use http_body::Frame;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use tokio::io::AsyncWrite;

/// Takes a few bytes at a time and keeps them until they are flushed, as TLS does.
#[derive(Default)]
struct BufferedWriter {
    kept: Vec<u8>,
    received: Vec<u8>,
    /// Bytes that one write takes.
    most: usize,
    /// Flushes that are not ready.
    busy: usize,
}

impl AsyncWrite for BufferedWriter {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let count = bytes.len().min(self.most);
        self.kept.extend_from_slice(&bytes[..count]);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.busy > 0 {
            self.busy -= 1;
            return Poll::Pending;
        }
        let kept = std::mem::take(&mut self.kept);
        self.received.extend(kept);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn data(bytes: Vec<u8>) -> Frame<Bytes> {
    Frame::data(bytes.into())
}

fn upload(method: Method, headers: &[(&str, &str)], frames: Vec<Frame<Bytes>>) -> Upload {
    let mut builder = Request::builder().method(method).uri("/x").header("host", "app");
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    let request = builder.body(RequestBody::of_frames(frames)).unwrap();
    Upload::new(Vec::new(), request, b"", false, HeaderCase::Lower)
}

/// Polls until everything was written. Returns what the app received.
fn written(mut upload: Upload, mut io: BufferedWriter) -> Vec<u8> {
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..1000 {
        if !upload.is_written() {
            let _ = upload.poll_write(&mut io, &mut context);
        }
    }
    assert!(upload.is_written());
    io.received
}

#[test]
fn nothing_stays_here_when_the_app_takes_it_slowly() {
    for (busy, most) in [(0, 100_000), (1, 100_000), (5, 7000), (3, 1)] {
        let io = BufferedWriter { most, busy, ..BufferedWriter::default() };
        let frames = vec![data(vec![b'a'; 500]), data(vec![b'b'; 20_000]), data(vec![b'c'; 9])];
        let received = written(upload(Method::POST, &[], frames), io);
        let text = String::from_utf8(received).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("POST /x HTTP/1.1\r\nhost: app\r\n"), "{head}");
        let (a, b) = ("a".repeat(500), "b".repeat(20_000));
        assert_eq!(body, format!("1f4\r\n{a}\r\n4e20\r\n{b}\r\n9\r\nccccccccc\r\n0\r\n\r\n"));
    }
}

#[test]
fn a_body_keeps_its_method_and_an_empty_one_says_so_where_apps_expect_it() {
    for (method, expected) in [(Method::GET, false), (Method::DELETE, false), (Method::POST, true)]
    {
        let io = || BufferedWriter { most: 100_000, ..BufferedWriter::default() };
        let empty = String::from_utf8(written(upload(method.clone(), &[], vec![]), io())).unwrap();
        assert_eq!(empty.contains("content-length: 0\r\n"), expected, "{empty}");
        let frames = vec![data(b"hello".to_vec())];
        let full = String::from_utf8(written(upload(method, &[], frames), io())).unwrap();
        assert!(
            full.ends_with("transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
            "{full}"
        );
    }
}

/// An app that merges trailers into its headers must not see what was not judged.
#[test]
fn only_trailers_that_were_announced_are_sent() {
    let mut trailers = HeaderMap::new();
    trailers.insert("x-checksum", HeaderValue::from_static("1"));
    trailers.insert("x-other", HeaderValue::from_static("2"));
    let headers = [("trailer", "X-Checksum, Expires")];
    let frames = vec![data(b"hi".to_vec()), Frame::trailers(trailers)];
    let io = BufferedWriter { most: 100_000, ..BufferedWriter::default() };
    let received = written(upload(Method::POST, &headers, frames), io);
    let text = String::from_utf8(received).unwrap();
    assert!(text.ends_with("\r\n0\r\nx-checksum: 1\r\n\r\n"), "{text}");
}
