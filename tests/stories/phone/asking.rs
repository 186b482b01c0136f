//! What an app may ask, and who hears what is wrong with it.

use super::*;
use crate::world::browser::{FORM, SCRIPT};
use crate::world::samples::{CONTOSO, FABRIKAM, FRIDA, MAYA};

#[tokio::test]
async fn the_metadata_says_what_there_is_and_only_where_a_client_is_registered() {
    let world = PhoneWorld::start().await;
    let mut client = world.world.browser();
    let page = client.asks("GET", "/.well-known/oauth-authorization-server", SCRIPT).await;
    let told = page.json();
    assert_eq!(
        (page.status, page.header("access-control-allow-origin"), page.header("cache-control")),
        (200, "*", "public, max-age=3600")
    );
    assert_eq!(told["issuer"], world.issuer());
    for (name, path) in [
        ("authorization_endpoint", "authorize"),
        ("token_endpoint", "token"),
        ("revocation_endpoint", "revoke"),
        ("jwks_uri", "jwks.json"),
    ] {
        assert_eq!(told[name], format!("{}/oauth2/native/{path}", world.issuer()), "{name}");
    }
    for (name, value) in [
        ("response_types_supported", vec!["code"]),
        ("grant_types_supported", vec!["authorization_code", "refresh_token"]),
        ("code_challenge_methods_supported", vec!["S256"]),
        ("token_endpoint_auth_methods_supported", vec!["none"]),
    ] {
        assert_eq!(told[name], serde_json::json!(value), "{name}");
    }
    assert_eq!(told["authorization_response_iss_parameter_supported"], true);
    assert_eq!(
        client.asks("POST", "/.well-known/oauth-authorization-server", SCRIPT).await.status,
        405
    );
    // Elsewhere it is the app's path, as any other.
    let world = World::start().await;
    let page = world.browser().asks("GET", "/.well-known/oauth-authorization-server", SCRIPT).await;
    assert_eq!((page.status, page.json()["sign_in_url"].is_string()), (401, true));
    assert_eq!(
        world.browser().asks("GET", "/oauth2/native/authorize", NAVIGATION).await.status,
        404
    );
}

#[tokio::test]
async fn attack_an_address_that_is_not_registered_is_never_gone_to() {
    let world = PhoneWorld::start().await;
    let mut browser = world.world.browser();
    for uri in [
        "http://127.0.0.1:51234/signed-in/",
        "http://127.0.0.1:51234/signed-in/../x",
        "http://127.0.0.1:51234/signed-in?x=1",
        "http://127.0.0.1:51234/Signed-in",
        "http://127.0.0.1:51234@evil.example/signed-in",
        "http://127.0.0.1.evil.example/signed-in",
        "http://127.0.0.1:0/signed-in",
        "http://127.0.0.1:99999/signed-in",
        "http://localhost:51234/signed-in",
        "http://[::1]:51234/signed-in",
        "https://127.0.0.1:51234/signed-in",
        "https://app.example.com:8443/phone/signed-in",
        "https://app.example.com/phone/signed-in.evil",
        "https://user@app.example.com/phone/signed-in",
        "https://app.example.com.evil.example/phone/signed-in",
        "HTTPS://app.example.com/phone/signed-in",
        "com.example.fleet:/signed-in/x",
        "com.example.fleet://signed-in",
        "COM.example.fleet:/signed-in",
        "com.example.other:/signed-in",
        "javascript:alert(1)",
        "",
    ] {
        for extra in [("response_type", "token"), ("login_hint", MAYA)] {
            let page = browser
                .asks(
                    "GET",
                    &asks(&[("redirect_uri", Some(uri)), (extra.0, Some(extra.1))]),
                    NAVIGATION,
                )
                .await;
            assert_eq!(
                (page.status, page.header("location"), page.header("refresh")),
                (400, "", ""),
                "{uri}"
            );
            assert!(
                page.body.contains("an address that is not registered for it")
                    && !page.body.contains("evil"),
                "{uri}: {}",
                page.body
            );
        }
    }
    for id in ["nobody", "fleet-phone ", "Fleet-Phone", "other", ""] {
        let page = browser.asks("GET", &asks(&[("client_id", Some(id))]), NAVIGATION).await;
        assert_eq!((page.status, page.header("location")), (400, ""), "{id}");
    }
    // What stands twice has no one reading, so nobody is told at either place.
    let twice = format!("{}&redirect_uri=https://evil.example/", asks(&[]));
    assert_eq!(browser.asks("GET", &twice, NAVIGATION).await.status, 400);
    let twice = format!("{}&client_id=fleet-phone", asks(&[]));
    assert_eq!(browser.asks("GET", &twice, NAVIGATION).await.status, 400);
    assert_eq!(
        browser.asks("GET", &asks(&[("client_id", None)]), SCRIPT).await.json()["status"],
        400
    );
}

