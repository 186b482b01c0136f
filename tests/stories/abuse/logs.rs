//! The reader of the log may stall: requests continue, and memory does not grow.

use super::MIB;
use crate::flood::{FloodedProgram, ProgramLaunch, ProgramOutput};
use crate::world::World;
use crate::world::raw::{self, talk};
use crate::world::samples::MAYA;
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// 16,384 lines of up to 16 KiB each could once wait for a reader that stalls.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_of_the_log_that_stalls_costs_lines_and_neither_time_nor_memory() {
    let world = World::start().await;
    let program = FloodedProgram::launch(
        &world,
        ProgramLaunch { output: ProgramOutput::Stalled, ..ProgramLaunch::default() },
    )
    .await;
    assert!(program.serves().await);
    let before = program.weighs();
    // An unknown host is the shortest way to a log line, and programs receive no page.
    let path = format!("/public/{}", "a".repeat(5_000));
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: elsewhere.example\r\nAccept: application/json\r\n\r\n"
    );
    let mut took = Vec::new();
    for _ in 0..8 {
        let begun = Instant::now();
        asks(program.address, &request, 600).await;
        took.push(begun.elapsed());
    }
    let grown = program.weighs().saturating_sub(before);
    println!("600 requests each in {took:?}, grown by {} KiB", grown / 1024);
    assert!(grown < 24 * MIB, "memory grew by {} MiB", grown / MIB);
    // Half of the lines fill the buffer of waiting lines; the last requests find it full.
    let (empty, full) = (took[..3].iter().max().unwrap(), took[6..].iter().max().unwrap());
    assert!(*full < 3 * *empty + Duration::from_secs(1), "{took:?}");
    let figures = program.figures().await;
    let dropped =
        figures.lines().find_map(|it| it.strip_prefix("entrada_log_lines_dropped_total ")).unwrap();
    assert!(dropped.parse::<u64>().unwrap() > 0, "{figures}");
}

/// Sends the same request this many times on one connection, and reads as many responses.
async fn asks(address: std::net::SocketAddr, request: &str, times: usize) {
    const BEGIN: &[u8] = b"HTTP/1.1 ";
    let mut io = TcpStream::connect(address).await.unwrap();
    let (mut reader, mut writer) = io.split();
    let reading = async {
        let (mut answered, mut bytes) = (0, Vec::with_capacity(64 * 1024));
        while answered < times {
            assert!(
                reader.read_buf(&mut bytes).await.unwrap() > 0,
                "the connection ended after {answered} answers"
            );
            answered += bytes.windows(BEGIN.len()).filter(|it| *it == BEGIN).count();
            // Keeps the bytes that may be the first part of `BEGIN`.
            bytes.drain(..bytes.len().saturating_sub(BEGIN.len() - 1));
        }
    };
    let writing = async {
        for _ in 0..times {
            writer.write_all(request.as_bytes()).await.unwrap();
        }
        std::future::pending::<()>().await;
    };
    let both = async {
        tokio::select! {
            () = reading => {}
            () = writing => {}
        }
    };
    tokio::time::timeout(Duration::from_secs(60), both).await.expect("the answers stopped");
}

#[tokio::test]
async fn a_long_path_is_cut_in_the_log() {
    let world = World::start().await;
    let path = format!("/public/{}", "a".repeat(10_000));
    talk(
        world.address,
        &format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", world.address),
    )
    .await;
    let log = world.logged().await;
    let line = log.lines().find(|it| it.contains("/public/aaa")).unwrap();
    assert!(line.len() < 1500 && line.contains("\"path_bytes\":10008"), "{line}");
}

