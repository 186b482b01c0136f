//! `entrada health`: the container's health check, by the binary itself.

use super::admin;
use super::check::read_quietly;
use super::terminal::{Failure, say};
use std::path::Path;

const REQUEST: &str = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// `entrada health`: exit code 0 where the process answers.
pub(super) fn run(path: Option<&Path>) -> Result<(), Failure> {
    let config = read_quietly(path)?;
    let answer = admin::ask(&config.server.admin_listen, REQUEST)?;
    if answer.starts_with("HTTP/1.1 200") {
        say("healthy");
        return Ok(());
    }
    Err(Failure::new(format!("unhealthy: {}", answer.lines().next().unwrap_or_default())))
}
