//! Groups from Graph.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

use super::super::{Emulator, GraphFault, UNTIL_CLEARED};
use super::{Seen, at, begin, oid, redeem, refused, tokens};

async fn graph(uri: &str, token: &str, body: Option<&Value>) -> Seen {
    let request = Request::builder()
        .uri(uri)
        .method(if body.is_some() { "POST" } else { "GET" })
        .header("authorization", format!("Bearer {token}"));
    let request = request.header("content-type", "application/json");
    let body = body.map_or(String::new(), Value::to_string);
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let (head, body) =
        client.request(request.body(Full::from(body)).unwrap()).await.unwrap().into_parts();
    let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
    Seen { status: head.status, headers: head.headers, body }
}

async fn ask(emulator: &Emulator, whose: &str, token: &str) -> Seen {
    graph(
        &format!("{}/v1.0/{whose}/getMemberObjects", emulator.authority()),
        token,
        Some(&json!({"securityEnabledOnly": true})),
    )
    .await
}

/// Returns the response to a refresh that requests a token for Graph.
async fn fetched(emulator: &Emulator, name: &str, permission: &str) -> Value {
    let refresh = tokens(emulator, name).await["refresh_token"].as_str().unwrap().to_owned();
    let scope = format!("{}/{permission}", emulator.authority());
    let seen = redeem(
        emulator,
        "",
        &[("grant_type", "refresh_token"), ("refresh_token", &refresh), ("scope", &scope)],
    )
    .await;
    assert_eq!(seen.status, StatusCode::OK, "{}", seen.body);
    seen.json()
}

async fn access(emulator: &Emulator, name: &str) -> String {
    fetched(emulator, name, "User.Read").await["access_token"].as_str().unwrap().to_owned()
}

fn failed(seen: &Seen, status: u16, code: &str) {
    assert_eq!(
        (seen.status.as_u16(), seen.json()["error"]["code"].as_str().unwrap()),
        (status, code),
        "{}",
        seen.body
    );
}

#[tokio::test]
async fn six_hundred_groups_come_by_pages_of_the_same_origin() {
    let emulator = begin().await;
    let token = access(&emulator, "grace").await;
    let mut found = Vec::new();
    let mut seen = ask(&emulator, "me", &token).await.json();
    loop {
        found.extend(seen["value"].as_array().unwrap().clone());
        let Some(next) = seen["@odata.nextLink"].as_str() else { break };
        assert!(next.starts_with(&format!(
            "{}/v1.0/me/getMemberObjects?$skiptoken=",
            emulator.authority()
        )));
        seen = graph(next, &token, None).await.json();
    }
    let expected =
        &emulator.people().iter().find(|it| it.user_name.starts_with("grace")).unwrap().groups;
    assert_eq!(found, expected.iter().map(|it| json!(it)).collect::<Vec<_>>());
    assert_eq!(emulator.control().graph_calls(), 6);
    emulator.control().graph_page(600);
    assert!(ask(&emulator, "me", &token).await.json().get("@odata.nextLink").is_none());
}

#[tokio::test]
async fn a_refresh_fetches_a_token_for_graph_alone() {
    let emulator = begin().await;
    let answer = fetched(&emulator, "maya", "User.Read").await;
    assert!(answer.get("id_token").is_none());
    assert_eq!(answer["scope"], format!("{}/User.Read", emulator.authority()));
    let refresh = tokens(&emulator, "maya").await["refresh_token"].as_str().unwrap().to_owned();
    let scope = format!("{}/User.Read api://other/read", emulator.authority());
    let seen = redeem(
        &emulator,
        "",
        &[("grant_type", "refresh_token"), ("refresh_token", &refresh), ("scope", &scope)],
    )
    .await;
    refused(&seen, 400, "invalid_grant", 28_000);
}

