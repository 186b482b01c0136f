//! Headless Chromium: a sign-in from end to end, and every page looked at by axe. The pictures stay in `target/screenshots`.

use super::command;
use crate::outside;
use entrada::pages::{Pages, samples};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// Node and its packages, with a browser for them.
fn browser() -> Option<(PathBuf, PathBuf)> {
    outside::tool("chromium")?;
    Some((outside::tool("node")?, outside::node_modules()?))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_passes_axe_on_phone_and_desktop_in_light_and_dark() {
    let Some((node, packages)) = browser() else { return };
    let directory = tempfile::tempdir().unwrap();
    let (pages, warnings) = Pages::new(None);
    assert!(warnings.is_empty(), "{warnings:?}");
    for (name, page) in samples() {
        std::fs::write(directory.path().join(format!("{name}.html")), pages.render(&page)).unwrap();
    }
    let mut command = command::of(&node);
    command.env("NODE_MODULES", packages).arg(outside::root().join("tests/outside/pages.mjs"));
    command.arg(directory.path()).arg(outside::root().join("target/screenshots/pages"));
    command::succeeds(command).await;
}

/// The program of `make dev`; it ends with the story.
struct Dev(Child);

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_signs_in_and_out_in_a_real_browser() {
    let Some((node, packages)) = browser() else { return };
    let port = crate::world::free_port();
    let mut dev = Command::new(env!("CARGO_BIN_EXE_entrada"));
    dev.args(["dev", "--port", &port.to_string()]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let _dev = Dev(dev.spawn().unwrap());
    for _ in 0..200 {
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    let mut command = command::of(&node);
    command.env("NODE_MODULES", packages).arg(outside::root().join("tests/outside/sign_in.mjs"));
    command.arg(format!("http://localhost:{port}")).arg(outside::root().join("target/screenshots/dev"));
    let said = command::succeeds(command).await;
    assert!(said.contains("signed in and out"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn entras_page_may_frame_the_news_of_a_sign_out_and_no_other_page_may() {
    let Some((node, packages)) = browser() else { return };
    let world = crate::world::World::start().await;
    world.emulator.control().front_channel_url(Some(&format!("{}/oauth2/front_channel_logout", world.public_url)));
    let mut command = command::of(&node);
    command.env("NODE_MODULES", packages).arg(outside::root().join("tests/outside/front_channel.mjs")).arg(&world.public_url);
    command.arg(format!("{}/{}/oauth2/v2.0/logout", world.emulator.authority(), world.emulator.tenant_id()));
    let said = command::succeeds(command).await;
    assert!(said.contains("signed out by the frame"), "{said}");
}
