//! What an app hears when somebody has signed in, or has not.

use super::*;
use crate::world::browser::{FORM, SCRIPT};
use crate::world::samples::{FRIDA, MAYA};
use entrada::base::secret::Secret;
use entrada::base::username::Username;
use entrada::emulator::TokenDefect;

/// Redeems the code as the app would.
async fn redeemed(
    world: &PhoneWorld,
    code: &str,
    redirect_uri: &str,
) -> entrada::directory::client_sign_in::ClientSignIn {
    world
        .directory()
        .redeem_code(&Secret::new(code), "fleet-phone", Some(redirect_uri), VERIFIER, 100)
        .await
        .unwrap()
        .sign_in
}

#[tokio::test]
async fn a_sign_in_for_an_app_brings_it_a_code_and_leaves_no_session_in_the_browser() {
    let world = PhoneWorld::start().await;
    for (uri, status) in [(LOOPBACK, 303), (CLAIMED, 303)] {
        let mut browser = world.world.browser();
        let shown = browser
            .fills(
                &asks(&[
                    ("redirect_uri", Some(uri)),
                    ("login_hint", Some(MAYA)),
                    ("scope", Some("jobs")),
                ]),
                &[("choice", "continue")],
            )
            .await;
        let page = comes_back(&mut browser, MAYA, shown).await;
        let told = location(&page);
        assert_eq!((page.status, &told[..url::Position::AfterPath]), (status, uri));
        assert_eq!(
            (said(&told, "state").as_deref(), said(&told, "iss").as_deref()),
            (Some("the app's own = 1&2"), Some(world.issuer()))
        );
        assert_eq!(
            (said(&told, "error"), page.header("cache-control"), page.header("referrer-policy")),
            (None, "no-store", "no-referrer")
        );
        assert_eq!(browser.cookie("entrada"), None);
        assert!(
            browser
                .cookie_names()
                .iter()
                .all(|it| matches!(it.as_str(), "entrada-b" | "entrada-r" | "entrada-o")),
            "{:?}",
            browser.cookie_names()
        );
        assert_eq!(browser.asks("GET", "/api/x", SCRIPT).await.status, 401);
        let family = redeemed(&world, &said(&told, "code").unwrap(), uri).await;
        let who = family.identity().member.clone().unwrap();
        let known =
            world.directory().person(&Username::parse(MAYA).unwrap()).await.unwrap().unwrap();
        assert_eq!(
            (family.client.as_str(), family.scope.as_deref(), who.person, &*who.code),
            ("fleet-phone", Some("jobs"), known.id, "contoso")
        );
    }
    assert_eq!(world.world.internals().process.live.count(), 0);
    assert_eq!(world.world.app.seen.count(), 0);
}

#[tokio::test]
async fn whoever_is_signed_in_on_the_web_stays_so_and_the_app_gets_whom_entra_brings() {
    let world = PhoneWorld::start().await;
    let mut browser = world.world.browser();
    let shown = browser.visits("/oauth2/start?organization=contoso&rd=/x").await;
    assert!(shown.is_the_sign_in_at_entra());
    assert_eq!(browser.signs_in_as(MAYA).await.status, 200);
    let session = browser.cookie("entrada");
    assert!(session.is_some());
    let shown = browser
        .fills(&asks(&[("organization", Some("fabrikam"))]), &[("choice", "continue")])
        .await;
    let page = comes_back(&mut browser, FRIDA, shown).await;
    let family = redeemed(&world, &said(&location(&page), "code").unwrap(), LOOPBACK).await;
    assert_eq!(&*family.identity().member.clone().unwrap().code, "fabrikam");
    assert_eq!(browser.cookie("entrada"), session);
    assert_eq!(
        browser.asks("GET", "/x", SCRIPT).await.app_heard("x-forwarded-user"),
        world.directory_name(MAYA).await
    );
}

impl PhoneWorld {
    /// What the app hears a person called.
    async fn directory_name(&self, username: &str) -> String {
        let known =
            self.directory().person(&Username::parse(username).unwrap()).await.unwrap().unwrap();
        known.linked.unwrap().1.to_string()
    }
}

#[tokio::test]
async fn an_app_of_a_scheme_of_its_own_is_opened_by_a_page_that_needs_no_script() {
    let world = PhoneWorld::start().await;
    let mut browser = world.world.browser();
    let asked = asks(&[("redirect_uri", Some(SCHEME)), ("organization", Some("contoso"))]);
    browser.visits(&asked).await;
    let shown = browser.fills(&asked, &[("choice", "continue")]).await;
    let page = comes_back(&mut browser, MAYA, shown).await;
    assert_eq!(
        (page.status, page.header("location"), page.header("cache-control")),
        (200, "", "no-store")
    );
    let told = Url::parse(page.header("refresh").strip_prefix("0; url=").unwrap()).unwrap();
    assert_eq!(
        (told.scheme(), told.path(), said(&told, "state").as_deref()),
        ("com.example.fleet", "/signed-in", Some("the app's own = 1&2"))
    );
    let link = format!(
        "<a class=\"button wide\" href=\"{}\">Open Fleet for phones</a>",
        told.as_str().replace('&', "&amp;")
    );
    assert!(
        page.body.contains(&link) && page.body.contains("You are signed in"),
        "{link}\n{}",
        page.body
    );
    assert!(
        page.header("content-security-policy").contains("default-src 'none'")
            && !page.body.contains("<script")
    );
    redeemed(&world, &said(&told, "code").unwrap(), SCHEME).await;
    // Sent twice, it has the same outcome. Later it is nobody's: the code is in the app, and the
    // sign-in is over.
    let again = browser.opens(page.way.last().unwrap()).await;
    assert_eq!(again.header("refresh"), page.header("refresh"));
    world.world.later(11);
    let again = browser.opens(page.way.last().unwrap()).await;
    assert!(!again.body.contains("com.example.fleet"), "{}", again.body);
    assert!(
        again.status == 400
            && again.body.contains("go back to the app")
            && !again.body.contains("/oauth2/start"),
        "{} {}",
        again.status,
        again.body
    );
    assert_eq!(again.header("refresh"), "");
}

