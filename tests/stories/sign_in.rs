//! Signing in, and how a session goes on.

use crate::world::browser::{NAVIGATION, SCRIPT};
use crate::world::{CLIENT_ID, World, WorldPlan};
use entrada::emulator::TokenDefect;

#[tokio::test]
async fn a_stranger_signs_in_and_comes_back_to_the_page_she_asked_for() {
    let world = World::start().await;
    let mut maya = world.browser();

    let page = maya.visits("/reports?year=2026").await;
    assert!(page.is_the_sign_in_at_entra(), "{page:?}");
    assert_eq!(world.app.seen.count(), 0);

    let page = maya.signs_in_as("maya@contoso.example").await;
    assert_eq!(page.path_and_query(), "/reports?year=2026");
    assert_eq!(page.app_heard("x-forwarded-name"), "Maya Okafor");
    assert_eq!(page.app_heard("x-forwarded-user"), "00aa00aa-bb11-cc22-dd33-44ee44ee0001");
    assert_eq!(page.app_heard("x-forwarded-preferred-username"), "maya@contoso.example");
    assert_eq!(page.app_heard("x-forwarded-email"), "maya@contoso.example");
    assert_eq!(page.app_heard("x-forwarded-roles"), "Admin");
    assert_eq!(page.app_heard("x-forwarded-groups").split(',').count(), 3);
    assert_eq!(page.app_heard("x-forwarded-tenant"), world.emulator.tenant_id());
    assert_eq!(page.app_heard("host"), world.public_url.trim_start_matches("http://"));
    assert!(!page.app_heard("cookie").contains("entrada"));
}

#[tokio::test]
async fn what_is_asked_of_entra_is_a_code_with_pkce_state_and_nonce() {
    let world = World::start().await;
    let mut maya = world.browser();
    let page = maya.until("/reports", "authorize").await;
    let asked: std::collections::HashMap<_, _> = page.url.query_pairs().into_owned().collect();
    assert_eq!(asked["response_type"], "code");
    assert_eq!(asked["response_mode"], "query");
    assert_eq!(asked["client_id"], CLIENT_ID);
    assert_eq!(asked["code_challenge_method"], "S256");
    assert_eq!(asked["code_challenge"].len(), 43);
    assert!(asked["state"].len() >= 22 && asked["nonce"].len() >= 22);
    assert_eq!(asked["redirect_uri"], format!("{}/oauth2/callback", world.public_url));
    for scope in ["openid", "profile", "email"] {
        assert!(asked["scope"].split(' ').any(|it| it == scope));
    }
    let cookie = page
        .headers
        .get_all("set-cookie")
        .iter()
        .map(|it| it.to_str().unwrap())
        .find(|it| it.starts_with("entrada-s-"))
        .unwrap();
    for part in ["HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=600"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains(&asked["nonce"]), "the pending cookie is sealed");
    assert_eq!(page.header("cache-control"), "no-store");
}

#[tokio::test]
async fn hints_are_passed_on_and_nothing_else() {
    let world = World::start().await;
    let mut maya = world.browser();
    let page =
        maya.until("/oauth2/start?rd=/x&login_hint=maya@contoso.example&domain_hint=contoso.example&prompt=login&scope=evil&client_id=evil", "authorize").await;
    let asked: std::collections::HashMap<_, _> = page.url.query_pairs().into_owned().collect();
    assert_eq!(asked["login_hint"], "maya@contoso.example");
    assert_eq!(asked["domain_hint"], "contoso.example");
    assert_eq!(asked["prompt"], "login");
    assert_eq!(asked["client_id"], CLIENT_ID);
    assert!(!asked["scope"].contains("evil"));
}

#[tokio::test]
async fn tabs_land_each_on_its_own_page() {
    let world = World::start().await;
    let mut maya = world.browser();
    let one = maya.visits("/one").await;
    let two = maya.visits("/two").await;
    assert!(maya.cookie_names().iter().filter(|it| it.starts_with("entrada-s-")).count() == 2);
    maya.page = one;
    assert_eq!(maya.signs_in_as("maya@contoso.example").await.path_and_query(), "/one");
    maya.page = two;
    assert_eq!(maya.signs_in_as("maya@contoso.example").await.path_and_query(), "/two");
    assert!(!maya.cookie_names().iter().any(|it| it.starts_with("entrada-s-")));
}