#[tokio::test]
async fn graph_answers_whom_it_may() {
    let emulator = begin().await;
    let (maya, tom) = (oid(&emulator, "maya"), oid(&emulator, "tom"));
    failed(&ask(&emulator, "me", "made-up").await, 401, "InvalidAuthenticationToken");
    let plain = tokens(&emulator, "maya").await;
    assert_eq!(
        ask(&emulator, "me", plain["access_token"].as_str().unwrap()).await.json()["value"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
    failed(
        &ask(&emulator, "me", plain["id_token"].as_str().unwrap()).await,
        401,
        "InvalidAuthenticationToken",
    );
    let token = access(&emulator, "maya").await;
    assert_eq!(ask(&emulator, &format!("users/{maya}"), &token).await.status, StatusCode::OK);
    failed(
        &ask(&emulator, &format!("users/{tom}"), &token).await,
        403,
        "Authorization_RequestDenied",
    );
    let little =
        fetched(&emulator, "maya", "Mail.Read").await["access_token"].as_str().unwrap().to_owned();
    failed(&ask(&emulator, "me", &little).await, 403, "Authorization_RequestDenied");
    let form =
        [("grant_type", "client_credentials"), ("scope", "https://graph.microsoft.com/.default")];
    let form: Vec<_> = form
        .into_iter()
        .chain([("client_id", emulator.client_id()), ("client_secret", emulator.client_secret())])
        .collect();
    let app = super::ask(&at(&emulator, "oauth2/v2.0/token"), Some(&form), &[]).await.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(
        ask(&emulator, &format!("users/{maya}"), &app).await.json()["value"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
    failed(&ask(&emulator, "me", &app).await, 400, "BadRequest");
    failed(&ask(&emulator, "users/nobody", &app).await, 404, "Request_ResourceNotFound");
    let unsaid = graph(
        &format!("{}/v1.0/me/getMemberObjects", emulator.authority()),
        &token,
        Some(&json!({})),
    )
    .await;
    failed(&unsaid, 400, "BadRequest");
}

#[tokio::test]
async fn groups_are_those_of_the_moment_and_a_link_belongs_to_its_person() {
    let emulator = begin().await;
    emulator.control().graph_page(1);
    let token = access(&emulator, "maya").await;
    let next =
        ask(&emulator, "me", &token).await.json()["@odata.nextLink"].as_str().unwrap().to_owned();
    let other = access(&emulator, "grace").await;
    failed(&graph(&next, &other, None).await, 400, "Directory_ExpiredPageToken");
    emulator.control().set_groups(&oid(&emulator, "maya"), vec![]);
    assert_eq!(ask(&emulator, "me", &token).await.json()["value"], json!([]));
}

#[tokio::test]
async fn graph_fails_as_configured() {
    let emulator = begin().await;
    let token = access(&emulator, "maya").await;
    emulator.control().graph(GraphFault::TooMany(Some(3)), 2);
    for _ in 0..2 {
        let seen = ask(&emulator, "me", &token).await;
        failed(&seen, 429, "TooManyRequests");
        assert_eq!(seen.header("retry-after"), "3");
    }
    assert_eq!(ask(&emulator, "me", &token).await.status, StatusCode::OK);
    emulator.control().graph(GraphFault::Down, UNTIL_CLEARED);
    failed(&ask(&emulator, "me", &token).await, 503, "ServiceUnavailable");
    emulator.control().graph(GraphFault::Forbidden, 1);
    failed(&ask(&emulator, "me", &token).await, 403, "Authorization_RequestDenied");
    emulator.control().graph(GraphFault::Garbage, 1);
    assert!(serde_json::from_str::<Value>(&ask(&emulator, "me", &token).await.body).is_err());
    emulator.control().graph(GraphFault::ForeignLink, 1);
    assert!(
        ask(&emulator, "me", &token).await.json()["@odata.nextLink"]
            .as_str()
            .unwrap()
            .starts_with("https://graph.example/")
    );
    emulator.control().graph(GraphFault::Endless, UNTIL_CLEARED);
    let next =
        ask(&emulator, "me", &token).await.json()["@odata.nextLink"].as_str().unwrap().to_owned();
    assert!(graph(&next, &token, None).await.json()["@odata.nextLink"].is_string());
    emulator.control().clear_graph();
    emulator.control().graph(GraphFault::Slow(150), 1);
    let begun = Instant::now();
    assert_eq!(ask(&emulator, "me", &token).await.status, StatusCode::OK);
    assert!(begun.elapsed() >= Duration::from_millis(150));
}
