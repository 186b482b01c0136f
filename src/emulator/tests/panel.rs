//! The control panel and the control API.

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

use super::super::{Emulator, EmulatorOptions};
use super::{
    Seen, ask, at, begin, id_claims, oid, options, redeem, refused, sign_in, tokens, try_ask,
    verified,
};
use crate::base::clock::Clock;

async fn control(emulator: &Emulator, order: Option<&str>, headers: &[(&str, &str)]) -> Seen {
    let mut request = Request::builder()
        .uri(format!("{}/control", emulator.authority()))
        .method(if order.is_some() { "POST" } else { "GET" });
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let (head, body) = client
        .request(request.body(Full::from(order.unwrap_or_default().to_owned())).unwrap())
        .await
        .unwrap()
        .into_parts();
    let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
    Seen { status: head.status, headers: head.headers, body }
}

async fn order(emulator: &Emulator, order: &Value) -> Value {
    let seen =
        control(emulator, Some(&order.to_string()), &[("content-type", "application/json")]).await;
    assert_eq!(seen.status, StatusCode::OK, "{order}: {}", seen.body);
    seen.json()
}

async fn refresh(emulator: &Emulator, token: &str) -> Seen {
    redeem(emulator, "", &[("grant_type", "refresh_token"), ("refresh_token", token)]).await
}

async fn panel(emulator: &Emulator, form: &[(&str, &str)]) -> Seen {
    let own = emulator.authority();
    ask(&format!("{own}/"), Some(form), &[("origin", &own), ("sec-fetch-site", "same-origin")])
        .await
}

