//! People of the directory: who is switched off, changed or signed out everywhere.

use super::{status, until};
use crate::world::browser::{SCRIPT, TestBrowser};
use crate::world::company::companies;
use crate::world::samples::{FRIDA, MAYA, TOM};
use crate::world::{CLIENT_SECRET, SEAL, World, WorldPlan};
use entrada::directory::admin::{AdminScope, PersonAction};
use entrada::directory::change::PersonChange;
use std::time::Duration;

async fn start() -> World {
    let directory = WorldPlan::of_directory("").with_organizations(companies());
    World::with(WorldPlan { session: "store = \"cookie\"".into(), ..directory }).await
}

async fn signs_in(browser: &mut TestBrowser, person: &str) {
    browser.visits("/x").await;
    browser.fills("/oauth2/sign_in?rd=%2Fx", &[("identifier", person)]).await;
    if browser.page.is_the_sign_in_at_entra() {
        browser.signs_in_as(person).await;
    }
    assert_eq!(status(browser).await, 200, "{person}");
}

async fn off(world: &World, person: &str) {
    let person = world.person(person).await;
    let change = PersonChange { on: Some(false), ..PersonChange::default() };
    world.directory().change_person(&person.username, change, "story").await.unwrap();
}

/// Changes a person with the command, while the program is down.
fn command(world: &World, arguments: &[&str]) {
    let file = world.folder.path().join("entrada.toml");
    std::fs::write(&file, world.text_for(world.address.port(), world.admin.port())).unwrap();
    let done = std::process::Command::new(env!("CARGO_BIN_EXE_entrada"))
        .args(arguments)
        .arg("--config")
        .arg(&file)
        .env("STORY_CLIENT_SECRET", CLIENT_SECRET)
        .env("STORY_SEAL", SEAL)
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

#[tokio::test]
async fn who_is_switched_off_is_out_within_seconds_and_at_once_where_the_session_is_loaded() {
    let mut world = start().await;
    let (mut maya, mut tom, mut frida) = (world.browser(), world.browser(), world.browser());
    for (browser, person) in [(&mut maya, MAYA), (&mut tom, TOM), (&mut frida, FRIDA)] {
        signs_in(browser, person).await;
    }
    off(&world, MAYA).await;
    until("Maya is out", async || status(&mut maya).await == 401).await;
    off(&world, FRIDA).await;
    // Another process loads the sessions, without having seen the change.
    let replica = world.replica().await;
    for (browser, expected) in [(&mut maya, 401), (&mut tom, 200), (&mut frida, 401)] {
        browser.reaches(replica.address);
        assert_eq!(status(browser).await, expected);
        browser.reaches(world.address);
    }
    world.restarts(async |world| command(world, &["person", "off", TOM])).await;
    assert_eq!((status(&mut tom).await, status(&mut frida).await), (401, 401));
}

#[tokio::test]
async fn a_changed_role_counts_with_the_first_request_after_a_restart() {
    let mut world = start().await;
    let mut tom = world.browser();
    signs_in(&mut tom, TOM).await;
    let change = ["person", "set", TOM, "--role", "admin"];
    world.restarts(async |world| command(world, &change)).await;
    let page = tom.asks("GET", "/x", SCRIPT).await;
    assert_eq!(page.app_heard("x-entrada-role"), "admin");
}

#[tokio::test]
async fn who_was_signed_out_everywhere_does_not_come_back_and_a_new_sign_in_stays() {
    let mut world = start().await;
    let mut tom = world.browser();
    signs_in(&mut tom, TOM).await;
    let kept = [tom.cookie("entrada").unwrap(), tom.cookie("entrada-s").unwrap()];
    let (organization, person) = (world.organization("contoso").await, world.person(TOM).await);
    let by = AdminScope::operator(organization.id, "story");
    world.directory().apply_action(&by, person.id, &PersonAction::SignOut).await.unwrap();
    until("he is out", async || status(&mut tom).await == 401).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    signs_in(&mut tom, TOM).await;
    let replica = world.replica().await;
    let mut thief = world.browser();
    for (name, value) in ["entrada", "entrada-s"].iter().zip(&kept) {
        thief.plants(name, value);
    }
    thief.reaches(replica.address);
    assert_eq!(status(&mut thief).await, 401);
    tom.reaches(replica.address);
    assert_eq!(status(&mut tom).await, 200);
    tom.reaches(world.address);
    thief.reaches(world.address);
    world.restarts(async |_| {}).await;
    assert_eq!((status(&mut thief).await, status(&mut tom).await), (401, 200));
}

#[tokio::test]
async fn while_the_directory_does_not_answer_unknown_sessions_wait_and_known_ones_go_on() {
    use sqlx::Connection as _;
    let world = start().await;
    let (mut maya, mut tom) = (world.browser(), world.browser());
    signs_in(&mut maya, MAYA).await;
    signs_in(&mut tom, TOM).await;
    let replica = world.replica().await;
    maya.reaches(replica.address);
    assert_eq!(status(&mut maya).await, 200);
    let address = format!("sqlite:{}", world.database_file().display());
    let mut database = sqlx::SqliteConnection::connect(&address).await.unwrap();
    sqlx::raw_sql("ALTER TABLE person RENAME TO away").execute(&mut database).await.unwrap();
    tom.reaches(replica.address);
    let page = tom.asks("GET", "/api/x", SCRIPT).await;
    assert_eq!((page.status, status(&mut maya).await), (503, 200));
    assert!(!page.header("retry-after").is_empty());
    sqlx::raw_sql("ALTER TABLE away RENAME TO person").execute(&mut database).await.unwrap();
    assert_eq!((status(&mut tom).await, status(&mut maya).await), (200, 200));
}

/// Sessions of a time without a directory have no person in it.
#[tokio::test]
async fn attack_a_session_from_before_the_directory_is_not_served_with_it() {
    let world = start().await;
    let mut tom = world.browser();
    signs_in(&mut tom, TOM).await;
    let without = world
        .replica_with(|text| {
            let (before, rest) = text.split_once("[directory]").unwrap();
            let more = rest.split_once("\n[").map_or("", |it| it.1);
            format!(
                "{before}\n{}",
                if more.is_empty() { String::new() } else { format!("[{more}") }
            )
        })
        .await;
    tom.reaches(without.address);
    assert_eq!(status(&mut tom).await, 401);
    let mut maya = world.browser_at(without.address);
    maya.visits("/x").await;
    assert_eq!(maya.signs_in_as(MAYA).await.status, 200);
    assert_eq!(status(&mut maya).await, 200);
    maya.reaches(world.address);
    assert_eq!(status(&mut maya).await, 401);
}
