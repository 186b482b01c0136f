//! Runs another program to its end, with a bound on its time.

use std::process::{Output, Stdio};
use std::time::Duration;
use tokio::process::Command;

const PATIENCE: Duration = Duration::from_secs(90);

/// What it wrote and how it ended; it is killed when the story ends before it.
pub async fn run(command: &mut Command) -> Output {
    command.kill_on_drop(true).stdin(Stdio::null());
    tokio::time::timeout(PATIENCE, command.output()).await.expect("it ends in time").unwrap()
}

/// What it wrote, where it must end well.
pub async fn succeeds(command: &mut Command) -> String {
    let output = run(command).await;
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}\n{out}\n{err}", output.status);
    out.into_owned()
}
