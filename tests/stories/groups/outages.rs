//! A Graph that does not answer, or answers with something else.

use super::{PAGES, RECHECK};
use crate::world::browser::SCRIPT;
use crate::world::samples::{GRACE, GRACE_ID, MAYA};
use crate::world::{World, WorldPlan};
use entrada::emulator::{GraphFault, TokenFault, UNTIL_CLEARED};
use std::time::{Duration, Instant};

#[tokio::test]
async fn p6_a_graph_that_wants_rest_is_given_it_and_asked_again() {
    let world = World::start().await;
    world.emulator.control().graph(GraphFault::TooMany(Some(2)), 1);
    let mut grace = world.signed_in(GRACE).await;
    let began = Instant::now();
    assert_eq!(grace.visits("/group/x").await.status, 200);
    assert!(
        began.elapsed() >= Duration::from_millis(900) && began.elapsed() < Duration::from_secs(8),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(world.emulator.control().graph_calls(), 1 + PAGES);
    assert_eq!(world.emulator.control().reused_refresh_tokens(), 0);
}

#[tokio::test]
async fn p6_while_graph_is_down_a_new_session_hears_503_and_a_live_one_goes_on_for_a_while() {
    let world = World::start().await;
    let control = world.emulator.control();
    let mut live = world.signed_in(GRACE).await;
    assert_eq!(live.visits("/group/x").await.status, 200);
    control.graph(GraphFault::Down, UNTIL_CLEARED);
    world.later(RECHECK);
    let mut fresh = world.signed_in(GRACE).await;
    let page = fresh.visits("/group/x").await;
    assert_eq!(page.status, 503, "{}", page.body);
    assert!(
        page.body.contains("Your groups are not known") && page.body.contains("Microsoft Graph"),
        "{}",
        page.body
    );
    let problem = fresh.asks("GET", "/group/x", SCRIPT).await;
    assert_eq!((problem.status, problem.header("retry-after")), (503, "5"));
    assert!(problem.json()["detail"].as_str().unwrap().contains("Microsoft Graph"));
    assert_eq!(fresh.visits("/x").await.status, 200);
    assert_eq!(live.visits("/group/x").await.status, 200);
    // Told once, however many heard it.
    let log = world.logged().await;
    assert!(log.contains("\"cause\":\"a rule needs groups that are unknown: Microsoft Graph returned status 503\""), "{log}");
    // What is too old is not believed any longer, and is not taken for no groups.
    world.later(RECHECK);
    assert_eq!(live.visits("/group/x").await.status, 503);
    let page = live.visits("/x").await;
    assert_eq!(
        (page.status, page.app_heard("x-forwarded-groups-truncated")),
        (200, "true".to_owned())
    );
    assert!(
        control.graph_calls() < PAGES + 15,
        "{} calls while it was down",
        control.graph_calls()
    );
    control.clear_graph();
    world.later(130);
    assert_eq!(live.visits("/group/x").await.status, 200);
    assert_eq!(fresh.visits("/group/x").await.status, 200);
    assert_eq!(control.reused_refresh_tokens(), 0);
}

#[tokio::test]
async fn a_list_of_groups_that_leads_elsewhere_or_never_ends_is_refused_as_a_whole() {
    for fault in [GraphFault::ForeignLink, GraphFault::Endless, GraphFault::Garbage] {
        let world = World::start().await;
        world.emulator.control().graph(fault, UNTIL_CLEARED);
        let mut grace = world.signed_in(GRACE).await;
        let page = grace.visits("/group/x").await;
        assert_eq!(page.status, 503, "{fault:?} {}", page.body);
        let page = grace.visits("/x").await;
        assert_eq!(
            (page.app_heard("x-forwarded-groups"), page.app_heard("x-forwarded-groups-truncated")),
            (String::new(), "true".to_owned())
        );
        assert!(world.emulator.control().graph_calls() <= 120, "{fault:?}");
    }
}

#[tokio::test]
async fn without_the_permission_the_page_says_what_an_admin_has_to_agree_to() {
    let world = World::start().await;
    world.emulator.control().graph(GraphFault::Forbidden, UNTIL_CLEARED);
    let mut grace = world.signed_in(GRACE).await;
    let page = grace.visits("/group/x").await;
    assert_eq!(page.status, 503, "{}", page.body);
    assert!(
        page.body.contains("User.Read")
            && page.body.contains("Grant the delegated Microsoft Graph permission"),
        "{}",
        page.body
    );
    assert!(world.logged().await.contains("was not granted User.Read"));
    // Nobody hammers Graph meanwhile; what was agreed to is noticed without a new sign-in.
    for _ in 0..10 {
        assert_eq!(grace.asks("GET", "/group/x", SCRIPT).await.status, 503);
    }
    assert_eq!(world.emulator.control().graph_calls(), 1);
    world.emulator.control().clear_graph();
    world.later(31);
    assert_eq!(grace.visits("/group/x").await.status, 200);
}

#[tokio::test]
async fn whom_graph_is_refused_for_does_not_take_the_turn_of_those_who_ask_about_sessions() {
    let world = World::start().await;
    let control = world.emulator.control();
    assert!(control.refuse_refresh(GRACE_ID, 65_001));
    let (mut maya, mut grace) = (world.signed_in(MAYA).await, world.signed_in(GRACE).await);
    assert_eq!(grace.asks("GET", "/group/x", SCRIPT).await.status, 503);
    world.later(61);
    control.token_answer(TokenFault::Html(503), 1);
    assert_eq!(maya.asks("POST", "/oauth2/session/refresh", SCRIPT).await.status, 503);
    // Entra is well again, and hers is the first question after the pause.
    world.later(60);
    assert_eq!(grace.asks("GET", "/group/x", SCRIPT).await.status, 503);
    assert_eq!(maya.asks("POST", "/oauth2/session/refresh", SCRIPT).await.status, 200);
}

#[tokio::test]
async fn p6_the_pointer_in_a_token_is_never_followed() {
    let proxy = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    // Whatever is not on this machine would be asked through it.
    let world = World::with(WorldPlan {
        proxy: Some(format!("http://{}", proxy.local_addr().unwrap())),
        ..WorldPlan::default()
    })
    .await;
    let mut grace = world.signed_in(GRACE).await;
    assert_eq!(grace.visits("/group/x").await.status, 200);
    world.emulator.control().graph(GraphFault::ForeignLink, UNTIL_CLEARED);
    world.later(RECHECK);
    assert_eq!(grace.visits("/group/x").await.status, 200);
    assert!(
        tokio::time::timeout(Duration::from_millis(300), proxy.accept()).await.is_err(),
        "another host was asked"
    );
}
