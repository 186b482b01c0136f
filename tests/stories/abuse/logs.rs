//! Whoever reads the log may stop to: requests go on, and memory does not grow.

use super::MIB;
use crate::flood::{Launch, Output, Program};
use crate::world::World;
use crate::world::raw::talk;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// 16,384 lines of up to 16 KiB each could wait for a reader that stalls.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_of_the_log_that_stalls_costs_lines_and_neither_time_nor_memory() {
    let world = World::start().await;
    let program = Program::launch(&world, Launch { output: Output::Stalled, ..Launch::default() }).await;
    assert!(program.serves().await);
    let before = program.weighs();
    // A host that is not ours is the shortest way to a line, and no page is made for a program.
    let path = format!("/public/{}", "a".repeat(5_000));
    let request = format!("GET {path} HTTP/1.1\r\nHost: elsewhere.example\r\nAccept: application/json\r\n\r\n");
    let mut took = Vec::new();
    for _ in 0..8 {
        let begun = Instant::now();
        asks(program.address, &request, 600).await;
        took.push(begun.elapsed());
    }
    let grown = program.weighs().saturating_sub(before);
    println!("600 requests each in {took:?}, grown by {} KiB", grown / 1024);
    assert!(grown < 24 * MIB, "memory grew by {} MiB", grown / MIB);
    // Half of the lines fill what may wait; the last requests find it full.
    let (empty, full) = (took[..3].iter().max().unwrap(), took[6..].iter().max().unwrap());
    assert!(*full < 3 * *empty + Duration::from_secs(1), "{took:?}");
    let figures = program.figures().await;
    let dropped = figures.lines().find_map(|it| it.strip_prefix("entrada_log_lines_dropped_total ")).unwrap();
    assert!(dropped.parse::<u64>().unwrap() > 0, "{figures}");
}

/// Sends the same request so many times on one connection, and reads as many answers.
async fn asks(address: std::net::SocketAddr, request: &str, times: usize) {
    const BEGIN: &[u8] = b"HTTP/1.1 ";
    let mut io = TcpStream::connect(address).await.unwrap();
    let (mut reader, mut writer) = io.split();
    let reading = async {
        let (mut answered, mut bytes) = (0, Vec::with_capacity(64 * 1024));
        while answered < times {
            assert!(reader.read_buf(&mut bytes).await.unwrap() > 0, "the connection ended after {answered} answers");
            answered += bytes.windows(BEGIN.len()).filter(|it| *it == BEGIN).count();
            // What may be the first part of one.
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
    talk(world.address, &format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", world.address)).await;
    let log = world.logged().await;
    let line = log.lines().find(|it| it.contains("/public/aaa")).unwrap();
    assert!(line.len() < 1500 && line.contains("\"path_bytes\":10008"), "{line}");
}

/// The future of a request is dropped when its client leaves: nothing was written then.
#[tokio::test]
async fn a_client_that_leaves_before_the_head_of_the_answer_leaves_a_line() {
    let world = World::start().await;
    let maya = world.signed_in("maya@contoso.example").await;
    for path in ["/slow", "/public/never"] {
        let (begun, before) = (Instant::now(), world.app.seen.count());
        let mut io = TcpStream::connect(world.address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nCookie: {}\r\n\r\n", world.public_url.split_once("://").unwrap().1, maya.cookie_header());
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
        assert!(line.contains("\"status\":499") && line.contains("the client left") && line.contains("\"user\":"), "{line}");
    }
}
