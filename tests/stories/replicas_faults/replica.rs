//! A process of Entrada's own: killed, stopped, with another clock, and looked at from outside.

use crate::outside;
use crate::world::slow_link::SlowLink;
use crate::world::{CLIENT_SECRET, SEAL};
use std::fs::{self, File, OpenOptions};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// One of the replicas. It ends with the story.
pub struct Replica {
    pub address: SocketAddr,
    pub admin: SocketAddr,
    /// Its way to the store, if that is one server.
    pub link: Option<SlowLink>,
    /// How often it was started.
    pub life: u32,
    folder: PathBuf,
    process: Child,
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Replica {
    /// Starts it with this configuration, in a folder of its own.
    pub fn start(
        folder: &Path,
        text: &str,
        [port, admin]: [u16; 2],
        link: Option<SlowLink>,
    ) -> Self {
        fs::create_dir(folder).unwrap();
        fs::write(folder.join("entrada.toml"), text).unwrap();
        fs::write(folder.join("clock"), "+0").unwrap();
        let at = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        let process = spawn(folder);
        let folder = folder.to_owned();
        Self { address: at(port), admin: at(admin), link, life: 0, folder, process }
    }

    /// Kills it as `kill -9` does.
    pub fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Starts it again at the same ports.
    pub fn starts_again(&mut self) {
        self.life += 1;
        self.process = spawn(&self.folder);
    }

    pub fn signals(&self, signal: &str) {
        let id = self.process.id().to_string();
        let sent = Command::new("kill").args([&format!("-{signal}"), &id]).status().unwrap();
        assert!(sent.success());
    }

    /// Moves its clock, which it sees within a second; nothing without `faketime`.
    pub fn moves_clock(&self, seconds: i64) {
        // Replaced at once, since it may be read at any time.
        let new = self.folder.join("clock-new");
        fs::write(&new, format!("{seconds:+}")).unwrap();
        fs::rename(new, self.folder.join("clock")).unwrap();
    }

    /// Everything that it has logged and told in all its lives.
    pub fn logged(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap()
    }

    /// What it told its operator, without the lines of requests.
    pub fn told(&self) -> String {
        let log = self.logged();
        let events = log.lines().filter(|it| !it.contains("\"event\":\"request\""));
        format!("== {}\n{}\n", self.address, events.collect::<Vec<_>>().join("\n"))
    }

    /// Bytes of memory that are its own.
    pub fn weighs(&self) -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/statm", self.process.id())).unwrap();
        text.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
    }
}

fn spawn(folder: &Path) -> Child {
    let log: File = OpenOptions::new().create(true).append(true).open(folder.join("log")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_entrada"));
    if let Some(library) = outside::fast_clock() {
        command
            .env("LD_PRELOAD", library)
            .env("FAKETIME_TIMESTAMP_FILE", folder.join("clock"))
            .env("FAKETIME_CACHE_DURATION", "1")
            // As when a machine's clock is set: timers do not notice.
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .env("DONT_FAKE_MONOTONIC", "1");
    }
    command
        .args(["run", "--config"])
        .arg(folder.join("entrada.toml"))
        .env("STORY_CLIENT_SECRET", CLIENT_SECRET)
        .env("STORY_SEAL", SEAL)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap()
}
