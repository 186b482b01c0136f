//! Signing in behind nginx.

use super::NginxFront;
use crate::outside;
use crate::world::browser::{FORM, NAVIGATION, SCRIPT};
use crate::world::samples::{MAYA, MAYA_ID};
use crate::world::{RULES, WorldPlan};

#[test]
fn a_server_of_ones_own_needs_few_lines() {
    let text = std::fs::read_to_string(outside::root().join("examples/nginx/nginx.conf")).unwrap();
    let added = text.lines().filter(|it| it.trim_end().ends_with("# +")).count();
    assert!((1..=12).contains(&added), "{added}");
}

#[tokio::test]
async fn a_stranger_is_sent_to_sign_in_and_comes_back_to_his_page() {
    let Some(front) = NginxFront::start().await else { return };
    let mut maya = front.browser();
    let page = maya.visits("/reports/2026?month=11&sort=a%20b").await;
    assert!(page.is_the_sign_in_at_entra(), "{} {}", page.status, page.body);
    let page = maya.signs_in_as(MAYA).await;
    assert_eq!(page.path_and_query(), "/reports/2026?month=11&sort=a%20b");
    assert_eq!(page.app_heard("x-auth-request-user"), MAYA_ID);
    assert_eq!(page.app_heard("x-auth-request-email"), MAYA);
    assert_eq!(page.app_heard("x-auth-request-name"), "Maya Okafor");
    assert_eq!(page.app_heard("x-auth-request-roles"), "Admin");
    assert_eq!(page.app_heard("x-auth-request-groups").split(',').count(), 3);
    assert_eq!(page.app_heard("x-auth-request-tenant"), front.world.emulator.tenant_id());
    assert_eq!(page.app_heard("host"), front.host());
    assert_eq!(page.app_heard("x-forwarded-for"), "127.0.0.1");
    assert_eq!(front.world.app.seen.count(), 1, "nothing but what was let in reached the app");
    // And out again.
    maya.posts("/oauth2/sign_out", NAVIGATION, "").await;
    assert!(maya.visits("/reports").await.is_the_sign_in_at_entra());
}

#[tokio::test]
async fn a_long_link_comes_back_whole_through_nginx() {
    let Some(front) = NginxFront::start().await else { return };
    for bytes in [1500, 3000, 6500] {
        let link = format!("/reports?year=2026&q={}", "%20a%26".repeat(bytes / 7));
        let mut maya = front.browser();
        let page = maya.visits(&link).await;
        assert!(page.is_the_sign_in_at_entra(), "{bytes}: {} {}", page.status, page.body);
        assert_eq!(maya.signs_in_as(MAYA).await.path_and_query(), link, "{bytes}");
    }
}

#[tokio::test]
async fn a_rule_that_wants_a_stronger_proof_leads_through_entra_to_the_page() {
    let strong = "[[access.rule]]\npath = \"/strong/**\"\nallow = { acrs = [\"c1\"] }\n";
    let Some(front) =
        NginxFront::with(|plan| WorldPlan { more: format!("{RULES}{strong}"), ..plan }).await
    else {
        return;
    };
    let mut maya = front.signed_in(MAYA).await;
    let script = maya.asks("GET", "/strong/x", SCRIPT).await;
    assert_eq!((script.status, script.header("location")), (401, ""));
    assert!(
        script
            .header("www-authenticate")
            .starts_with("Bearer error=\"insufficient_claims\", claims=\""),
        "{}",
        script.header("www-authenticate")
    );
    let page = maya.asks("GET", "/strong/x", NAVIGATION).await;
    assert_eq!(
        (page.status, page.header("location")),
        (302, &*format!("{}/oauth2/start?rd=%2Fstrong%2Fx&acrs=c1", front.world.public_url))
    );
    let page = maya.visits("/strong/x").await;
    assert_eq!(
        (page.status, page.path_and_query()),
        (200, "/strong/x".to_owned()),
        "{}",
        page.body
    );
    assert!(
        page.way
            .iter()
            .any(|it| it.query_pairs().any(|it| it.0 == "claims" && it.1.contains("\"c1\"")))
    );
    assert_eq!(maya.asks("GET", "/strong/x", SCRIPT).await.status, 200);
    // A stranger is asked for it at once.
    let page = front.browser().asks("GET", "/strong/x", NAVIGATION).await;
    assert_eq!(
        page.header("location"),
        format!("{}/oauth2/start?rd=%2Fstrong%2Fx&acrs=c1", front.world.public_url)
    );
}

