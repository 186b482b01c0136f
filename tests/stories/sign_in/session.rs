//! How a session goes on.

use crate::world::browser::{NAVIGATION, SCRIPT};
use crate::world::samples::{MAYA, TOM};
use crate::world::{World, WorldPlan};

#[tokio::test]
async fn the_session_id_is_new_at_each_sign_in_and_a_planted_one_is_never_taken() {
    let world = World::start().await;
    let mut maya = world.signed_in(MAYA).await;
    let first = maya.cookie("entrada").unwrap();
    assert!(first.len() == 54 && maya.with_port("entrada=").len() + first.len() < 200);
    maya.visits("/oauth2/start?rd=/again&prompt=select_account").await;
    let page = maya.signs_in_as(TOM).await;
    assert_eq!(
        (page.path_and_query(), page.app_heard("x-forwarded-name")),
        ("/again".to_owned(), "Tom Becker".to_owned())
    );
    let second = maya.cookie("entrada").unwrap();
    assert_ne!(first, second);
    // The old id is worth nothing.
    let mut thief = world.browser();
    thief.plants("entrada", &first);
    assert_eq!(thief.asks("GET", "/api/x", SCRIPT).await.status, 401);

    // Eve plants her own live session in Maya's browser before she signs in.
    let eve = world.signed_in(TOM).await;
    let planted = eve.cookie("entrada").unwrap();
    let mut victim = world.browser();
    victim.plants("entrada", &planted);
    victim.visits("/oauth2/start?rd=/").await;
    victim.signs_in_as(MAYA).await;
    assert_ne!(victim.cookie("entrada").unwrap(), planted);
}

#[tokio::test]
async fn a_planted_name_that_is_no_header_stops_no_sign_in() {
    let world = World::start().await;
    let mut maya = world.browser();
    maya.plants("entrada-caf\u{e9}", "x");
    assert!(maya.visits("/x").await.is_the_sign_in_at_entra());
}

#[tokio::test]
async fn asking_how_long_a_session_lasts_does_not_make_it_last() {
    let world = World::with(WorldPlan {
        session: "idle = \"10m\"\nlifetime = \"1h\"".into(),
        ..WorldPlan::default()
    })
    .await;
    let mut maya = world.signed_in(MAYA).await;
    for _ in 0..2 {
        world.later(290);
        assert_eq!(maya.asks("GET", "/oauth2/session", SCRIPT).await.status, 200);
    }
    world.later(30);
    assert_eq!(maya.asks("GET", "/oauth2/session", SCRIPT).await.status, 401);
}

#[tokio::test]
async fn a_session_goes_idle_and_ends() {
    let world = World::with(WorldPlan {
        session: "idle = \"10m\"\nlifetime = \"1h\"".into(),
        ..WorldPlan::default()
    })
    .await;
    let mut maya = world.signed_in(MAYA).await;
    for _ in 0..6 {
        world.later(540);
        assert_eq!(maya.asks("GET", "/api/x", SCRIPT).await.status, 200);
    }
    let life = maya.asks("GET", "/oauth2/session", SCRIPT).await.json();
    assert_eq!(life["expires_at"].as_u64().unwrap() - life["began_at"].as_u64().unwrap(), 3600);
    world.later(361);
    assert_eq!(maya.asks("GET", "/api/x", SCRIPT).await.status, 401);
    let mut tom = world.signed_in(TOM).await;
    world.later(601);
    assert_eq!(tom.asks("GET", "/api/x", SCRIPT).await.status, 401);
}

