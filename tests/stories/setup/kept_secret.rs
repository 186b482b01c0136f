//! A secret that was typed into a form that is refused because of another field is not lost, and goes nowhere else.

use super::*;
use crate::world::browser::FORM;
use crate::world::samples::{CONTOSO, FABRIKAM, FRIDA};

const NEW: &str = "c~kept.Value_of_the_stories-5678901234567";
const KEPT: &str = "The secret that you entered is kept; leave the field empty to use it.";
const LOST: &str = "The client secret you entered was not kept";
const OTHER_APP: &str = "22223333-cccc-4444-dddd-5555eeee6666";

fn form(tenant: &str, client_id: &str, secret: &str, ends: &str) -> Vec<(String, String)> {
    SECRETS.lock().unwrap().push(NEW.to_owned());
    [("tenant", tenant), ("client_id", client_id), ("client_secret", secret), ("ends", ends)]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
}

async fn sends(
    browser: &mut TestBrowser,
    tenant: &str,
    client_id: &str,
    secret: &str,
    ends: &str,
) -> BrowserPage {
    let form = form(tenant, client_id, secret, ends);
    let fields: Vec<_> = form.iter().map(|it| (it.0.as_str(), it.1.as_str())).collect();
    let page = browser.fills("/oauth2/setup/connection", &fields).await;
    assert!(!page.body.contains(NEW), "the secret is on the page");
    assert!(page.way.iter().all(|it| !it.as_str().contains(NEW)), "the secret is in an address");
    page
}

/// The name of the field of the secret, and whether it must be filled.
fn is_required(page: &BrowserPage) -> bool {
    let (_, field) = page.body.split_once("name=\"client_secret\"").unwrap();
    field.split('>').next().unwrap().contains(" required")
}

#[tokio::test]
async fn a_secret_outlives_each_wrong_field_and_is_used_when_the_field_is_left_empty() {
    for (tenant, client_id, ends, says) in [
        (CONTOSO, CLIENT_ID, "2001-02-03", "This date is in the past"),
        (CONTOSO, CLIENT_ID, "soon", "This is not a date"),
        ("our tenant", CLIENT_ID, "", "Copy the Directory (tenant) ID"),
        ("nowhere.example", CLIENT_ID, "", "Microsoft has no tenant with this domain"),
        (CONTOSO, "our app", "", "Copy the Application (client) ID"),
        (CONTOSO, CONTOSO, "", "This is the tenant ID again"),
    ] {
        let world = SetUpWorld::start().await;
        let mut admin = world.invited("contoso").await;
        let page = sends(&mut admin, tenant, client_id, NEW, ends).await;
        assert!(page.status == 422 && page.body.contains(says), "{says}: {}", page.body);
        assert!(
            page.body.contains(KEPT) && !page.body.contains(LOST) && !is_required(&page),
            "{says}: {}",
            page.body
        );
        assert!(!world.is_in_the_database(NEW).await && !world.world.logged().await.contains(NEW));
        let again = admin.visits("/oauth2/setup").await;
        assert!(again.body.contains(KEPT), "after a reload: {}", again.body);
        let page = sends(&mut admin, CONTOSO, CLIENT_ID, "", "").await;
        assert_eq!(page.path_and_query(), "/oauth2/setup?done=saved", "{says}: {}", page.body);
        assert!(!page.body.contains(KEPT), "it is used up");
        let saved = world.directory().connection(&world.organization("contoso").await).await;
        assert!(saved.unwrap().is_some(), "{says}");
        world.world.emulator.control().add_secret(NEW);
        let page = tests_as(&mut admin, crate::world::samples::MAYA).await;
        assert!(page.body.contains("The sign-in works"), "{says}: {}", page.body);
    }
}

#[tokio::test]
async fn attack_a_kept_secret_goes_to_no_other_tenant_and_to_no_other_app() {
    for (tenant, client_id) in [(FABRIKAM, CLIENT_ID), (CONTOSO, OTHER_APP)] {
        let world = SetUpWorld::start().await;
        let mut admin = world.invited("contoso").await;
        assert!(sends(&mut admin, CONTOSO, CLIENT_ID, NEW, "2001-02-03").await.body.contains(KEPT));
        let page = sends(&mut admin, tenant, client_id, "", "").await;
        assert!(
            page.status == 422
                && page.body.contains("was for other IDs, so it was not kept")
                && !page.body.contains(KEPT),
            "{}",
            page.body
        );
        // Nor with those that it was typed with, once it is dropped.
        let page = sends(&mut admin, CONTOSO, CLIENT_ID, "", "").await;
        assert!(page.body.contains("Enter the Value of a client secret"), "{}", page.body);
        assert_eq!(world.organization("contoso").await.tenant, None);
    }
    // Half of it was no ID then, and stays open; the other half does not.
    let world = SetUpWorld::start().await;
    let mut admin = world.invited("contoso").await;
    sends(&mut admin, CONTOSO, "our app", NEW, "").await;
    let page = sends(&mut admin, FABRIKAM, CLIENT_ID, "", "").await;
    assert!(page.body.contains("was for other IDs"), "{}", page.body);
}

