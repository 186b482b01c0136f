//! `entrada sessions`: an operator ends the sessions of a person.

use super::{CliFolder, SmallConfig};
use crate::tunnels::web_socket;
use crate::world::browser::SCRIPT;
use crate::world::samples::{MAYA, MAYA_ID, TOM};
use crate::world::{CLIENT_SECRET, SEAL, World, WorldPlan, free_port};
use futures_util::StreamExt as _;
use std::time::Duration;

fn place() -> CliFolder {
    CliFolder::new().with("STORY_CLIENT_SECRET", CLIENT_SECRET).with("STORY_SEAL", SEAL)
}

fn beside(world: &World) -> CliFolder {
    let place = place();
    place.writes("entrada.toml", &world.text_for(world.address.port(), world.admin.port()));
    place
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_ends_all_sessions_of_one_person_over_loopback() {
    let world = World::start().await;
    let place = beside(&world);
    let (mut office, mut home) = (world.signed_in(MAYA).await, world.signed_in(MAYA).await);
    let mut tom = world.signed_in(TOM).await;
    let mut socket =
        web_socket(&world, "/ws", &office.cookie_header(), Some(&world.public_url)).await.unwrap();
    let told = place.types(&format!(
        "sessions revoke --user {MAYA_ID} --tenant 99999999-9999-4999-8999-999999999999"
    ));
    assert_eq!(
        (told.out, told.err.as_str(), told.code),
        (format!("{MAYA_ID} is not signed in\n"), "", Some(0))
    );
    let told = place.types(&format!("sessions revoke --user {MAYA_ID}"));
    let line = |count: &str| {
        format!("ended {count} of {MAYA_ID} in tenant {}\n", world.emulator.tenant_id())
    };
    assert_eq!((told.out, told.err.as_str(), told.code), (line("2 sessions"), "", Some(0)));
    for (browser, status) in [(&mut office, 401), (&mut home, 401), (&mut tom, 200)] {
        assert_eq!(browser.asks("GET", "/api/x", SCRIPT).await.status, status);
    }
    let end = tokio::time::timeout(Duration::from_secs(5), socket.next())
        .await
        .expect("the tunnel outlived its session");
    assert!(end.is_none_or(|it| it.is_err() || it.is_ok_and(|it| it.is_close())));
    world.signed_in(MAYA).await;
    let told = place.types("sessions revoke --user Maya@contoso.example --config entrada.toml");
    assert_eq!((told.out, told.code), (line("1 session"), Some(0)));
    let told = place.types("sessions revoke --user nobody@contoso.example");
    assert_eq!(
        (told.out.as_str(), told.code),
        ("nobody@contoso.example is not signed in\n", Some(0))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_ends_them_by_a_unix_socket_too() {
    let (directory, port) = (tempfile::tempdir().unwrap(), free_port());
    let socket = directory.path().join("admin.sock");
    let server =
        format!("listen = \"127.0.0.1:{port}\"\nadmin_listen = \"unix:{}\"", socket.display());
    let world = World::with(WorldPlan { server, port: Some(port), ..WorldPlan::default() }).await;
    let place = beside(&world);
    let mut maya = world.signed_in(MAYA).await;
    assert_eq!(place.types("health").out, "healthy\n");
    let told = place.types(&format!("sessions revoke --user {MAYA_ID}"));
    assert_eq!(
        (told.out, told.code),
        (
            format!("ended 1 session of {MAYA_ID} in tenant {}\n", world.emulator.tenant_id()),
            Some(0)
        )
    );
    assert_eq!(maya.asks("GET", "/api/x", SCRIPT).await.status, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_token_an_operator_ends_them_on_a_listener_that_others_reach_too() {
    let token = "a-token-of-an-operator-0123456789-abcdef";
    crate::world::browser::SECRETS.lock().unwrap().push(token.to_owned());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, token).unwrap();
    let server = format!(
        "admin_listen = \"0.0.0.0:{}\"\nadmin_token = {{ file = \"{}\" }}",
        free_port(),
        file.display()
    );
    let world = World::with(WorldPlan { server, ..WorldPlan::default() }).await;
    let place = beside(&world);
    let mut maya = world.signed_in(MAYA).await;
    assert_eq!(place.types("health").out, "healthy\n");
    let told = place.types(&format!("sessions revoke --user {MAYA_ID}"));
    assert_eq!(
        (told.out, told.code),
        (
            format!("ended 1 session of {MAYA_ID} in tenant {}\n", world.emulator.tenant_id()),
            Some(0)
        )
    );
    assert_eq!(maya.asks("GET", "/api/x", SCRIPT).await.status, 401);
    // Another token than the service's.
    std::fs::write(&file, "a-token-of-somebody-else-0123456789-abcdef").unwrap();
    let told = place.types(&format!("sessions revoke --user {MAYA_ID}"));
    assert_eq!(
        (told.err.as_str(), told.code),
        ("error: the token does not match [server] admin_token\n", Some(1))
    );
}

#[test]
fn what_cannot_be_done_is_told_with_what_helps() {
    let (place, small) = (place(), SmallConfig::new());
    place.writes("entrada.toml", &small.text("http://127.0.0.1:9", ""));
    let hint = "hint: az ad user show --id maya@contoso.com --query id prints the object ID, az account show --query tenantId the tenant ID\n";
    let told = place.types("sessions revoke --user maya");
    let err = format!(
        "error: user is neither an object ID nor a sign-in name like maya@contoso.com\n{hint}"
    );
    assert_eq!((told.out.as_str(), told.err, told.code), ("", err, Some(1)));
    let told = place.types(&format!("sessions revoke --user {MAYA_ID} --tenant contoso.com"));
    assert_eq!(
        (told.err, told.code),
        (format!("error: tenant is not a tenant ID (a GUID)\n{hint}"), Some(1))
    );
    let told = place.types(&format!("sessions revoke --user {MAYA_ID}"));
    let err = format!(
        "error: no answer on 127.0.0.1:{}: Connection refused (os error 111)\nhint: check that entrada is running with the same [server] admin_listen\n",
        small.admin
    );
    assert_eq!((told.out.as_str(), told.err, told.code), ("", err, Some(1)));
    let wide = small.text("http://127.0.0.1:9", "").replace(
        &format!("admin_listen = \"127.0.0.1:{}\"", small.admin),
        &format!("admin_listen = \"0.0.0.0:{}\"", small.admin),
    );
    place.writes("wide.toml", &wide);
    let told = place.types(&format!("sessions revoke --user {MAYA_ID} --config wide.toml"));
    let err = format!(
        "error: [server] admin_listen is 0.0.0.0:{}, but sessions can be revoked only on a unix socket or a loopback address\n\
        hint: set admin_listen to \"127.0.0.1:4181\" or \"unix:/run/entrada/admin.sock\", or set admin_token, and restart entrada\n",
        small.admin
    );
    assert_eq!((told.out.as_str(), told.err, told.code), ("", err, Some(1)));
    assert_eq!(place.types("sessions").code, Some(2));
    assert_eq!(place.types("sessions revoke").code, Some(2));
}
