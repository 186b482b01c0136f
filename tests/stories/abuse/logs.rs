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
    let begun = Instant::now();
    for _ in 0..8 {
        asks(program.address, &request, 600).await;
    }
    let grown = program.weighs().saturating_sub(before);
    println!("4,800 requests in {:?}, grown by {} KiB", begun.elapsed(), grown / 1024);
    assert!(grown < 24 * MIB, "memory grew by {} MiB", grown / MIB);
    let figures = program.figures().await;
    let dropped = figures.lines().find_map(|it| it.strip_prefix("entrada_log_lines_dropped_total ")).unwrap();
    assert!(dropped.parse::<u64>().unwrap() > 0, "{figures}");
}

/// Sends the same request so many times on one connection, and reads as many answers.
async fn asks(address: std::net::SocketAddr, request: &str, times: usize) {
    let mut io = TcpStream::connect(address).await.unwrap();
    let (mut reader, mut writer) = io.split();
    let reading = async {
        let (mut answered, mut bytes) = (0, vec![0; 64 * 1024]);
        while answered < times {
            let count = reader.read(&mut bytes).await.unwrap();
            answered += bytes[..count].windows(9).filter(|it| *it == b"HTTP/1.1 ").count();
        }
    };
    let writing = async {
        for _ in 0..times {
            writer.write_all(request.as_bytes()).await.unwrap();
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = reading => {}
        () = writing => {}
    }
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
        let mut io = TcpStream::connect(world.address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nCookie: {}\r\n\r\n", world.public_url.split_once("://").unwrap().1, maya.cookie_header());
        io.write_all(request.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        drop(io);
        tokio::time::sleep(Duration::from_millis(300)).await;
        let log = world.logged().await;
        let line = log.lines().find(|it| it.contains(&format!("\"path\":\"{path}\""))).unwrap_or_else(|| panic!("{log}"));
        assert!(line.contains("\"status\":499") && line.contains("the client left") && line.contains("\"user\":"), "{line}");
    }
}
