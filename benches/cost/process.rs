//! A server under measurement: its CPU time and memory as the kernel counts them, and its shutdown.

use crate::terminal::BenchOutcome;
use std::collections::HashMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Maximum time for a server to listen, and to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// A child process with all of its descendants, which end together with it.
#[derive(Debug)]
pub struct ChildProcess {
    name: String,
    child: Child,
}

/// CPU time of every thread, in nanoseconds.
#[derive(Debug, Default)]
pub struct CpuTimes(HashMap<(u32, u32), u64>);

impl CpuTimes {
    /// Returns the CPU time spent since `earlier`, in nanoseconds. A thread that ended in between
    /// is left out, so it never makes the others look cheaper.
    pub fn since(&self, earlier: &Self) -> u64 {
        self.0
            .iter()
            .map(|(thread, time)| {
                time.saturating_sub(earlier.0.get(thread).copied().unwrap_or_default())
            })
            .sum()
    }
}

impl ChildProcess {
    /// Starts the process.
    pub fn start(name: &str, command: &mut Command) -> BenchOutcome<Self> {
        let child = command
            .stdin(Stdio::null())
            .spawn()
            .map_err(|it| format!("{name} cannot be started: {it}"))?;
        Ok(Self { name: name.to_owned(), child })
    }

    /// Returns the child itself, for its pipes.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Waits until a process listens on this port on loopback.
    pub fn wait_for(&mut self, port: u16) -> BenchOutcome<()> {
        let began = Instant::now();
        while TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).is_err() {
            self.must_live()?;
            if began.elapsed() > PATIENCE {
                return Err(format!("{} does not listen on port {port}", self.name).into());
            }
            sleep(Duration::from_micros(200));
        }
        Ok(())
    }

    /// Fails if the process has ended.
    pub fn must_live(&mut self) -> BenchOutcome<()> {
        match self.child.try_wait()? {
            Some(status) => Err(format!("{} has ended: {status}", self.name).into()),
            None => Ok(()),
        }
    }

    /// Returns the CPU time of the whole process tree so far, for each thread.
    pub fn cpu(&self) -> BenchOutcome<CpuTimes> {
        let mut out = CpuTimes::default();
        for pid in self.tree() {
            for thread in numbers_in(&format!("/proc/{pid}/task")) {
                // A thread that has just ended no longer has a file.
                let Ok(text) = fs::read_to_string(format!("/proc/{pid}/task/{thread}/schedstat"))
                else {
                    continue;
                };
                let spent = text.split_whitespace().next().and_then(|it| it.parse().ok());
                out.0.insert((pid, thread), spent.ok_or("this kernel has no schedstat")?);
            }
        }
        if out.0.is_empty() {
            return Err(format!("{} has no threads, or this kernel no schedstat", self.name).into());
        }
        Ok(out)
    }

    /// Returns the resident memory of the whole process tree, in bytes. Pages that processes share
    /// count once for each process.
    pub fn resident(&self) -> BenchOutcome<u64> {
        let mut sum = 0;
        for pid in self.tree() {
            let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
            let line = status.lines().find_map(|it| it.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
            let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
            sum += kib * 1024;
        }
        Ok(sum)
    }

    /// Asks the process to end and waits; kills it if it does not.
    pub fn stop(mut self) -> BenchOutcome<ExitStatus> {
        self.end()
    }

    fn end(&mut self) -> BenchOutcome<ExitStatus> {
        if let Some(status) = self.child.try_wait()? {
            return Ok(status);
        }
        let tree = self.tree();
        signal("TERM", &[self.child.id()]);
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            sleep(Duration::from_millis(1));
        }
        signal("KILL", &tree);
        Ok(self.child.wait()?)
    }

    /// Returns the child and all of its descendants.
    fn tree(&self) -> Vec<u32> {
        let mut out = vec![self.child.id()];
        let mut next = 0;
        while let Some(pid) = out.get(next).copied() {
            let children =
                fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
            out.extend(children.split_whitespace().filter_map(|it| it.parse::<u32>().ok()));
            next += 1;
        }
        out
    }
}

impl Drop for ChildProcess {
    fn drop(&mut self) {
        // The process ends in either case.
        let _ = self.end();
    }
}

/// Sends a signal through a shell, because the standard library can only send SIGKILL.
fn signal(name: &str, pids: &[u32]) {
    let pids: Vec<_> = pids.iter().map(u32::to_string).collect();
    let _ = Command::new("sh")
        .arg("-c")
        .arg(format!("kill -{name} {}", pids.join(" ")))
        .stderr(Stdio::null())
        .status();
}

fn numbers_in(folder: &str) -> Vec<u32> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|it| it.file_name().to_str()?.parse().ok()).collect()
}

/// Returns a free port on loopback.
pub fn free_port() -> BenchOutcome<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
