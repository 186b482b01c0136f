//! Token refresh, also after changes to people and to the token endpoint.

use std::time::Duration;

use http::StatusCode;
use serde_json::Value;

use super::super::{Emulator, InjectedRefusal, TokenDefect, TokenFault, UNTIL_CLEARED};
use super::{
    Seen, ask, at, authorize, begin, id_claims, oid, own, pick, redeem, refused, sign_in, tokens,
    try_ask, verified,
};

async fn refresh(emulator: &Emulator, token: &str) -> Seen {
    redeem(emulator, "", &[("grant_type", "refresh_token"), ("refresh_token", token)]).await
}

fn refresh_token(tokens: &Value) -> String {
    tokens["refresh_token"].as_str().unwrap().to_owned()
}

async fn claims(emulator: &Emulator, tokens: &Value) -> Value {
    verified(emulator, tokens["id_token"].as_str().unwrap()).await.unwrap()
}

#[tokio::test]
async fn a_refreshed_id_token_is_of_the_same_person_and_session() {
    let emulator = begin().await;
    let first = tokens(&emulator, "maya").await;
    let before = claims(&emulator, &first).await;
    let after = claims(&emulator, &refresh(&emulator, &refresh_token(&first)).await.json()).await;
    for name in ["sub", "oid", "tid", "sid", "login_hint", "iss", "aud"] {
        assert_eq!(before[name], after[name], "{name}");
    }
    assert!(after.get("nonce").is_none());
    assert_eq!(
        (
            emulator.control().code_calls(),
            emulator.control().refresh_calls(),
            emulator.control().app_calls()
        ),
        (1, 1, 0)
    );
}

#[tokio::test]
async fn a_redeemed_refresh_token_is_refused_only_where_that_was_asked_for() {
    let emulator = begin().await;
    let first = refresh_token(&tokens(&emulator, "maya").await);
    assert_eq!(refresh(&emulator, &first).await.status, StatusCode::OK);
    emulator.control().single_use_refresh(true);
    let seen = refresh(&emulator, &first).await;
    refused(&seen, 400, "invalid_grant", 70_000);
    assert_eq!(seen.json()["suberror"], "bad_token");
    assert_eq!(emulator.control().reused_refresh_tokens(), 1);
    let other = refresh_token(&tokens(&emulator, "tom").await);
    let rolled = refresh_token(&refresh(&emulator, &other).await.json());
    assert_eq!(refresh(&emulator, &rolled).await.status, StatusCode::OK);
    assert_eq!(emulator.control().reused_refresh_tokens(), 1);
}

