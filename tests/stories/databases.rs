//! Companies whose people live in PostgreSQL.

use crate::organizations::OrganizationsWorld;
use crate::postgres;
use crate::world::samples::{FRIDA, MAYA};
use entrada::base::company_code::CompanyCode;
use entrada::base::username::Username;
use entrada::directory::change::PersonChange;
use tokio::task::JoinSet;

/// A world on PostgreSQL; nothing where there is none on this machine.
async fn world() -> Option<OrganizationsWorld> {
    let address = postgres::database()?;
    Some(OrganizationsWorld::with(&format!("database = \"{address}\""), |it| it).await)
}

#[tokio::test]
async fn people_sign_in_by_username_and_by_code_and_are_out_when_switched_off() {
    let Some(world) = world().await else { return };
    let id = world.knows(MAYA, "contoso", "admin").await;
    let mut maya = world.world.browser();
    let page = world.comes(&mut maya, MAYA, MAYA).await;
    assert_eq!(
        (
            page.status,
            page.app_heard("x-entrada-person"),
            page.app_heard("x-entrada-role").as_str()
        ),
        (200, id, "admin"),
        "{}",
        page.body
    );
    let mut frida = world.world.browser();
    let page = world.comes(&mut frida, "Fabrikam", FRIDA).await;
    assert_eq!(
        (page.status, page.app_heard("x-entrada-role").as_str()),
        (200, "worker"),
        "{}",
        page.body
    );
    let made = world.directory().person(&Username::parse(FRIDA).unwrap()).await.unwrap().unwrap();
    assert_eq!(made.id.to_string(), page.app_heard("x-entrada-person"));
    assert_eq!(world.types(&mut world.world.browser(), "nobody@nowhere.example").await.status, 404);
    let off = PersonChange { on: Some(false), ..PersonChange::default() };
    world.directory().change_person(&Username::parse(MAYA).unwrap(), off, "story").await.unwrap();
    world.world.later(30 * 60);
    world.until(&mut maya, "the end of her session", |it| it.status == 401).await;
    world.until(&mut frida, "her own session", |it| it.status == 200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_first_sign_ins_at_once_make_one_person() {
    let Some(world) = world().await else { return };
    let mut all = Vec::new();
    for _ in 0..100 {
        let mut browser = world.world.browser();
        let shown = world.types(&mut browser, "fabrikam").await;
        let callback = browser.stops_at_the_callback(FRIDA, shown).await;
        all.push((browser, callback));
    }
    let mut tasks = JoinSet::new();
    for (mut browser, callback) in all {
        tasks.spawn(async move { browser.opens(&callback).await });
    }
    let mut people: Vec<_> = tasks
        .join_all()
        .await
        .into_iter()
        .map(|it| {
            assert_eq!(it.status, 200, "{}", it.body);
            it.app_heard("x-entrada-person")
        })
        .collect();
    assert_eq!(people.len(), 100);
    people.dedup();
    assert_eq!(people.len(), 1);
    let fabrikam = world
        .directory()
        .organization(&CompanyCode::parse("fabrikam").unwrap())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(world.directory().count(fabrikam.id).await.unwrap(), 1);
}

#[tokio::test]
async fn the_database_is_reached_by_tls_whose_certificate_and_name_are_verified() {
    let Some(address) = postgres::database() else { return };
    let by_tls = postgres::by_tls(&address, "localhost", None);
    let world = OrganizationsWorld::with(&format!("database = \"{by_tls}\""), |it| it).await;
    let page = world.comes(&mut world.world.browser(), "contoso", MAYA).await;
    assert_eq!(page.status, 200, "{}", page.body);
}
