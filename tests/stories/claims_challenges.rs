//! What Entra or Graph requires of a person is carried to the next sign-in, wherever it was asked.

use crate::world::browser::{BrowserPage, NAVIGATION, SCRIPT, TestBrowser};
use crate::world::company::company;
use crate::world::samples::{CONTOSO, GRACE, GRACE_ID, MAYA, MAYA_ID};
use crate::world::{World, WorldPlan};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use entrada::emulator::{GraphFault, InjectedRefusal, UNTIL_CLEARED};

/// A policy, as Entra names it in a challenge.
const POLICY: &str = r#"{"access_token":{"polids":{"essential":true,"values":["p1"]}}}"#;

fn challenge(code: u32) -> InjectedRefusal {
    InjectedRefusal {
        error: "interaction_required".to_owned(),
        code,
        suberror: Some("basic_action".to_owned()),
        claims: Some(POLICY.to_owned()),
    }
}

/// The claims that each visit of Entra on the way to a page asked for.
fn asked(page: &BrowserPage) -> Vec<Option<String>> {
    let visits = page.way.iter().filter(|it| it.path().ends_with("/authorize"));
    visits
        .map(|it| it.query_pairs().find(|it| it.0 == "claims").map(|it| it.1.into_owned()))
        .collect()
}

/// The person whom each visit of Entra on the way to a page was for.
fn hinted(page: &BrowserPage) -> Vec<Option<String>> {
    let visits = page.way.iter().filter(|it| it.path().ends_with("/authorize"));
    visits
        .map(|it| it.query_pairs().find(|it| it.0 == "login_hint").map(|it| it.1.into_owned()))
        .collect()
}

fn with_claims(claims: &str) -> String {
    format!("Bearer error=\"insufficient_claims\", claims=\"{}\"", STANDARD.encode(claims))
}

async fn status_of_script(browser: &mut TestBrowser, path: &str) -> (u16, String) {
    let page = browser.asks("GET", path, SCRIPT).await;
    (page.status, page.header("www-authenticate").to_owned())
}

#[tokio::test]
async fn a_code_that_needs_another_proof_leads_to_entra_once_with_those_claims() {
    for code in [50_076, 50_079, 50_158, 50_072, 4_999_999] {
        let world = World::start().await;
        let mut maya = world.browser();
        maya.visits("/reports?a=1").await;
        world.emulator.control().refuse_next_token(challenge(code));
        let page = maya.signs_in_as(MAYA).await;
        assert_eq!(asked(&page), [Some(POLICY.to_owned())], "{code}");
        let page = maya.signs_in_as(MAYA).await;
        assert_eq!(
            (page.status, page.path_and_query()),
            (200, "/reports?a=1".to_owned()),
            "{code}: {}",
            page.body
        );
    }
}

