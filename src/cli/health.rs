//! `entrada health`: the container's health check, by the binary itself.

use super::admin;
use super::check::read_quietly;
use super::terminal::{CommandError, print_line};
use std::path::Path;

const REQUEST: &str = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// `entrada health`: exit code 0 where the process answers.
pub(super) fn run(path: Option<&Path>) -> Result<(), CommandError> {
    let config = read_quietly(path)?;
    let answer = admin::send(&config.server.admin_listen, REQUEST)?;
    if answer.starts_with("HTTP/1.1 200") {
        print_line("healthy");
        return Ok(());
    }
    Err(CommandError::new(format!("unhealthy: {}", answer.lines().next().unwrap_or_default())))
}
