//! The first admin, by a link that carries a role.

use super::*;
use crate::world::CapturedEvents;
use crate::world::samples::{CONTOSO, MAYA, MAYA_ID, PRIYA, TOM, TOM_ID};

impl SetUpWorld {
    /// A browser in which a link with a role was used.
    async fn invited_as(&self, code: &str, role: &str) -> TestBrowser {
        let code = CompanyCode::parse(code).unwrap();
        let made = self.directory().invite_as(&code, Some(role), "story").await.unwrap();
        SECRETS.lock().unwrap().push(made.token.expose().to_owned());
        let mut browser = self.world.browser();
        browser.fills("/oauth2/setup/invitation", &[("token", made.token.expose())]).await;
        browser
    }
}

async fn takes(browser: &mut TestBrowser, oid: &str) -> BrowserPage {
    browser.fills("/oauth2/setup/first_admin", &[("oid", oid)]).await
}

#[tokio::test]
async fn the_holder_of_a_link_with_a_role_becomes_the_first_admin_with_the_tested_account() {
    let world = SetUpWorld::start().await;
    let events = CapturedEvents::listens();
    let nora = world.adds(MAYA, "contoso", "owner").await;
    let mut admin = world.invited_as("contoso", "owner").await;
    enters(&mut admin, CONTOSO, CLIENT_ID, CLIENT_SECRET).await;
    // Not before a test, and not with an account that was not tested.
    assert_eq!(takes(&mut admin, MAYA_ID).await.status, 409);
    let page = tests_as(&mut admin, MAYA).await;
    for says in ["Become the first owner", MAYA_ID, MAYA, "The app’s owner is told"] {
        assert!(page.body.contains(says), "{says}: {}", page.body);
    }
    assert_eq!(takes(&mut admin, TOM_ID).await.status, 409);
    assert_eq!(world.person(MAYA).await.linked, None);
    let page = takes(&mut admin, MAYA_ID).await;
    assert!(page.status == 200 && page.body.contains("You are an admin now"), "{}", page.body);
    // Whoever the operator added beforehand under that name is meant.
    let person = world.person(MAYA).await;
    assert_eq!((person.id, person.linked.map(|it| it.1)), (nora.id, Guid::parse(MAYA_ID)));
    assert_eq!(events.times("the holder of a set-up link became the first admin"), 1);
    assert!(world.history("contoso").await.iter().any(|it| it.starts_with("invitation ")
        && it.contains("became owner, with the set-up link and the tested account")));
    // Once.
    let page = tests_as(&mut admin, TOM).await;
    assert!(!page.body.contains("Become the first owner"), "{}", page.body);
    assert_eq!(takes(&mut admin, TOM_ID).await.status, 409);
    admin.fills("/oauth2/setup/on", &[]).await;
    let mut maya = world.signed_in("contoso", MAYA).await;
    assert_eq!(maya.visits("/oauth2/setup").await.status, 200);
    // There is no new link with the role: somebody has it.
    let contoso = CompanyCode::parse("contoso").unwrap();
    let refused = world.directory().invite_as(&contoso, Some("owner"), "story").await.unwrap_err();
    assert!(refused.to_string().contains("has the role owner already"), "{refused}");
}

#[tokio::test]
async fn attack_a_link_without_a_role_a_guest_and_a_changed_connection_make_nobody_an_admin() {
    let world = SetUpWorld::start().await;
    let contoso = CompanyCode::parse("contoso").unwrap();
    let refused = world.directory().invite_as(&contoso, Some("worker"), "story").await;
    assert!(refused.is_err(), "a role that may not open the page");
    let mut plain = world.invited("contoso").await;
    enters(&mut plain, CONTOSO, CLIENT_ID, CLIENT_SECRET).await;
    let page = tests_as(&mut plain, MAYA).await;
    assert!(!page.body.contains("Become the first"), "{}", page.body);
    assert_eq!(takes(&mut plain, MAYA_ID).await.status, 409);
    let mut admin = world.invited_as("contoso", "owner").await;
    let page = tests_as(&mut admin, PRIYA).await;
    assert!(!page.body.contains("Become the first"), "{}", page.body);
    assert_eq!(takes(&mut admin, &oid(&world, PRIYA)).await.status, 409);
    tests_as(&mut admin, MAYA).await;
    enters(&mut admin, CONTOSO, CLIENT_ID, "a~wrong.Value_of_the_stories-0123456789").await;
    assert_eq!(takes(&mut admin, MAYA_ID).await.status, 409);
    let id = world.organization("contoso").await.id;
    assert_eq!(world.directory().count(id).await.unwrap(), 0);
}

#[tokio::test]
async fn attack_a_link_that_leads_to_another_tenant_makes_no_admin_and_links_nobody() {
    let world = SetUpWorld::start().await;
    world.adds(MAYA, "fabrikam", "worker").await;
    let mut admin = world.invited_as("fabrikam", "owner").await;
    enters(&mut admin, CONTOSO, CLIENT_ID, CLIENT_SECRET).await;
    let page = tests_as(&mut admin, MAYA).await;
    assert!(!page.body.contains("Become the first owner"), "{}", page.body);
    assert!(page.body.contains("A set-up link led to another tenant"), "{}", page.body);
    assert_eq!(takes(&mut admin, MAYA_ID).await.status, 409);
    admin.fills("/oauth2/setup/on", &[]).await;
    let mut maya = world.world.browser();
    maya.visits("/oauth2/start?organization=fabrikam").await;
    assert_eq!(maya.signs_in_as(MAYA).await.status, 403);
    assert_eq!(world.person(MAYA).await.linked, None);
    // The visitor cannot resume linking; the operator can.
    assert_eq!(admin.fills("/oauth2/setup/requests", &[("do", "resume")]).await.status, 403);
    let resume = OrganizationChange { resume_linking: true, ..OrganizationChange::default() };
    world.changes("fabrikam", resume).await;
    world.signed_in("fabrikam", MAYA).await;
    assert_eq!(world.person(MAYA).await.linked.map(|it| it.1), Guid::parse(MAYA_ID));
}

#[tokio::test]
async fn an_id_that_was_wrong_at_first_is_corrected_with_the_same_link() {
    let world = SetUpWorld::start().await;
    let mut admin = world.invited_as("contoso", "owner").await;
    enters(&mut admin, FABRIKAM, CLIENT_ID, CLIENT_SECRET).await;
    enters(&mut admin, CONTOSO, CLIENT_ID, CLIENT_SECRET).await;
    let page = tests_as(&mut admin, MAYA).await;
    assert!(page.body.contains("Become the first owner"), "{}", page.body);
}
