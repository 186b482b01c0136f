//! The same bytes through hyper's client: what both accept must be the same response.

use super::*;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::TokioIo;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use std::cell::Cell;
use tokio::io::AsyncWriteExt as _;

const CASES: u32 = 3000;

/// Pieces of which responses are made, many of them in places where they do not belong.
const PIECES: &[&str] = &[
    "HTTP/1.1 200 OK\r\n",
    "HTTP/1.1 204 No Content\r\n",
    "HTTP/1.1 304 Not Modified\r\n",
    "HTTP/1.1 100 Continue\r\n\r\n",
    "HTTP/1.0 200 OK\r\n",
    "content-length: 5\r\n",
    "content-length: 3\r\n",
    "Content-Length: 5, 5\r\n",
    "transfer-encoding: chunked\r\n",
    "Transfer-Encoding: gzip\r\n",
    "connection: close\r\n",
    "connection: keep-alive\r\n",
    "a: b\r\n",
    "\r\n",
    "\n",
    "hello",
    "5\r\nhello\r\n",
    "3;x=y\r\nabc\r\n",
    "0\r\n",
    "0\r\n\r\n",
    "trailer: 1\r\n",
    "\0",
    " ",
];

fn response() -> impl Strategy<Value = String> {
    let piece = select(PIECES);
    let head = select(&PIECES[..5]);
    (head, proptest::collection::vec(piece, 0..9))
        .prop_map(|(head, pieces)| format!("{head}{}", pieces.concat()))
}

/// Status and body as hyper's client reads them; nothing if it refuses the response.
async fn by_hyper(bytes: &[u8]) -> Option<(u16, Vec<u8>)> {
    let (ours, mut theirs) = tokio::io::duplex(bytes.len() + 4096);
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake::<_, Empty<Bytes>>(TokioIo::new(ours)).await.ok()?;
    tokio::spawn(connection);
    let request = http::Request::get("/").header("host", "app").body(Empty::new()).unwrap();
    let sent = sender.send_request(request);
    let answered = async {
        // hyper takes bytes before the request for an error of their own.
        let mut asked = [0; 1];
        tokio::io::AsyncReadExt::read_exact(&mut theirs, &mut asked).await.unwrap();
        theirs.write_all(bytes).await.unwrap();
        theirs.shutdown().await.unwrap();
        // The rest of the request.
        let mut rest = Vec::new();
        let _ = tokio::io::AsyncReadExt::read_to_end(&mut theirs, &mut rest).await;
    };
    let read = async {
        let response = sent.await.ok()?;
        let status = response.status().as_u16();
        Some((status, response.into_body().collect().await.ok()?.to_bytes().to_vec()))
    };
    tokio::select! {
        read = read => read,
        () = async { answered.await; std::future::pending().await } => None,
    }
}

/// hyper reads some that are refused here: more than one length, chunked beside other codings. A
/// length beside chunked it ignores as well.
#[test]
fn what_both_accept_is_the_same() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut runner = TestRunner::new(Config { cases: CASES, ..Config::default() });
    let (accepted, compared) = (Cell::new(0), Cell::new(0));
    let outcome = runner.run(&response(), |bytes| {
        let ours = whole(bytes.as_bytes(), GET).ok();
        let theirs = runtime.block_on(by_hyper(bytes.as_bytes()));
        accepted.set(accepted.get() + u32::from(ours.is_some()));
        if let (Some(ours), Some((status, body))) = (&ours, &theirs) {
            compared.set(compared.get() + 1);
            prop_assert_eq!(ours.head.status().as_u16(), *status, "{:?}", bytes);
            prop_assert_eq!(&ours.body, body, "{:?}", bytes);
        }
        // hyper accepts nothing that is well-formed and refused here, apart from codings.
        if theirs.is_some() && ours.is_none() {
            let head = bytes.to_ascii_lowercase();
            prop_assert!(
                head.contains("transfer-encoding") || head.contains("content-length"),
                "{:?}",
                bytes
            );
        }
        Ok(())
    });
    outcome.unwrap();
    let (accepted, compared) = (accepted.get(), compared.get());
    assert!(accepted > CASES / 20 && compared > CASES / 20, "{accepted}, {compared}");
}
