//! Who is not let in with what.

use super::*;
use crate::world::raw::talk;
use crate::world::samples::{MAYA, TOM};

#[tokio::test]
async fn attack_a_code_in_the_hands_of_another_brings_nothing() {
    let world = NativeWorld::start().await;
    let other = "a-verifier-of-somebody-else-who-saw-the-code-only";
    for (client, verifier) in [("tablet", VERIFIER), ("phone", other)] {
        let code = world.code("phone", MAYA).await;
        is_refused(&world.asks_for(&redeeming(client, &code, verifier)).await, "invalid_grant");
        is_refused(&world.asks_for(&redeeming("phone", &code, VERIFIER)).await, "invalid_grant");
    }
    let code = world.code("phone", MAYA).await;
    let form = redeeming("phone", &code, VERIFIER);
    is_refused(&world.asks_for(&form[..4]).await, "invalid_request");
    let given = given(&world.asks_for(&form).await);
    assert_eq!(world.calls(&given.access).await.status, 200);
    // Twice: whoever had it first is out as well.
    is_refused(&world.asks_for(&form).await, "invalid_grant");
    is_no_longer_taken(&world.calls(&given.access).await);
    is_refused(&world.refreshes(&given.refresh).await, "invalid_grant");
}

#[tokio::test]
async fn attack_a_stolen_refresh_token_ends_the_sign_in_when_both_use_it() {
    let world = NativeWorld::start().await;
    let first = world.signed_in(MAYA).await;
    let second = given(&world.refreshes(&first.refresh).await);
    let again = given(&world.refreshes(&first.refresh).await);
    assert_eq!(again.refresh, second.refresh, "the same successor within half a minute");
    is_refused(
        &world
            .asks_for(&[
                ("grant_type", "refresh_token"),
                ("client_id", "tablet"),
                ("refresh_token", &second.refresh),
            ])
            .await,
        "invalid_grant",
    );
    world.world.later(31);
    assert_eq!(world.calls(&second.access).await.status, 200);
    is_refused(&world.refreshes(&first.refresh).await, "invalid_grant");
    is_no_longer_taken(&world.calls(&second.access).await);
    is_refused(&world.refreshes(&second.refresh).await, "invalid_grant");
    // The operator is told, by a figure that an alarm can watch.
    let figures =
        talk(world.world.admin, "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .await;
    for (outcome, times) in [("granted", 3), ("refused", 2), ("reused", 1)] {
        assert!(
            figures.contains(&format!(
                "entrada_native_token_requests_total{{outcome=\"{outcome}\"}} {times}\n"
            )),
            "{outcome}: {figures}"
        );
    }
}

#[tokio::test]
async fn attack_neither_an_assertion_nor_a_changed_token_nor_one_of_elsewhere_is_let_in() {
    let world = NativeWorld::start().await;
    let given = world.signed_in(MAYA).await;
    let assertion = world.calls(&given.access).await.app_heard("x-entrada-assertion");
    let mut parts = given.access.split('.');
    let (head, claims, signature) =
        (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
    let mut told = part(&given.access, 1);
    told["role"] = "admin".into();
    let changed = URL_SAFE_NO_PAD.encode(told.to_string());
    for token in [
        format!("{head}.{changed}.{signature}"),
        format!("{head}.{claims}."),
        format!("{head}.{claims}"),
        format!("{head}.{claims}.{}", "A".repeat(86)),
    ] {
        is_no_longer_taken(&world.calls(&token).await);
        is_no_longer_taken(&calls(&mut world.world.browser(), &token, NAVIGATION).await);
    }
    let unsigned = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"at+jwt"}"#);
    // Not ours by their looks: whoever sends them is a stranger.
    for token in [
        format!("{unsigned}.{claims}."),
        assertion.clone(),
        format!("{}.{claims}.{signature}", assertion.split('.').next().unwrap()),
    ] {
        let page = world.calls(&token).await;
        assert_eq!(
            (page.status, page.json()["sign_in_url"].is_string()),
            (401, true),
            "{}",
            page.body
        );
    }
    let keys = async |path: &str| world.world.browser().asks("GET", path, SCRIPT).await.json();
    let kid = |token: &str| part(token, 0)["kid"].as_str().unwrap().to_owned();
    let (of_tokens, of_assertions) = (
        keys("/oauth2/native/jwks.json").await.to_string(),
        keys("/oauth2/jwks.json").await.to_string(),
    );
    assert!(of_tokens.contains(&kid(&given.access)) && !of_tokens.contains(&kid(&assertion)));
    assert!(
        of_assertions.contains(&kid(&assertion)) && !of_assertions.contains(&kid(&given.access))
    );
    let elsewhere = NativeWorld::with("").await;
    is_no_longer_taken(&elsewhere.calls(&given.access).await);
    let bearer = format!("Bearer {}", given.access);
    let twice =
        [SCRIPT, &[("authorization", bearer.as_str()), ("authorization", "Bearer x")]].concat();
    is_no_longer_taken(&world.world.browser().asks("GET", "/api/x", &twice).await);
    // What is open to anyone stays so, and nobody's name goes along.
    world.world.later(301);
    let open = world
        .world
        .browser()
        .asks("GET", "/public/x", &[SCRIPT, &[("authorization", &bearer)]].concat())
        .await;
    assert_eq!((open.status, open.app_heard("x-forwarded-user").as_str()), (200, ""));
}

#[tokio::test]
async fn attack_no_cookie_leads_to_the_session_of_a_phone() {
    let world = NativeWorld::start().await;
    let given = world.signed_in(MAYA).await;
    let page = world.calls(&given.access).await;
    let sid = part(&given.access, 1)["sid"].as_str().unwrap().to_owned();
    let ours = part(&page.app_heard("x-entrada-assertion"), 1)["sid"].as_str().unwrap().to_owned();
    let family = entrada::base::guid::Guid::parse(&sid).unwrap();
    let label = [b"sign-in on a client of the app's own ".as_slice(), family.bytes()].concat();
    let digested = URL_SAFE_NO_PAD.encode(digest(&SHA256, &label));
    for cookie in [sid, ours, digested, URL_SAFE_NO_PAD.encode(label), given.access, given.refresh]
    {
        let mut browser = world.world.browser();
        browser.plants("entrada", &cookie);
        assert_eq!(browser.asks("GET", "/api/x", SCRIPT).await.status, 401, "{cookie}");
    }
}

#[tokio::test]
async fn what_a_client_may_not_ask_it_is_told_by_the_errors_of_rfc_6749() {
    let world = NativeWorld::start().await;
    let given = world.signed_in(MAYA).await;
    let good = refreshing(&given.refresh);
    for (more, error) in [
        (("client_secret", "x"), "invalid_client"),
        (("client_assertion", "x"), "invalid_client"),
        (("scope", "jobs trips"), "invalid_scope"),
        (("client_id", "phone"), "invalid_request"),
    ] {
        is_refused(&world.asks_for(&[&good[..], &[more]].concat()).await, error);
    }
    for (form, error) in [
        (vec![], "invalid_request"),
        (vec![("client_id", "phone")], "invalid_request"),
        (
            vec![("grant_type", "refresh_token"), ("refresh_token", &*given.refresh)],
            "invalid_request",
        ),
        (
            vec![
                ("grant_type", "refresh_token"),
                ("client_id", "nobody"),
                ("refresh_token", &*given.refresh),
            ],
            "invalid_client",
        ),
        (vec![("grant_type", "password"), ("client_id", "phone")], "unsupported_grant_type"),
        (
            vec![("grant_type", "client_credentials"), ("client_id", "phone")],
            "unsupported_grant_type",
        ),
        (
            vec![("grant_type", "authorization_code"), ("client_id", "phone"), ("code", "x")],
            "invalid_request",
        ),
        (
            vec![
                ("grant_type", "refresh_token"),
                ("client_id", "phone"),
                ("refresh_token", "x' OR 1=1 --"),
            ],
            "invalid_grant",
        ),
    ] {
        is_refused(&world.asks_for(&form).await, error);
    }
    let mut client = world.world.browser();
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(good).finish();
    let basic = client
        .posts(
            "/oauth2/native/token",
            &[SCRIPT, &[("authorization", "Basic cGhvbmU6eA==")]].concat(),
            &body,
        )
        .await;
    assert_eq!((basic.status, basic.json()["error"].as_str()), (401, Some("invalid_client")));
    assert!(basic.header("www-authenticate").starts_with("Basic "));
    is_refused(
        &client
            .posts(
                "/oauth2/native/token",
                &[SCRIPT, &[("content-type", "application/json")]].concat(),
                "{}",
            )
            .await,
        "invalid_request",
    );
    is_refused(
        &client.posts("/oauth2/native/token", SCRIPT, &"x".repeat(20_000)).await,
        "invalid_request",
    );
    assert_eq!(
        client.asks("GET", &format!("/oauth2/native/token?{body}"), SCRIPT).await.status,
        405
    );
    assert_eq!(world.asks_for(&good).await.status, 200, "nothing of it has ended anything");
    // Where no client is registered, there is nothing.
    let world = World::start().await;
    for path in ["/oauth2/native/token", "/oauth2/native/revoke", "/oauth2/native/jwks.json"] {
        assert_eq!(world.browser().asks("GET", path, SCRIPT).await.status, 404, "{path}");
    }
}

/// A page of another site can post a form to the token endpoint, and used up what a phone behind the same address may send wrongly.
#[tokio::test]
async fn attack_forms_of_other_sites_make_no_phone_wait() {
    let world = NativeWorld::where_time_stands().await;
    let junk = format!("grant_type=refresh_token&client_id=phone&refresh_token={}", "A".repeat(70));
    for says in [
        &[("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")][..],
        &[("origin", "null")],
        &[("referer", "https://evil.example/x")],
    ] {
        for _ in 0..31 {
            let status =
                world.world.browser().posts("/oauth2/native/token", says, &junk).await.status;
            assert!([400, 429].contains(&status), "{status}");
        }
    }
    for _ in 0..30 {
        is_refused(
            &posts(&mut world.world.browser(), "token", &refreshing(&"B".repeat(70))).await,
            "invalid_grant",
        );
    }
    assert_eq!(
        posts(&mut world.world.browser(), "token", &refreshing(&"B".repeat(70))).await.status,
        429
    );
}

#[tokio::test]
async fn attack_whoever_guesses_tokens_waits() {
    let world = NativeWorld::where_time_stands().await;
    let given = world.signed_in(MAYA).await;
    let mut client = world.world.browser();
    for _ in 0..30 {
        is_refused(
            &posts(&mut client, "token", &refreshing(&"A".repeat(70))).await,
            "invalid_grant",
        );
    }
    let page = posts(&mut client, "token", &refreshing(&"B".repeat(70))).await;
    assert_eq!(page.status, 429, "{}", page.body);
    assert!((1..=60).contains(&page.header("retry-after").parse::<u64>().unwrap()));
    // Another phone behind the same address, and whoever signs in there, waits for nobody.
    assert_eq!(posts(&mut client, "token", &refreshing(&given.refresh)).await.status, 200);
    world.signed_in(TOM).await;
    world.world.later(61);
    is_refused(&posts(&mut client, "token", &refreshing(&"A".repeat(70))).await, "invalid_grant");
}
