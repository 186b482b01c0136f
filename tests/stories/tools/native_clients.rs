//! Clients that nobody here wrote sign in as a phone or a command line does: AppAuth for JS, oauth4webapi, authlib.

use super::command;
use crate::outside;
use crate::world::{World, WorldPlan, free_port};
use std::os::unix::fs::PermissionsExt as _;

const CLIENT: &str = "fleet-cli";

/// Two companies, and one client on loopback.
async fn world() -> World {
    let client = format!(
        "[[native.client]]\nid = \"{CLIENT}\"\nname = \"Fleet for the command line\"\nredirect_uris = [\"http://127.0.0.1/signed-in\"]\nscopes = [\"jobs\"]\n"
    );
    let mut plan = WorldPlan::of_directory("").with_organizations_of_file().with_native(&client);
    plan.more +=
        "[[access.rule]]\npath = \"/api/**\"\nallow = \"signed-in\"\nsigned_out = \"401\"\n";
    World::with(plan).await
}

#[tokio::test(flavor = "multi_thread")]
async fn oauth4webapi_signs_in_calls_the_app_refreshes_and_revokes() {
    let (Some(node), Some(_)) = (outside::tool("node"), outside::node_modules()) else { return };
    let world = world().await;
    let mut command = command::of(&node);
    command.arg(outside::root().join("tests/outside/native_oauth4webapi.mjs")).args([
        &world.public_url,
        CLIENT,
        "http://127.0.0.1:50123/signed-in",
    ]);
    let said = command::succeeds(command).await;
    assert!(said.starts_with("oauth4webapi: "), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn appauth_for_js_signs_in_by_the_browser_that_it_opens() {
    let (Some(node), Some(_)) = (outside::tool("node"), outside::node_modules()) else { return };
    let world = world().await;
    // What the system opens an address with.
    let opens = world.folder.path().join("xdg-open");
    let person = outside::root().join("tests/outside/native_person.mjs");
    std::fs::write(
        &opens,
        format!("#!/bin/sh\nexec '{}' '{}' \"$1\"\n", node.display(), person.display()),
    )
    .unwrap();
    std::fs::set_permissions(&opens, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path =
        format!("{}:{}", world.folder.path().display(), std::env::var("PATH").unwrap_or_default());
    let mut command = command::of(&node);
    command.env("PATH", path).arg(outside::root().join("tests/outside/native_appauth.mjs"));
    command.args([&world.public_url, CLIENT, &free_port().to_string(), "/signed-in"]);
    let said = command::succeeds(command).await;
    assert!(said.contains("AppAuth for JS: "), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn authlib_signs_in_calls_the_app_refreshes_and_revokes() {
    let Some(python) = outside::python() else { return };
    let world = world().await;
    let mut command = command::of(&python);
    command
        .env("AUTHLIB_INSECURE_TRANSPORT", "1")
        .arg(outside::root().join("tests/outside/native_authlib.py"));
    command.args([&world.public_url, CLIENT, "http://127.0.0.1:50124/signed-in"]);
    let said = command::succeeds(command).await;
    assert!(said.starts_with("authlib: "), "{said}");
}

/// The program of docs/guides/native.md, as it stands there but for the address.
#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_of_the_document_signs_in_and_calls_the_app() {
    let (Some(python), Some(node)) = (outside::python(), outside::tool("node")) else { return };
    let world = world().await;
    let document = std::fs::read_to_string(outside::root().join("docs/guides/native.md")).unwrap();
    let program = document.split_once("```python\n").unwrap().1.split_once("```").unwrap().0;
    let file = world.folder.path().join("cli.py");
    std::fs::write(&file, program.replace("https://app.example.com", &world.public_url)).unwrap();
    let person = outside::root().join("tests/outside/native_person.mjs");
    let mut command = command::of(&python);
    // What Python opens an address with; "&": it does not wait.
    command
        .env("BROWSER", format!("{} {} %s &", node.display(), person.display()))
        .env("AUTHLIB_INSECURE_TRANSPORT", "1");
    command.arg(&file);
    let said = command::succeeds(command).await;
    assert!(said.to_lowercase().contains("\"x-entrada-organization\",\"contoso\""), "{said}");
}