/// The future of a request is dropped when its client disconnects: nothing was logged then.
#[tokio::test]
async fn a_client_that_leaves_before_the_head_of_the_answer_leaves_a_line() {
    let world = World::start().await;
    let maya = world.signed_in(MAYA).await;
    for path in ["/slow", "/public/never"] {
        let (begun, before) = (Instant::now(), world.app.seen.count());
        let mut io = TcpStream::connect(world.address).await.unwrap();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nCookie: {}\r\n\r\n",
            world.public_url.split_once("://").unwrap().1,
            maya.cookie_header()
        );
        io.write_all(request.as_bytes()).await.unwrap();
        while world.app.seen.count() == before {
            assert!(begun.elapsed() < Duration::from_secs(5), "the app was not asked");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        drop(io);
        let mut log = String::new();
        while !log.contains(&format!("\"path\":\"{path}\"")) {
            assert!(begun.elapsed() < Duration::from_secs(10), "{log}");
            log = world.logged().await;
        }
        let line = log.lines().find(|it| it.contains(&format!("\"path\":\"{path}\""))).unwrap();
        assert!(
            line.contains("\"status\":499")
                && line.contains("client disconnected")
                && line.contains("\"user\":"),
            "{line}"
        );
    }
}

/// hyper drops the future of such a request before its first poll.
#[tokio::test]
async fn a_request_that_comes_along_with_the_end_of_its_connection_leaves_a_line() {
    let world = World::start().await;
    for path in ["/public/one", "/api/two", "/oauth2/start", "/public//unread"] {
        let mut io = TcpStream::connect(world.address).await.unwrap();
        io.write_all(
            format!(
                "GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n",
                world.public_url.split_once("://").unwrap().1
            )
            .as_bytes(),
        )
        .await
        .unwrap();
    }
    let (begun, mut log) = (Instant::now(), String::new());
    while log.matches("\"event\":\"request\"").count() < 4
        && begun.elapsed() < Duration::from_secs(5)
    {
        log = world.logged().await;
    }
    for sign in [
        "\"path\":\"/public/one\"",
        "\"path\":\"/api/two\"",
        "\"path\":\"/oauth2/start\"",
        "an empty segment",
    ] {
        assert_eq!(log.matches(sign).count(), 1, "{sign} {log}");
    }
}

/// Neither reaches the handler, which writes the lines: heads that exceed Entrada's limit, and
/// requests that hyper answers by itself.
#[tokio::test]
async fn a_head_that_is_refused_unread_leaves_a_line() {
    let world = World::start().await;
    let many = "x: y\r\n".repeat(120);
    for (sent, status) in [
        (format!("GET /public/many HTTP/1.1\r\nHost: a\r\n{many}\r\n"), 431),
        ("nonsense\r\n\r\n".to_owned(), 400),
    ] {
        assert_eq!(
            raw::status(
                &raw::talk_for(world.address, sent.as_bytes(), Duration::from_secs(5)).await
            ),
            status
        );
    }
    let mut request = Request::get(format!("{}/public/many", world.public_url))
        .body(Full::<Bytes>::default())
        .unwrap();
    for _ in 0..120 {
        request.headers_mut().append("x", "y".parse().unwrap());
    }
    let refused = raw::ask2(&mut raw::http2(world.address).await, request).await;
    assert_eq!(refused.status(), 431);
    let log = world.logged().await;
    let line = |sign: &str| {
        log.lines().find(|it| it.contains(sign)).unwrap_or_else(|| panic!("{sign} {log}"))
    };
    assert!(
        line("the request head is too large")
            .contains(refused.headers()["x-request-id"].to_str().unwrap()),
        "{log}"
    );
    for (sign, status) in [
        ("the request head is too large", 431),
        ("message head is too large", 431),
        ("the request cannot be read: invalid HTTP", 400),
    ] {
        let line = line(sign);
        assert!(
            line.contains(&format!("\"status\":{status}"))
                && line.contains("\"route\":\"refused\"")
                && line.contains("\"client\":\"127.0.0.1\""),
            "{line}"
        );
    }
    let figures =
        talk(world.admin, "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .await;
    assert!(
        figures.lines().any(|it| it.contains("route=\"refused\"") && it.contains("431")),
        "{figures}"
    );
}
