//! How a sign-in comes back.

use crate::world::browser::NAVIGATION;
use crate::world::samples::{MAYA, TOM};
use crate::world::{World, WorldPlan};

#[tokio::test]
async fn a_callback_that_this_browser_did_not_begin_redeems_nothing() {
    let world = World::start().await;
    let (mut maya, mut eve) = (world.browser(), world.browser());
    eve.visits("/").await;
    // Eve stops before her own callback and gives its address to Maya (login CSRF).
    let shown = eve.page.clone();
    let callback = eve.stops_at_the_callback(TOM, shown).await;
    let before = world.emulator.control().token_calls();
    let page = maya.opens(&callback).await;
    assert_eq!(world.emulator.control().token_calls(), before);
    assert!(maya.cookie("entrada").is_none());
    assert!(page.is_the_sign_in_at_entra() || page.status == 400, "{} {}", page.status, page.body);

    // With Eve's pending cookie gone as well, her own browser redeems nothing either.
    eve.forgets();
    eve.opens(&callback).await;
    assert_eq!(world.emulator.control().token_calls(), before);
}

#[tokio::test]
async fn back_reload_and_a_stale_bookmark_never_end_in_an_error() {
    let world = World::start().await;
    let mut maya = world.browser();
    maya.visits("/x").await;
    let shown = maya.page.clone();
    let callback = maya.stops_at_the_callback(MAYA, shown).await;
    let page = maya.opens(&callback).await;
    assert_eq!(page.path_and_query(), "/x");
    let calls = world.emulator.control().token_calls();
    // Back, or reload, at once and later: still signed in, so to the page.
    for seconds in [0, 11, 580, 20] {
        world.later(seconds);
        let page = maya.opens(&callback).await;
        assert_eq!((page.status, page.path_and_query()), (200, "/x".to_owned()), "{seconds}");
    }
    assert_eq!(world.emulator.control().token_calls(), calls);
    // A bookmark, a day later.
    maya.forgets();
    world.later(86_400);
    let page = maya.opens(&callback).await;
    assert!(page.is_the_sign_in_at_entra(), "{} {}", page.status, page.body);
    assert_eq!(maya.signs_in_as(MAYA).await.path_and_query(), "/x");
    // One without any state is explained.
    maya.forgets();
    let mut bookmark = callback.clone();
    bookmark.set_query(None);
    let page = maya.opens(&bookmark).await;
    assert_eq!(page.status, 400);
    assert!(page.body.contains("This sign-in has ended"));
    assert!(page.body.contains("/oauth2/start"));
}

#[tokio::test]
async fn a_sign_in_that_takes_too_long_begins_afresh() {
    let world = World::start().await;
    let mut maya = world.browser();
    maya.visits("/x").await;
    let shown = maya.page.clone();
    let callback = maya.stops_at_the_callback(MAYA, shown).await;
    let before = world.emulator.control().token_calls();
    world.later(601);
    let page = maya.opens(&callback).await;
    assert!(page.is_the_sign_in_at_entra(), "{} {}", page.status, page.body);
    assert_eq!(world.emulator.control().token_calls(), before);
    // For the page that she wanted.
    assert_eq!(maya.signs_in_as(MAYA).await.path_and_query(), "/x");
}

#[tokio::test]
async fn a_posted_callback_is_sent_round_by_get() {
    let world = World::start().await;
    let mut maya = world.browser();
    let page = maya
        .posts(
            "/oauth2/callback",
            &[("origin", "https://login.microsoftonline.com"), ("accept", "text/html")],
            "code=abc&state=def",
        )
        .await;
    assert_eq!(page.status, 303);
    assert_eq!(page.header("location"), "/oauth2/callback?code=abc&state=def");
    let page = maya.posts("/oauth2/callback", NAVIGATION, "code=abc&code=abd&state=def").await;
    assert_eq!(page.status, 400);
}

#[tokio::test]
async fn the_callback_can_be_anywhere_of_ours() {
    let world = World::with(WorldPlan {
        entra: "redirect_path = \"/v1/callback\"".into(),
        ..WorldPlan::default()
    })
    .await;
    let mut maya = world.browser();
    maya.visits("/reports").await;
    let page = maya.signs_in_as(MAYA).await;
    assert_eq!(page.path_and_query(), "/reports");
    assert!(page.way.iter().any(|it| it.path() == "/v1/callback"));
}
