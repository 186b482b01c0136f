//! Discovery, and the published keys.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::StatusCode;

use super::{TENANT, ask, at, begin, id_claims, refused};

#[tokio::test]
async fn discovery_names_the_tenant_or_a_template() {
    let emulator = begin().await;
    for tenant in [TENANT, "contoso.example"] {
        let seen = ask(
            &format!("{}/{tenant}/v2.0/.well-known/openid-configuration", emulator.authority()),
            None,
            &[],
        )
        .await;
        assert_eq!(seen.json()["issuer"], at(&emulator, "v2.0"));
        assert_eq!(seen.json()["token_endpoint"], at(&emulator, "oauth2/v2.0/token"));
        assert!(seen.json().get("code_challenge_methods_supported").is_none());
    }
    let seen = ask(
        &format!("{}/common/v2.0/.well-known/openid-configuration", emulator.authority()),
        None,
        &[],
    )
    .await;
    assert_eq!(seen.json()["issuer"], format!("{}/{{tenantid}}/v2.0", emulator.authority()));
    assert!(seen.json()["tenant_region_scope"].is_null());
    let seen = ask(
        &format!("{}/typo.example/v2.0/.well-known/openid-configuration", emulator.authority()),
        None,
        &[],
    )
    .await;
    refused(&seen, 400, "invalid_tenant", 90_002);
    let seen = ask(
        &format!("{}/common/discovery/instance?api-version=1.1", emulator.authority()),
        None,
        &[],
    )
    .await;
    assert!(seen.json()["metadata"][0]["aliases"].is_array());
    assert_eq!(emulator.control().discovery_calls(), 4);
}

#[tokio::test]
async fn the_key_id_is_the_thumbprint_of_a_certificate_that_says_what_it_is() {
    let emulator = begin().await;
    let set = ask(&at(&emulator, "discovery/v2.0/keys"), None, &[]).await.json();
    let key = &set["keys"][0];
    let der = STANDARD.decode(key["x5c"][0].as_str().unwrap()).unwrap();
    let thumbprint = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, &der);
    assert_eq!(key["kid"], URL_SAFE_NO_PAD.encode(thumbprint.as_ref()));
    assert_eq!(key["kid"], key["x5t"]);
    assert!(key.get("alg").is_none());
    assert_eq!(URL_SAFE_NO_PAD.decode(key["n"].as_str().unwrap()).unwrap().len(), 256);
    assert!(der.windows(16).any(|it| it == b"Entrada emulator"));
}

#[tokio::test]
async fn keys_rotate_and_outages_can_be_had() {
    let emulator = begin().await;
    let keys = at(&emulator, "discovery/v2.0/keys");
    let first = ask(&keys, None, &[]).await.json()["keys"][0]["kid"].clone();
    assert!(emulator.control().rotate_keys().await);
    let set = ask(&keys, None, &[]).await.json();
    assert_eq!(set["keys"].as_array().unwrap().len(), 2);
    assert_eq!(set["keys"][1]["kid"], first);
    assert_eq!(id_claims(&emulator, "maya").await["ver"], "2.0");
    emulator.control().be_down(true);
    assert_eq!(ask(&keys, None, &[]).await.status, StatusCode::SERVICE_UNAVAILABLE);
    emulator.control().be_down(false);
    assert_eq!(ask(&keys, None, &[]).await.status, StatusCode::OK);
}