#[tokio::test]
async fn what_was_granted_can_be_taken_back_until_the_next_sign_in() {
    let emulator = begin().await;
    let page = sign_in(&emulator, "maya").await;
    let (cookie, code) = (page.cookie(), page.sent_back()["code"].clone());
    let first = refresh_token(&redeem(&emulator, &code, &[]).await.json());
    let tom = refresh_token(&tokens(&emulator, "tom").await);
    emulator.control().revoke(&oid(&emulator, "maya"));
    refused(&refresh(&emulator, &first).await, 400, "invalid_grant", 50_173);
    let silent = authorize(&emulator, &[("prompt", "none")]);
    assert_eq!(
        ask(&silent, None, &[("cookie", &cookie)]).await.sent_back()["error"],
        "login_required"
    );
    assert_eq!(refresh(&emulator, &tom).await.status, StatusCode::OK);
    let again = refresh_token(&tokens(&emulator, "maya").await);
    assert_eq!(refresh(&emulator, &again).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_disabled_account_neither_signs_in_nor_refreshes() {
    let emulator = begin().await;
    let first = refresh_token(&tokens(&emulator, "maya").await);
    emulator.control().disable(&oid(&emulator, "maya"), true);
    refused(&refresh(&emulator, &first).await, 400, "invalid_grant", 50_057);
    let seen = sign_in(&emulator, "maya").await;
    assert!(
        seen.headers.get("location").is_none() && seen.body.contains("AADSTS50057"),
        "{}",
        seen.body
    );
    emulator.control().disable(&oid(&emulator, "maya"), false);
    assert_eq!(refresh(&emulator, &first).await.status, StatusCode::OK);
}

#[tokio::test]
async fn roles_and_groups_are_those_of_the_moment() {
    let emulator = begin().await;
    let first = tokens(&emulator, "maya").await;
    let maya = oid(&emulator, "maya");
    emulator.control().set_roles(&maya, vec![]);
    emulator.control().set_groups(&maya, vec!["0a1b2c3d-0000-4000-8000-000000000009".to_owned()]);
    let after = claims(&emulator, &refresh(&emulator, &refresh_token(&first)).await.json()).await;
    assert!(after.get("roles").is_none());
    assert_eq!(after["groups"], serde_json::json!(["0a1b2c3d-0000-4000-8000-000000000009"]));
    emulator.control().set_roles(&oid(&emulator, "tom"), vec!["Admin".to_owned()]);
    assert_eq!(id_claims(&emulator, "tom").await["roles"], serde_json::json!(["Admin"]));
}

#[tokio::test]
async fn a_refresh_is_refused_with_any_code_of_the_table_and_a_challenge_where_one_can_help() {
    let emulator = begin().await;
    let first = refresh_token(&tokens(&emulator, "maya").await);
    let maya = oid(&emulator, "maya");
    for (code, error, challenge) in [
        (50_076, "interaction_required", true),
        (53_003, "interaction_required", true),
        (700_082, "invalid_grant", false),
    ] {
        assert!(emulator.control().refuse_refresh(&maya, code));
        let seen = refresh(&emulator, &first).await;
        refused(&seen, 400, error, u64::from(code));
        let claims =
            seen.json()["claims"].as_str().map(|it| serde_json::from_str::<Value>(it).unwrap());
        assert_eq!(claims.is_some_and(|it| it["access_token"].is_object()), challenge);
    }
    assert!(!emulator.control().refuse_refresh(&maya, 1));
    emulator.control().allow_refresh(&maya);
    assert_eq!(refresh(&emulator, &first).await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_next_token_request_is_refused_as_written() {
    let emulator = begin().await;
    let claims = r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#;
    let refusal = InjectedRefusal {
        error: "interaction_required".to_owned(),
        code: 50_079,
        suberror: Some("basic_action".to_owned()),
        claims: Some(claims.to_owned()),
    };
    emulator.control().refuse_next_token(refusal);
    let seen = redeem(&emulator, "x", &[]).await;
    refused(&seen, 400, "interaction_required", 50_079);
    assert_eq!(
        (&seen.json()["suberror"], &seen.json()["claims"]),
        (&Value::from("basic_action"), &Value::from(claims))
    );
    refused(&redeem(&emulator, "x", &[]).await, 400, "invalid_grant", 70_000);
}

#[tokio::test]
async fn the_token_endpoint_is_faulty_for_as_long_as_was_said() {
    let emulator = begin().await;
    let first = refresh_token(&tokens(&emulator, "maya").await);
    emulator.control().token_answer(TokenFault::TooMany(Some(7)), 2);
    for _ in 0..2 {
        let seen = refresh(&emulator, &first).await;
        refused(&seen, 429, "temporarily_unavailable", 90_055);
        assert_eq!(seen.header("retry-after"), "7");
    }
    assert_eq!(refresh(&emulator, &first).await.status, StatusCode::OK);
    emulator.control().token_answer(TokenFault::Html(502), UNTIL_CLEARED);
    for _ in 0..3 {
        let seen = refresh(&emulator, &first).await;
        assert_eq!(
            (seen.status.as_u16(), seen.header("content-type")),
            (502, "text/html; charset=utf-8")
        );
    }
    emulator.control().token_answer(TokenFault::Garbage, 1);
    let seen = refresh(&emulator, &first).await;
    assert!(seen.status == StatusCode::OK && serde_json::from_str::<Value>(&seen.body).is_err());
    emulator.control().token_answer(TokenFault::Hang, UNTIL_CLEARED);
    let form = own(&emulator, &first);
    let form: Vec<_> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let uri = at(&emulator, "oauth2/v2.0/token");
    assert!(
        tokio::time::timeout(Duration::from_millis(200), try_ask(&uri, Some(&form), &[]))
            .await
            .is_err()
    );
    emulator.control().clear_token_answer();
    assert_eq!(refresh(&emulator, &first).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_connection_is_cut_before_or_after_the_grant_was_redeemed() {
    let emulator = begin().await;
    emulator.control().single_use_refresh(true);
    let first = refresh_token(&tokens(&emulator, "maya").await);
    let form = own(&emulator, &first);
    let form: Vec<_> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let uri = at(&emulator, "oauth2/v2.0/token");
    emulator.control().token_answer(TokenFault::CutBefore, 1);
    assert!(try_ask(&uri, Some(&form), &[]).await.is_err());
    let second = refresh_token(&refresh(&emulator, &first).await.json());
    let form = own(&emulator, &second);
    let form: Vec<_> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
    emulator.control().token_answer(TokenFault::CutAfter, 1);
    assert!(try_ask(&uri, Some(&form), &[]).await.is_err());
    refused(&refresh(&emulator, &second).await, 400, "invalid_grant", 70_000);
    assert_eq!(
        (emulator.control().reused_refresh_tokens(), emulator.control().refresh_calls()),
        (1, 4)
    );
}

#[tokio::test]
async fn each_use_of_a_refresh_token_is_recorded_with_its_time_once() {
    let emulator = begin().await;
    let first = refresh_token(&tokens(&emulator, "maya").await);
    emulator.control().be_slow(50);
    let second = refresh_token(&refresh(&emulator, &first).await.json());
    refresh(&emulator, &first).await;
    refresh(&emulator, &second).await;
    let uses = emulator.control().take_refresh_uses();
    assert_eq!(uses.len(), 3);
    assert!(uses[0].token == uses[1].token && uses[1].token != uses[2].token);
    for (one, next) in uses.iter().zip(&uses[1..]) {
        assert!(one.is_answered && one.ended - one.began >= Duration::from_millis(50));
        assert!(one.ended <= next.began);
    }
    assert!(emulator.control().take_refresh_uses().is_empty());
    emulator.control().be_slow(0);
    emulator.control().be_down(true);
    refresh(&emulator, &second).await;
    assert!(!emulator.control().take_refresh_uses()[0].is_answered);
}

#[tokio::test]
async fn asked_contexts_are_in_the_token_of_that_code_and_not_in_a_refreshed_one() {
    let emulator = begin().await;
    let challenges = [
        r#"{"id_token":{"acrs":{"essential":true,"value":"c1"}}}"#,
        r#"{"access_token":{"acrs":{"essential":true,"values":["c1"]}}}"#,
    ];
    for challenge in challenges {
        let page = ask(&authorize(&emulator, &[("claims", challenge)]), None, &[]).await;
        let code =
            pick(&emulator, &page, "person", &oid(&emulator, "maya")).await.sent_back()["code"]
                .clone();
        let first = redeem(&emulator, &code, &[]).await.json();
        assert_eq!(claims(&emulator, &first).await["acrs"], serde_json::json!(["c1"]));
        let after = refresh(&emulator, &refresh_token(&first)).await.json();
        assert!(claims(&emulator, &after).await.get("acrs").is_none());
    }
    assert!(id_claims(&emulator, "maya").await.get("acrs").is_none());
    let back = ask(&authorize(&emulator, &[("claims", "{")]), None, &[]).await.sent_back();
    assert_eq!(back["error"], "invalid_request");
}

#[tokio::test]
async fn a_sign_out_tells_the_app_in_a_frame_by_its_session_alone() {
    let emulator = begin().await;
    emulator.control().front_channel_url(Some("http://localhost:9/oauth2/frontchannel_logout"));
    let page = sign_in(&emulator, "maya").await;
    let (cookie, back) = (page.cookie(), page.sent_back());
    let claims = claims(&emulator, &redeem(&emulator, &back["code"], &[]).await.json()).await;
    assert_eq!(claims["sid"], back["session_state"].as_str());
    let out = at(
        &emulator,
        "oauth2/v2.0/logout?post_logout_redirect_uri=http%3A%2F%2Flocalhost%3A9%2Fbye",
    );
    let stays = ask(&format!("{out}&logout_hint=O.other"), None, &[("cookie", &cookie)]).await;
    assert_eq!(stays.header("location"), "http://localhost:9/bye");
    let hint = claims["login_hint"].as_str().unwrap();
    let seen = ask(&format!("{out}&logout_hint={hint}"), None, &[("cookie", &cookie)]).await;
    let frame = format!(
        "src=\"http://localhost:9/oauth2/frontchannel_logout?sid={}\"",
        back["session_state"]
    );
    assert!(
        seen.status == StatusCode::OK
            && seen.body.contains(&frame)
            && seen.body.contains("href=\"http://localhost:9/bye\""),
        "{}",
        seen.body
    );
    assert!(seen.header("content-security-policy").contains("frame-src http://localhost:9;"));
    let after = ask(&out, None, &[("cookie", &cookie)]).await;
    assert_eq!(after.status, StatusCode::FOUND);
}

#[tokio::test]
async fn the_token_of_somebody_else_can_come_at_a_refresh() {
    let emulator = begin().await;
    let first = tokens(&emulator, "maya").await;
    emulator.control().wrong(TokenDefect::Person);
    let after = claims(&emulator, &refresh(&emulator, &refresh_token(&first)).await.json()).await;
    let before = claims(&emulator, &first).await;
    assert!(after["oid"] != before["oid"] && after["sub"] != before["sub"]);
}