#[tokio::test]
async fn a_refusal_says_what_to_do_and_has_a_button_back_to_the_app() {
    let world = PhoneWorld::start().await;
    let error = "error=access_denied&error_description=AADSTS50105%3A+not+assigned";
    for (uri, error, what) in [
        (LOOPBACK, error, "not assigned"),
        (CLAIMED, error, "AADSTS50105"),
        (SCHEME, error, "AADSTS50105"),
        (SCHEME, "error=access_denied&error_subcode=cancel", "You canceled the sign-in"),
    ] {
        let mut browser = world.world.browser();
        let asked = asks(&[("redirect_uri", Some(uri)), ("organization", Some("contoso"))]);
        let page = browser.posts(&asked, FORM, "choice=continue").await;
        let state = said(&location(&page), "state").unwrap();
        let page = browser
            .asks("GET", &format!("/oauth2/callback?{error}&state={}", encoded(&state)), NAVIGATION)
            .await;
        assert!(
            page.status == 403
                && page.header("location").is_empty()
                && page.header("refresh").is_empty(),
            "{} {}",
            page.status,
            page.body
        );
        assert!(
            page.body.contains(what) && page.body.contains("Back to Fleet for phones"),
            "{}",
            page.body
        );
        let back = links(&page)
            .into_iter()
            .find(|it| it.starts_with(uri))
            .unwrap_or_else(|| panic!("{}", page.body));
        let told = Url::parse(&back).unwrap();
        assert_eq!(
            (said(&told, "error").as_deref(), said(&told, "iss").as_deref()),
            (Some("access_denied"), Some(world.issuer()))
        );
        assert_eq!(said(&told, "state").as_deref(), Some("the app's own = 1&2"));
        // Trying again is for the same app.
        let again = links(&page).into_iter().find(|it| it.starts_with("/oauth2/")).unwrap();
        assert!(
            again.starts_with("/oauth2/native/authorize?client_id=fleet-phone&")
                && again.contains("organization=contoso"),
            "{again}"
        );
        assert_eq!(browser.cookie("entrada"), None);
    }
    // A token that is not right makes nobody anybody either.
    world.world.emulator.control().wrong(TokenDefect::Tid);
    let mut browser = world.world.browser();
    browser.fills(&asks(&[("organization", Some("contoso"))]), &[("choice", "continue")]).await;
    let page = browser.signs_in_as(MAYA).await;
    assert!(
        page.status == 403 && page.body.contains("Back to Fleet for phones"),
        "{} {}",
        page.status,
        page.body
    );
}

#[tokio::test]
async fn attack_a_callback_that_another_browser_began_brings_an_app_nothing() {
    let world = PhoneWorld::start().await;
    let (mut victim, mut thief) = (world.world.browser(), world.world.browser());
    let shown = victim.fills(&asks(&[("login_hint", Some(MAYA))]), &[("choice", "continue")]).await;
    let callback = victim.stops_at_the_callback(MAYA, shown).await;
    let page = thief.asks("GET", callback.as_str(), NAVIGATION).await;
    assert!(
        !page.header("location").contains("127.0.0.1:51234") && page.header("refresh").is_empty(),
        "{}",
        page.header("location")
    );
    assert_eq!(thief.cookie("entrada"), None);
    // Nor does the code of one company at another.
    let shown =
        thief.fills(&asks(&[("organization", Some("fabrikam"))]), &[("choice", "continue")]).await;
    let other = thief.stops_at_the_callback(FRIDA, shown).await;
    let mixed = format!(
        "/oauth2/callback?code={}&state={}",
        said(&callback, "code").unwrap(),
        encoded(&said(&other, "state").unwrap())
    );
    let page = thief.asks("GET", &mixed, NAVIGATION).await;
    assert!(
        matches!(page.status, 403 | 503) && page.header("location").is_empty(),
        "{} {}",
        page.status,
        page.body
    );
    // Whose it is gets on.
    let page = victim.asks("GET", callback.as_str(), NAVIGATION).await;
    assert!(said(&location(&page), "code").is_some());
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// Where the links of a page lead.
fn links(page: &BrowserPage) -> Vec<String> {
    page.body
        .split("href=\"")
        .skip(1)
        .map(|it| it.split('"').next().unwrap().replace("&amp;", "&"))
        .collect()
}
