//! What a client makes up, and who may ask.

use super::NginxFront;
use crate::outside;
use crate::world::WorldPlan;
use crate::world::browser::NAVIGATION;
use crate::world::raw;
use crate::world::samples::{INES, MAYA, TOM};

/// Every name that Entrada speaks under, or that another product does and apps believe.
const NAMES: &[&str] = &[
    "x-auth-request-user",
    "x-auth-request-preferred-username",
    "x-auth-request-email",
    "x-auth-request-name",
    "x-auth-request-groups",
    "x-auth-request-groups-truncated",
    "x-auth-request-roles",
    "x-auth-request-tenant",
    "x-auth-request-redirect",
    "x-auth-request-access-token",
    "x-forwarded-user",
    "x-forwarded-preferred-username",
    "x-forwarded-email",
    "x-forwarded-name",
    "x-forwarded-groups",
    "x-forwarded-groups-truncated",
    "x-forwarded-roles",
    "x-forwarded-tenant",
    "x-forwarded-access-token",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-forwarded-server",
    "forwarded",
    "x-real-ip",
    "x-request-id",
    "x-entrada-assertion",
    "x-entrada-cookie",
    "x-entrada-person",
    "x-entrada-role",
    "x-entrada-organization",
    "x-ms-client-principal",
    "x-ms-client-principal-id",
    "x-ms-client-principal-name",
    "x-ms-client-principal-idp",
    "x-ms-token-aad-id-token",
    "x-ms-token-aad-access-token",
    "x-ms-token-aad-refresh-token",
    "x-ms-token-aad-expires-on",
    "x-original-method",
];

#[tokio::test]
async fn what_a_client_makes_up_never_arrives() {
    let Some(front) = NginxFront::start().await else { return };
    let ines = front.signed_in(INES).await;
    let mut names: Vec<String> = Vec::new();
    for name in NAMES {
        let shouted = name.to_uppercase();
        names.extend([
            (*name).to_owned(),
            shouted,
            name.replace('-', "_"),
            name.replacen('-', "_", 1),
            name.replace('-', "."),
            name.replace('-', "~"),
        ]);
    }
    let lies: Vec<String> = names.iter().map(|it| format!("{it}: planted\r\n")).collect();
    // nginx takes so many at a time.
    for lies in lies.chunks(40) {
        for (path, cookie) in [
            ("/x", ines.cookie_header()),
            ("/public/x", ines.cookie_header()),
            ("/public/x", String::new()),
            ("/live/public", ines.cookie_header()),
        ] {
            let answer = front
                .raw(&format!("GET {path}"), &format!("Cookie: {cookie}\r\n{}", lies.concat()))
                .await;
            assert_eq!(raw::status(&answer), 200, "{answer}");
            assert!(!answer.contains("planted"), "{path}: {answer}");
        }
    }
    // A person without an e-mail address has none, and a stranger is nobody, whoever he says he is.
    let mut stranger = front.browser();
    let page = stranger
        .asks(
            "GET",
            "/public/x",
            &[("x-auth-request-user", "maya"), ("x-auth-request-email", MAYA)],
        )
        .await;
    assert_eq!(page.status, 200);
    let heard = page.json()["headers"].to_string();
    assert!(
        !heard.contains("x-auth-request")
            && !heard.contains("assertion")
            && !heard.contains("maya"),
        "{heard}"
    );
}

/// What the example has to blank is what the program owns: a new name may not be forgotten there.
#[test]
fn every_name_of_ours_is_set_or_blanked_by_the_example() {
    let text = std::fs::read_to_string(outside::root().join("examples/nginx/entrada_headers.conf"))
        .unwrap()
        .to_lowercase();
    let set: Vec<_> = text
        .lines()
        .filter_map(|it| it.strip_prefix("proxy_set_header ")?.split(' ').next())
        .collect();
    for name in NAMES {
        assert!(set.contains(name), "{name}");
    }
    for name in entrada::config::headers::OWNED_NAMES {
        assert!(set.contains(&name), "{name}");
    }
    for prefix in entrada::config::headers::OWNED_PREFIXES {
        assert!(set.iter().any(|it| it.starts_with(prefix)), "{prefix}");
    }
}

