//! The whole set-up in headless Chromium, by the keyboard alone. The pictures stay in `target/screenshots`.

use super::*;
use crate::outside;
use crate::tools::command;
use crate::world::samples::{CONTOSO, INES, TOM};
use entrada::directory::admin::AdminScope;
use entrada::directory::link_request::LinkDecision;
use std::path::Path;
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
    // Added beforehand, and no domain is bound.
    let worker = world.adds(TOM, "contoso", "worker").await;
    let owner = world.adds(INES, "contoso", "owner").await;
    let approved = world.folder.path().join("approved");
    let secret = world.folder.path().join("secret");
    std::fs::write(&secret, CLIENT_SECRET).unwrap();
    let mut command = command::of(&node);
    command
        .env("NODE_MODULES", packages)
        .arg(outside::root().join("tests/outside/set_up.mjs"))
        .args([&link, CONTOSO, CLIENT_ID]);
    command
        .arg(outside::root().join("target/screenshots/setup"))
        .args([worker.id.to_string(), owner.id.to_string()])
        .arg(&approved)
        .stdin(Stdio::from(std::fs::File::open(&secret).unwrap()));
    let (said, ()) = tokio::join!(command::succeeds(command), world.approves(&approved));
    assert!(said.contains("set up, tested and turned on"), "{said}");
    std::fs::remove_file(secret).unwrap();
    assert_eq!(world.organization("contoso").await.state, OrganizationState::On);
    assert!(!world.is_in_the_database(CLIENT_SECRET).await);
}

impl SetUpWorld {
    /// The operator approves the first account that waits, and leaves a file that says so.
    async fn approves(&self, file: &Path) {
        for _ in 0..1200 {
            let waiting = self.directory().link_requests(None, false).await.unwrap();
            if let [request] = &waiting[..] {
                let organization = request.person.organization;
                let by = AdminScope::operator(organization, "operator");
                let mark = request.mark();
                let link = LinkDecision::Link;
                self.directory().decide(&by, request.id, link, Some(&mark)).await.unwrap();
                return std::fs::write(file, "").unwrap();
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }
}
