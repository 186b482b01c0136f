//! Real Redis and Valkey servers for the tests, on loopback: single, with Sentinels, and as a Cluster.
//!
//! The unit tests of `session` include this folder too, so it uses nothing else of the stories.
#![allow(dead_code, reason = "each test takes what it needs")]

mod client;
mod cluster;
mod programs;
mod sentinel;
mod server;

pub use client::{RedisClient, RedisReply};
pub use cluster::RedisCluster;
pub use programs::RedisProgram;
pub use sentinel::{MASTER_NAME, SentinelGroup};
pub use server::{RedisOptions, RedisServer};

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// Returns a port that was free a moment ago, and that nothing else in this process was given.
fn free_port() -> u16 {
    // Below the ports of other stories, and below those that systems assign by themselves.
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let begin = u16::try_from(std::process::id() % 7000).unwrap();
    let next = || 10_500 + (begin + NEXT.fetch_add(1, Ordering::Relaxed)) % 9000;
    std::iter::repeat_with(next).find(|it| TcpListener::bind(("127.0.0.1", *it)).is_ok()).unwrap()
}