#[tokio::test]
async fn the_redirect_is_not_stored_and_a_script_hears_401() {
    let Some(front) = NginxFront::start().await else { return };
    let mut maya = front.browser();
    let page = maya.asks("GET", "/x", NAVIGATION).await;
    assert_eq!((page.status, page.header("cache-control")), (302, "no-store"));
    assert_eq!(page.header("location"), format!("{}/oauth2/start?rd=%2Fx", front.world.public_url));
    assert_eq!(maya.asks("HEAD", "/x", NAVIGATION).await.status, 302);
    let form = maya.posts("/x", FORM, "typed=1").await;
    let api = maya.asks("GET", "/api/x", NAVIGATION).await;
    let script = maya.asks("GET", "/x", SCRIPT).await;
    let prefetch = maya
        .asks(
            "GET",
            "/x",
            &[("accept", "text/html"), ("sec-fetch-mode", "navigate"), ("sec-purpose", "prefetch")],
        )
        .await;
    for page in [
        form,
        api,
        script,
        prefetch,
        maya.asks("OPTIONS", "/x", SCRIPT).await,
        maya.asks("DELETE", "/x", SCRIPT).await,
    ] {
        assert_eq!(
            (page.status, page.header("location"), page.header("cache-control")),
            (401, "", "no-store")
        );
        assert_eq!(page.header("www-authenticate"), "Entrada realm=\"app\"");
    }
    assert_eq!(front.world.app.seen.count(), 0);
}

#[tokio::test]
async fn the_assertion_verifies() {
    let Some(front) = NginxFront::start().await else { return };
    let mut maya = front.signed_in(MAYA).await;
    let assertion = maya.visits("/x").await.app_heard("x-entrada-assertion");
    let keys = maya.asks("GET", "/oauth2/jwks.json", SCRIPT).await.json();
    let header = jsonwebtoken::decode_header(&assertion).unwrap();
    let key = keys["keys"]
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["kid"] == header.kid.as_deref().unwrap())
        .unwrap();
    let key =
        jsonwebtoken::DecodingKey::from_jwk(&serde_json::from_value(key.clone()).unwrap()).unwrap();
    let mut rules = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::ES256);
    rules.set_audience(&[&front.world.public_url]);
    rules.set_issuer(&[&front.world.public_url]);
    let claims =
        jsonwebtoken::decode::<serde_json::Value>(&assertion, &key, &rules).unwrap().claims;
    assert_eq!(claims["email"], MAYA);
    assert_eq!(claims["roles"], serde_json::json!(["Admin"]));
}

/// The answer to nginx carries the record, and nginx passes it on to the browser.
#[tokio::test]
async fn a_session_in_the_browser_is_written_again_through_nginx_and_outlasts_a_restart() {
    let plan = |plan| WorldPlan {
        session: "store = \"cookie\"".into(),
        headers: "custom = { \"X-Note\" = \"note\" }".into(),
        ..plan
    };
    let Some(mut front) = NginxFront::with(plan).await else { return };
    // Nearly as long as a record can be.
    front.world.emulator.control().set_claim("note", Some("n".repeat(1700).into()));
    let mut maya = front.signed_in(MAYA).await;
    let first = maya.cookie("entrada-s").unwrap();
    assert!(first.len() > 2500, "{}", first.len());
    let page = maya.asks("GET", "/x", SCRIPT).await;
    assert!(!page.headers.contains_key("set-cookie"));
    front.world.later(61);
    for (path, status) in [("/x", 200), ("/live/x", 200), ("/nobody/x", 403)] {
        front.world.later(61);
        let before = maya.cookie("entrada-s");
        let page = maya.asks("GET", path, SCRIPT).await;
        assert_eq!(page.status, status);
        assert_eq!(page.headers.get_all("set-cookie").iter().count(), 1, "{path}");
        assert_ne!(maya.cookie("entrada-s"), before, "{path}");
    }
    front.world.restarts(async |_| {}).await;
    assert_eq!(maya.asks("GET", "/x", SCRIPT).await.app_heard("x-auth-request-user"), MAYA_ID);
    maya.posts("/oauth2/sign_out", NAVIGATION, "").await;
    assert_eq!(maya.cookie("entrada-s"), None);
}
