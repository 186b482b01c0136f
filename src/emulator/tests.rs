//! Tests the emulator over real sockets, with a client that follows no redirects by itself.

use std::net::TcpListener;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use super::tenants::CONTOSO;
use super::*;

mod authorize;
mod codes;
mod discovery;
mod graph;
mod panel;
mod refresh;
mod serve;
mod several_tenants;
mod token;

const APP: &str = "http://localhost:9/back";
const TENANT: &str = CONTOSO.id;
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

struct Seen {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Seen {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.body))
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |it| it.to_str().unwrap())
    }

    fn sent_back(&self) -> std::collections::HashMap<String, String> {
        assert_eq!(self.status, StatusCode::FOUND, "{}", self.body);
        let url = url::Url::parse(self.header("location")).unwrap();
        url.query_pairs().into_owned().collect()
    }

    fn transaction(&self) -> &str {
        let rest = self.body.split_once("name=\"transaction\" value=\"").expect("a form").1;
        rest.split_once('"').unwrap().0
    }

    fn cookie(&self) -> String {
        self.header("set-cookie").split(';').next().unwrap().to_owned()
    }
}

fn options() -> EmulatorOptions {
    let random = RandomSource::new(|out| {
        aws_lc_rs::rand::SecureRandom::fill(&aws_lc_rs::rand::SystemRandom::new(), out).unwrap();
    });
    EmulatorOptions {
        clock: Clock::system(),
        random,
        redirect_uris: vec!["http://localhost/back".to_owned()],
        client_id: None,
        client_secret: None,
        registrations: Vec::new(),
        tls: None,
        host: None,
    }
}

async fn begin() -> Emulator {
    Emulator::start(TcpListener::bind("127.0.0.1:0").unwrap(), options()).await.unwrap()
}

async fn ask(uri: &str, form: Option<&[(&str, &str)]>, headers: &[(&str, &str)]) -> Seen {
    try_ask(uri, form, headers).await.unwrap()
}

