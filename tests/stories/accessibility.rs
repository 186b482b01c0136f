//! Every page looked at by axe in headless Chromium, on a phone and a desktop, in light and in dark. The pictures stay in `target/screenshots`.
//!
//! These stories take longest of all, and the test runner starts stories in the order of their names.

use crate::outside;
use crate::tools::chromium::{DevProgram, browser};
use crate::tools::command;
use crate::world::{World, raw};
use entrada::base::language::Language;
use entrada::pages::{Page, Pages, samples};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

#[tokio::test(flavor = "multi_thread")]
async fn every_page_passes_axe_on_phone_and_desktop_in_light_and_dark() {
    let Some((node, packages)) = browser() else { return };
    let directory = tempfile::tempdir().unwrap();
    let (pages, warnings) = Pages::new(None);
    assert!(warnings.is_empty(), "{warnings:?}");
    for (name, page) in samples() {
        std::fs::write(
            directory.path().join(format!("{name}.html")),
            pages.render(&page, Language::English),
        )
        .unwrap();
        if !matches!(page, Page::Notice(_)) {
            std::fs::write(
                directory.path().join(format!("{name}-de.html")),
                pages.render(&page, Language::German),
            )
            .unwrap();
        }
    }
    looked_at(&node, packages, directory.path(), "target/screenshots/pages").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_emulators_panel_and_picker_pass_axe_too() {
    let Some((node, packages)) = browser() else { return };
    let world = World::start().await;
    let directory = tempfile::tempdir().unwrap();
    let (tenant, client, back) = (
        world.emulator.tenant_id(),
        world.emulator.client_id(),
        format!("{}/oauth2/callback", world.public_url),
    );
    let picker = format!(
        "/{tenant}/oauth2/v2.0/authorize?client_id={client}&response_type=code&scope=openid&redirect_uri={back}"
    );
    let address = world.emulator.authority().trim_start_matches("http://").parse().unwrap();
    for (name, path, shows) in
        [("panel", "/", "Rotate the keys"), ("picker", picker.as_str(), "Pick an account")]
    {
        let answer = raw::talk(
            address,
            &format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"),
        )
        .await;
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(body.contains(shows), "{answer}");
        std::fs::write(directory.path().join(format!("{name}.html")), body).unwrap();
    }
    looked_at(&node, packages, directory.path(), "target/screenshots/emulator").await;
}

async fn looked_at(node: &Path, packages: PathBuf, pages: &Path, pictures: &str) {
    let mut command = command::within(900, node);
    command.env("NODE_MODULES", packages).arg(outside::root().join("tests/outside/pages.mjs"));
    command.arg(pages).arg(outside::root().join(pictures));
    command::succeeds(command).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_of_the_demo_and_of_the_emulator_passes_axe_on_phone_and_desktop_in_light_and_dark()
 {
    let Some((node, packages)) = browser() else { return };
    let (_dev, address) = DevProgram::start().await;
    let mut command = command::within(300, &node);
    command.env("NODE_MODULES", packages).arg(outside::root().join("tests/outside/dev_pages.mjs"));
    command.arg(address).arg(outside::root().join("target/screenshots/dev-pages"));
    let said = command::succeeds(command).await;
    assert!(said.contains("\"pages\": 20"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_with_companies_and_its_phone_pass_axe_step_by_step() {
    let Some((node, packages)) = browser() else { return };
    let port = crate::world::free_port();
    let mut dev = Command::new(env!("CARGO_BIN_EXE_entrada"));
    dev.args(["dev", "--organizations", "--port", &port.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut dev = DevProgram(dev.spawn().unwrap());
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(dev.0.stdout.take().unwrap()));
    let mut after = |label: &str| {
        lines
            .find_map(|it| {
                it.unwrap()
                    .trim()
                    .strip_prefix(label)
                    .map(|it| it.split_whitespace().next().unwrap().to_owned())
            })
            .unwrap()
    };
    let (phone, panel) = (after("phone"), after("Entra "));
    let mut command = command::within(200, &node);
    command
        .env("NODE_MODULES", packages)
        .arg(outside::root().join("tests/outside/organizations_pages.mjs"));
    command
        .args([format!("http://localhost:{port}"), phone, format!("{panel}/")])
        .arg(outside::root().join("target/screenshots/organizations"));
    let said = command::succeeds(command).await;
    assert!(said.contains("\"pages\": 6"), "{said}");
}
