//! Clients from PyPI: a WebSocket by `websockets`.

use super::command;
use crate::outside;
use crate::world::World;
use tokio::process::Command;

#[tokio::test(flavor = "multi_thread")]
async fn the_websockets_client_is_let_in_with_a_session_and_refused_without() {
    let Some(python) = outside::python() else { return };
    let world = World::start().await;
    let maya = world.signed_in("maya@contoso.example").await;
    let mut command = Command::new(python);
    command.arg(outside::root().join("tests/outside/websocket.py"));
    command.arg(format!("ws://{}/ws", world.address)).arg(&world.public_url).arg(maya.cookie_header());
    let said = command::succeeds(&mut command).await;
    assert_eq!(said, "echoed, and refused with 401\n");
}
