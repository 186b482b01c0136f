//! The scripts of the demo's pages.

use crate::outside;
use std::process::Command;

/// The page dropped messages that were sent before its socket was open, and after it was closed.
#[test]
fn what_is_typed_on_the_web_socket_page_is_sent_or_reported() {
    let Some(node) = outside::tool("node") else { return };
    let output = Command::new(node)
        .args(["tests/outside/demo_socket.mjs", "src/demo/templates/socket.js"])
        .current_dir(outside::root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
