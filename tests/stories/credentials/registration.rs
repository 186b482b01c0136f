//! What the registration of the configuration proves itself by.

use super::{SUBJECT, made, world};
use crate::world::browser::SCRIPT;
use crate::world::company::company_of_file;
use crate::world::samples::{CONTOSO, MAYA};
use crate::world::{CapturedEvents, World, WorldPlan};
use std::path::PathBuf;

const MINUTE: i64 = 60;

fn by_certificate((certificate, key): &(PathBuf, PathBuf)) -> String {
    format!(
        "tenant = \"{CONTOSO}\"\ncertificate = {{ certificate = {certificate:?}, key = {key:?} }}"
    )
}

#[tokio::test]
async fn by_a_certificate_people_sign_in_and_are_asked_about_and_a_new_one_needs_no_restart() {
    let place = tempfile::tempdir().unwrap();
    let (old, new) = (made(2099), made(2099));
    let files = old.write(place.path());
    let world = world(by_certificate(&files)).await;
    assert!(world.emulator.control().add_certificate(&old.der));
    let mut maya = world.signed_in(MAYA).await;
    world.later(31 * MINUTE);
    for _ in 0..200 {
        assert_eq!(maya.asks("GET", "/api/x", SCRIPT).await.status, 200);
        if world.emulator.control().refresh_calls() == 1 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(world.emulator.control().refresh_calls(), 1);
    // The certificate is replaced in its files: a reload reads them anew.
    new.write(place.path());
    world.service.reload(&world.changed("shutdown_grace", "shutdown_grace")).await.unwrap();
    let mut tom = world.browser();
    tom.visits("/x").await;
    let page = tom.signs_in_as(MAYA).await;
    assert!(
        page.status >= 400
            && page.body.contains("AADSTS700027")
            && page.body.contains("Certificates &amp; secrets"),
        "{} {}",
        page.status,
        page.body
    );
    assert!(world.logged().await.contains("\"aadsts\":700027"));
    assert!(world.emulator.control().add_certificate(&new.der));
    world.signed_in(MAYA).await;
}

#[tokio::test]
async fn before_a_certificate_of_the_configuration_ends_the_log_warns() {
    let (told, place) = (CapturedEvents::listens(), tempfile::tempdir().unwrap());
    let entra = by_certificate(&made(2020).write(place.path()));
    let (certificate, key) = made(2021).write(&place.path().join(""));
    let company = company_of_file("contoso", CONTOSO);
    let company = company
        .lines()
        .filter(|it| !it.starts_with("client_secret"))
        .collect::<Vec<_>>()
        .join("\n");
    let more =
        format!("{company}\ncertificate = {{ certificate = {certificate:?}, key = {key:?} }}\n");
    let world = World::with(WorldPlan { more, entra, ..WorldPlan::of_directory("") }).await;
    for says in ["the [entra] certificate has expired", "organization's credential has expired"] {
        for _ in 0..200 {
            if told.times(says) > 0 {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        assert_eq!(told.times(says), 1, "{says}");
    }
    // And so does whoever looks at the file alone.
    let file = place.path().join("entrada.toml");
    std::fs::write(&file, world.text_for(world.address.port(), world.admin.port())).unwrap();
    let mut check = std::process::Command::new(env!("CARGO_BIN_EXE_entrada"));
    check
        .args(["check", "--config"])
        .arg(&file)
        .env("STORY_CLIENT_SECRET", crate::world::CLIENT_SECRET)
        .env("STORY_SEAL", crate::world::SEAL);
    let out = tokio::task::spawn_blocking(move || check.output().unwrap()).await.unwrap();
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.success(), "{said}");
    for whose in ["[entra]", "[[organization]] contoso"] {
        assert!(
            said.contains(&format!("warning: the certificate of {whose} has expired")),
            "{said}"
        );
    }
}

#[tokio::test]
async fn by_the_token_of_another_issuer_people_sign_in_and_the_file_is_read_anew_each_time() {
    let place = tempfile::tempdir().unwrap();
    let (cluster, file) = (made(2099), place.path().join("azure-identity-token"));
    std::fs::write(&file, format!("{}\n", cluster.token(SUBJECT, "api://AzureADTokenExchange")))
        .unwrap();
    let world =
        world(format!("tenant = \"{CONTOSO}\"\nfederated_token = {{ file = {file:?} }}")).await;
    world.emulator.control().trust(cluster.trusted());
    world.signed_in(MAYA).await;
    for (text, told) in [
        (
            cluster.token("system:serviceaccount:apps:other", "api://AzureADTokenExchange"),
            "AADSTS700213",
        ),
        (cluster.token(SUBJECT, "api://elsewhere"), "AADSTS700212"),
        (made(2099).token(SUBJECT, "api://AzureADTokenExchange"), "AADSTS70021"),
        ("no token at all".to_owned(), "its credential cannot be read"),
        // None that is longer is cut and sent.
        (format!("a.b.{}", "c".repeat(17 * 1024)), "its credential cannot be read"),
    ] {
        std::fs::write(&file, &text).unwrap();
        let mut browser = world.browser();
        browser.visits("/x").await;
        let page = browser.signs_in_as(MAYA).await;
        assert!(
            page.status >= 400 && page.body.contains(told),
            "{told}: {} {}",
            page.status,
            page.body
        );
        assert_eq!(browser.asks("GET", "/oauth2/userinfo", SCRIPT).await.status, 401);
    }
    let log = world.logged().await;
    assert!(log.contains("it holds no JWT") && log.contains("\"aadsts\":70021,"), "{log}");
    std::fs::write(&file, cluster.token(SUBJECT, "api://AzureADTokenExchange")).unwrap();
    world.signed_in(MAYA).await;
}