#[tokio::test]
async fn at_most_five_sign_ins_are_under_way_in_one_browser() {
    let world = World::start().await;
    let mut maya = world.browser();
    for at in 0..9 {
        world.later(25);
        maya.visits(&format!("/{at}")).await;
    }
    assert_eq!(maya.cookie_names().iter().filter(|it| it.starts_with("entrada-s-")).count(), 5);
    assert_eq!(maya.signs_in_as("maya@contoso.example").await.path_and_query(), "/8");
}

#[tokio::test]
async fn a_callback_that_this_browser_did_not_begin_redeems_nothing() {
    let world = World::start().await;
    let (mut maya, mut eve) = (world.browser(), world.browser());
    eve.visits("/").await;
    // Eve stops before her own callback and gives its address to Maya (login CSRF).
    let shown = eve.page.clone();
    let callback = eve.stops_at_the_callback("tom@contoso.example", shown).await;
    let before = world.emulator.control().token_calls();
    let page = maya.opens(&callback).await;
    assert_eq!(world.emulator.control().token_calls(), before);
    assert!(maya.cookie("entrada").is_none());
    assert!(page.is_the_sign_in_at_entra() || page.status == 400, "{} {}", page.status, page.body);

    // With Eve's pending cookie gone as well, her own browser redeems nothing either.
    eve.forgets();
    eve.opens(&callback).await;
    assert_eq!(world.emulator.control().token_calls(), before);
}

#[tokio::test]
async fn back_reload_and_a_stale_bookmark_never_end_in_an_error() {
    let world = World::start().await;
    let mut maya = world.browser();
    maya.visits("/x").await;
    let shown = maya.page.clone();
    let callback = maya.stops_at_the_callback("maya@contoso.example", shown).await;
    let page = maya.opens(&callback).await;
    assert_eq!(page.path_and_query(), "/x");
    let calls = world.emulator.control().token_calls();
    // Back, or reload: still signed in, so to the front page.
    let page = maya.opens(&callback).await;
    assert_eq!((page.status, page.path_and_query()), (200, "/".to_owned()));
    assert_eq!(world.emulator.control().token_calls(), calls);
    // A bookmark, a day later.
    maya.forgets();
    world.later(86_400);
    let page = maya.opens(&callback).await;
    assert!(page.is_the_sign_in_at_entra(), "{} {}", page.status, page.body);
    // One without any state is explained.
    let mut bookmark = callback.clone();
    bookmark.set_query(None);
    let page = maya.opens(&bookmark).await;
    assert_eq!(page.status, 400);
    assert!(page.body.contains("This sign-in has ended"));
    assert!(page.body.contains("/oauth2/start"));
}

#[tokio::test]
async fn a_sign_in_that_takes_too_long_begins_afresh() {
    let world = World::start().await;
    let mut maya = world.browser();
    maya.visits("/x").await;
    let shown = maya.page.clone();
    let callback = maya.stops_at_the_callback("maya@contoso.example", shown).await;
    let before = world.emulator.control().token_calls();
    world.later(601);
    let page = maya.opens(&callback).await;
    assert!(page.is_the_sign_in_at_entra(), "{} {}", page.status, page.body);
    assert_eq!(world.emulator.control().token_calls(), before);
}

#[tokio::test]
async fn a_token_that_is_wrong_in_any_way_signs_nobody_in() {
    let world = World::start().await;
    for wrong in [
        TokenDefect::Nonce,
        TokenDefect::Issuer,
        TokenDefect::Audience,
        TokenDefect::Signature,
        TokenDefect::Expired,
        TokenDefect::NotYet,
        TokenDefect::AlgNone,
        TokenDefect::Tid,
    ] {
        let mut maya = world.browser();
        maya.visits("/x").await;
        world.emulator.control().wrong(wrong);
        let page = maya.signs_in_as("maya@contoso.example").await;
        assert_eq!(page.status, 403, "{wrong:?}: {}", page.body);
        assert!(maya.cookie("entrada").is_none(), "{wrong:?}");
        assert_eq!(world.app.seen.count(), 0);
        assert!(page.body.contains("failed our checks"), "{wrong:?}: {}", page.body);
    }
}

#[tokio::test]
async fn a_new_key_of_entra_is_fetched_once_it_is_met() {
    let world = World::start().await;
    world.signed_in("maya@contoso.example").await;
    world.emulator.control().rotate_keys().await;
    let before = world.emulator.control().keys_calls();
    world.later(60);
    world.signed_in("tom@contoso.example").await;
    assert_eq!(world.emulator.control().keys_calls(), before + 1);
}

