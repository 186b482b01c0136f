//! Clients from PyPI: a WebSocket by `websockets`, gRPC by `grpcio`.

use super::command;
use crate::outside;
use crate::world::browser::TestBrowser;
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
        Self::start_with(python, script, &[])
    }

    /// The same with further arguments.
    pub fn start_with(python: &Path, script: &Path, arguments: &[&Path]) -> Self {
        let mut server = command::of(python);
        server
            .arg(script)
            .arg("serve")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
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

/// Maya is signed in, in front of the server of a script.
pub struct ServedScript {
    pub python: PathBuf,
    pub script: PathBuf,
    pub world: World,
    pub maya: TestBrowser,
    _server: PythonServer,
}

impl ServedScript {
    /// Nothing without Python. `scheme` is that of the server's address, `server` are lines of
    /// `[server]`.
    pub async fn start(name: &str, scheme: &str, server: &str) -> Option<Self> {
        let python = outside::python()?;
        let script = script(name);
        let served = PythonServer::start(&python, &script);
        let world = World::with(WorldPlan {
            upstream: format!("url = \"{scheme}://127.0.0.1:{}\"", served.port),
            server: server.to_owned(),
            ..WorldPlan::default()
        })
        .await;
        // The app answers the page after the sign-in with an error: it serves no browsers.
        let mut maya = world.browser();
        maya.visits("/").await;
        maya.signs_in_as(MAYA).await;
        Some(Self { python, script, world, maya, _server: served })
    }

    /// The program of the script, as a client.
    pub fn client(&self) -> std::process::Command {
        let mut client = command::of(&self.python);
        client.arg(&self.script);
        client
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn grpcio_calls_one_of_its_own_servers_with_a_session_and_hears_its_trailers() {
    let Some(served) = ServedScript::start("grpc_echo.py", "h2c", "").await else { return };
    let world = &served.world;
    let mut client = served.client();
    client.arg("ask").arg(world.address.to_string()).arg(served.maya.cookie_header());
    let said = command::succeeds(client).await;
    assert!(said.starts_with("unary, streaming"), "{said}\n{}", world.logged().await);
}