#[tokio::test]
async fn entra_that_is_never_satisfied_ends_on_a_page_and_not_in_a_loop() {
    let world = World::start().await;
    let mut maya = world.browser();
    maya.visits("/x").await;
    for _ in 0..2 {
        world.emulator.control().refuse_next_token(challenge(50_076));
    }
    assert_eq!(asked(&maya.signs_in_as(MAYA).await).len(), 1);
    let page = maya.signs_in_as(MAYA).await;
    assert_eq!((page.status, asked(&page).len()), (403, 0), "{}", page.body);
    assert!(page.body.contains("AADSTS50076") && page.body.contains("Try again"), "{}", page.body);
    let line = world.logged().await;
    assert!(line.contains(r#""aadsts":50076"#), "{line}");
    // Trying again asks for the same proof, and this time it is enough. Entra knows for whom.
    world.emulator.control().refuse_next_token(challenge(50_076));
    let page = maya.visits("/oauth2/start?rd=%2Fx&login_hint=maya%40contoso.example").await;
    assert_eq!(asked(&page), [None, Some(POLICY.to_owned())]);
    assert_eq!(hinted(&page), [Some(MAYA.to_owned()), Some(MAYA.to_owned())]);
    assert_eq!(page.path_and_query(), "/x");
}

/// What makes an address and a head long at once: nginx reads heads of 4 KiB, and the browser of the
/// stories checks each.
#[tokio::test]
async fn what_nginx_is_answered_stays_small_whatever_is_required() {
    let server = "trusted_proxies = [\"127.0.0.1\"]".to_owned();
    let world = World::with(WorldPlan { server, ..WorldPlan::default() }).await;
    let mut maya = world.signed_in(MAYA).await;
    let long = format!(r#"{{"access_token":{{"x":"{}"}}}}"#, "x".repeat(2000));
    let refused = InjectedRefusal { claims: Some(long.clone()), ..challenge(50_076) };
    world.emulator.control().refuse_next_token(refused);
    world.later(120);
    assert_eq!(maya.asks("POST", "/oauth2/session/refresh", SCRIPT).await.status, 401);
    let target = format!("/x?q={}", "%20".repeat(600));
    let asks = |says: &[(&'static str, &'static str)]| {
        let mut all: Vec<(&str, &str)> = says.to_vec();
        all.extend([("x-original-method", "GET"), ("x-original-uri", target.as_str())]);
        all
    };
    let page = maya.asks("GET", "/oauth2/auth/nginx", &asks(NAVIGATION)).await;
    assert_eq!((page.status, page.header("www-authenticate")), (401, "Entrada realm=\"app\""));
    let start = page.header("location").to_owned();
    assert!(start.contains("/oauth2/start?rd="), "{start}");
    // A program is told what is required, and is not redirected.
    let page = maya.asks("GET", "/oauth2/auth/nginx", &asks(SCRIPT)).await;
    let told = (page.status, page.header("location"), page.header("www-authenticate").to_owned());
    assert_eq!(told, (401, "", with_claims(&long)));
    // The sign-in asks for it by itself.
    let page = maya.opens(&start.parse().unwrap()).await;
    assert_eq!((page.status, asked(&page)), (200, vec![Some(long)]), "{}", page.body);
    assert_eq!(page.path_and_query(), target);
}

#[tokio::test]
async fn a_challenge_that_cannot_be_carried_is_a_refusal() {
    let long = format!(r#"{{"access_token":{{"x":"{}"}}}}"#, "x".repeat(3000));
    for claims in [None, Some("no JSON".to_owned()), Some("[1]".to_owned()), Some(long)] {
        let world = World::start().await;
        let mut maya = world.browser();
        maya.visits("/x").await;
        let refused = InjectedRefusal { claims, ..challenge(50_076) };
        world.emulator.control().refuse_next_token(refused);
        let page = maya.signs_in_as(MAYA).await;
        assert_eq!((page.status, asked(&page).len()), (403, 0), "{}", page.body);
    }
}

#[tokio::test]
async fn a_recheck_that_needs_another_proof_leads_a_page_to_entra_and_tells_scripts_which() {
    let world = World::start().await;
    let mut maya = world.signed_in(MAYA).await;
    world.emulator.control().refuse_next_token(challenge(50_076));
    world.later(120);
    let page = maya.asks("POST", "/oauth2/session/refresh", SCRIPT).await;
    assert_eq!((page.status, page.header("www-authenticate")), (401, with_claims(POLICY).as_str()));
    for path in ["/x", "/api/x", "/oauth2/session", "/oauth2/userinfo"] {
        assert_eq!(status_of_script(&mut maya, path).await, (401, with_claims(POLICY)), "{path}");
    }
    let page = maya.asks("GET", "/api/x", NAVIGATION).await;
    assert_eq!((page.status, page.header("www-authenticate")), (401, with_claims(POLICY).as_str()));
    let begin = maya.asks("GET", "/x", SCRIPT).await.json()["sign_in_url"].clone();
    let page = maya.opens(&begin.as_str().unwrap().parse().unwrap()).await;
    assert_eq!((page.status, asked(&page)), (200, vec![Some(POLICY.to_owned())]));
    assert_eq!(status_of_script(&mut maya, "/x").await.0, 200);
}

#[tokio::test]
async fn graph_that_needs_another_proof_leads_a_page_to_entra_and_tells_scripts_which() {
    for status in [401, 403] {
        let world = World::start().await;
        let control = world.emulator.control();
        let mut grace = world.signed_in(GRACE).await;
        control.graph(GraphFault::ProofRequired(status), 1);
        let (code, said) = status_of_script(&mut grace, "/group/x").await;
        assert!(code == 401 && said.contains("insufficient_claims"), "{status}: {code} {said}");
        // She is signed in for the rest.
        assert_eq!(status_of_script(&mut grace, "/x").await.0, 200);
        let page = grace.visits("/group/x?a=1").await;
        assert_eq!(
            (page.status, page.path_and_query()),
            (200, "/group/x?a=1".to_owned()),
            "{}",
            page.body
        );
        let claims = asked(&page).remove(0).unwrap();
        assert!(claims.contains("nbf"), "{claims}");
        assert_eq!(with_claims(&claims), said);
    }
}

#[tokio::test]
async fn a_token_for_graph_that_needs_another_proof_leads_to_entra_too() {
    let world = World::start().await;
    let control = world.emulator.control();
    assert!(control.refuse_refresh(GRACE_ID, 50_079));
    let mut grace = world.signed_in(GRACE).await;
    let (code, said) = status_of_script(&mut grace, "/group/x").await;
    assert!(code == 401 && said.contains("insufficient_claims"), "{code} {said}");
    control.allow_refresh(GRACE_ID);
    let page = grace.visits("/group/x").await;
    assert_eq!(page.status, 200, "{}", page.body);
    assert_eq!(with_claims(asked(&page)[0].as_deref().unwrap()), said);
}

#[tokio::test]
async fn graph_that_is_never_satisfied_ends_on_a_page_of_the_admins() {
    let world = World::start().await;
    let control = world.emulator.control();
    let mut grace = world.signed_in(GRACE).await;
    control.graph(GraphFault::ProofRequired(401), UNTIL_CLEARED);
    let page = grace.visits("/group/x").await;
    assert_eq!((page.status, asked(&page).len()), (503, 1), "{}", page.body);
    assert!(
        page.body.contains("only after stronger proof of your identity")
            && page.body.contains("<dd>Your administrator</dd>"),
        "{}",
        page.body
    );
    assert_eq!(grace.visits("/x").await.status, 200);
    control.clear_graph();
    world.later(61);
    assert_eq!(grace.visits("/group/x").await.status, 200);
}

#[tokio::test]
async fn a_403_of_graph_for_another_reason_is_no_missing_consent() {
    let world = World::start().await;
    let mut grace = world.signed_in(GRACE).await;
    world.emulator.control().graph(GraphFault::AccessDenied, UNTIL_CLEARED);
    let page = grace.visits("/group/x").await;
    assert_eq!(page.status, 503);
    assert!(
        page.body.contains("could not read them from Microsoft Graph")
            && page.body.contains("Microsoft Graph returned status 403 (AccessDenied)")
            && page.body.contains("<dd>The app’s owner</dd>")
            && !page.body.contains("consent"),
        "{}",
        page.body
    );
}

#[tokio::test]
async fn with_organizations_the_proof_is_asked_for_at_the_same_organization() {
    let world =
        World::with(WorldPlan::of_directory("").with_organizations([company("contoso", CONTOSO)]))
            .await;
    let mut maya = world.browser();
    maya.visits("/oauth2/start?rd=%2Fx&organization=contoso").await;
    world.emulator.control().refuse_next_token(challenge(50_076));
    assert_eq!(asked(&maya.signs_in_as(MAYA).await), [Some(POLICY.to_owned())]);
    let page = maya.signs_in_as(MAYA).await;
    assert_eq!((page.status, page.path_and_query()), (200, "/x".to_owned()), "{}", page.body);
    // The same at a recheck.
    assert!(world.emulator.control().refuse_refresh(MAYA_ID, 50_076));
    world.later(120);
    assert_eq!(maya.asks("POST", "/oauth2/session/refresh", SCRIPT).await.status, 401);
    let page = maya.visits("/y").await;
    assert_eq!((page.status, asked(&page).len()), (200, 1), "{}", page.body);
    assert!(asked(&page)[0].as_deref().unwrap().contains("polids"));
}
