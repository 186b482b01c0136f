//! External programs that the benchmark needs, and a description of this machine. Nothing is
//! installed.

use crate::terminal::BenchOutcome;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Paths of the external programs.
#[derive(Debug)]
pub struct BenchTools {
    /// The path of nginx.
    pub nginx: PathBuf,
    /// The path of wrk.
    pub wrk: PathBuf,
    /// The path of haproxy, if it is installed.
    pub haproxy: Option<PathBuf>,
    /// The path of valgrind, if it is installed.
    pub valgrind: Option<PathBuf>,
    /// The path of Envoy, if it is installed.
    pub envoy: Option<PathBuf>,
}

impl BenchTools {
    /// Finds the programs.
    ///
    /// # Errors
    ///
    /// If one is missing.
    pub fn find() -> BenchOutcome<Self> {
        let (nginx, wrk) = (find("nginx"), find("wrk"));
        let missing: Vec<_> = [("nginx-light", nginx.is_none()), ("wrk", wrk.is_none())]
            .into_iter()
            .filter(|it| it.1)
            .map(|it| it.0)
            .collect();
        match (nginx, wrk) {
            (Some(nginx), Some(wrk)) => {
                let [haproxy, envoy, valgrind] = ["haproxy", "envoy", "valgrind"].map(find);
                Ok(Self { nginx, wrk, haproxy, valgrind, envoy })
            }
            _ => Err(format!(
                "the benchmark needs {} on this machine\napt-get install {}",
                missing.join(" and "),
                missing.join(" ")
            )
            .into()),
        }
    }
}

fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/sbin", "/sbin"].map(PathBuf::from));
    folders.map(|it| it.join(name)).find(|it| it.is_file())
}

/// Raises the file limit of this process and its children for many connections, if the system
/// allows it.
pub fn raise_file_limit(wanted: u32) {
    let own = std::process::id().to_string();
    // Without prlimit, or with a lower limit, a connection fails later and reports it.
    let _ = Command::new("prlimit").args(["--pid", &own, &format!("--nofile={wanted}:")]).output();
}

/// Returns the number of cores, which the servers and the load share.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Returns whether this process runs as root: nginx then must be configured to keep running as
/// root, to read our files.
pub fn is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|it| it.strip_prefix("Uid:"))
        .and_then(|it| it.split_whitespace().nth(1))
        == Some("0")
}

/// A description of the machine for the figures, without its name or any path.
#[derive(Debug)]
pub struct Machine {
    /// One line for each fact: its name and its value.
    pub lines: Vec<(&'static str, String)>,
}

impl Machine {
    /// Collects the description from the system.
    pub fn describe(tools: &BenchTools) -> Self {
        let version = |program: &Option<PathBuf>, argument: &str| {
            program.as_ref().map(|it| output(it, [argument]))
        };
        let lines = vec![
            ("Date", output("date", ["-u", "+%F"])),
            ("CPU", format!("{}, {} cores shared by load, servers and app", cpu_model(), cores())),
            (
                "Kernel",
                std::fs::read_to_string("/proc/sys/kernel/osrelease")
                    .unwrap_or_default()
                    .trim()
                    .to_owned(),
            ),
            (
                "nginx",
                output(&tools.nginx, ["-v"]).trim_start_matches("nginx version: ").to_owned(),
            ),
            (
                "wrk",
                output(&tools.wrk, ["-v"])
                    .split(" [")
                    .next()
                    .unwrap_or_default()
                    .trim_start_matches("wrk ")
                    .to_owned(),
            ),
            ("Rust", output("rustc", ["--version"])),
        ];
        let others = [
            ("haproxy", version(&tools.haproxy, "-v")),
            ("Envoy", version(&tools.envoy, "--version")),
        ];
        let others = others.into_iter().filter_map(|(name, it)| Some((name, described(&it?))));
        let lines = lines.into_iter().chain(others).collect();
        Self { lines }
    }
}

/// Leaves out addresses and the path of the program.
fn described(version: &str) -> String {
    let text = version.rsplit_once("version: ").map_or(version, |it| it.1);
    text.split(" - ").next().unwrap_or_default().trim_start_matches("HAProxy version ").to_owned()
}

fn cpu_model() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = text.lines().find(|it| it.starts_with("model name"));
    line.and_then(|it| it.split_once(':'))
        .map_or_else(|| std::env::consts::ARCH.to_owned(), |it| it.1.trim().to_owned())
}

/// Returns the first line that a program prints, from either stream.
fn output<const N: usize>(program: impl AsRef<Path>, arguments: [&str; N]) -> String {
    let arguments = arguments.map(OsStr::new);
    let Ok(output) = Command::new(program.as_ref()).args(arguments).output() else {
        return "unknown".to_owned();
    };
    let text = if output.stdout.is_empty() { output.stderr } else { output.stdout };
    String::from_utf8_lossy(&text).trim().lines().next().unwrap_or_default().to_owned()
}
