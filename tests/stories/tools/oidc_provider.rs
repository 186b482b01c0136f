//! A certified provider of OpenID Connect that nobody here wrote (npm `oidc-provider`), in Entra's place.

use super::command;
use crate::outside;
use crate::world::browser::TestBrowser;
use crate::world::samples::{CONTOSO, MAYA, MAYA_ID};
use crate::world::{CLIENT_ID, CLIENT_SECRET, World, WorldPlan, free_port, raw};
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Stdio};

/// The provider; it ends with the story.
struct NodeProvider {
    process: Child,
    address: SocketAddr,
}

impl NodeProvider {
    async fn switches(&self, path: &str) {
        let answer =
            raw::talk(self.address, &format!("POST {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", self.address)).await;
        assert_eq!(raw::status(&answer), 204);
    }
}

impl Drop for NodeProvider {
    fn drop(&mut self) {
        // It ends when its input does.
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// A world whose people sign in at that provider.
async fn world() -> Option<(World, NodeProvider)> {
    let (node, packages) = (outside::tool("node")?, outside::node_modules()?);
    let port = free_port();
    let mut command = command::of(&node);
    command
        .env("NODE_MODULES", packages)
        .arg(outside::root().join("tests/outside/provider.mjs"))
        .args([CONTOSO, CLIENT_ID, CLIENT_SECRET]);
    command
        .arg(format!("http://localhost:{port}/oauth2/callback"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut process = command.spawn().unwrap();
    let mut said = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut said).unwrap();
    let authority = said.trim().to_owned();
    let address = authority
        .strip_prefix("http://")
        .unwrap_or_else(|| panic!("it did not start: {said:?}"))
        .parse()
        .unwrap();
    let plan = WorldPlan {
        port: Some(port),
        entra: format!("authority = \"{authority}\""),
        ..WorldPlan::default()
    };
    Some((World::with(plan).await, NodeProvider { process, address }))
}

/// A browser in which she went to a page, and what the app heard of her there.
async fn hears_of_maya(world: &World) -> TestBrowser {
    let mut browser = world.browser();
    let page = browser.visits("/reports?year=2026").await;
    assert_eq!(
        (page.status, page.path_and_query().as_str()),
        (200, "/reports?year=2026"),
        "{:?}",
        page.way
    );
    assert_eq!(page.app_heard("x-forwarded-user"), MAYA_ID);
    assert_eq!(page.app_heard("x-forwarded-tenant"), CONTOSO);
    assert_eq!(page.app_heard("x-forwarded-name"), "Maya Okafor");
    assert_eq!(page.app_heard("x-forwarded-preferred-username"), MAYA);
    assert_eq!(page.app_heard("x-forwarded-email"), MAYA);
    assert_eq!(page.app_heard("x-forwarded-roles"), "Admin,Reader");
    browser
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certified_provider_signs_a_person_in_and_the_app_hears_who_it_is() {
    let Some((world, provider)) = world().await else { return };
    let mut maya = hears_of_maya(&world).await;
    assert_eq!(maya.visits("/admin/users").await.status, 200, "her role opens it");
    assert_eq!(world.emulator.control().authorize_calls(), 0, "it was not the emulator");
    drop(provider);
    assert_eq!(maya.visits("/reports").await.status, 200, "a session does not ask the provider");
}

#[tokio::test(flavor = "multi_thread")]
async fn new_keys_of_a_certified_provider_are_fetched_for_the_next_sign_in() {
    let Some((world, provider)) = world().await else { return };
    hears_of_maya(&world).await;
    provider.switches("/keys").await;
    hears_of_maya(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_a_certified_provider_for_another_sign_in_is_refused() {
    let Some((world, provider)) = world().await else { return };
    provider.switches("/nonce").await;
    let mut maya = world.browser();
    let page = maya.visits("/reports").await;
    assert_eq!((page.status, page.url.path()), (403, "/oauth2/callback"), "{:?}", page.way);
    assert!(page.body.contains("failed our checks"), "{}", page.body);
    assert_eq!(maya.cookie("entrada"), None);
    assert_eq!(world.app.seen.count(), 0);
    let log = world.logged().await;
    assert!(log.contains("the token belongs to another sign-in"), "{log}");
    assert!(!log.contains("a-nonce-of-somebody-else"), "{log}");
}
