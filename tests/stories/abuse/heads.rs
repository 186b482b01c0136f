//! Response heads that a slow client does read.

use crate::flood::FloodedProgram;
use crate::world::World;
use crate::world::h2::{DATA, HEADERS, RawHttp2, SETTINGS_INITIAL_WINDOW_SIZE};
use std::time::{Duration, Instant};

/// Number of downloads that fill the line, and bytes that the client reads per second.
const DOWNLOADS: usize = 70;
const RATE: f64 = 3e6;
/// Number of 10 kB heads requested at a time, and number of repetitions: 2 MB in total.
const WIDE: usize = 50;
const ROUNDS: usize = 4;

/// Heads used to count as sent only if the socket was not full. On a line that downloads filled,
/// heads that a client had read counted forever, and the client was dropped after a mebibyte of
/// them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_that_a_client_reads_on_a_full_line_do_not_count() {
    let world = World::start().await;
    let program = FloodedProgram::start(&world).await;
    let host = program.host.clone();
    let mut client =
        RawHttp2::connect_narrow(program.address, &[(SETTINGS_INITIAL_WINDOW_SIZE, 1 << 30)]).await;
    client.opens_window(0, 1 << 30).await;
    for _ in 0..DOWNLOADS {
        client.gets(&host, "/public/download?bytes=1000000000", &[]).await;
    }
    let last_download = client.next_stream();
    let (begun, mut taken, mut heads) = (Instant::now(), 0.0, 0);
    for _ in 0..ROUNDS {
        for _ in 0..WIDE {
            client.gets(&host, "/public/large-head", &[]).await;
        }
        let mut left = WIDE;
        while left > 0 {
            let frame =
                client.next().await.unwrap_or_else(|| panic!("dropped after {heads} heads"));
            if frame.kind == DATA {
                taken += f64::from(u32::try_from(frame.payload.len()).unwrap());
                let due = Duration::from_secs_f64(taken / RATE);
                tokio::time::sleep(due.saturating_sub(begun.elapsed())).await;
            }
            if frame.kind == HEADERS && frame.stream > last_download {
                (left, heads) = (left - 1, heads + 1);
            }
        }
    }
    println!("{heads} heads and {} kB in {:?}", taken / 1000.0, begun.elapsed());
    assert!(
        taken > 0.8 * RATE * begun.elapsed().as_secs_f64(),
        "the line was not full: {taken} bytes"
    );
}
