//! A database that does not answer.

use super::OrganizationsWorld;
use crate::world::browser::{FORM, SCRIPT};
use crate::world::samples::{FRIDA, MAYA};
use entrada::base::username::Username;
use std::time::Duration;

#[tokio::test]
async fn a_database_that_is_gone_is_503_and_signs_nobody_out() {
    let world = OrganizationsWorld::start().await;
    let mut maya = world.world.browser();
    world.comes(&mut maya, "contoso", MAYA).await;
    let shown = world.types(&mut world.world.browser(), "contoso").await;
    assert!(shown.is_the_sign_in_at_entra());
    world.directory().close().await;
    let page = world.world.browser().posts("/oauth2/sign_in", FORM, "identifier=contoso").await;
    assert_eq!((page.status, page.header("retry-after")), (503, "5"), "{}", page.body);
    assert!(
        page.body
            .contains("is not available right now. People already signed in are not affected."),
        "{}",
        page.body
    );
    assert_eq!(
        world.world.browser().posts("/oauth2/sign_in", SCRIPT, "identifier=contoso").await.json()["status"],
        503
    );
    world.world.later(30 * 60);
    for _ in 0..20 {
        assert_eq!(maya.asks("GET", "/api/x", SCRIPT).await.status, 200);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_database_that_somebody_else_holds_is_503_and_the_next_try_finds_it_free() {
    use sqlx::Connection as _;
    let world = OrganizationsWorld::start().await;
    let mut frida = world.world.browser();
    let shown = world.types(&mut frida, "fabrikam").await;
    let callback = frida.stops_at_the_callback(FRIDA, shown).await;
    let mut other = sqlx::SqliteConnection::connect(&world.database()).await.unwrap();
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let page = frida.opens(&callback).await;
    assert_eq!(page.status, 503, "{}", page.body);
    assert!(
        page.body
            .contains("is not available right now. People already signed in are not affected."),
        "{}",
        page.body
    );
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    assert_eq!(
        frida
            .until(
                "/oauth2/start?organization=fabrikam&login_hint=frida@fabrikam.example",
                "/oauth2/callback"
            )
            .await
            .status,
        302
    );
    assert!(
        world.directory().person(&Username::parse(FRIDA).unwrap()).await.unwrap().is_none(),
        "half a person"
    );
}
