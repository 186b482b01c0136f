//! Clients from PyPI: a WebSocket by `websockets`, gRPC by `grpcio`.

use super::command;
use crate::outside;
use crate::world::samples::MAYA;
use crate::world::{World, WorldPlan};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

#[tokio::test(flavor = "multi_thread")]
async fn the_websockets_client_is_let_in_with_a_session_and_refused_without() {
    let Some(python) = outside::python() else { return };
    let world = World::start().await;
    let maya = world.signed_in(MAYA).await;
    let mut command = command::of(&python);
    command.arg(outside::root().join("tests/outside/websocket.py"));
    command
        .arg(format!("ws://{}/ws", world.address))
        .arg(&world.public_url)
        .arg(maya.cookie_header());
    let said = command::succeeds(command).await;
    assert_eq!(said, "echoed, and refused with 401\n");
}

/// A script of `tests/outside`.
pub fn script(name: &str) -> PathBuf {
    outside::root().join("tests/outside").join(name)
}

/// A script that serves, and prints its port first; it ends with the story.
pub struct PythonServer {
    process: Child,
    pub port: String,
}

impl PythonServer {
    pub fn start(python: &Path, script: &Path) -> Self {
        let mut server = command::of(python);
        server.arg(script).arg("serve").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = server.spawn().unwrap();
        let mut port = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut port).unwrap();
        Self { process, port: port.trim().to_owned() }
    }
}

impl Drop for PythonServer {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn grpcio_calls_one_of_its_own_servers_with_a_session_and_hears_its_trailers() {
    let Some(python) = outside::python() else { return };
    let script = script("grpc_echo.py");
    let server = PythonServer::start(&python, &script);
    let world = World::with(WorldPlan {
        upstream: format!("url = \"h2c://127.0.0.1:{}\"", server.port),
        ..WorldPlan::default()
    })
    .await;
    let mut maya = world.browser();
    maya.visits("/").await;
    maya.signs_in_as(MAYA).await;
    let mut client = command::of(&python);
    client.arg(&script).arg("ask").arg(world.address.to_string()).arg(maya.cookie_header());
    let said = command::succeeds(client).await;
    assert!(said.starts_with("unary, streaming"), "{said}\n{}", world.logged().await);
}