#[tokio::test]
async fn every_other_fault_is_told_to_the_client_with_its_state_and_who_says_so() {
    let world = PhoneWorld::start().await;
    let mut browser = world.world.browser();
    let long = "x".repeat(600);
    for (change, error) in [
        (("response_type", Some("token")), "unsupported_response_type"),
        (("response_type", Some("code id_token")), "unsupported_response_type"),
        (("response_type", None), "invalid_request"),
        (("response_mode", Some("fragment")), "invalid_request"),
        // Without PKCE, or with one that shows the verifier: the downgrades.
        (("code_challenge", None), "invalid_request"),
        (("code_challenge_method", None), "invalid_request"),
        (("code_challenge_method", Some("plain")), "invalid_request"),
        (("code_challenge_method", Some("s256")), "invalid_request"),
        (("code_challenge", Some("short")), "invalid_request"),
        (
            ("code_challenge", Some("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw+cM")),
            "invalid_request",
        ),
        (("code_challenge", Some(&*"a".repeat(129))), "invalid_request"),
        (("scope", Some("a\"b")), "invalid_scope"),
        (("scope", Some(&*long)), "invalid_scope"),
        (("prompt", Some("none")), "login_required"),
        (("request", Some("e30")), "request_not_supported"),
        (("request_uri", Some("https://evil.example")), "request_uri_not_supported"),
    ] {
        let page =
            browser.asks("GET", &asks(&[change, ("login_hint", Some(MAYA))]), NAVIGATION).await;
        let told = location(&page);
        assert_eq!(
            (page.status, told.port(), told.path()),
            (303, Some(51234), "/signed-in"),
            "{change:?}"
        );
        assert_eq!(said(&told, "error").as_deref(), Some(error), "{change:?}");
        assert_eq!(said(&told, "state").as_deref(), Some("the app's own = 1&2"), "{change:?}");
        assert_eq!(
            (said(&told, "iss").as_deref(), said(&told, "code")),
            (Some(world.issuer()), None),
            "{change:?}"
        );
    }
    let page = browser.asks("GET", &format!("{}&scope=a&scope=b", asks(&[])), NAVIGATION).await;
    assert_eq!(said(&location(&page), "error").as_deref(), Some("invalid_request"));
    // One that is too long is not echoed: it would travel in a cookie.
    let page = browser.asks("GET", &asks(&[("state", Some(&long))]), NAVIGATION).await;
    assert_eq!(
        (said(&location(&page), "error").as_deref(), said(&location(&page), "state")),
        (Some("invalid_request"), None)
    );
    // At a scheme of its own, the app is opened by a page.
    let page = browser
        .asks(
            "GET",
            &asks(&[("redirect_uri", Some(SCHEME)), ("response_type", Some("token"))]),
            NAVIGATION,
        )
        .await;
    assert_eq!((page.status, page.header("location")), (200, ""));
    assert!(
        page.header("refresh")
            .starts_with("0; url=com.example.fleet:/signed-in?error=unsupported_response_type&"),
        "{}",
        page.header("refresh")
    );
    assert!(page.body.contains("You are not signed in"), "{}", page.body);
}

#[tokio::test]
async fn whoever_typed_into_the_app_is_asked_for_nothing_more() {
    let world = PhoneWorld::start().await;
    let mut browser = world.world.browser();
    for (changes, tenant, hint) in [
        (vec![("login_hint", Some("Maya@Contoso.example"))], CONTOSO, Some(MAYA)),
        (vec![("organization", Some("Fabrikam"))], FABRIKAM, None),
        (
            vec![("organization", Some("fabrikam")), ("login_hint", Some(FRIDA))],
            FABRIKAM,
            Some(FRIDA),
        ),
        (vec![("login_hint", Some("contoso"))], CONTOSO, None),
    ] {
        let page = browser.posts(&asks(&changes), FORM, "choice=continue").await;
        let there = location(&page);
        assert!(there.path().starts_with(&format!("/{tenant}/")), "{changes:?}: {there}");
        assert_eq!(
            (page.status, said(&there, "login_hint").filter(|it| it.contains('@')).as_deref()),
            (302, hint),
            "{changes:?}"
        );
    }
}

