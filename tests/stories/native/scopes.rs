//! What a client asks for, and what is granted of it.

use super::*;
use crate::world::samples::MAYA;
use entrada::base::guid::Guid;
use serde_json::{Value, json};

impl NativeWorld {
    /// Signs in with `asked`, and gives what the token endpoint says.
    async fn is_given(&self, asked: &[(&str, &str)]) -> Value {
        let code = self.code_for("phone", MAYA, asked).await;
        self.answers(&redeeming("phone", &code, VERIFIER)).await
    }

    async fn is_given_again(&self, before: &Value, asked: &[(&str, &str)]) -> Value {
        let form = [&refreshing(before["refresh_token"].as_str().unwrap())[..], asked].concat();
        self.answers(&form).await
    }

    async fn answers(&self, form: &[(&str, &str)]) -> Value {
        let page = self.asks_for(form).await;
        given(&page);
        page.json()
    }

    /// What the directory keeps of the sign-in.
    async fn kept(&self, given: &Value) -> Option<String> {
        let sid = claims(given)["sid"].as_str().unwrap().to_owned();
        self.directory().sign_in(Guid::parse(&sid).unwrap()).await.unwrap().unwrap().scope
    }
}

fn claims(given: &Value) -> Value {
    part(given["access_token"].as_str().unwrap(), 1)
}

fn scope(text: &str) -> [(&str, &str); 1] {
    [("scope", text)]
}

// The scope that a client asked for was signed into its access token, whatever it was.
#[tokio::test]
async fn attack_a_scope_that_is_not_listed_is_neither_stored_nor_signed() {
    let world = NativeWorld::start().await;
    for (asked, granted) in [
        ("jobs", "jobs"),
        ("admin jobs openid jobs", "jobs"),
        ("trips admin jobs", "trips jobs"),
        ("JOBS jobs.admin job", ""),
        ("admin", ""),
    ] {
        let given = world.is_given(&scope(asked)).await;
        let signed = if granted.is_empty() { Value::Null } else { json!(granted) };
        // RFC 6749 section 5.1: the client learns what differs from what it asked for.
        assert_eq!(
            (&given["scope"], &claims(&given)["scope"]),
            (&json!(granted), &signed),
            "{asked}"
        );
        assert_eq!(world.kept(&given).await.as_deref(), Some(granted), "{asked}");
    }
    let given = world.is_given(&[]).await;
    assert_eq!(
        (given.get("scope"), claims(&given).get("scope"), world.kept(&given).await),
        (None, None, None)
    );
    // Nor does a page of ours carry it on.
    let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, VERIFIER.as_bytes()));
    let asked = format!(
        "client_id=phone&redirect_uri={HOME}&response_type=code&code_challenge={challenge}&code_challenge_method=S256&scope=secret+jobs"
    );
    let page = world
        .world
        .browser()
        .asks("GET", &format!("/oauth2/native/authorize?{asked}"), NAVIGATION)
        .await;
    assert!(
        page.status == 200 && page.body.contains("scope=jobs") && !page.body.contains("secret"),
        "{}",
        page.body
    );
}

#[tokio::test]
async fn a_refresh_brings_what_was_granted_or_less() {
    let world = NativeWorld::start().await;
    let mut given = world.is_given(&scope("jobs trips")).await;
    for (asked, granted) in [
        (&scope("trips")[..], "trips"),
        (&scope("jobs admin"), "jobs"),
        (&scope("admin"), ""),
        (&[], "jobs trips"),
        (&scope("trips jobs"), "trips jobs"),
    ] {
        given = world.is_given_again(&given, asked).await;
        let signed = if granted.is_empty() { Value::Null } else { json!(granted) };
        assert_eq!(
            (&given["scope"], &claims(&given)["scope"]),
            (&json!(granted), &signed),
            "{asked:?}"
        );
    }
    // RFC 6749 section 6: a listed one that was not granted is refused, and the refresh token is not used up.
    for first in [world.is_given(&scope("jobs")).await, world.is_given(&[]).await] {
        let form =
            [&refreshing(first["refresh_token"].as_str().unwrap())[..], &scope("trips")].concat();
        is_refused(&world.asks_for(&form).await, "invalid_scope");
        assert_eq!(world.is_given_again(&first, &[]).await.get("scope"), first.get("scope"));
    }
}

#[tokio::test]
async fn attack_a_token_of_before_brings_no_scope_that_is_no_longer_listed() {
    let world = NativeWorld::start().await;
    let code = world.code_for("phone", MAYA, &scope("jobs trips")).await;
    let before = world.is_given(&scope("jobs trips")).await;
    assert_eq!(
        world
            .world
            .service
            .reload(&world.world.changed(SCOPES, "scopes = [\"trips\"]"))
            .await
            .unwrap(),
        Vec::<String>::new()
    );
    let redeemed = world.answers(&redeeming("phone", &code, VERIFIER)).await;
    let refreshed = world.is_given_again(&before, &[]).await;
    for given in [&redeemed, &refreshed] {
        assert_eq!((&given["scope"], &claims(given)["scope"]), (&json!("trips"), &json!("trips")));
    }
    let asked = world.is_given_again(&refreshed, &scope("jobs")).await;
    assert_eq!((&asked["scope"], claims(&asked).get("scope")), (&json!(""), None));
}
