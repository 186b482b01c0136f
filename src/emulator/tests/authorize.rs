//! The sign-in: its parameters, its redirects, and the refusals on its own page.

use super::*;

#[tokio::test]
async fn refusals_that_stay_on_the_page_never_redirect() {
    let emulator = begin().await;
    let cases = [
        ("redirect_uri", "http://localhost:9/other", 50_011),
        ("redirect_uri", "https://evil.example/back", 50_011),
        ("client_id", TENANT, 700_016),
    ];
    for (name, value, code) in cases {
        let seen = ask(&authorize(&emulator, &[(name, value)]), None, &[]).await;
        assert_eq!(seen.status, StatusCode::BAD_REQUEST);
        assert!(seen.headers.get("location").is_none());
        assert!(
            seen.body.contains(&format!("AADSTS{code}"))
                && seen.body.contains("Request Id")
                && seen.body.contains("Timestamp"),
            "{}",
            seen.body
        );
    }
    for (name, code) in [("noah", 50_105), ("bruno", 53_003), ("xenia", 50_055)] {
        let seen = sign_in(&emulator, name).await;
        assert!(
            seen.headers.get("location").is_none() && seen.body.contains(&format!("AADSTS{code}")),
            "{}",
            seen.body
        );
    }
}

#[tokio::test]
async fn cancel_and_consent_answer_as_entra_does() {
    let emulator = begin().await;
    let page = ask(&authorize(&emulator, &[]), None, &[]).await;
    let back = pick(&emulator, &page, "cancel", "1").await.sent_back();
    assert_eq!(
        (back["error"].as_str(), back["error_subcode"].as_str()),
        ("access_denied", "cancel")
    );
    assert!(!back.contains_key("error_description"));
    let page = sign_in(&emulator, "carla").await;
    let back = pick(&emulator, &page, "consent", "no").await.sent_back();
    assert_eq!((back["error"].as_str(), back["admin_consent"].as_str()), ("access_denied", "True"));
    assert!(back["error_description"].starts_with("AADSTS65004"));
    let page = sign_in(&emulator, "carla").await;
    assert!(pick(&emulator, &page, "consent", "yes").await.sent_back().contains_key("code"));
}

#[tokio::test]
async fn the_emulators_own_session_makes_silent_sign_in_possible_until_logout() {
    let emulator = begin().await;
    let silent = authorize(&emulator, &[("prompt", "none")]);
    let back = ask(&silent, None, &[]).await.sent_back();
    assert_eq!(back["error"], "login_required");
    assert!(back["error_description"].starts_with("AADSTS50058"));
    let cookie = sign_in(&emulator, "maya").await.cookie();
    assert!(ask(&silent, None, &[("cookie", &cookie)]).await.sent_back().contains_key("code"));
    let hinted = |name| authorize(&emulator, &[("login_hint", name)]);
    assert!(
        ask(&hinted("maya@contoso.example"), None, &[("cookie", &cookie)])
            .await
            .sent_back()
            .contains_key("code")
    );
    assert_eq!(
        ask(&hinted("tom@contoso.example"), None, &[("cookie", &cookie)]).await.status,
        StatusCode::OK
    );
    let chosen = authorize(
        &emulator,
        &[("login_hint", "maya@contoso.example"), ("prompt", "select_account")],
    );
    assert_eq!(ask(&chosen, None, &[("cookie", &cookie)]).await.status, StatusCode::OK);
    let bad =
        at(&emulator, "oauth2/v2.0/logout?post_logout_redirect_uri=https%3A%2F%2Fevil.example%2F");
    assert!(ask(&bad, None, &[]).await.headers.get("location").is_none());
    let out = ask(
        &at(
            &emulator,
            "oauth2/v2.0/logout?post_logout_redirect_uri=http%3A%2F%2Flocalhost%3A9%2Fbye&state=x",
        ),
        None,
        &[("cookie", &cookie)],
    )
    .await;
    assert_eq!(out.header("location"), "http://localhost:9/bye?state=x");
    assert_eq!(
        ask(&silent, None, &[("cookie", &cookie)]).await.sent_back()["error"],
        "login_required"
    );
}

#[tokio::test]
async fn form_post_carries_everything_in_a_form() {
    let emulator = begin().await;
    let page = ask(
        &authorize(&emulator, &[("response_mode", "form_post"), ("state", "\"><b>")]),
        None,
        &[],
    )
    .await;
    let seen = pick(&emulator, &page, "person", &oid(&emulator, "maya")).await;
    assert_eq!(seen.status, StatusCode::OK);
    assert!(
        seen.body.contains("name=\"code\"") && seen.body.contains("value=\"&quot;&gt;&lt;b&gt;\"")
    );
    assert_eq!(seen.header("referrer-policy"), "strict-origin");
}

#[tokio::test]
async fn pkce_is_held_to_its_size_its_method_and_its_presence() {
    let emulator = begin().await;
    for (name, value, code) in [
        ("code_challenge", "short", "AADSTS501491"),
        ("code_challenge_method", "plain", "AADSTS9002313"),
    ] {
        let back = ask(&authorize(&emulator, &[(name, value)]), None, &[]).await.sent_back();
        assert_eq!((back["error"].as_str(), back["state"].as_str()), ("invalid_request", "s 1"));
        assert!(back["error_description"].starts_with(code), "{back:?}");
    }
    let page = ask(&authorize(&emulator, &[("code_challenge", "")]), None, &[]).await;
    let code =
        pick(&emulator, &page, "person", &oid(&emulator, "tom")).await.sent_back()["code"].clone();
    refused(&redeem(&emulator, &code, &[]).await, 400, "invalid_grant", 501_481);
    assert_eq!(redeem(&emulator, &code, &[("code_verifier", "")]).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_silent_request_does_not_pass_over_missing_consent() {
    let emulator = begin().await;
    let page = sign_in(&emulator, "carla").await;
    let cookie = pick(&emulator, &page, "consent", "yes").await.cookie();
    let back = ask(&authorize(&emulator, &[("prompt", "none")]), None, &[("cookie", &cookie)])
        .await
        .sent_back();
    assert_eq!(back["error"], "consent_required");
    assert!(back["error_description"].starts_with("AADSTS65001"));
}
