//! Entra requires more proof of a person who signs in on a phone.

use super::*;
use crate::world::samples::MAYA;
use entrada::emulator::InjectedRefusal;

/// A policy, as Entra names it in a challenge.
const POLICY: &str = r#"{"access_token":{"polids":{"essential":true,"values":["p1"]}}}"#;

fn needs_another_proof(world: &NativeWorld) {
    world.emulator.control().refuse_next_token(InjectedRefusal {
        error: "interaction_required".to_owned(),
        code: 50_079,
        suberror: Some("basic_action".to_owned()),
        claims: Some(POLICY.to_owned()),
    });
}

/// Begins a sign-in for the phone, and returns its callback.
async fn callback(browser: &mut TestBrowser) -> Url {
    let path = authorize_path("phone", &[("scope", "jobs"), ("login_hint", MAYA)]);
    let shown = browser.fills(&path, &[("choice", "continue")]).await;
    browser.stops_at_the_callback(MAYA, shown).await
}

async fn location(browser: &mut TestBrowser, url: &Url) -> Url {
    let page = browser.asks("GET", url.as_str(), NAVIGATION).await;
    Url::parse(page.header("location")).unwrap_or_else(|it| panic!("{it}: {}", page.body))
}

fn value(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find(|it| it.0 == name).map(|it| it.1.into_owned())
}

#[tokio::test]
async fn the_browser_goes_to_entra_with_it_once_and_the_phone_gets_its_code() {
    let world = NativeWorld::start().await;
    let mut browser = world.browser();
    let first = callback(&mut browser).await;
    needs_another_proof(&world);
    let asked = location(&mut browser, &first).await;
    assert_eq!(value(&asked, "claims").as_deref(), Some(POLICY), "{asked}");
    assert_eq!(value(&asked, "login_hint").as_deref(), Some(MAYA), "{asked}");
    let second = location(&mut browser, &asked).await;
    assert!(value(&second, "code").is_some() && value(&second, "state") != value(&first, "state"));
    let home = location(&mut browser, &second).await;
    assert!(home.as_str().starts_with(HOME), "{home}");
    let code = value(&home, "code").unwrap();
    given(&world.asks_for(&redeeming("phone", &code, VERIFIER)).await);
    // It is no session of the browser.
    assert!(browser.cookie("entrada").is_none());
}

#[tokio::test]
async fn entra_that_is_never_satisfied_ends_on_a_page_with_the_way_back_to_the_app() {
    let world = NativeWorld::start().await;
    let mut browser = world.browser();
    let first = callback(&mut browser).await;
    needs_another_proof(&world);
    needs_another_proof(&world);
    let asked = location(&mut browser, &first).await;
    let second = location(&mut browser, &asked).await;
    let page = browser.asks("GET", second.as_str(), NAVIGATION).await;
    assert!(page.status == 403 && page.body.contains("AADSTS50079"), "{}", page.body);
    assert!(
        page.body.contains("error&#x3d;access_denied") || page.body.contains("error=access_denied")
    );
    let log = world.logged().await;
    let refused = log.lines().filter(|it| it.contains("sign_in_refused"));
    assert_eq!(refused.count(), 1, "{log}");
}