#[tokio::test]
async fn each_setting_is_changed_by_name() {
    let emulator = begin().await;
    let first = tokens(&emulator, "maya").await["refresh_token"].as_str().unwrap().to_owned();
    order(&emulator, &json!({"roles": ["Reader", "Writer"], "person": "maya@contoso.example"}))
        .await;
    order(&emulator, &json!({"groups": [], "person": oid(&emulator, "maya")})).await;
    let claims =
        verified(&emulator, refresh(&emulator, &first).await.json()["id_token"].as_str().unwrap())
            .await
            .unwrap();
    assert_eq!(claims["roles"], json!(["Reader", "Writer"]));
    assert!(claims.get("groups").is_none());
    order(&emulator, &json!({"refuse_refresh": 50_079, "person": "maya@contoso.example"})).await;
    refused(&refresh(&emulator, &first).await, 400, "interaction_required", 50_079);
    order(&emulator, &json!({"allow_refresh": "maya@contoso.example"})).await;
    order(&emulator, &json!({"token": "too-many", "calls": 1, "seconds": 9})).await;
    assert_eq!(refresh(&emulator, &first).await.header("retry-after"), "9");
    order(&emulator, &json!({"token": "html"})).await;
    assert_eq!(refresh(&emulator, &first).await.status, StatusCode::SERVICE_UNAVAILABLE);
    order(&emulator, &json!({"token": "none"})).await;
    order(&emulator, &json!({"refuse_token": 50_173, "suberror": "bad_token"})).await;
    refused(&refresh(&emulator, &first).await, 400, "invalid_grant", 50_173);
    order(&emulator, &json!({"single_use_refresh": true})).await;
    refused(&refresh(&emulator, &first).await, 400, "invalid_grant", 70_000);
    order(&emulator, &json!({"disable": "maya@contoso.example"})).await;
    refused(&refresh(&emulator, &first).await, 400, "invalid_grant", 50_057);
    order(&emulator, &json!({"enable": "maya@contoso.example"})).await;
    order(&emulator, &json!({"revoke": "maya@contoso.example"})).await;
    refused(&refresh(&emulator, &first).await, 400, "invalid_grant", 50_173);
    order(&emulator, &json!({"wrong": "nonce"})).await;
    assert_eq!(id_claims(&emulator, "tom").await["nonce"], "another");
    order(&emulator, &json!({"rotate_keys": true})).await;
    assert_eq!(
        ask(&at(&emulator, "discovery/v2.0/keys"), None, &[]).await.json()["keys"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    order(&emulator, &json!({"graph": "down", "calls": 3})).await;
    order(&emulator, &json!({"front_channel_url": "http://localhost:9/out"})).await;
    order(&emulator, &json!({"slow": 1})).await;
    let state = order(&emulator, &json!({"graph_page": 7})).await;
    assert_eq!(
        (&state["graph_page"], &state["slow"], &state["front_channel_url"]),
        (&json!(7), &json!(1), &json!("http://localhost:9/out"))
    );
    assert_eq!(
        (&state["single_use_refresh"], &state["reused_refresh_tokens"]),
        (&json!(true), &json!(emulator.control().reused_refresh_tokens()))
    );
}

#[tokio::test]
async fn the_state_shows_people_and_calls_and_no_secret() {
    let emulator = begin().await;
    tokens(&emulator, "tom").await;
    order(&emulator, &json!({"disable": "tom@contoso.example"})).await;
    let seen = control(&emulator, None, &[]).await;
    let state = seen.json();
    let tom = state["people"]
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["user_name"] == "tom@contoso.example")
        .unwrap();
    assert_eq!((&tom["disabled"], &tom["groups"]), (&json!(true), &json!(0)));
    assert_eq!(
        (&state["calls"]["code"], &state["calls"]["refresh"], &state["calls"]["token"]),
        (&json!(1), &json!(0), &json!(1))
    );
    assert!(!seen.body.contains(emulator.client_secret()));
}

#[tokio::test]
async fn the_settings_work_while_everything_else_is_down() {
    let emulator = begin().await;
    order(&emulator, &json!({"down": true})).await;
    let before = emulator.control().calls();
    assert_eq!(
        ask(&at(&emulator, "discovery/v2.0/keys"), None, &[]).await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert_eq!(ask(&format!("{}/", emulator.authority()), None, &[]).await.status, StatusCode::OK);
    order(&emulator, &json!({"down": false})).await;
    assert_eq!(ask(&at(&emulator, "discovery/v2.0/keys"), None, &[]).await.status, StatusCode::OK);
    assert_eq!(emulator.control().calls() - before, 2);
}

#[tokio::test]
async fn the_clock_moves_for_whoever_shares_it() {
    let clock = Clock::system();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let emulator = Emulator::start(listener, EmulatorOptions { clock: clock.clone(), ..options() })
        .await
        .unwrap();
    let code = sign_in(&emulator, "tom").await.sent_back()["code"].clone();
    let before = clock.now();
    order(&emulator, &json!({"move_clock": 7200})).await;
    assert!(clock.now() - before >= 7200);
    refused(&redeem(&emulator, &code, &[]).await, 400, "invalid_grant", 70_008);
    order(&emulator, &json!({"move_clock": -7200})).await;
    assert!(clock.now() - before < 7200);
}

#[tokio::test]
async fn orders_that_make_no_sense_are_refused() {
    let emulator = begin().await;
    let json = [("content-type", "application/json")];
    for order in [
        "",
        "[]",
        "{}",
        r#"{"fly": true}"#,
        r#"{"down": true, "slow": 1}"#,
        r#"{"down": 7}"#,
        r#"{"slow": "much"}"#,
        r#"{"wrong": "everything"}"#,
        r#"{"revoke": "nobody"}"#,
        r#"{"roles": ["Admin"]}"#,
        r#"{"refuse_refresh": 1, "person": "maya@contoso.example"}"#,
        r#"{"token": "odd"}"#,
        r#"{"graph": "down", "calls": "few"}"#,
    ] {
        let seen = control(&emulator, Some(order), &json).await;
        assert_eq!(seen.status, StatusCode::BAD_REQUEST, "{order}");
        assert!(seen.json()["error"].is_string());
    }
    assert!(!control(&emulator, None, &[]).await.json()["down"].as_bool().unwrap());
}

#[tokio::test]
async fn other_sites_change_no_setting() {
    let emulator = begin().await;
    let foreign: [&[(&str, &str)]; 4] = [
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
    ];
    for headers in foreign {
        let more: Vec<_> =
            headers.iter().copied().chain([("content-type", "application/json")]).collect();
        assert_eq!(
            control(&emulator, Some(r#"{"down": true}"#), &more).await.status,
            StatusCode::FORBIDDEN,
            "{headers:?}"
        );
        assert_eq!(
            control(&emulator, None, headers).await.status,
            StatusCode::FORBIDDEN,
            "{headers:?}"
        );
        let form = [("setting", "down"), ("value", "true")];
        assert_eq!(
            ask(&format!("{}/", emulator.authority()), Some(&form), headers).await.status,
            StatusCode::FORBIDDEN,
            "{headers:?}"
        );
    }
    let simple =
        control(&emulator, Some(r#"{"down": true}"#), &[("content-type", "text/plain")]).await;
    assert_eq!(simple.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let as_form = control(
        &emulator,
        Some(r#"{"down": true}"#),
        &[("content-type", "application/x-www-form-urlencoded")],
    )
    .await;
    assert_eq!(as_form.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let rebound = control(&emulator, None, &[("host", "rebound.example")]).await;
    assert_eq!(rebound.status, StatusCode::MISDIRECTED_REQUEST);
    assert_eq!(ask(&at(&emulator, "discovery/v2.0/keys"), None, &[]).await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_panel_changes_every_setting_with_plain_forms() {
    let emulator = begin().await;
    let page = ask(&format!("{}/", emulator.authority()), None, &[]).await;
    assert!(
        page.header("content-security-policy").contains("form-action 'self'")
            && !page.body.contains("<script")
    );
    for setting in
        super::super::control_request::CONTROL_SETTINGS.iter().filter(|it| **it != "enable")
    {
        assert!(
            page.body.contains(&format!("name=\"setting\" value=\"{setting}\"")),
            "{setting} is not on the panel"
        );
    }
    let maya = oid(&emulator, "maya");
    let first = tokens(&emulator, "maya").await["refresh_token"].as_str().unwrap().to_owned();
    let seen =
        panel(&emulator, &[("setting", "roles"), ("person", &maya), ("value", "Reader, <b>")])
            .await;
    assert_eq!((seen.status, seen.header("location")), (StatusCode::SEE_OTHER, "/"));
    let claims =
        verified(&emulator, refresh(&emulator, &first).await.json()["id_token"].as_str().unwrap())
            .await
            .unwrap();
    assert_eq!(claims["roles"], json!(["Reader", "<b>"]));
    assert_eq!(
        panel(&emulator, &[("setting", "disable"), ("value", &maya)]).await.status,
        StatusCode::SEE_OTHER
    );
    let page = ask(&format!("{}/", emulator.authority()), None, &[]).await.body;
    assert!(
        page.contains(", disabled")
            && page.contains("value=\"enable\"")
            && page.contains("Reader, &lt;b&gt;")
            && !page.contains("Reader, <b>")
    );
    // An empty field in a form counts as absent.
    let form = [("setting", "token"), ("value", "garbage"), ("calls", ""), ("seconds", "")];
    assert_eq!(panel(&emulator, &form).await.status, StatusCode::SEE_OTHER);
    for _ in 0..3 {
        assert_eq!(
            try_ask(&at(&emulator, "oauth2/v2.0/token"), Some(&[]), &[]).await.unwrap().status,
            StatusCode::OK
        );
    }
    assert_eq!(panel(&emulator, &[("setting", "fly")]).await.status, StatusCode::BAD_REQUEST);
}
