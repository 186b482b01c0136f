//! Every call of `docs/reference/admin-api.md` is sent as it stands there, one after the other, to a program that runs.

use super::{RunningCommand, blocks, completed, documents, environment};
use crate::world::free_port;
use std::process::Command;

#[test]
fn every_call_of_the_admin_api_that_is_shown_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let (port, admin) = (free_port(), free_port());
    std::fs::write(
        folder.path().join("entrada.toml"),
        completed("[session]\nsecrets = [{ env = \"ENTRADA_SECRET\" }]\n[directory]\n"),
    )
    .unwrap();
    let listen = [("ENTRADA_SERVER_LISTEN", port), ("ENTRADA_SERVER_ADMIN_LISTEN", admin)]
        .map(|it| (it.0.to_owned(), format!("127.0.0.1:{}", it.1)));
    let environment: Vec<_> = environment().into_iter().chain(listen).collect();
    let running = RunningCommand::start(&["run".to_owned()], folder.path(), &environment, admin);
    let document = documents()
        .into_iter()
        .find(|it| it.path.ends_with("docs/reference/admin-api.md"))
        .unwrap();
    let mut calls = 0;
    for block in blocks(&document).iter().filter(|it| it.info == "sh") {
        let script = block.text.replace("127.0.0.1:4181", &format!("127.0.0.1:{admin}"));
        let out = Command::new("sh")
            .args(["-e", "-c", &script])
            .current_dir(folder.path())
            .output()
            .unwrap();
        let (told, wrong) =
            (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
        assert!(out.status.success(), "line {}: {told}\n{wrong}", block.line);
        assert!(!told.contains("the-Value-of-the-client-secret"), "a secret comes back: {told}");
        calls += block.text.matches("curl ").count();
    }
    assert!(calls >= 15, "only {calls} calls are shown");
    running.stops();
}
