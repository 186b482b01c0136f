//! Every decision that an admin takes on the page, sent as the page's own forms.

use super::*;
use entrada::directory::organization::OrganizationState;

const REQUESTS: &str = "/oauth2/setup/requests";

impl AddedWorld {
    /// An admin who has just signed in again.
    async fn admin(&self) -> TestBrowser {
        self.knows(MAYA, "contoso", "owner").await;
        let mut maya = self.world.browser();
        self.comes(&mut maya, "contoso", MAYA).await;
        maya.visits("/oauth2/start?organization=contoso&prompt=login&rd=%2Foauth2%2Fsetup").await;
        maya.signs_in_as(MAYA).await;
        maya
    }

    /// Presses a button of the page of requests.
    async fn presses(&self, browser: &mut TestBrowser, button: &str) -> BrowserPage {
        let shown = browser.visits(REQUESTS).await;
        let fields = form_with(&shown.body, button);
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, *value)).collect();
        browser.fills(REQUESTS, &fields).await
    }
}

/// The hidden fields of the first form that has the button, and the button.
fn form_with<'a>(html: &'a str, button: &'a str) -> Vec<(&'a str, &'a str)> {
    let pressed = format!("name=\"do\" value=\"{button}\"");
    let form = html
        .split("<form ")
        .skip(1)
        .filter_map(|it| it.split_once("</form>"))
        .map(|it| it.0)
        .find(|it| it.contains(&pressed))
        .unwrap_or_else(|| panic!("no button {button}: {html}"));
    let hidden = form.split("type=\"hidden\" name=\"").skip(1).filter_map(|it| {
        let (name, rest) = it.split_once("\" value=\"")?;
        Some((name, rest.split_once('"')?.0))
    });
    hidden.chain([("do", button)]).collect()
}

#[tokio::test]
async fn a_denied_account_is_listed_and_can_be_made_a_person_of_its_own() {
    let world = AddedWorld::start().await;
    world.adds("tom-b", "contoso", "worker").await;
    let mut maya = world.admin().await;
    world.waits("tom-b", TOM).await;
    let page = world.presses(&mut maya, "deny").await;
    assert_eq!(page.status, 200, "{}", page.body);
    let denied = world.comes(&mut world.browser(), "contoso", TOM).await;
    assert!(denied.body.contains("Your account was not confirmed"), "{}", denied.body);
    // What was denied cannot be denied again, and can be changed.
    let page = maya.visits(REQUESTS).await;
    assert!(page.body.contains("value=\"separate\"") && !page.body.contains("value=\"deny\""));
    let page = world.presses(&mut maya, "separate").await;
    assert_eq!(page.status, 200, "{}", page.body);
    let page = world.comes(&mut world.browser(), "contoso", TOM).await;
    assert_eq!((page.status, world.linked("tom-b").await), (200, None));
    assert_eq!(world.linked(TOM).await, Guid::parse(&world.oid(TOM)));
}

#[tokio::test]
async fn an_approval_is_undone_on_the_page_and_its_sessions_end() {
    let world = AddedWorld::start().await;
    world.adds("tom-b", "contoso", "worker").await;
    let mut maya = world.admin().await;
    world.waits("tom-b", TOM).await;
    assert_eq!(world.presses(&mut maya, "link").await.status, 200);
    let mut tom = world.browser();
    assert_eq!(world.comes(&mut tom, "tom-b", TOM).await.status, 200);
    let page = maya.visits(REQUESTS).await;
    assert!(page.body.contains("Approved as tom-b"), "{}", page.body);
    let page = world.presses(&mut maya, "undo").await;
    assert!(page.body.contains("The approval is undone"), "{}", page.body);
    assert_eq!(tom.asks("GET", "/api/x", SCRIPT).await.status, 401);
    assert_eq!(world.linked("tom-b").await, None);
    // It waits again, and can be denied now.
    world.waits("tom-b", TOM).await;
    world.presses(&mut maya, "deny").await;
    let denied = world.comes(&mut tom, "tom-b", TOM).await;
    assert!(denied.body.contains("Your account was not confirmed"), "{}", denied.body);
}

#[tokio::test]
async fn people_who_look_alike_are_merged_on_the_page_and_the_created_one_is_signed_out() {
    let world = AddedWorld::start().await;
    let added = world.adds("tom.becker@partner.example", "contoso", "worker").await;
    let mut maya = world.admin().await;
    let mut tom = world.browser();
    assert_eq!(world.comes(&mut tom, "contoso", TOM).await.status, 200);
    let page = maya.visits(REQUESTS).await;
    assert!(page.body.contains("Possibly the same person"), "{}", page.body);
    let page = world.presses(&mut maya, "merge").await;
    assert_eq!(page.status, 200, "{}", page.body);
    assert!(!page.body.contains("Possibly the same person"), "{}", page.body);
    assert_eq!(tom.asks("GET", "/api/x", SCRIPT).await.status, 401);
    let page = world.comes(&mut tom, "contoso", TOM).await;
    assert_eq!(page.app_heard("x-entrada-person"), added.id.to_string());
}

#[tokio::test]
async fn people_who_only_look_alike_stay_two_once_an_admin_said_so() {
    let world = AddedWorld::start().await;
    world.adds("tom.becker@partner.example", "contoso", "worker").await;
    let mut maya = world.admin().await;
    let mut tom = world.browser();
    world.comes(&mut tom, "contoso", TOM).await;
    let page = world.presses(&mut maya, "dismiss").await;
    assert!(page.status == 200 && !page.body.contains("Possibly the same person"), "{}", page.body);
    assert_eq!(tom.asks("GET", "/api/x", SCRIPT).await.status, 200);
    // It is not asked again at the next sign-in.
    world.comes(&mut tom, "contoso", TOM).await;
    let organization = world.organization("contoso").await.id;
    assert!(world.directory().possible_merges(organization).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_owner_lets_people_be_linked_again_after_a_link_led_to_another_tenant() {
    let world = AddedWorld::start().await;
    world.adds(TOM, "contoso", "worker").await;
    let invited = OrganizationChange {
        tenant: Guid::parse(FABRIKAM),
        origin: change::ChangeOrigin::Invited,
        ..OrganizationChange::default()
    };
    world.changes("contoso", invited).await;
    assert!(world.organization("contoso").await.linking_paused.is_some());
    // That the operator leads it back does not tell what people of the other tenant did.
    let back = OrganizationChange {
        tenant: Guid::parse(CONTOSO),
        state: Some(OrganizationState::On),
        ..OrganizationChange::default()
    };
    world.changes("contoso", back).await;
    assert!(world.organization("contoso").await.linking_paused.is_some());
    let mut maya = world.admin().await;
    world.waits("contoso", TOM).await;
    let page = maya.visits(REQUESTS).await;
    assert!(page.body.contains("Link people automatically again"), "{}", page.body);
    let page = world.presses(&mut maya, "resume").await;
    assert_eq!(page.status, 200, "{}", page.body);
    assert!(world.organization("contoso").await.linking_paused.is_none());
    assert_eq!(world.comes(&mut world.browser(), "contoso", TOM).await.status, 200);
    let history = world.history("contoso").await;
    let maya = world.person(MAYA).await.id;
    assert!(
        history
            .iter()
            .any(|it| it.starts_with(&format!("person {maya}:")) && it.contains("linking resumed")),
        "{history:?}"
    );
}