#[tokio::test]
async fn entra_may_be_down_at_the_start_and_later() {
    let world = World::with(WorldPlan { entra_down: true, ..WorldPlan::default() }).await;
    let mut maya = world.browser();
    let page = maya.visits("/x").await;
    assert_eq!(page.status, 503, "{}", page.body);
    assert!(page.headers.contains_key("retry-after"));
    let ready = crate::world::raw::talk(
        world.admin,
        "GET /readyz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert_eq!(crate::world::raw::status(&ready), 503, "{ready}");
    // A page that is open to anyone works all the same.
    assert_eq!(maya.visits("/public/x").await.status, 200);

    world.emulator.control().be_down(false);
    world.is_ready().await;
    let ready = crate::world::raw::talk(
        world.admin,
        "GET /readyz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert_eq!(crate::world::raw::status(&ready), 200, "{ready}");
    let mut maya = world.signed_in("maya@contoso.example").await;

    // A later outage takes nobody's session and not the readiness.
    world.emulator.control().be_down(true);
    assert_eq!(maya.visits("/y").await.status, 200);
    let ready = crate::world::raw::talk(
        world.admin,
        "GET /readyz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert_eq!(crate::world::raw::status(&ready), 200);
}

#[tokio::test]
async fn whom_entra_refuses_reads_why_and_whose_move_it_is() {
    let world = World::start().await;
    let mut bruno = world.browser();
    // What Entra tells in the callback; its own page keeps most codes, consent comes back.
    for (query, words) in [
        (
            "error=access_denied&error_description=AADSTS65004%3A+User+declined+to+consent",
            "You canceled the sign-in",
        ),
        (
            "error=invalid_request&error_description=AADSTS50105%3A+not+assigned+Trace+ID%3A+11111111-2222-3333-4444-555555555555+Correlation+ID%3A+99999999-2222-3333-4444-555555555555",
            "You are not assigned to this app",
        ),
        (
            "error=interaction_required&error_description=AADSTS53003%3A+%3Cscript%3Ealert(1)%3C%2Fscript%3E",
            "Your organization does not allow this sign-in",
        ),
    ] {
        let page = bruno.until("/x", "authorize").await;
        let state = page.url.query_pairs().find(|it| it.0 == "state").unwrap().1.into_owned();
        let page = bruno.visits(&format!("/oauth2/callback?{query}&state={state}")).await;
        assert_eq!(page.status, 403);
        assert!(page.body.contains(words), "{words}: {}", page.body);
        assert!(!page.body.contains("<script>alert"), "{}", page.body);
        let reference = page.header("x-request-id").to_owned();
        assert!(!reference.is_empty() && page.body.contains(&reference));
        assert!(world.logged().await.contains(&reference));
        bruno.forgets();
    }
}

#[tokio::test]
async fn every_person_of_the_tenant_is_told_as_what_they_are() {
    let world = World::start().await;
    let mut ines = world.signed_in("ines@contoso.example").await;
    assert!(ines.visits("/").await.app_heard_all("x-forwarded-email").is_empty());
    let mut zoe = world.signed_in("zoe@contoso.example").await;
    let name = zoe.visits("/").await.app_heard("x-forwarded-name");
    assert!(name.is_ascii());
    assert_eq!(
        percent_encoding::percent_decode_str(&name).decode_utf8().unwrap(),
        "Zoë Łukasiewicz 山田"
    );
    let mut tom = world.signed_in("tom@contoso.example").await;
    assert!(tom.visits("/").await.app_heard_all("x-forwarded-roles").is_empty());
    world.signed_in("priya@fabrikam.example").await;
}

#[tokio::test]
async fn guests_can_be_kept_out() {
    let world =
        World::with(WorldPlan { entra: "guests = false".into(), ..WorldPlan::default() }).await;
    let mut priya = world.browser();
    priya.visits("/").await;
    let page = priya.signs_in_as("priya@fabrikam.example").await;
    assert_eq!(page.status, 403, "{}", page.body);
    assert!(priya.cookie("entrada").is_none());
    world.signed_in("maya@contoso.example").await;
}

#[tokio::test]
async fn the_session_id_is_new_at_each_sign_in_and_a_planted_one_is_never_taken() {
    let world = World::start().await;
    let mut maya = world.signed_in("maya@contoso.example").await;
    let first = maya.cookie("entrada").unwrap();
    assert!(first.len() == 43 && "entrada=".len() + first.len() < 200);
    maya.visits("/oauth2/start?rd=/again&prompt=select_account").await;
    let page = maya.signs_in_as("tom@contoso.example").await;
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
    let eve = world.signed_in("tom@contoso.example").await;
    let planted = eve.cookie("entrada").unwrap();
    let mut victim = world.browser();
    victim.plants("entrada", &planted);
    victim.visits("/oauth2/start?rd=/").await;
    victim.signs_in_as("maya@contoso.example").await;
    assert_ne!(victim.cookie("entrada").unwrap(), planted);
}

#[tokio::test]
async fn a_planted_name_that_is_no_header_stops_no_sign_in() {
    let world = World::start().await;
    let mut maya = world.browser();
    maya.plants("entrada-s-caf\u{e9}", "x");
    assert!(maya.visits("/x").await.is_the_sign_in_at_entra());
}

#[tokio::test]
async fn asking_how_long_a_session_lasts_does_not_make_it_last() {
    let world = World::with(WorldPlan {
        session: "idle = \"10m\"\nlifetime = \"1h\"".into(),
        ..WorldPlan::default()
    })
    .await;
    let mut maya = world.signed_in("maya@contoso.example").await;
    for _ in 0..2 {
        world.later(290);
        assert_eq!(maya.asks("GET", "/oauth2/session", SCRIPT).await.status, 200);
    }
    world.later(30);
    assert_eq!(maya.asks("GET", "/oauth2/session", SCRIPT).await.status, 401);
}

#[tokio::test]
async fn a_posted_callback_is_sent_round_by_get() {
    let world = World::start().await;
    let mut maya = world.browser();
    let page = maya
        .posts(
            "/oauth2/callback",
            &[("origin", "https://login.microsoftonline.com"), ("accept", "text/html")],
            "code=abc&state=def",
        )
        .await;
    assert_eq!(page.status, 303);
    assert_eq!(page.header("location"), "/oauth2/callback?code=abc&state=def");
    let page = maya.posts("/oauth2/callback", NAVIGATION, "code=abc&code=abd&state=def").await;
    assert_eq!(page.status, 400);
}

#[tokio::test]
async fn the_callback_can_be_anywhere_of_ours() {
    let world = World::with(WorldPlan {
        entra: "redirect_path = \"/v1/callback\"".into(),
        ..WorldPlan::default()
    })
    .await;
    let mut maya = world.browser();
    maya.visits("/reports").await;
    let page = maya.signs_in_as("maya@contoso.example").await;
    assert_eq!(page.path_and_query(), "/reports");
    assert!(page.way.iter().any(|it| it.path() == "/v1/callback"));
}

#[tokio::test]
async fn a_session_goes_idle_and_ends() {
    let world = World::with(WorldPlan {
        session: "idle = \"10m\"\nlifetime = \"1h\"".into(),
        ..WorldPlan::default()
    })
    .await;
    let mut maya = world.signed_in("maya@contoso.example").await;
    for _ in 0..6 {
        world.later(540);
        assert_eq!(maya.asks("GET", "/api/x", SCRIPT).await.status, 200);
    }
    let life = maya.asks("GET", "/oauth2/session", SCRIPT).await.json();
    assert_eq!(life["expires_at"].as_u64().unwrap() - life["began_at"].as_u64().unwrap(), 3600);
    world.later(361);
    assert_eq!(maya.asks("GET", "/api/x", SCRIPT).await.status, 401);
    let mut tom = world.signed_in("tom@contoso.example").await;
    world.later(601);
    assert_eq!(tom.asks("GET", "/api/x", SCRIPT).await.status, 401);
}

#[tokio::test]
async fn scripts_learn_who_is_signed_in_and_apps_the_keys() {
    let world = World::start().await;
    let mut maya = world.browser();
    let page = maya.asks("GET", "/oauth2/userinfo", SCRIPT).await;
    assert_eq!((page.status, page.json()["status"].as_u64()), (401, Some(401)));
    let mut maya = world.signed_in("maya@contoso.example").await;
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
    let mut tom = world.signed_in("tom@contoso.example").await;
    let page = tom.visits("/admin/x").await;
    assert_eq!(page.status, 403);
    assert!(page.body.contains("You do not have access to this page"));
    assert_eq!(tom.asks("GET", "/admin/x", SCRIPT).await.json()["status"], 403);
    assert_eq!(tom.asks("POST", "/read/x", SCRIPT).await.status, 403);
    assert_eq!(tom.asks("HEAD", "/read/x", SCRIPT).await.status, 200);
}
