//! Runs another program to its end, with a bound on its time.

use std::path::Path;
use std::process::{Command, Output, Stdio};

/// A program that is killed, with what it started, after a minute and a half.
pub fn of(program: &Path) -> Command {
    within(90, program)
}

/// A program that is killed, with what it started, after so many seconds.
pub fn within(seconds: u32, program: &Path) -> Command {
    let mut command = Command::new("timeout");
    command.args(["--kill-after=5", &seconds.to_string()]).arg(program).stdin(Stdio::null());
    command
}

/// What it wrote and how it ended.
pub async fn run(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap()
}

/// What it wrote, where it must end well.
pub async fn succeeds(command: Command) -> String {
    let output = run(command).await;
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}\n{out}\n{err}", output.status);
    out.into_owned()
}
