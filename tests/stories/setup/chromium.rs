//! The whole set-up in headless Chromium, by the keyboard alone. The pictures stay in `target/screenshots`.

use super::*;
use crate::outside;
use crate::tools::command;
use crate::world::samples::CONTOSO;
use std::process::Stdio;

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_sets_up_tests_and_turns_on_in_a_real_browser_with_the_keyboard_alone() {
    let Some(_) = outside::tool("chromium") else { return };
    let (Some(node), Some(packages)) = (outside::tool("node"), outside::node_modules()) else {
        return;
    };
    let world = SetUpWorld::start().await;
    let link = format!(
        "{}/oauth2/setup/invitation?token={}",
        world.world.public_url,
        world.token("contoso").await
    );
    let secret = world.folder.path().join("secret");
    std::fs::write(&secret, CLIENT_SECRET).unwrap();
    let mut command = command::of(&node);
    command
        .env("NODE_MODULES", packages)
        .arg(outside::root().join("tests/outside/set_up.mjs"))
        .args([&link, CONTOSO, CLIENT_ID]);
    command
        .arg(outside::root().join("target/screenshots/setup"))
        .stdin(Stdio::from(std::fs::File::open(&secret).unwrap()));
    let said = command::succeeds(command).await;
    assert!(said.contains("set up, tested and turned on"), "{said}");
    std::fs::remove_file(secret).unwrap();
    assert_eq!(world.organization("contoso").await.state, OrganizationState::On);
    assert!(!world.is_in_the_database(CLIENT_SECRET).await);
}
