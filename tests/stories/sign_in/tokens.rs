//! What Entra answers, and what is believed of it.

use crate::world::samples::{INES, MAYA, PRIYA, TOM};
use crate::world::{World, WorldPlan};
use entrada::emulator::TokenDefect;

#[tokio::test]
async fn a_token_that_is_wrong_in_any_way_signs_nobody_in() {
    let world = World::start().await;
    for wrong in [
        TokenDefect::Nonce,
        TokenDefect::Issuer,
        TokenDefect::Audience,
        TokenDefect::Signature,
        TokenDefect::Expired,
        TokenDefect::NotYet,
        TokenDefect::AlgNone,
        TokenDefect::Tid,
    ] {
        let mut maya = world.browser();
        maya.visits("/x").await;
        world.emulator.control().wrong(wrong);
        let page = maya.signs_in_as(MAYA).await;
        assert_eq!(page.status, 403, "{wrong:?}: {}", page.body);
        assert!(maya.cookie("entrada").is_none(), "{wrong:?}");
        assert_eq!(world.app.seen.count(), 0);
        assert!(page.body.contains("failed our checks"), "{wrong:?}: {}", page.body);
    }
}

#[tokio::test]
async fn a_new_key_of_entra_is_fetched_once_it_is_met() {
    let world = World::start().await;
    world.signed_in(MAYA).await;
    world.emulator.control().rotate_keys().await;
    let before = world.emulator.control().keys_calls();
    world.later(60);
    world.signed_in(TOM).await;
    assert_eq!(world.emulator.control().keys_calls(), before + 1);
}

#[tokio::test]
async fn entra_may_be_down_at_the_start_and_later() {
    let world = World::with(WorldPlan { entra_down: true, ..WorldPlan::default() }).await;
    let mut maya = world.browser();
    let page = maya.visits("/x").await;
    assert_eq!(page.status, 503, "{}", page.body);
    assert!(page.headers.contains_key("retry-after"));
    let ready = crate::world::raw::talk(
        world.admin,
        "GET /readyz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert_eq!(crate::world::raw::status(&ready), 503, "{ready}");
    // A page that is open to anyone works all the same.
    assert_eq!(maya.visits("/public/x").await.status, 200);

    world.emulator.control().be_down(false);
    world.is_ready().await;
    let ready = crate::world::raw::talk(
        world.admin,
        "GET /readyz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert_eq!(crate::world::raw::status(&ready), 200, "{ready}");
    let mut maya = world.signed_in(MAYA).await;

    // A later outage takes nobody's session and not the readiness.
    world.emulator.control().be_down(true);
    assert_eq!(maya.visits("/y").await.status, 200);
    let ready = crate::world::raw::talk(
        world.admin,
        "GET /readyz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert_eq!(crate::world::raw::status(&ready), 200);
}

#[tokio::test]
async fn whom_entra_refuses_reads_why_and_whose_move_it_is() {
    let world = World::start().await;
    let mut bruno = world.browser();
    // What Entra tells in the callback; its own page keeps most codes, consent comes back.
    for (query, words) in [
        (
            "error=access_denied&error_description=AADSTS65004%3A+User+declined+to+consent",
            "You canceled the sign-in",
        ),
        (
            "error=invalid_request&error_description=AADSTS50105%3A+not+assigned+Trace+ID%3A+11111111-2222-3333-4444-555555555555+Correlation+ID%3A+99999999-2222-3333-4444-555555555555",
            "You are not assigned to this app",
        ),
        (
            "error=interaction_required&error_description=AADSTS53003%3A+%3Cscript%3Ealert(1)%3C%2Fscript%3E",
            "Your organization does not allow this sign-in",
        ),
    ] {
        let page = bruno.until("/x", "authorize").await;
        let state = page.url.query_pairs().find(|it| it.0 == "state").unwrap().1.into_owned();
        let page = bruno.visits(&format!("/oauth2/callback?{query}&state={state}")).await;
        assert_eq!(page.status, 403);
        assert!(page.body.contains(words), "{words}: {}", page.body);
        assert!(!page.body.contains("<script>alert"), "{}", page.body);
        let reference = page.header("x-request-id").to_owned();
        assert!(!reference.is_empty() && page.body.contains(&reference));
        assert!(world.logged().await.contains(&reference));
        bruno.forgets();
    }
}

#[tokio::test]
async fn every_person_of_the_tenant_is_told_as_what_they_are() {
    let world = World::start().await;
    let mut ines = world.signed_in(INES).await;
    assert!(ines.visits("/").await.app_heard_all("x-forwarded-email").is_empty());
    let mut zoe = world.signed_in("zoe@contoso.example").await;
    let name = zoe.visits("/").await.app_heard("x-forwarded-name");
    assert!(name.is_ascii());
    assert_eq!(
        percent_encoding::percent_decode_str(&name).decode_utf8().unwrap(),
        "Zoë Łukasiewicz 山田"
    );
    let mut tom = world.signed_in(TOM).await;
    assert!(tom.visits("/").await.app_heard_all("x-forwarded-roles").is_empty());
    world.signed_in(PRIYA).await;
}

#[tokio::test]
async fn guests_can_be_kept_out() {
    let world =
        World::with(WorldPlan { entra: "guests = false".into(), ..WorldPlan::default() }).await;
    let mut priya = world.browser();
    priya.visits("/").await;
    let page = priya.signs_in_as(PRIYA).await;
    assert_eq!(page.status, 403, "{}", page.body);
    assert!(priya.cookie("entrada").is_none());
    world.signed_in(MAYA).await;
}
