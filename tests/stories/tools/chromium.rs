//! Headless Chromium: a sign-in from end to end, and what only a browser can tell. The pictures stay in `target/screenshots`.

use super::command;
use crate::outside;
use crate::world::{World, WorldPlan};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// Node and its packages, with a browser for them.
pub fn browser() -> Option<(PathBuf, PathBuf)> {
    outside::tool("chromium")?;
    Some((outside::tool("node")?, outside::node_modules()?))
}

/// The program of `make dev`; it ends with the story.
pub struct DevProgram(pub Child);

impl Drop for DevProgram {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl DevProgram {
    /// It, and its address.
    pub async fn start() -> (Self, String) {
        let port = crate::world::free_port();
        let mut dev = Command::new(env!("CARGO_BIN_EXE_entrada"));
        dev.args(["dev", "--port", &port.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let dev = Self(dev.spawn().unwrap());
        for _ in 0..200 {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(25)).await;
        }
        (dev, format!("http://localhost:{port}"))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_signs_in_and_out_in_a_real_browser() {
    let Some((node, packages)) = browser() else { return };
    let (_dev, address) = DevProgram::start().await;
    let mut command = command::of(&node);
    command.env("NODE_MODULES", packages).arg(outside::root().join("tests/outside/sign_in.mjs"));
    command.arg(address).arg(outside::root().join("target/screenshots/dev"));
    let said = command::succeeds(command).await;
    assert!(said.contains("signed in and out"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn entras_page_may_frame_the_news_of_a_sign_out_and_no_other_page_may() {
    let Some((node, packages)) = browser() else { return };
    let world = World::start().await;
    world
        .emulator
        .control()
        .front_channel_url(Some(&format!("{}/oauth2/front_channel_logout", world.public_url)));
    let mut command = command::of(&node);
    command
        .env("NODE_MODULES", packages)
        .arg(outside::root().join("tests/outside/front_channel.mjs"))
        .arg(&world.public_url);
    command.arg(format!(
        "{}/{}/oauth2/v2.0/logout",
        world.emulator.authority(),
        world.emulator.tenant_id()
    ));
    let said = command::succeeds(command).await;
    assert!(said.contains("signed out by the frame"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fragment_comes_back_after_a_sign_in_in_a_real_browser() {
    let Some((node, packages)) = browser() else { return };
    let plan = WorldPlan { session: "keep_fragment = true".to_owned(), ..WorldPlan::default() };
    let world = World::with(plan).await;
    let mut command = command::of(&node);
    command.env("NODE_MODULES", packages).arg(outside::root().join("tests/outside/fragment.mjs"));
    command.arg(&world.public_url);
    let said = command::succeeds(command).await;
    assert!(said.contains("came back with the fragment"), "{said}");
}
