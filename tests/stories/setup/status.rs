//! The set-up page of an organization that is on: its state first, the steps folded below.

use super::*;
use crate::world::samples::{CONTOSO, FRIDA, MAYA, TOM};

/// What stands on the page before the steps.
fn card(page: &BrowserPage) -> String {
    let text = page.body.replace("&#x2f;", "/");
    let (_, rest) =
        text.split_once("<section class=\"status\"").unwrap_or_else(|| panic!("{text}"));
    let (card, rest) =
        rest.split_once("<details class=\"steps\"").unwrap_or_else(|| panic!("{text}"));
    assert!(rest.contains("id=\"step-1\"") && rest.contains("id=\"step-6\""), "{text}");
    card.to_owned()
}

fn are_steps_open(page: &BrowserPage) -> bool {
    page.body.contains("<details class=\"steps\" open>")
}

#[tokio::test]
async fn after_turn_on_the_page_begins_with_code_link_last_sign_in_and_what_to_do_next() {
    let world = SetUpWorld::start().await;
    let mut admin = world.invited("contoso").await;
    enters(&mut admin, CONTOSO, CLIENT_ID, CLIENT_SECRET).await;
    assert!(!admin.visits("/oauth2/setup").await.body.contains("class=\"status\""));
    tests_as(&mut admin, MAYA).await;
    let page = admin.fills("/oauth2/setup/on", &[]).await;
    let shown = card(&page);
    for says in [
        "<dt>On since</dt><dd>20",
        "<code>contoso</code>",
        &format!("{}/oauth2/start?organization=contoso</code>", world.world.public_url),
        "none in the last 30 days",
        "Sign in once yourself",
        "href=\"/oauth2/setup/sheet\"",
    ] {
        assert!(shown.contains(says), "{says}: {shown}");
    }
    assert!(!are_steps_open(&page) && page.body.matches("<code>contoso</code>").count() == 1);
    world.world.later(3600);
    world.signed_in("contoso", MAYA).await;
    let signed_in_at = last_sign_in(&mut admin).await;
    let shown = until_it_names(&world, &mut admin, MAYA).await;
    assert!(shown.contains(&format!("{MAYA}, {signed_in_at} UTC")), "{signed_in_at}: {shown}");
    assert!(!shown.contains("Sign in once yourself"), "{shown}");
    // Somebody who was added beforehand waits, and the card leads there.
    world.adds(TOM, "contoso", "owner").await;
    let mut tom = world.world.browser();
    tom.visits("/oauth2/start?organization=contoso").await;
    assert_eq!(tom.signs_in_as(TOM).await.status, 403);
    let shown = card(&admin.visits("/oauth2/setup").await);
    assert!(
        shown.contains("<a href=\"/oauth2/setup/requests\">")
            && shown.contains("Confirm the accounts and people that wait: 1"),
        "{shown}"
    );
}

/// The time of the only sign-in, as the page of people shows it.
async fn last_sign_in(admin: &mut TestBrowser) -> String {
    let page = admin.visits("/oauth2/setup/people").await;
    let (_, rest) =
        page.body.split_once("Last signed in ").unwrap_or_else(|| panic!("{}", page.body));
    rest.split(" UTC").next().unwrap().to_owned()
}

/// The card, once the sign-in was recorded: no response waits for that.
async fn until_it_names(world: &SetUpWorld, admin: &mut TestBrowser, person: &str) -> String {
    for _ in 0..100 {
        let shown = card(&admin.visits("/oauth2/setup").await);
        if shown.contains(person) {
            return shown;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("the sign-in was not recorded: {}", world.world.logged().await);
}

#[tokio::test]
async fn the_card_counts_from_when_it_was_last_turned_on_and_warns_of_a_secret_that_expires() {
    let world = SetUpWorld::start().await;
    world.knows(FRIDA, "fabrikam", "owner").await;
    let mut frida = world.signed_in("fabrikam", FRIDA).await;
    let first = card(&frida.visits("/oauth2/setup").await);
    assert!(first.contains("Enter when the client secret expires"), "{first}");
    let since = |card: &str| {
        let (_, rest) = card.split_once("<dt>On since</dt><dd>").unwrap();
        rest.split(" UTC").next().unwrap().to_owned()
    };
    world.world.later(3600);
    world.turns("fabrikam", OrganizationState::Off).await;
    world.world.later(3600);
    world.turns("fabrikam", OrganizationState::On).await;
    let ends = world.world.clock.now() + 10 * 86_400;
    let change =
        OrganizationChange { credential_ends: Some(ends), ..OrganizationChange::default() };
    world.changes("fabrikam", change).await;
    let mut frida = world.signed_in("fabrikam", FRIDA).await;
    let page = frida.visits("/oauth2/setup").await;
    let second = card(&page);
    assert!(since(&second) > since(&first), "{first} {second}");
    assert!(second.contains("it expires on ") && second.contains("in 10 days"), "{second}");
    // What was refused is shown: the steps are open.
    assert!(!are_steps_open(&page));
    let refused = frida.fills("/oauth2/setup/connection", &[("tenant", "x")]).await;
    assert!(refused.status == 422 && are_steps_open(&refused), "{}", refused.body);
    world.world.later(11 * 86_400);
    let mut frida = world.signed_in("fabrikam", FRIDA).await;
    let over = card(&frida.visits("/oauth2/setup").await);
    assert!(over.contains("which expired on"), "{over}");
}