#[tokio::test]
async fn attack_a_kept_secret_is_for_one_visit_and_ten_minutes() {
    let world = SetUpWorld::start().await;
    world.knows(FRIDA, "fabrikam", "owner").await;
    let mut frida = world.signed_in_again(FRIDA).await;
    let page = sends(&mut frida, FABRIKAM, CLIENT_ID, NEW, "2001-02-03").await;
    assert!(page.body.contains(KEPT), "{}", page.body);
    // Another browser of the same person, the operator's link, and another company.
    let mut other = world.signed_in_again(FRIDA).await;
    let mut link = world.invited("fabrikam").await;
    let mut contoso = world.invited("contoso").await;
    for browser in [&mut other, &mut link, &mut contoso] {
        let page = browser.visits("/oauth2/setup").await;
        assert!(page.status == 200 && !page.body.contains(KEPT), "{}", page.body);
    }
    // The page about the secret takes it as well.
    assert!(frida.visits("/oauth2/setup/credential").await.body.contains(KEPT));
    // Signing out forgets it, although the session's cookie might come back.
    let cookie = frida.cookie("entrada").unwrap();
    frida.posts("/oauth2/sign_out", FORM, "").await;
    frida.plants("entrada", &cookie);
    assert_ne!(frida.visits("/oauth2/setup").await.path_and_query(), "/oauth2/setup");
    assert_eq!(world.world.internals().process.typed_secrets.count(), 0);
    // After ten minutes it is gone.
    let page = sends(&mut contoso, CONTOSO, CLIENT_ID, NEW, "2001-02-03").await;
    assert!(page.body.contains(KEPT), "{}", page.body);
    world.world.later(599);
    assert!(contoso.visits("/oauth2/setup").await.body.contains(KEPT));
    world.world.later(1);
    let page = contoso.visits("/oauth2/setup").await;
    assert!(page.status == 200 && !page.body.contains(KEPT), "{}", page.body);
    let page = sends(&mut contoso, CONTOSO, CLIENT_ID, "", "").await;
    assert!(page.body.contains("Enter the Value of a client secret"), "{}", page.body);
}

#[tokio::test]
async fn what_is_no_secret_is_not_kept_and_another_one_takes_its_place() {
    let world = SetUpWorld::start().await;
    let mut admin = world.invited("contoso").await;
    let secret_id = "0a1b2c3d-1111-2222-3333-444455556666";
    let page = sends(&mut admin, CONTOSO, CLIENT_ID, secret_id, "2001-02-03").await;
    assert!(page.body.contains(LOST) && !page.body.contains(KEPT), "{}", page.body);
    assert!(sends(&mut admin, CONTOSO, CLIENT_ID, NEW, "2001-02-03").await.body.contains(KEPT));
    // Typed instead of it: the one before is not what the admin means any more.
    let page = sends(&mut admin, CONTOSO, CLIENT_ID, secret_id, "").await;
    assert!(page.body.contains(LOST) && !page.body.contains(KEPT), "{}", page.body);
    // Whoever ends the visit leaves nothing.
    assert!(sends(&mut admin, CONTOSO, CLIENT_ID, NEW, "2001-02-03").await.body.contains(KEPT));
    assert_eq!(world.world.internals().process.typed_secrets.count(), 1);
    admin.fills("/oauth2/setup/leave", &[]).await;
    assert_eq!(world.world.internals().process.typed_secrets.count(), 0);
}

#[tokio::test]
async fn the_page_about_the_secret_keeps_it_when_the_date_is_wrong() {
    let world = SetUpWorld::start().await;
    world.knows(FRIDA, "fabrikam", "owner").await;
    let mut frida = world.signed_in_again(FRIDA).await;
    SECRETS.lock().unwrap().push(NEW.to_owned());
    let fields = [("do", "set"), ("secret", NEW), ("ends", "2001-02-03")];
    let page = frida.fills("/oauth2/setup/credential", &fields).await;
    assert!(
        page.status == 422
            && page.body.contains("That date is in the past")
            && page.body.contains(KEPT)
            && !page.body.contains(NEW),
        "{}",
        page.body
    );
    let fields = [("do", "set"), ("secret", ""), ("ends", "2099-02-03")];
    let page = frida.fills("/oauth2/setup/credential", &fields).await;
    assert!(page.body.contains("The new secret is saved."), "{}", page.body);
    let now = world.organization("fabrikam").await;
    assert!(now.pending_credential.is_some_and(|it| it.ends == Some(4_073_760_000)));
    assert_eq!(world.world.internals().process.typed_secrets.count(), 0);
}

impl SetUpWorld {
    /// A browser in which an admin of fabrikam confirmed the password a moment ago.
    async fn signed_in_again(&self, person: &str) -> TestBrowser {
        let mut browser = self.world.browser();
        browser.visits("/oauth2/start?organization=fabrikam&prompt=login").await;
        let page = browser.signs_in_as(person).await;
        assert_eq!(page.status, 200, "{}", page.body);
        browser
    }
}