#[tokio::test]
async fn our_cookies_stay_between_browser_and_entrada() {
    let Some(front) = NginxFront::start().await else { return };
    let mut maya = front.signed_in(MAYA).await;
    maya.plants("theme", "dark");
    maya.plants("cart", "7");
    let page = maya.visits("/x").await;
    let mut heard: Vec<_> = page.app_heard("cookie").split("; ").map(str::to_owned).collect();
    heard.sort();
    assert_eq!(heard, ["cart=7", "theme=dark"]);
    let answer = front.raw("GET /public/x", "").await;
    assert!(!answer.contains("\"cookie\""), "{answer}");
}

#[tokio::test]
async fn a_forged_question_opens_nothing() {
    let Some(front) = NginxFront::start().await else { return };
    let tom = front.signed_in(TOM).await;
    let before = front.world.app.seen.count();
    let public = format!("{}/public/x", front.world.public_url);
    for lie in [
        format!("X-Original-URL: {public}\r\n"),
        "X-Original-URI: /public/x\r\n".to_owned(),
        format!(
            "X-Original-URL: {public}\r\nX-Original-URI: /public/x\r\nX-Original-Method: GET\r\n"
        ),
        format!("X_Original_URL: {public}\r\n"),
        "X-Forwarded-Uri: /public/x\r\nX-Forwarded-Method: GET\r\n".to_owned(),
        "X-Forwarded-Host: evil.example\r\nX-Forwarded-For: 127.0.0.1\r\n".to_owned(),
        "Connection: X-Original-URL, X-Original-Method\r\n".to_owned(),
    ] {
        let lie = lie.replace("Connection: X", "Connection: close, X");
        let stranger = front.raw("GET /admin/x", &lie).await;
        assert_eq!(raw::status(&stranger), 401, "{lie}: {stranger}");
        let unfit =
            front.raw("GET /admin/x", &format!("{lie}Cookie: {}\r\n", tom.cookie_header())).await;
        assert_eq!(raw::status(&unfit), 403, "{lie}: {unfit}");
    }
    assert_eq!(front.world.app.seen.count(), before);
}

#[tokio::test]
async fn nobody_but_nginx_asks_the_question() {
    let Some(front) = NginxFront::start().await else { return };
    let maya = front.signed_in(MAYA).await;
    let forged = format!(
        "Cookie: {}\r\nX-Original-URL: {}/x\r\nX-Original-Method: GET\r\n",
        maya.cookie_header(),
        front.world.public_url
    );
    for path in [
        "/oauth2/auth",
        "/oauth2/auth/nginx",
        "/oauth2//auth",
        "/oauth2/%61uth",
        "/x/../oauth2/auth",
        "/oauth2/./auth",
        "/oauth2/auth?x",
        "/oauth2/AUTH",
        "/oauth2/auth/",
    ] {
        let answer = front.raw(&format!("GET {path}"), &forged).await;
        assert!(matches!(raw::status(&answer), 400 | 404), "{path}: {answer}");
        assert!(!answer.to_lowercase().contains("assertion"), "{path}: {answer}");
    }
}

#[tokio::test]
async fn a_caller_that_is_not_trusted_is_no_front_proxy() {
    let Some(front) = NginxFront::with(|plan| WorldPlan {
        server: "trusted_proxies = [\"192.0.2.1\"]".into(),
        ..plan
    })
    .await
    else {
        return;
    };
    let mut maya = front.browser();
    assert_eq!(maya.asks("GET", "/public/x", NAVIGATION).await.status, 403);
    assert!(front.world.logged().await.contains("not one of [server] trusted_proxies"));
    assert_eq!(front.world.app.seen.count(), 0);
}
