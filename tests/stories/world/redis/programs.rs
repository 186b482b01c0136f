//! Where the servers' programs are.

use std::io::Write as _;
use std::path::{Path, PathBuf};

/// A program that serves the protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RedisProgram {
    /// The one of the Linux distribution.
    #[default]
    Redis,
    /// Redis 6.2, the oldest one that is supported.
    Redis6,
    /// Valkey, the newest one.
    Valkey,
}

impl RedisProgram {
    /// Every program, with a name for messages.
    pub const ALL: [Self; 3] = [Self::Redis, Self::Redis6, Self::Valkey];

    /// Returns where it is; `None` if it is not installed, which fails with `CI=true`.
    pub fn find(self) -> Option<PathBuf> {
        let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools");
        let name = match self {
            Self::Redis => "redis-server",
            Self::Redis6 => "redis-server-6.2",
            Self::Valkey => "valkey-server",
        };
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(tools).chain(std::env::split_paths(&path));
        let found = folders.map(|it| it.join(name)).find(|it| it.is_file());
        found.or_else(|| skip(name))
    }
}

/// Prints the reason, and records it for the end of `make test`.
fn skip(name: &str) -> Option<PathBuf> {
    let why = format!("{name} is not on this machine: make setup");
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{why}");
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/skipped.txt");
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(target).unwrap();
    writeln!(file, "sessions in Redis: {why}").unwrap();
    writeln!(std::io::stderr(), "SKIPPED: sessions in Redis: {why}").unwrap();
    None
}