#[tokio::test]
async fn whoever_typed_nothing_is_asked_on_one_page_that_names_the_app() {
    let world = PhoneWorld::start().await;
    for uri in [LOOPBACK, SCHEME] {
        let mut browser = world.world.browser();
        let asked = asks(&[("redirect_uri", Some(uri))]);
        let page = browser.visits(&asked).await;
        assert!(
            page.status == 200
                && page.body.contains("Fleet for phones")
                && page.body.contains("Username or company code"),
            "{}",
            page.body
        );
        let action = action(&page);
        let unknown = browser.fills(&action, &[("identifier", "nobody@nowhere.example")]).await;
        assert!(
            unknown.status == 404
                && unknown.body.contains("We could not find that username or company code."),
            "{}",
            unknown.body
        );
        assert_eq!(self::action(&unknown), action);
        assert_eq!(browser.fills(&action, &[("identifier", " ")]).await.status, 200);
        let shown = browser.fills(&action, &[("identifier", MAYA)]).await;
        assert!(shown.is_the_sign_in_at_entra(), "{uri}: {} {}", shown.status, shown.body);
        assert_eq!(browser.posts(&action, FORM, "identifier=a&identifier=b").await.status, 400);
    }
}

#[tokio::test]
async fn what_an_app_passes_on_and_nobody_is_called_counts_as_a_guess() {
    let world = PhoneWorld::start().await;
    let mut browser = world.world.browser();
    for at in 0..30 {
        let page = browser
            .posts(
                &asks(&[("login_hint", Some(&format!("nobody{at}@nowhere.example")))]),
                FORM,
                "choice=continue",
            )
            .await;
        assert_eq!((page.status, page.header("location")), (404, ""), "{at}");
        assert!(
            page.body.contains("We could not find that username or company code."),
            "{}",
            page.body
        );
    }
    let page = browser.posts(&asks(&[("login_hint", Some(MAYA))]), FORM, "choice=continue").await;
    assert!(
        page.status == 429 && page.header("retry-after").parse::<u64>().unwrap() <= 60,
        "{}",
        page.status
    );
    // A picture of another site's page looks nobody up.
    world.world.later(60);
    let picture = [
        ("accept", "image/*"),
        ("sec-fetch-mode", "no-cors"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-dest", "image"),
    ];
    let asked = asks(&[("redirect_uri", Some(CLAIMED)), ("login_hint", Some(MAYA))]);
    assert_eq!(browser.asks("GET", &asked, &picture).await.status, 403);
    assert_eq!(browser.asks("GET", &asked, NAVIGATION).await.status, 302);
}

#[tokio::test]
async fn attack_with_a_scheme_of_its_own_or_on_loopback_nobody_signs_in_without_a_page_of_ours() {
    let world = PhoneWorld::start().await;
    let mut browser = world.world.browser();
    let asked = asks(&[("redirect_uri", Some(SCHEME)), ("login_hint", Some(MAYA))]);
    let page = browser.visits(&asked).await;
    assert_eq!((page.status, page.way.len()), (200, 1));
    assert!(
        page.body.contains("<h1>Sign in to Fleet for phones?</h1>")
            && page.body.contains("value=\"cancel\""),
        "{}",
        page.body
    );
    assert!(browser.cookie_names().is_empty(), "{:?}", browser.cookie_names());
    let action = action(&page);
    // Another site's page cannot press the button, nor can what says nothing of itself.
    for says in [
        &[
            ("accept", "text/html"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-site", "cross-site"),
            ("origin", "https://evil.example"),
        ][..],
        &[
            ("accept", "text/html"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-site", "same-site"),
            ("origin", "https://evil.example"),
        ],
        &[("accept", "text/html"), ("sec-fetch-site", "cross-site")],
        &[("accept", "text/html"), ("origin", "null")],
        &[("accept", "text/html"), ("origin", "https://evil.example")],
    ] {
        let page = browser.posts(&action, says, "choice=continue").await;
        assert_eq!((page.status, page.header("location")), (403, ""), "{says:?}");
    }
    let page = browser.fills(&action, &[("choice", "cancel")]).await;
    assert!(
        page.body.contains("You are not signed in")
            && page.header("refresh").contains("error=access_denied"),
        "{}",
        page.body
    );
    let page = browser.fills(&action, &[("choice", "continue")]).await;
    assert!(page.is_the_sign_in_at_entra(), "{} {}", page.status, page.body);
    // On loopback any program of the device can listen, another account's too; only a claimed address is the app's own.
    for (uri, status) in [(LOOPBACK, 200), (CLAIMED, 302)] {
        let page = browser
            .asks(
                "GET",
                &asks(&[("redirect_uri", Some(uri)), ("login_hint", Some(MAYA))]),
                NAVIGATION,
            )
            .await;
        assert_eq!(
            (page.status, page.body.contains("<h1>Sign in to Fleet for phones?</h1>")),
            (status, status == 200),
            "{uri}"
        );
    }
}

/// Where the form of a page goes.
fn action(page: &BrowserPage) -> String {
    let action =
        page.body.split_once("action=\"").unwrap_or_else(|| panic!("no form: {}", page.body)).1;
    action.split('"').next().unwrap().replace("&amp;", "&")
}
