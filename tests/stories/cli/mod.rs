//! The program itself, as people type it: what it prints, and how it ends.

mod directory;
mod long_running;
mod output;
mod sessions;

use crate::world::{CLIENT_SECRET, SEAL, browser, free_port};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(20);

/// A place to type in: an empty directory, and an environment with nothing but what a story sets.
struct CliFolder {
    directory: TempDir,
    variables: Vec<(String, String)>,
}

/// What a command came to.
#[derive(Debug, PartialEq, Eq)]
struct CliTranscript {
    out: String,
    err: String,
    code: Option<i32>,
}

impl CliFolder {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), variables: Vec::new() }
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    fn writes(&self, name: &str, text: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(self.directory.path())
            .env_clear()
            .envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Types `entrada` and waits until it ends.
    fn types(&self, line: &str) -> CliTranscript {
        let arguments: Vec<_> = line.split_whitespace().collect();
        let out = self.command(env!("CARGO_BIN_EXE_entrada"), &arguments).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let told = CliTranscript {
            out: text(&out.stdout),
            err: text(&out.stderr),
            code: out.status.code(),
        };
        holds_no_secret(&told.out);
        holds_no_secret(&told.err);
        told
    }

    /// Types `entrada` and leaves it running.
    fn starts(&self, line: &str) -> RunningProgram {
        let arguments: Vec<_> = line.split_whitespace().collect();
        self.runs(self.command(env!("CARGO_BIN_EXE_entrada"), &arguments))
    }

    fn runs(&self, mut command: Command) -> RunningProgram {
        let (out, err) =
            (self.directory.path().join("stdout"), self.directory.path().join("stderr"));
        let file = |path: &Path| std::fs::File::create(path).unwrap();
        let child = command.stdout(file(&out)).stderr(file(&err)).spawn().unwrap();
        RunningProgram { child, out, err }
    }
}

/// A command that runs; killed where a story breaks off.
struct RunningProgram {
    child: Child,
    out: PathBuf,
    err: PathBuf,
}

impl RunningProgram {
    fn out(&self) -> String {
        std::fs::read_to_string(&self.out).unwrap()
    }

    fn err(&self) -> String {
        std::fs::read_to_string(&self.err).unwrap()
    }

    /// Waits until that is printed.
    async fn says(&self, text: &str) -> String {
        let began = Instant::now();
        loop {
            let out = self.out();
            if out.contains(text) {
                return out;
            }
            assert!(began.elapsed() < PATIENCE, "{text:?} was not said: {out}\n{}", self.err());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn signals(&self, name: &str) {
        let done = Command::new("/bin/kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(done.success());
    }

    async fn ends(&mut self) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(began.elapsed() < PATIENCE, "it goes on: {}", self.out());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for RunningProgram {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !std::thread::panicking() {
            holds_no_secret(&self.out());
            holds_no_secret(&self.err());
        }
    }
}

fn holds_no_secret(text: &str) {
    let used = browser::SECRETS.lock().unwrap().clone();
    for secret in used.iter().map(String::as_str).chain([CLIENT_SECRET, SEAL]) {
        assert!(!text.contains(secret), "a secret was printed");
    }
}

/// A small configuration on ports of its own.
struct SmallConfig {
    port: u16,
    admin: u16,
}

impl SmallConfig {
    fn new() -> Self {
        Self { port: free_port(), admin: free_port() }
    }

    fn text(&self, upstream: &str, more: &str) -> String {
        format!(
            r#"[server]
listen = "127.0.0.1:{}"
admin_listen = "127.0.0.1:{}"
public_url = "http://localhost:{}"
[upstream]
url = "{upstream}"
[entra]
tenant = "contoso.com"
client_id = "11112222-bbbb-3333-cccc-4444dddd5555"
client_secret = {{ env = "STORY_CLIENT_SECRET" }}
authority = "http://127.0.0.1:9"
{more}
"#,
            self.port, self.admin, self.port
        )
    }
}