#[tokio::test]
async fn scripts_learn_who_is_signed_in_and_apps_the_keys() {
    let world = World::start().await;
    let mut maya = world.browser();
    let page = maya.asks("GET", "/oauth2/userinfo", SCRIPT).await;
    assert_eq!((page.status, page.json()["status"].as_u64()), (401, Some(401)));
    let mut maya = world.signed_in(MAYA).await;
    let user = maya.asks("GET", "/oauth2/userinfo", SCRIPT).await.json();
    assert_eq!(user["name"], "Maya Okafor");
    assert_eq!(user["roles"][0], "Admin");
    let keys = maya.asks("GET", "/oauth2/jwks.json", SCRIPT).await;
    assert!(keys.header("cache-control").contains("max-age"));
    let page = maya.visits("/x").await;
    let assertion = page.app_heard("x-entrada-assertion");
    let header = jsonwebtoken::decode_header(&assertion).unwrap();
    assert_eq!(header.typ.as_deref(), Some("entrada+jwt"));
    let jwks: jsonwebtoken::jwk::JwkSet = serde_json::from_str(&keys.body).unwrap();
    let key =
        jsonwebtoken::DecodingKey::from_jwk(jwks.find(header.kid.as_deref().unwrap()).unwrap())
            .unwrap();
    let mut rules = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::ES256);
    rules.set_audience(&[&world.public_url]);
    rules.set_issuer(&[&world.public_url]);
    rules.set_required_spec_claims(&["exp", "nbf", "aud", "iss", "sub"]);
    let claims =
        jsonwebtoken::decode::<serde_json::Value>(&assertion, &key, &rules).unwrap().claims;
    assert_eq!(
        claims["sub"],
        format!("00aa00aa-bb11-cc22-dd33-44ee44ee0001.{}", world.emulator.tenant_id())
    );
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 300);
    assert!(claims["groups"].is_array() && claims["roles"] == serde_json::json!(["Admin"]));
    assert!(claims.get("email_verified").is_none(), "Entra did not vouch for it");
    assert_ne!(claims["sid"].as_str().unwrap(), maya.cookie("entrada").unwrap());
    // Minted once, and again past half its life.
    assert_eq!(maya.visits("/y").await.app_heard("x-entrada-assertion"), assertion);
    world.later(151);
    assert_ne!(maya.visits("/z").await.app_heard("x-entrada-assertion"), assertion);
}

#[tokio::test]
async fn who_is_told_what_when_signed_out() {
    let world = World::start().await;
    let mut someone = world.browser();
    let page = someone.asks("GET", "/x", SCRIPT).await;
    assert_eq!(page.status, 401);
    assert!(page.headers.contains_key("www-authenticate"));
    assert_eq!(page.header("content-type"), "application/problem+json");
    assert_eq!(page.json()["sign_in_url"], format!("{}/oauth2/start?rd=%2Fx", world.public_url));
    assert_eq!(page.reference(), page.header("x-request-id"));
    // A form gets a page, and what was typed is not sent on.
    let page = someone.posts("/x", NAVIGATION, "secret=1").await;
    assert_eq!(page.status, 401);
    assert!(page.body.contains("/oauth2/start?rd=%2Fx"), "{}", page.body);
    // A rule that says 401 never redirects; a prefetch does not either.
    assert_eq!(someone.asks("GET", "/api/x", NAVIGATION).await.status, 401);
    assert_eq!(
        someone
            .asks("GET", "/x", &[("sec-purpose", "prefetch"), ("sec-fetch-mode", "navigate")])
            .await
            .status,
        401
    );
    assert_eq!(
        someone.asks("OPTIONS", "/x", &[("access-control-request-method", "GET")]).await.status,
        401
    );
    let page = someone.asks("GET", "/x", NAVIGATION).await;
    assert_eq!((page.status, page.header("cache-control")), (302, "no-store"));
    assert_eq!(world.app.seen.count(), 0);
    // Whom the rules keep out reads a page, a script JSON.
    let mut tom = world.signed_in(TOM).await;
    let page = tom.visits("/admin/x").await;
    assert_eq!(page.status, 403);
    assert!(page.body.contains("You do not have access to this page"));
    assert_eq!(tom.asks("GET", "/admin/x", SCRIPT).await.json()["status"], 403);
    assert_eq!(tom.asks("POST", "/read/x", SCRIPT).await.status, 403);
    assert_eq!(tom.asks("HEAD", "/read/x", SCRIPT).await.status, 200);
}
