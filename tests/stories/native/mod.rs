//! The token side of `[native]`: what a phone is given, what it opens, and how it ends.

mod access_tokens;
mod added_beforehand;
mod attacks;
mod claims_challenge;
mod flood;
mod refresh;
mod scopes;
mod sign_out;

use crate::world::browser::{BrowserPage, NAVIGATION, SCRIPT, TestBrowser};
use crate::world::company::company_of_file;
use crate::world::samples::CONTOSO;
use crate::world::{RULES, World, WorldPlan};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::ops::Deref;
use url::Url;

const HOME: &str = "http://127.0.0.1:51234/signed-in";
/// What both clients may ask for.
const SCOPES: &str = "scopes = [\"jobs\", \"trips\"]";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// A world with a company whose people have phones.
struct NativeWorld {
    world: World,
}

/// What a phone was given.
#[derive(Clone)]
struct IssuedTokens {
    access: String,
    refresh: String,
}

impl Deref for NativeWorld {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

impl NativeWorld {
    async fn start() -> Self {
        Self::with("").await
    }

    async fn with(native: &str) -> Self {
        Self::of(plan(native)).await
    }

    async fn of(plan: WorldPlan) -> Self {
        Self { world: World::with(plan).await }
    }

    async fn where_time_stands() -> Self {
        Self::of(plan("").where_time_stands()).await
    }

    /// A second replica.
    async fn replica(&self) -> World {
        World::with(plan("").replica_of(&self.world)).await
    }

    /// The code that a sign-in brings to a client.
    async fn code(&self, client: &str, person: &str) -> String {
        self.code_for(client, person, &[("scope", "jobs")]).await
    }

    /// The same, of a client that asks for more or less.
    async fn code_for(&self, client: &str, person: &str, more: &[(&str, &str)]) -> String {
        let mut browser = self.world.browser();
        let shown = browser.fills(&authorize_path(client, more), &[("choice", "continue")]).await;
        assert!(shown.is_the_sign_in_at_entra(), "{} {}", shown.status, shown.body);
        let callback = browser.stops_at_the_callback(person, shown).await;
        let page = browser.asks("GET", callback.as_str(), NAVIGATION).await;
        let told = Url::parse(page.header("location"))
            .unwrap_or_else(|it| panic!("{it}: {} {}", page.status, page.body));
        told.query_pairs().find(|it| it.0 == "code").unwrap().1.into_owned()
    }

    async fn signed_in(&self, person: &str) -> IssuedTokens {
        let code = self.code("phone", person).await;
        given(&self.asks_for(&redeeming("phone", &code, VERIFIER)).await)
    }

    async fn asks_for(&self, form: &[(&str, &str)]) -> BrowserPage {
        posts(&mut self.world.browser(), "token", form).await
    }

    async fn refreshes(&self, token: &str) -> BrowserPage {
        self.asks_for(&refreshing(token)).await
    }

    async fn calls(&self, token: &str) -> BrowserPage {
        calls(&mut self.world.browser(), token, SCRIPT).await
    }
}

fn plan(native: &str) -> WorldPlan {
    let organization = company_of_file("contoso", CONTOSO);
    let client = |id: &str| {
        format!(
            "[[native.client]]\nid = \"{id}\"\nname = \"Fleet {id}\"\nredirect_uris = [\"http://127.0.0.1/signed-in\"]\n{SCOPES}\n"
        )
    };
    let rules = RULES
        .replace("allow = { roles = [\"Admin\"] }", "allow = { directory_roles = [\"admin\"] }");
    let rules = rules.replace(
        "allow = { groups = [\"0a1b2c3d-0000-4000-8000-000000000001\"] }",
        "allow = \"nobody\"",
    );
    let native = format!("{native}\n{}{}", client("phone"), client("tablet"));
    WorldPlan {
        more: format!("{organization}{rules}"),
        ..WorldPlan::of_directory("").with_native(&native).sending(&["x-forwarded"])
    }
}

/// Where a client sends a browser to sign in.
fn authorize_path(client: &str, more: &[(&str, &str)]) -> String {
    let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, VERIFIER.as_bytes()));
    let asked = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([
            ("client_id", client),
            ("redirect_uri", HOME),
            ("response_type", "code"),
            ("code_challenge", &challenge),
        ])
        .extend_pairs([("code_challenge_method", "S256"), ("organization", "contoso")])
        .extend_pairs(more)
        .finish();
    format!("/oauth2/native/authorize?{asked}")
}

fn redeeming<'a>(
    client: &'a str,
    code: &'a str,
    verifier: &'a str,
) -> [(&'static str, &'a str); 5] {
    [
        ("grant_type", "authorization_code"),
        ("client_id", client),
        ("code", code),
        ("redirect_uri", HOME),
        ("code_verifier", verifier),
    ]
}

fn refreshing(token: &str) -> [(&'static str, &str); 3] {
    [("grant_type", "refresh_token"), ("client_id", "phone"), ("refresh_token", token)]
}

async fn posts(client: &mut TestBrowser, path: &str, form: &[(&str, &str)]) -> BrowserPage {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    client.posts(&format!("/oauth2/native/{path}"), SCRIPT, &body).await
}

async fn calls(client: &mut TestBrowser, token: &str, says: &[(&str, &str)]) -> BrowserPage {
    let bearer = format!("Bearer {token}");
    let says: Vec<_> = says.iter().copied().chain([("authorization", bearer.as_str())]).collect();
    client.asks("GET", "/api/x", &says).await
}

fn given(page: &BrowserPage) -> IssuedTokens {
    let told = page.json();
    assert_eq!(
        (page.status, page.header("cache-control"), &told["token_type"], &told["expires_in"]),
        (200, "no-store", &"Bearer".into(), &300.into()),
        "{told}"
    );
    let text = |name: &str| told[name].as_str().unwrap().to_owned();
    IssuedTokens { access: text("access_token"), refresh: text("refresh_token") }
}

fn is_refused(page: &BrowserPage, error: &str) {
    let told = page.json();
    assert_eq!(
        (page.status, page.header("cache-control"), told["error"].as_str()),
        (400, "no-store", Some(error)),
        "{told}"
    );
    assert!(told["error_description"].as_str().is_some_and(|it| !it.is_empty()), "{told}");
}

fn is_no_longer_taken(page: &BrowserPage) {
    assert_eq!((page.status, page.header("location")), (401, ""), "{}", page.body);
    assert!(
        page.header("www-authenticate").starts_with("Bearer error=\"invalid_token\""),
        "{}",
        page.header("www-authenticate")
    );
    assert_eq!(page.header("content-type"), "application/problem+json");
}

/// What a part of a token says.
fn part(token: &str, place: usize) -> serde_json::Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(place).unwrap()).unwrap())
        .unwrap()
}
