//! The token endpoint: which clients may redeem which grants.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;

#[tokio::test]
async fn codes_are_bound_and_single_use() {
    let emulator = begin().await;
    let code = sign_in(&emulator, "tom").await.sent_back()["code"].clone();
    refused(&redeem(&emulator, "1.nonsense", &[]).await, 400, "invalid_grant", 70_000);
    refused(
        &redeem(&emulator, &code, &[("redirect_uri", "http://localhost:9/other")]).await,
        400,
        "invalid_grant",
        500_112,
    );
    refused(
        &redeem(&emulator, &code, &[("code_verifier", "wrong")]).await,
        400,
        "invalid_grant",
        501_481,
    );
    refused(
        &redeem(&emulator, &code, &[("code_verifier", "")]).await,
        400,
        "invalid_grant",
        50_148,
    );
    assert_eq!(redeem(&emulator, &code, &[]).await.status, StatusCode::OK);
    refused(&redeem(&emulator, &code, &[]).await, 400, "invalid_grant", 54_005);
}

#[tokio::test]
async fn codes_expire_after_ten_minutes() {
    let clock = Clock::system();
    let emulator = Emulator::start(
        TcpListener::bind("127.0.0.1:0").unwrap(),
        EmulatorOptions { clock: clock.clone(), ..options() },
    )
    .await
    .unwrap();
    let code = sign_in(&emulator, "tom").await.sent_back()["code"].clone();
    clock.shift(602);
    refused(&redeem(&emulator, &code, &[]).await, 400, "invalid_grant", 70_008);
}

#[tokio::test]
async fn clients_have_to_prove_themselves() {
    let emulator = begin().await;
    refused(
        &redeem(&emulator, "x", &[("client_secret", "wrong")]).await,
        401,
        "invalid_client",
        7_000_215,
    );
    refused(
        &redeem(&emulator, "x", &[("client_secret", TENANT)]).await,
        401,
        "invalid_client",
        7_000_215,
    );
    refused(
        &redeem(&emulator, "x", &[("client_secret", "")]).await,
        401,
        "invalid_client",
        7_000_218,
    );
    refused(
        &redeem(&emulator, "x", &[("client_id", TENANT)]).await,
        400,
        "unauthorized_client",
        700_016,
    );
    let odd = redeem(&emulator, "x", &[("grant_type", "no_such_grant")]).await;
    refused(&odd, 400, "unsupported_grant_type", 70_003);
    assert!(odd.json().get("error_uri").is_none());
    refused(&redeem(&emulator, "x", &[("grant_type", "")]).await, 400, "invalid_request", 900_144);
}

#[tokio::test]
async fn basic_authentication_and_client_credentials_work() {
    let emulator = begin().await;
    let basic = format!(
        "Basic {}",
        STANDARD.encode(format!("{}:{}", emulator.client_id(), emulator.client_secret()))
    );
    let form =
        [("grant_type", "client_credentials"), ("scope", "https://graph.microsoft.com/.default")];
    let seen =
        ask(&at(&emulator, "oauth2/v2.0/token"), Some(&form), &[("authorization", &basic)]).await;
    let mut names: Vec<_> = seen.json().as_object().unwrap().keys().cloned().collect();
    names.sort();
    assert_eq!(names, ["access_token", "expires_in", "ext_expires_in", "token_type"]);
    let form = [("grant_type", "client_credentials"), ("scope", "User.Read")];
    refused(
        &ask(&at(&emulator, "oauth2/v2.0/token"), Some(&form), &[("authorization", &basic)]).await,
        400,
        "invalid_scope",
        1_002_012,
    );
}

#[tokio::test]
async fn refresh_tokens_roll_and_the_old_ones_stay() {
    let emulator = begin().await;
    let first = tokens(&emulator, "maya").await["refresh_token"].as_str().unwrap().to_owned();
    for _ in 0..2 {
        let seen =
            redeem(&emulator, "", &[("grant_type", "refresh_token"), ("refresh_token", &first)])
                .await;
        assert_eq!(seen.status, StatusCode::OK, "{}", seen.body);
        assert_ne!(seen.json()["refresh_token"], first.as_str());
        let claims = verified(&emulator, seen.json()["id_token"].as_str().unwrap()).await.unwrap();
        assert!(claims.get("nonce").is_none());
    }
    let seen =
        redeem(&emulator, "", &[("grant_type", "refresh_token"), ("refresh_token", "1.other")])
            .await;
    refused(&seen, 400, "invalid_grant", 9_002_313);
    assert_eq!(seen.json()["suberror"], "bad_token");
}

#[tokio::test]
async fn wrong_tokens_are_wrong_once() {
    use jsonwebtoken::errors::ErrorKind;
    let emulator = begin().await;
    for (wrong, kind) in [
        (TokenDefect::Issuer, ErrorKind::InvalidIssuer),
        (TokenDefect::Audience, ErrorKind::InvalidAudience),
        (TokenDefect::Signature, ErrorKind::InvalidSignature),
        (TokenDefect::Expired, ErrorKind::ExpiredSignature),
        (TokenDefect::NotYet, ErrorKind::ImmatureSignature),
    ] {
        emulator.control().wrong(wrong);
        let tokens = tokens(&emulator, "maya").await;
        assert_eq!(
            verified(&emulator, tokens["id_token"].as_str().unwrap()).await.unwrap_err().kind(),
            &kind
        );
    }
    emulator.control().wrong(TokenDefect::AlgNone);
    let none = tokens(&emulator, "maya").await["id_token"].as_str().unwrap().to_owned();
    assert!(none.ends_with('.') && verified(&emulator, &none).await.is_err());
    emulator.control().wrong(TokenDefect::Nonce);
    assert_eq!(id_claims(&emulator, "maya").await["nonce"], "another");
    emulator.control().wrong(TokenDefect::Tid);
    assert_ne!(id_claims(&emulator, "maya").await["tid"], TENANT);
    assert_eq!(id_claims(&emulator, "maya").await["tid"], TENANT);
}

#[tokio::test]
async fn the_clients_request_id_becomes_the_correlation_id_and_browsers_may_not_redeem() {
    let emulator = begin().await;
    let id = "12345678-1234-4234-8234-123456789abc";
    let headers = [("client-request-id", id), ("origin", "http://localhost:9")];
    let seen = ask(
        &at(&emulator, "oauth2/v2.0/token"),
        Some(&[("grant_type", "refresh_token")]),
        &headers,
    )
    .await;
    refused(&seen, 400, "invalid_request", 9_002_326);
    assert_eq!(seen.json()["correlation_id"], id);
    assert_eq!(seen.header("x-ms-request-id").len(), 36);
}
