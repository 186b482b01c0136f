//! Step-up: a rule or the app wants a stronger proof than being signed in.

use crate::world::browser::{BrowserPage, FORM, NAVIGATION, SCRIPT};
use crate::world::samples::{MAYA, TOM};
use crate::world::{RULES, World, WorldPlan};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use entrada::emulator::{InjectedRefusal, TokenDefect};
use serde_json::{Value, json};

const C1: &str = r#"{"id_token":{"acrs":{"essential":true,"value":"c1"}}}"#;

/// The world with rules that ask for authentication contexts.
async fn world() -> World {
    let strong = r#"
[[access.rule]]
path = "/strong/**"
allow = { acrs = ["c1"] }
[[access.rule]]
path = "/payers/**"
allow = { roles = ["Admin"], acrs = ["c2", "c3"] }
[[access.rule]]
path = "/api-strong/**"
allow = { acrs = ["c1"] }
signed_out = "401"
"#;
    World::with(WorldPlan { more: format!("{RULES}{strong}"), ..WorldPlan::default() }).await
}

/// What was asked of Entra on the way to a page, where anything was.
fn asked(page: &BrowserPage) -> Option<String> {
    let at_entra = page.way.iter().find(|it| it.path().ends_with("/authorize"))?;
    at_entra.query_pairs().find(|it| it.0 == "claims").map(|it| it.1.into_owned())
}

fn hint(page: &BrowserPage) -> Option<String> {
    let at_entra = page.way.iter().find(|it| it.path().ends_with("/authorize"))?;
    at_entra.query_pairs().find(|it| it.0 == "login_hint").map(|it| it.1.into_owned())
}

fn went_to_entra(page: &BrowserPage) -> bool {
    page.way.iter().any(|it| it.path().ends_with("/authorize"))
}

fn assertion(page: &BrowserPage) -> Value {
    jsonwebtoken::dangerous::insecure_decode::<Value>(&page.app_heard("x-entrada-assertion"))
        .unwrap()
        .claims
}

fn challenge(claims: &str) -> String {
    format!(
        "Bearer realm=\"\", error=\"insufficient_claims\", claims=\"{}\"",
        STANDARD.encode(claims)
    )
}

