//! MSAL, unmodified, signs in at the emulator: authorization code with PKCE, refresh, client credentials, a wrong secret.

use super::command;
use crate::outside;
use crate::world::{CLIENT_ID, CLIENT_SECRET};
use entrada::base::clock::Clock;
use entrada::emulator::{Emulator, EmulatorOptions};
use entrada::seal::random;
use std::net::TcpListener;
use std::path::Path;

const REDIRECT_URI: &str = "http://localhost:4180/oauth2/callback";

#[tokio::test(flavor = "multi_thread")]
async fn msal_for_python_signs_in_at_the_emulator() {
    let Some(python) = outside::python() else { return };
    let emulator = emulator("python").await;
    let mut command = command::of(&python);
    command.arg(outside::root().join("tests/outside/msal_python.py")).arg(authority(&emulator));
    command.arg(emulator.ca_file().unwrap()).args([CLIENT_ID, CLIENT_SECRET, REDIRECT_URI]);
    let said = command::succeeds(command).await;
    assert!(said.starts_with("MSAL for Python"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn msal_for_node_signs_in_at_the_emulator() {
    let (Some(node), Some(_)) = (outside::tool("node"), outside::node_modules()) else { return };
    let emulator = emulator("node").await;
    let mut command = command::of(&node);
    command.env("NODE_EXTRA_CA_CERTS", emulator.ca_file().unwrap());
    command.arg(outside::root().join("tests/outside/msal_node.mjs")).arg(authority(&emulator));
    command.args([CLIENT_ID, CLIENT_SECRET, REDIRECT_URI]);
    let said = command::succeeds(command).await;
    assert!(said.starts_with("MSAL for Node"), "{said}");
}

/// One that serves https, which MSAL insists on.
async fn emulator(name: &str) -> Emulator {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("msal-{name}"));
    // The emulator makes the directory itself.
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let options = EmulatorOptions {
        clock: Clock::system(),
        random: random::system(),
        redirect_uris: vec![REDIRECT_URI.to_owned()],
        client_id: Some(CLIENT_ID.to_owned()),
        client_secret: Some(CLIENT_SECRET.to_owned()),
        registrations: Vec::new(),
        tls: Some(folder),
        host: None,
    };
    Emulator::start(TcpListener::bind("127.0.0.1:0").unwrap(), options).await.unwrap()
}

fn authority(emulator: &Emulator) -> String {
    format!("{}/{}", emulator.authority(), emulator.tenant_id())
}
