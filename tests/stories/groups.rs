//! The groups that a token does not tell: Microsoft Graph, asked once and for all who wait.

use crate::world::browser::{NAVIGATION, SCRIPT, TestBrowser};
use crate::world::raw::{self, talk};
use crate::world::{World, WorldPlan};
use entrada::emulator::{GraphFault, TokenFault, UNTIL_CLEARED};
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt as _;

const GRACE: &str = "00aa00aa-bb11-cc22-dd33-44ee44ee0006";
const GRACES: &str = "grace@contoso.example";
const FIRST: &str = "0a1b2c3d-0000-4000-8000-000000000001";
const PAGES: u64 = 6;

/// Past the time after which groups are asked for anew, and before the known ones are too old.
const RECHECK: i64 = 31 * 60;

fn entra(line: &str) -> WorldPlan {
    WorldPlan { entra: line.to_owned(), ..WorldPlan::default() }
}

/// Rules that no group decides.
fn no_rules() -> WorldPlan {
    WorldPlan { more: String::new(), ..WorldPlan::default() }
}

fn groups(numbers: std::ops::RangeInclusive<u32>) -> Vec<String> {
    numbers.map(|it| format!("0a1b2c3d-0000-4000-8000-{it:012x}")).collect()
}

/// Looks again and again until it is so.
async fn soon(
    browser: &mut TestBrowser,
    path: &str,
    holds: impl Fn(&crate::world::browser::BrowserPage) -> bool,
) {
    for _ in 0..200 {
        let page = browser.asks("GET", path, SCRIPT).await;
        if holds(&page) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("it did not come about at {path}");
}

#[tokio::test]
async fn p6_a_person_in_600_groups_passes_a_group_rule_and_the_app_hears_of_them() {
    let world = World::start().await;
    let mut grace = world.signed_in(GRACES).await;
    let page = grace.visits("/group/x").await;
    assert_eq!(page.status, 200, "{}", page.body);
    // The one that a rule names comes first; all of them are more than a header takes.
    assert!(page.app_heard("x-forwarded-groups").starts_with(FIRST));
    assert_eq!(page.app_heard("x-forwarded-groups-truncated"), "true");
    let claims = page.app_heard("x-entrada-assertion");
    let claims =
        jsonwebtoken::dangerous::insecure_decode::<serde_json::Value>(&claims).unwrap().claims;
    assert_eq!(claims["groups"][0], FIRST);
    let told = grace.asks("GET", "/oauth2/userinfo", SCRIPT).await.json();
    assert_eq!(
        (told["groups"].as_array().unwrap().len(), &told["groups_truncated"]),
        (600, &false.into())
    );
    let control = world.emulator.control();
    assert_eq!((control.graph_calls(), control.refresh_calls()), (PAGES, 1));
}

#[tokio::test]
async fn p6_the_groups_of_whoever_has_few_stand_in_the_token_and_graph_is_not_asked() {
    let world = World::start().await;
    let mut maya = world.signed_in("maya@contoso.example").await;
    assert_eq!(maya.visits("/group/x").await.status, 200);
    let mut tom = world.signed_in("tom@contoso.example").await;
    assert_eq!(tom.visits("/group/x").await.status, 403);
    assert_eq!(
        (world.emulator.control().graph_calls(), world.emulator.control().refresh_calls()),
        (0, 0)
    );
}

#[tokio::test]
async fn p6_a_graph_that_wants_rest_is_given_it_and_asked_again() {
    let world = World::start().await;
    world.emulator.control().graph(GraphFault::TooMany(Some(2)), 1);
    let mut grace = world.signed_in(GRACES).await;
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
    let mut live = world.signed_in(GRACES).await;
    assert_eq!(live.visits("/group/x").await.status, 200);
    control.graph(GraphFault::Down, UNTIL_CLEARED);
    world.later(RECHECK);
    let mut fresh = world.signed_in(GRACES).await;
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
async fn fifty_requests_and_two_sessions_of_one_person_make_one_question() {
    let world = World::start().await;
    world.emulator.control().graph(GraphFault::Slow(1500), 1);
    let first = world.signed_in(GRACES).await;
    let second = world.signed_in(GRACES).await;
    let asked = (0..50).map(|at| {
        let cookie = if at % 2 == 0 { &first } else { &second }.cookie_header();
        let host = world.public_url.split_once("://").unwrap().1;
        let request = format!("GET /group/{at} HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n");
        let address = world.address;
        tokio::spawn(async move { raw::status(&talk(address, &request).await) })
    });
    for answer in asked.collect::<Vec<_>>() {
        assert_eq!(answer.await.unwrap(), 200);
    }
    let control = world.emulator.control();
    assert_eq!((control.refresh_calls(), control.graph_calls()), (1, PAGES));
}

#[tokio::test]
async fn a_request_that_goes_away_takes_nothing_with_it() {
    let world = World::start().await;
    let control = world.emulator.control();
    control.single_use_refresh(true);
    control.graph(GraphFault::Slow(800), 1);
    let mut grace = world.signed_in(GRACES).await;
    let host = world.public_url.split_once("://").unwrap().1;
    for _ in 0..3 {
        let mut gone = tokio::net::TcpStream::connect(world.address).await.unwrap();
        let request = format!(
            "GET /group/x HTTP/1.1\r\nHost: {host}\r\nCookie: {}\r\n\r\n",
            grace.cookie_header()
        );
        gone.write_all(request.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        drop(gone);
    }
    assert_eq!(grace.visits("/group/x").await.status, 200);
    assert_eq!(
        (control.refresh_calls(), control.graph_calls(), control.reused_refresh_tokens()),
        (1, PAGES, 0)
    );
}

#[tokio::test]
async fn where_no_rule_needs_groups_nobody_waits_and_headers_follow_when_they_are_told() {
    let world = World::with(no_rules()).await;
    let control = world.emulator.control();
    control.graph(GraphFault::Slow(700), 1);
    let mut grace = world.signed_in(GRACES).await;
    let began = Instant::now();
    let page = grace.visits("/x").await;
    assert!(began.elapsed() < Duration::from_millis(600), "{:?}", began.elapsed());
    assert_eq!(
        (page.app_heard("x-forwarded-groups"), page.app_heard("x-forwarded-groups-truncated")),
        (String::new(), "true".to_owned())
    );
    control.set_groups(GRACE, groups(1..=2));
    soon(&mut grace, "/x", |it| it.app_heard("x-forwarded-groups") == groups(1..=2).join(","))
        .await;
    let page = grace.visits("/x").await;
    assert!(page.app_heard("x-forwarded-groups-truncated").is_empty());
    let claims = page.app_heard("x-entrada-assertion");
    let claims =
        jsonwebtoken::dangerous::insecure_decode::<serde_json::Value>(&claims).unwrap().claims;
    assert_eq!(claims["groups"], serde_json::json!(groups(1..=2)));
}

#[tokio::test]
async fn a_list_of_groups_that_leads_elsewhere_or_never_ends_is_refused_as_a_whole() {
    for fault in [GraphFault::ForeignLink, GraphFault::Endless, GraphFault::Garbage] {
        let world = World::start().await;
        world.emulator.control().graph(fault, UNTIL_CLEARED);
        let mut grace = world.signed_in(GRACES).await;
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
    let mut grace = world.signed_in(GRACES).await;
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
    assert!(control.refuse_refresh(GRACE, 65_001));
    let (mut maya, mut grace) =
        (world.signed_in("maya@contoso.example").await, world.signed_in(GRACES).await);
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
async fn groups_graph_asks_graph_whatever_the_token_says() {
    let world = World::with(entra("groups = \"graph\"")).await;
    let control = world.emulator.control();
    let mut maya = world.signed_in("maya@contoso.example").await;
    assert_eq!(maya.visits("/group/x").await.status, 200);
    assert_eq!(control.graph_calls(), 1);
    control.graph(GraphFault::Forbidden, UNTIL_CLEARED);
    world.later(61);
    let mut again = world.signed_in("maya@contoso.example").await;
    assert_eq!(again.visits("/group/x").await.status, 503);
    assert_eq!(maya.visits("/group/x").await.status, 200);
}

#[tokio::test]
async fn groups_off_tells_nobody_any() {
    let world = World::with(WorldPlan { entra: "groups = \"off\"".to_owned(), ..no_rules() }).await;
    for person in ["maya@contoso.example", GRACES] {
        let mut browser = world.signed_in(person).await;
        let page = browser.visits("/x").await;
        assert_eq!(
            (page.app_heard("x-forwarded-groups"), page.app_heard("x-forwarded-groups-truncated")),
            (String::new(), String::new())
        );
    }
    assert_eq!(world.emulator.control().graph_calls(), 0);
}

#[tokio::test]
async fn who_is_taken_out_of_a_group_is_kept_out_after_the_next_asking() {
    let world = World::start().await;
    let control = world.emulator.control();
    let mut grace = world.signed_in(GRACES).await;
    assert_eq!(grace.visits("/group/x").await.status, 200);
    control.set_groups(GRACE, groups(2..=600));
    assert_eq!(grace.visits("/group/x").await.status, 200);
    world.later(RECHECK);
    soon(&mut grace, "/group/x", |it| it.status == 403).await;
    control.set_groups(GRACE, groups(1..=600));
    world.later(RECHECK);
    soon(&mut grace, "/group/x", |it| it.status == 200).await;
    assert_eq!(control.reused_refresh_tokens(), 0);
}

#[tokio::test]
async fn p6_groups_that_graph_told_outlive_a_refreshed_token_that_does_not_tell_them() {
    let world = World::start().await;
    let control = world.emulator.control();
    control.single_use_refresh(true);
    let mut grace = world.signed_in(GRACES).await;
    assert_eq!(grace.visits("/group/x").await.status, 200);
    control.graph(GraphFault::Down, UNTIL_CLEARED);
    let sidecar = world.service.sidecar();
    let session = sidecar.process.store.peek(&grace.cookie("entrada").unwrap()).unwrap();
    for _ in 0..3 {
        let mut lease = session.standing().lease().await;
        let mut refreshed = sidecar.entra.refresh(lease.refresh_token().unwrap()).await.unwrap();
        lease.store_refresh_token(refreshed.grant.take().unwrap());
        drop(lease);
        session.renew(sidecar.entra.verify(refreshed).await.unwrap()).unwrap();
        assert_eq!(grace.asks("GET", "/group/x", NAVIGATION).await.status, 200);
        world.later(61);
    }
    assert_eq!(control.reused_refresh_tokens(), 0);
}

#[tokio::test]
async fn refresh_tokens_that_are_good_for_once_are_shared_by_recheck_and_graph() {
    let world = World::start().await;
    let control = world.emulator.control();
    control.single_use_refresh(true);
    let mut grace = world.signed_in(GRACES).await;
    assert_eq!(grace.visits("/group/x").await.status, 200);
    for round in 1..=4 {
        let (refreshed, told) = (control.refresh_calls(), control.graph_calls());
        world.later(RECHECK);
        let host = world.public_url.split_once("://").unwrap().1;
        let request = format!(
            "GET /group/x HTTP/1.1\r\nHost: {host}\r\nCookie: {}\r\nConnection: close\r\n\r\n",
            grace.cookie_header()
        );
        let asked: Vec<_> = (0..20)
            .map(|_| {
                tokio::spawn({
                    let (address, request) = (world.address, request.clone());
                    async move { talk(address, &request).await }
                })
            })
            .collect();
        for answer in asked {
            assert_eq!(raw::status(&answer.await.unwrap()), 200, "round {round}");
        }
        soon(&mut grace, "/group/x", |_| {
            control.refresh_calls() >= refreshed + 2 && control.graph_calls() == told + PAGES
        })
        .await;
        assert_eq!(
            (control.refresh_calls(), control.reused_refresh_tokens()),
            (refreshed + 2, 0),
            "round {round}"
        );
    }
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
    let mut grace = world.signed_in(GRACES).await;
    assert_eq!(grace.visits("/group/x").await.status, 200);
    world.emulator.control().graph(GraphFault::ForeignLink, UNTIL_CLEARED);
    world.later(RECHECK);
    assert_eq!(grace.visits("/group/x").await.status, 200);
    assert!(
        tokio::time::timeout(Duration::from_millis(300), proxy.accept()).await.is_err(),
        "another host was asked"
    );
}

#[tokio::test]
async fn p8_a_scope_of_another_api_does_not_get_in_the_way_of_graph() {
    let world =
        World::with(entra("scopes = [\"api://11112222-bbbb-3333-cccc-4444dddd5555/access\"]"))
            .await;
    let mut grace = world.signed_in(GRACES).await;
    assert_eq!(grace.visits("/group/x").await.status, 200);
    assert_eq!(world.emulator.control().graph_calls(), PAGES);
}

#[tokio::test]
async fn p9_app_roles_need_no_graph() {
    let world = World::start().await;
    let control = world.emulator.control();
    control.graph(GraphFault::Down, UNTIL_CLEARED);
    control.set_roles(GRACE, vec!["Admin".to_owned()]);
    let mut grace = world.signed_in(GRACES).await;
    let page = grace.visits("/admin/x").await;
    assert_eq!((page.status, page.app_heard("x-forwarded-roles")), (200, "Admin".to_owned()));
    control.set_roles(GRACE, Vec::new());
    let mut grace = world.signed_in(GRACES).await;
    assert_eq!(grace.visits("/admin/x").await.status, 403);
}