#[tokio::test]
async fn a_rule_sends_a_person_to_entra_for_the_proof_and_back_to_her_page() {
    let world = world().await;
    let mut maya = world.signed_in(MAYA).await;
    let page = maya.visits("/x").await;
    assert_eq!(assertion(&page).get("acrs"), None);
    let before = maya.cookie("entrada").unwrap();
    let page = maya.visits("/strong/box?a=1").await;
    assert_eq!(
        (page.status, page.path_and_query()),
        (200, "/strong/box?a=1".to_owned()),
        "{}",
        page.body
    );
    assert_eq!(asked(&page).as_deref(), Some(C1));
    assert!(hint(&page).is_some());
    assert_eq!(assertion(&page)["acrs"], json!(["c1"]));
    assert_ne!(maya.cookie("entrada").unwrap(), before, "a new id at each sign-in");
    let mut old = world.browser();
    old.plants("entrada", &before);
    assert_eq!(old.asks("GET", "/api/x", SCRIPT).await.status, 401);
    // What was proven holds, and a further proof comes on top.
    assert!(!went_to_entra(&maya.visits("/strong/other").await));
    let page = maya.visits("/payers").await;
    assert_eq!(page.status, 200, "{}", page.body);
    assert_eq!(
        asked(&page).as_deref(),
        Some(r#"{"id_token":{"acrs":{"essential":true,"values":["c2","c3"]}}}"#)
    );
    assert_eq!(assertion(&page)["acrs"], json!(["c1", "c2", "c3"]));
}

#[tokio::test]
async fn a_script_or_a_form_hears_401_with_the_challenge_and_where_to_begin() {
    let world = world().await;
    let mut maya = world.signed_in(MAYA).await;
    let claims =
        format!("Bearer error=\"insufficient_claims\", claims=\"{}\"", STANDARD.encode(C1));
    let begin = format!("{}/oauth2/start?rd=%2Fstrong%2Fx&acrs=c1", world.public_url);
    let page = maya.asks("GET", "/strong/x", SCRIPT).await;
    assert_eq!((page.status, page.header("www-authenticate")), (401, claims.as_str()));
    assert_eq!((&page.json()["sign_in_url"], &page.json()["acrs"]), (&json!(begin), &json!("c1")));
    let page = maya.posts("/strong/x", FORM, "typed=1").await;
    assert_eq!((page.status, page.header("www-authenticate")), (401, claims.as_str()));
    assert!(
        page.body.contains("Please confirm your identity")
            && page.body.contains("/oauth2/start?rd="),
        "{}",
        page.body
    );
    // A rule that redirects nobody does not redirect for this either.
    let page = maya.asks("GET", "/api-strong/x", NAVIGATION).await;
    assert_eq!((page.status, page.header("www-authenticate")), (401, claims.as_str()));
    let seen = world.app.seen.count();
    // Where it begins leads through Entra to the page.
    let page = maya.opens(&begin.parse().unwrap()).await;
    assert_eq!((page.status, page.path_and_query()), (200, "/strong/x".to_owned()));
    assert_eq!(world.app.seen.count(), seen + 1);
    assert_eq!(maya.asks("GET", "/strong/x", SCRIPT).await.status, 200);
}

#[tokio::test]
async fn what_begins_a_step_up_takes_names_of_contexts_and_nothing_else() {
    let world = world().await;
    let mut maya = world.browser();
    for (query, claims) in [
        ("acrs=c1", Some(C1)),
        ("acrs=c1&acrs=c1", Some(C1)),
        ("acrs=c0&acrs=c100&acrs=x&acrs=%7B%7D", None),
        ("claims=%7B%22id_token%22%3A%7B%7D%7D", None),
        ("acrs=c1%22%7D", None),
    ] {
        let page = maya.visits(&format!("/oauth2/start?{query}")).await;
        assert!(went_to_entra(&page));
        assert_eq!(asked(&page).as_deref(), claims, "{query}");
    }
}

#[tokio::test]
async fn whoever_lacks_something_else_is_refused_without_a_step_up() {
    let world = world().await;
    let mut tom = world.signed_in(TOM).await;
    let page = tom.visits("/payers").await;
    assert_eq!((page.status, went_to_entra(&page)), (403, false));
    assert_eq!(tom.asks("GET", "/payers", SCRIPT).await.header("www-authenticate"), "");
}

#[tokio::test]
async fn a_stranger_is_asked_for_all_of_it_at_once() {
    let world = world().await;
    let mut maya = world.browser();
    let page = maya.visits("/strong/x").await;
    assert_eq!((asked(&page).as_deref(), hint(&page)), (Some(C1), None));
    let page = maya.signs_in_as(MAYA).await;
    assert_eq!((page.status, page.path_and_query()), (200, "/strong/x".to_owned()));
    assert_eq!(assertion(&page)["acrs"], json!(["c1"]));
    let script = world.browser().asks("GET", "/strong/x", SCRIPT).await;
    assert_eq!((script.status, script.header("www-authenticate")), (401, "Entrada realm=\"app\""));
    assert!(script.json()["sign_in_url"].as_str().unwrap().ends_with("&acrs=c1"));
}

#[tokio::test]
async fn somebody_else_who_comes_back_is_simply_signed_in() {
    let world = world().await;
    let mut browser = world.signed_in(MAYA).await;
    assert_eq!(browser.visits("/strong/x").await.status, 200);
    let page = browser.visits("/oauth2/start?rd=%2Fx&acrs=c2&prompt=select_account").await;
    assert!(page.is_the_sign_in_at_entra(), "{}", page.body);
    let page = browser.signs_in_as(TOM).await;
    assert_eq!(
        (page.app_heard("x-forwarded-preferred-username"), &assertion(&page)["acrs"]),
        (TOM.to_owned(), &json!(["c2"]))
    );
    // Nor is anything taken over from a session that is over.
    let mut maya = world.signed_in(MAYA).await;
    maya.visits("/strong/x").await;
    world.internals().process.live.end(&maya.cookie("entrada").unwrap());
    let page = maya.visits("/oauth2/start?rd=%2Fx&login_hint=maya%40contoso.example").await;
    assert_eq!((page.status, assertion(&page).get("acrs")), (200, None));
}

#[tokio::test]
async fn entra_that_brings_no_proof_ends_on_a_page_that_says_whose_move_it_is() {
    let world = world().await;
    let mut maya = world.signed_in(MAYA).await;
    world.emulator.control().wrong(TokenDefect::NoContext);
    let page = maya.visits("/strong/x").await;
    assert_eq!((page.status, asked(&page).as_deref()), (403, Some(C1)));
    assert!(
        page.body.contains("You do not have access to this page yet")
            && page.body.contains("Conditional Access"),
        "{}",
        page.body
    );
    assert!(page.body.contains("<dd>c1</dd>"), "{}", page.body);
    assert_eq!(
        page.way.iter().filter(|it| it.path().ends_with("/authorize")).count(),
        1,
        "no second round"
    );
    // She is signed in for the rest, and the proof can still be brought.
    assert_eq!(maya.visits("/x").await.app_heard("x-forwarded-preferred-username"), MAYA);
    assert_eq!(maya.visits("/strong/x").await.status, 200);
    assert!(world.logged().await.contains("Entra did not confirm authentication context c1"));
}

#[tokio::test]
async fn a_step_up_that_fails_leaves_her_signed_in_as_she_was() {
    let world = world().await;
    let mut maya = world.signed_in(MAYA).await;
    let before = maya.cookie("entrada").unwrap();
    let refused = InjectedRefusal {
        error: "invalid_grant".to_owned(),
        code: 53003,
        suberror: None,
        claims: None,
    };
    world.emulator.control().refuse_next_token(refused);
    let page = maya.visits("/strong/x").await;
    assert!(
        page.status == 403 && page.body.contains("AADSTS53003"),
        "{} {}",
        page.status,
        page.body
    );
    // The way to try again asks for the same.
    assert!(page.body.contains("/oauth2/start?rd=%2Fstrong%2Fx&amp;acrs=c1"), "{}", page.body);
    assert_eq!(maya.cookie("entrada").unwrap(), before);
    assert_eq!(maya.visits("/x").await.app_heard("x-forwarded-preferred-username"), MAYA);
}

#[tokio::test]
async fn what_was_proven_outlives_a_refreshed_token_that_does_not_name_it() {
    let world = world().await;
    let mut maya = world.signed_in(MAYA).await;
    let first = assertion(&maya.visits("/strong/x").await);
    world.later(120);
    let refreshed = maya.asks("POST", "/oauth2/session/refresh", SCRIPT).await;
    assert_eq!(
        (refreshed.status, world.emulator.control().refresh_calls()),
        (200, 1),
        "{}",
        refreshed.body
    );
    let page = maya.visits("/strong/x").await;
    assert!(!went_to_entra(&page), "an endless step-up");
    assert_eq!(
        (&assertion(&page)["acrs"], &assertion(&page)["auth_time"]),
        (&json!(["c1"]), &first["auth_time"])
    );
}

#[tokio::test]
async fn what_was_proven_lasts_no_longer_than_the_session_in_which_it_was() {
    let world = world().await;
    let mut maya = world.signed_in(MAYA).await;
    maya.visits("/strong/x").await;
    let ends = maya.asks("GET", "/oauth2/session", SCRIPT).await.json()["expires_at"].clone();
    world.later(600);
    // Another step-up keeps it, and brings no further time for it.
    let page = maya.visits("/oauth2/start?rd=%2Fx&acrs=c2").await;
    assert_eq!(assertion(&page)["acrs"], json!(["c1", "c2"]));
    assert_eq!(maya.asks("GET", "/oauth2/session", SCRIPT).await.json()["expires_at"], ends);
    // However often.
    let page = maya.visits("/oauth2/start?rd=%2Fx&acrs=c2").await;
    assert_eq!(assertion(&page)["acrs"], json!(["c1", "c2"]));
    // Whoever simply signs in again has proven nothing.
    let page = maya.visits("/oauth2/start?rd=%2Fx&login_hint=maya%40contoso.example").await;
    assert_eq!((page.status, assertion(&page).get("acrs")), (200, None));
    let later = maya.asks("GET", "/oauth2/session", SCRIPT).await.json()["expires_at"].clone();
    // The machine's own seconds count too.
    let later = later.as_u64().unwrap() - ends.as_u64().unwrap();
    assert!((600..660).contains(&later), "{later}");
}

#[tokio::test]
async fn a_challenge_of_the_app_leads_to_entra_and_back() {
    let world = world().await;
    let mut maya = world.signed_in(MAYA).await;
    // As Microsoft's libraries write it: of the access token, among other challenges.
    let claims = r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#;
    let more = format!(
        "Negotiate // Basic realm=\"a, b\", bearer Error=insufficient_claims, CLAIMS={}",
        URL_SAFE_NO_PAD.encode(claims)
    );
    maya.says = vec![("x-story-challenge", more)];
    let page = maya.visits("/app/challenge?x=1").await;
    assert_eq!(
        (page.status, page.path_and_query()),
        (200, "/app/challenge?x=1".to_owned()),
        "{}",
        page.body
    );
    let sent: Value = serde_json::from_str(&asked(&page).unwrap()).unwrap();
    assert_eq!(sent["access_token"], sent["id_token"]);
    assert_eq!(sent["id_token"]["acrs"], json!({"essential": true, "value": "c1"}));
    assert_eq!(assertion(&page)["acrs"], json!(["c1"]));
    assert_eq!(maya.cookie("of-the-app").as_deref(), Some("1"), "a cookie of the app was lost");
    assert!(world.logged().await.lines().all(|it| !it.contains("insufficient_claims")));
}

#[tokio::test]
async fn nobody_but_a_signed_in_person_who_navigates_is_led_away_by_a_challenge() {
    let world = world().await;
    let mut maya = world.signed_in(MAYA).await;
    let said = vec![("x-story-challenge", challenge(C1))];
    maya.says.clone_from(&said);
    let mut stranger = world.browser();
    stranger.says = said;
    for page in [
        maya.asks("GET", "/app/challenge", SCRIPT).await,
        maya.asks("POST", "/app/challenge", SCRIPT).await,
        maya.posts("/app/challenge", FORM, "typed=1").await,
        stranger.visits("/public/challenge").await,
    ] {
        assert_eq!((page.status, page.body.as_str()), (401, "the app wants more"));
        assert_eq!(page.header("www-authenticate"), challenge(C1));
    }
}

#[tokio::test]
async fn a_401_that_is_no_claims_challenge_goes_through_as_it_is() {
    let world = world().await;
    let mut maya = world.signed_in(MAYA).await;
    let long = challenge(&format!(r#"{{"id_token":{{"x":"{}"}}}}"#, "x".repeat(4000)));
    for said in [
        "Bearer error=\"invalid_token\"".to_owned(),
        "Bearer error=\"insufficient_claims\"".to_owned(),
        "Bearer error=\"insufficient_claims\", claims=\"no base64!\"".to_owned(),
        challenge("[\"no object\"]"),
        challenge("no JSON"),
        challenge(C1).replace("Bearer", "Basic"),
        format!("{}, claims=\"twice\"", challenge(C1)),
        long,
    ] {
        maya.says = vec![("x-story-challenge", said.clone())];
        let page = maya.visits("/app/challenge").await;
        assert_eq!(
            (page.status, page.body.as_str(), page.header("www-authenticate")),
            (401, "the app wants more", said.as_str())
        );
        assert!(!went_to_entra(&page));
    }
    assert!(world.logged().await.contains("cannot read the app's claims challenge"));
}

#[tokio::test]
async fn an_app_that_never_has_enough_ends_no_one_in_a_loop() {
    let world = world().await;
    let mut maya = world.signed_in(MAYA).await;
    // The same once more: one step-up, then the app's own words.
    maya.says = vec![("x-story-challenge", challenge(C1))];
    let page = maya.visits("/app/challenge-always").await;
    assert_eq!(
        (page.status, page.body.as_str(), went_to_entra(&page)),
        (401, "the app wants more", true)
    );
    assert!(!went_to_entra(&maya.visits("/app/challenge-always").await));
    assert!(
        world.logged().await.contains("the app repeats a claims challenge that was just satisfied")
    );
    // Later it may want it anew.
    world.later(61);
    assert!(went_to_entra(&maya.visits("/app/challenge-always").await));
    // Another each time: the page of a loop, after three rounds within a minute.
    world.later(61);
    maya.says = vec![(
        "x-story-challenge",
        "Bearer error=\"insufficient_claims\", claims=\"{other}\"".to_owned(),
    )];
    let page = maya.visits("/app/challenge-other").await;
    assert_eq!(
        (page.status, page.way.iter().filter(|it| it.path().ends_with("/authorize")).count()),
        (400, 3)
    );
    assert!(
        page.body.contains("Sign-in keeps looping") && page.body.contains("<dd>app</dd>"),
        "{}",
        page.body
    );
}
