//! More connections than the system supports.

use crate::flood::{FloodedProgram, ProgramLaunch};
use crate::world::World;
use crate::world::raw::{status, talk_for};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

/// With 10,000 connections allowed and 1,024 file handles, 1,100 silent sockets made everyone wait
/// until those sockets timed out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beyond_the_file_handles_of_the_process_it_is_a_quick_503() {
    let world = World::start().await;
    let program = FloodedProgram::launch(
        &world,
        ProgramLaunch { open_files: Some((1024, 1024)), ..ProgramLaunch::default() },
    )
    .await;
    assert!(
        program.said().await.contains("the limit of open files allows 384 connections"),
        "{}",
        program.said().await
    );
    let mut held = Vec::new();
    for _ in 0..1100 {
        held.push(TcpStream::connect(program.address).await.unwrap());
    }
    let begun = Instant::now();
    let answer = talk_for(
        program.address,
        program.get("/public/x", "close").as_bytes(),
        Duration::from_secs(10),
    )
    .await;
    println!("{} after {:?}", status(&answer), begun.elapsed());
    assert_eq!(status(&answer), 503, "{answer}");
    // Half of the shortest time limit for a client (`header_timeout`).
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert!(program.figures().await.contains("entrada_connections_refused_total{cause=\"limit\"}"));
    drop(held);
    program.serves_soon().await;
}

#[tokio::test]
async fn the_soft_limit_of_open_files_is_raised_to_the_hard_one() {
    let world = World::start().await;
    let program = FloodedProgram::launch(
        &world,
        ProgramLaunch { open_files: Some((300, 2048)), ..ProgramLaunch::default() },
    )
    .await;
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", program.id())).unwrap();
    let line = limits.lines().find(|it| it.starts_with("Max open files")).unwrap();
    assert_eq!(line.split_whitespace().skip(3).take(2).collect::<Vec<_>>(), ["2048", "2048"]);
}