async fn try_ask(
    uri: &str,
    form: Option<&[(&str, &str)]>,
    headers: &[(&str, &str)],
) -> Result<Seen, hyper_util::client::legacy::Error> {
    let mut request =
        Request::builder().uri(uri).method(if form.is_some() { "POST" } else { "GET" });
    if form.is_some() {
        request = request.header("content-type", "application/x-www-form-urlencoded");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = form.map_or(String::new(), |it| {
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(it).finish()
    });
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let reply = client.request(request.body(Full::from(body)).unwrap()).await?;
    let (head, body) = reply.into_parts();
    let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
    Ok(Seen { status: head.status, headers: head.headers, body })
}

/// Returns the form that redeems a refresh token.
fn own(emulator: &Emulator, token: &str) -> [(&'static str, String); 4] {
    let (id, secret) = (emulator.client_id().to_owned(), emulator.client_secret().to_owned());
    [
        ("grant_type", "refresh_token".to_owned()),
        ("refresh_token", token.to_owned()),
        ("client_id", id),
        ("client_secret", secret),
    ]
}

fn at(emulator: &Emulator, rest: &str) -> String {
    format!("{}/{TENANT}/{rest}", emulator.authority())
}

fn authorize(emulator: &Emulator, more: &[(&str, &str)]) -> String {
    let mut url = url::Url::parse(&at(emulator, "oauth2/v2.0/authorize")).unwrap();
    let usual = [
        ("client_id", emulator.client_id()),
        ("response_type", "code"),
        ("redirect_uri", APP),
        ("scope", "openid profile email offline_access"),
    ];
    let usual = usual.into_iter().chain([
        ("state", "s 1"),
        ("nonce", "n1"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ]);
    let kept = usual.filter(|(name, _)| !more.iter().any(|(other, _)| other == name));
    url.query_pairs_mut().extend_pairs(kept).extend_pairs(more);
    url.into()
}

async fn pick(emulator: &Emulator, page: &Seen, name: &str, value: &str) -> Seen {
    let own = emulator.authority();
    let form = [("transaction", page.transaction()), (name, value)];
    ask(&at(emulator, "pick"), Some(&form), &[("origin", &own), ("sec-fetch-site", "same-origin")])
        .await
}

fn oid(emulator: &Emulator, name: &str) -> String {
    emulator.people().iter().find(|it| it.user_name.starts_with(name)).unwrap().oid.clone()
}

async fn sign_in(emulator: &Emulator, name: &str) -> Seen {
    let page = ask(&authorize(emulator, &[]), None, &[]).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.contains("NOT MICROSOFT"));
    pick(emulator, &page, "person", &oid(emulator, name)).await
}

async fn redeem(emulator: &Emulator, code: &str, more: &[(&str, &str)]) -> Seen {
    let usual = [
        ("grant_type", "authorization_code"),
        ("client_id", emulator.client_id()),
        ("client_secret", emulator.client_secret()),
    ];
    let usual = usual.into_iter().chain([
        ("code", code),
        ("redirect_uri", APP),
        ("code_verifier", VERIFIER),
    ]);
    let form: Vec<_> = usual
        .filter(|(name, _)| !more.iter().any(|(other, _)| other == name))
        .chain(more.iter().copied())
        .collect();
    let form: Vec<_> = form.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    ask(&at(emulator, "oauth2/v2.0/token"), Some(&form), &[]).await
}

async fn tokens(emulator: &Emulator, name: &str) -> Value {
    let code = sign_in(emulator, name).await.sent_back()["code"].clone();
    let seen = redeem(emulator, &code, &[]).await;
    assert_eq!(seen.status, StatusCode::OK, "{}", seen.body);
    assert_eq!(seen.header("cache-control"), "no-store, no-cache");
    seen.json()
}

/// Verifies a token with another implementation, using the published key.
async fn verified(emulator: &Emulator, token: &str) -> Result<Value, jsonwebtoken::errors::Error> {
    let set: jsonwebtoken::jwk::JwkSet =
        serde_json::from_str(&ask(&at(emulator, "discovery/v2.0/keys"), None, &[]).await.body)
            .unwrap();
    let kid = jsonwebtoken::decode_header(token)?.kid.unwrap();
    let key =
        jsonwebtoken::DecodingKey::from_jwk(set.find(&kid).expect("the key is published")).unwrap();
    let mut rules = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::RS256);
    rules.set_audience(&[emulator.client_id()]);
    rules.set_issuer(&[at(emulator, "v2.0")]);
    rules.validate_nbf = true;
    Ok(jsonwebtoken::decode::<Value>(token, &key, &rules)?.claims)
}

async fn id_claims(emulator: &Emulator, name: &str) -> Value {
    let tokens = tokens(emulator, name).await;
    verified(emulator, tokens["id_token"].as_str().unwrap()).await.unwrap()
}

fn refused(seen: &Seen, status: u16, error: &str, code: u64) {
    let body = seen.json();
    assert_eq!(
        (
            seen.status.as_u16(),
            body["error"].as_str().unwrap(),
            body["error_codes"][0].as_u64().unwrap()
        ),
        (status, error, code),
        "{body}"
    );
    let text = body["error_description"].as_str().unwrap();
    assert!(text.starts_with(&format!("AADSTS{code}: ")), "{text}");
    assert!(
        text.contains(" Trace ID: ")
            && text.contains(" Correlation ID: ")
            && text.contains(" Timestamp: "),
        "{text}"
    );
    assert_eq!(body["timestamp"].as_str().unwrap().len(), 20);
}

#[tokio::test]
async fn the_whole_flow_ends_in_a_token_that_others_verify() {
    let emulator = begin().await;
    let back = sign_in(&emulator, "maya").await.sent_back();
    assert_eq!(back["state"], "s 1");
    let tokens = redeem(&emulator, &back["code"], &[("client_info", "1")]).await.json();
    let claims = verified(&emulator, tokens["id_token"].as_str().unwrap()).await.unwrap();
    assert_eq!(claims["nonce"], "n1");
    assert_eq!(claims["sid"], back["session_state"].as_str());
    assert_eq!(claims["roles"], serde_json::json!(["Admin"]));
    assert_eq!(claims["groups"].as_array().unwrap().len(), 3);
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 3900);
    assert_eq!(claims["iat"], claims["nbf"]);
    assert_eq!(tokens["scope"], "openid profile email");
    assert!(tokens["client_info"].is_string() && tokens["expires_in"].is_u64());
    assert_eq!(emulator.control().token_calls(), 1);
    assert_eq!(emulator.control().authorize_calls(), 1);
    assert_eq!(emulator.control().keys_calls(), 1);
}

#[tokio::test]
async fn every_person_has_the_claims_of_their_case() {
    let emulator = begin().await;
    let ines = id_claims(&emulator, "ines").await;
    assert!(
        ines.get("email").is_none() && ines.get("roles").is_none() && ines.get("groups").is_none()
    );
    let priya = id_claims(&emulator, "priya").await;
    assert_eq!(priya["acct"], 1);
    assert!(priya["idp"].as_str().unwrap().starts_with("https://sts.windows.net/"));
    assert_eq!(id_claims(&emulator, "zoe").await["name"], "Zoë Łukasiewicz 山田");
    let grace = id_claims(&emulator, "grace").await;
    assert!(grace.get("groups").is_none());
    assert_eq!(grace["_claim_names"]["groups"], "src1");
    assert!(
        grace["_claim_sources"]["src1"]["endpoint"]
            .as_str()
            .unwrap()
            .ends_with("/getMemberObjects")
    );
}
