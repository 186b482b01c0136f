//! Classes 12, 15 and 16: a sign-in belongs to the browser that began it, once, and a token is what Entra signed for us.

use crate::world::browser::{NAVIGATION, SCRIPT};
use crate::world::samples::{MAYA, TOM};
use crate::world::{CLIENT_ID, World, WorldPlan};
use entrada::emulator::TokenDefect;
use url::Url;

fn parameter(url: &Url, name: &str) -> String {
    url.query_pairs().find(|it| it.0 == name).unwrap().1.into_owned()
}

fn with(callback: &Url, pairs: &[(&str, &str)]) -> String {
    let query: String =
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    format!("{}?{query}", callback.path())
}

#[tokio::test]
async fn a_callback_that_is_not_as_entra_sent_it_redeems_nothing() {
    let world = World::start().await;
    let mut maya = world.browser();
    maya.visits("/x").await;
    let shown = maya.page.clone();
    let callback = maya.stops_at_the_callback(MAYA, shown).await;
    let (code, state) = (parameter(&callback, "code"), parameter(&callback, "state"));
    let (code, state) = (code.as_str(), state.as_str());
    let before = world.emulator.control().token_calls();
    let end = format!("{}x", &state[..state.len() - 1]);
    let (short, long) = (&state[..8], format!("{state}x"));
    for pairs in [
        vec![("code", code), ("code", code), ("state", state)],
        vec![("code", code), ("state", state), ("state", state)],
        vec![("code", code), ("state", state), ("state", "x")],
        vec![("code", code)],
        vec![("code", code), ("state", "")],
        vec![("code", code), ("state", &end)],
        vec![("code", code), ("state", short)],
        vec![("code", code), ("state", &long)],
        vec![("code", code), ("State", state)],
        vec![("id_token", "eyJhbGciOiJub25lIn0.e30."), ("state", &end)],
        vec![("error", "access_denied"), ("error", "x"), ("state", state)],
    ] {
        let page = maya.asks("GET", &with(&callback, &pairs), SCRIPT).await;
        assert!(
            page.status >= 400 || page.header("location").starts_with(&world.emulator.authority()),
            "{pairs:?}: {page:?}"
        );
        assert_eq!(world.emulator.control().token_calls(), before, "{pairs:?}");
        assert!(maya.cookie("entrada").is_none());
    }
    // The honest one still works, and what is added to it changes nothing.
    let page = maya
        .asks(
            "GET",
            &with(
                &callback,
                &[
                    ("rd", "/evil"),
                    ("code", code),
                    ("state", state),
                    ("redirect_uri", "https://evil.example"),
                ],
            ),
            NAVIGATION,
        )
        .await;
    assert_eq!((page.status, page.header("location")), (303, "/x"));
    // Once.
    let page =
        maya.asks("GET", &with(&callback, &[("code", code), ("state", state)]), NAVIGATION).await;
    assert_eq!((page.status, page.header("location")), (303, "/x"));
    assert_eq!(world.emulator.control().token_calls(), before + 1);
}

#[tokio::test]
async fn the_code_of_one_sign_in_fits_no_other() {
    let world = World::start().await;
    let mut maya = world.browser();
    let one = maya.visits("/one").await;
    let two = maya.visits("/two").await;
    let one = maya.stops_at_the_callback(MAYA, one).await;
    let two = maya.stops_at_the_callback(TOM, two).await;
    let swapped =
        with(&one, &[("code", &parameter(&two, "code")), ("state", &parameter(&one, "state"))]);
    let page = maya.asks("GET", &swapped, NAVIGATION).await;
    assert!(page.status >= 400, "{page:?}");
    assert!(maya.cookie("entrada").is_none());
    // A code that was stolen from another browser does not fit the thief's own sign-in (PKCE).
    let mut victim = world.browser();
    let shown = victim.visits("/v").await;
    let stolen = victim.stops_at_the_callback(MAYA, shown).await;
    let mut thief = world.browser();
    let shown = thief.visits("/t").await;
    let own = thief.stops_at_the_callback(TOM, shown).await;
    let page = thief
        .asks(
            "GET",
            &with(
                &own,
                &[("code", &parameter(&stolen, "code")), ("state", &parameter(&own, "state"))],
            ),
            NAVIGATION,
        )
        .await;
    assert!(page.status >= 400, "{page:?}");
    assert!(thief.cookie("entrada").is_none());
    assert_eq!(world.app.seen.count(), 0);
}

#[tokio::test]
async fn another_browser_cannot_finish_a_sign_in() {
    let world = World::start().await;
    let mut eve = world.browser();
    let shown = eve.visits("/x").await;
    let callback = eve.stops_at_the_callback(TOM, shown).await;
    let before = world.emulator.control().token_calls();
    // Maya has a sign-in of her own under way, or is signed in already: neither takes Eve's.
    let mut maya = world.browser();
    maya.visits("/mine").await;
    maya.asks("GET", &callback[url::Position::BeforePath..], NAVIGATION).await;
    assert!(maya.cookie("entrada").is_none());
    assert_eq!(world.emulator.control().token_calls(), before);
    let mut maya = world.signed_in(MAYA).await;
    let id = maya.cookie("entrada");
    maya.opens(&callback).await;
    assert_eq!(maya.cookie("entrada"), id);
    assert_eq!(maya.visits("/x").await.app_heard("x-forwarded-name"), "Maya Okafor");
    // By POST, as a form of another site sends it, with and without cookies.
    let form = callback.query().unwrap();
    let page = maya
        .posts(
            "/oauth2/callback",
            &[("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")],
            form,
        )
        .await;
    assert!(
        page.status == 303 && page.header("location").starts_with("/oauth2/callback?"),
        "{page:?}"
    );
    assert!(!page.headers.contains_key("set-cookie"));
    assert_eq!(world.emulator.control().token_calls(), before + 1, "Maya's own");
}

#[tokio::test]
async fn a_session_id_that_was_there_before_is_never_taken() {
    let world = World::start().await;
    let live = world.signed_in(TOM).await.cookie("entrada").unwrap();
    let mut ids = std::collections::HashSet::new();
    for planted in ["A".repeat(43), live, "x".to_owned(), "%".repeat(43), String::new()] {
        let mut maya = world.browser();
        maya.plants("entrada", &planted);
        maya.visits("/oauth2/start?rd=/x").await;
        let page = maya.signs_in_as(MAYA).await;
        assert_eq!(page.app_heard("x-forwarded-name"), "Maya Okafor");
        let id = maya.cookie("entrada").unwrap();
        assert!(id.len() == 54 && id != planted && ids.insert(id));
        let mut thief = world.browser();
        thief.plants("entrada", &planted);
        assert_eq!(thief.asks("GET", "/api/x", SCRIPT).await.status, 401, "{planted}");
    }
}

#[tokio::test]
async fn no_query_weakens_what_is_asked_of_entra() {
    let world = World::start().await;
    let mut maya = world.browser();
    let target = "/oauth2/start?rd=/x&code_challenge_method=plain&code_challenge=x&state=mine&nonce=mine&response_mode=fragment&response_type=token\
                  &redirect_uri=https%3A%2F%2Fevil.example&scope=evil&prompt=none&login_hint=a%26redirect_uri%3Dhttps%3A%2F%2Fevil.example%26state%3Dmine";
    let page = maya.until(target, "authorize").await;
    let asked: Vec<_> = page.url.query_pairs().into_owned().collect();
    let all = |name: &str| {
        asked.iter().filter(|it| it.0 == name).map(|it| it.1.clone()).collect::<Vec<_>>()
    };
    assert_eq!(all("code_challenge_method"), ["S256"]);
    assert_eq!(all("response_type"), ["code"]);
    assert_eq!(all("response_mode"), ["query"]);
    assert_eq!(all("client_id"), [CLIENT_ID]);
    assert_eq!(all("redirect_uri"), [format!("{}/oauth2/callback", world.public_url)]);
    assert!(all("prompt").is_empty() && !all("scope").concat().contains("evil"));
    for name in ["state", "nonce", "code_challenge"] {
        assert!(all(name).len() == 1 && all(name)[0].len() >= 22, "{name}: {asked:?}");
    }
    let again = maya.until("/x", "authorize").await;
    for name in ["state", "nonce", "code_challenge"] {
        assert_ne!(parameter(&again.url, name), all(name)[0], "{name} is used once");
    }
}

#[tokio::test]
async fn a_token_that_is_wrong_signs_nobody_in_and_takes_nothing() {
    let world = World::start().await;
    let mut maya = world.signed_in(MAYA).await;
    let id = maya.cookie("entrada").unwrap();
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
        world.later(61);
        maya.visits("/oauth2/start?rd=/x&prompt=select_account").await;
        world.emulator.control().wrong(wrong);
        let page = maya.signs_in_as(TOM).await;
        assert_eq!(page.status, 403, "{wrong:?}: {}", page.body);
        assert_eq!(maya.cookie("entrada").as_ref(), Some(&id), "{wrong:?}");
        assert_eq!(
            maya.visits("/x").await.app_heard("x-forwarded-name"),
            "Maya Okafor",
            "{wrong:?}"
        );
    }
    let logged = world.logged().await;
    assert!(!logged.contains("eyJ"), "a token stands in the log");
}

/// Whoever had begun a sign-in made as many token requests as they sent junk codes, and Entra throttles an app for too many of them.
#[tokio::test]
async fn attack_junk_codes_of_one_address_make_few_token_requests_and_stop_no_sign_in_for_good() {
    let world = World::with(WorldPlan {
        server: "trusted_proxies = [\"127.0.0.1\"]".into(),
        time_stands: true,
        ..WorldPlan::default()
    })
    .await;
    let at = |address: &'static str| ("x-forwarded-for", address.to_owned());
    let (mut maya, mut tom, mut signed_in) = (world.browser(), world.browser(), world.browser());
    maya.says.push(at("192.0.2.7"));
    tom.says.push(at("192.0.2.8"));
    signed_in.says.push(at("192.0.2.7"));
    signed_in.visits("/x").await;
    assert_eq!(signed_in.signs_in_as(TOM).await.status, 200);
    maya.visits("/x").await;
    let shown = maya.page.clone();
    let callback = maya.stops_at_the_callback(MAYA, shown).await;
    let mut eve = world.browser();
    eve.says.push(at("192.0.2.7"));
    let begun = eve.asks("GET", "/x", NAVIGATION).await;
    let state = begun.state();
    let cookie = eve.cookie_header();
    let before = world.emulator.control().code_calls();
    let junk = (0..300).map(|at| {
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("code", &format!("junk-{at}"))
            .append_pair("state", &state)
            .finish();
        let mut one = world.browser();
        let says = [
            ("cookie", cookie.clone()),
            ("x-forwarded-for", "192.0.2.7".to_owned()),
            ("accept", "text/html".to_owned()),
        ];
        async move {
            let says: Vec<_> = says.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let page = one.asks("GET", &format!("/oauth2/callback?{query}"), &says).await;
            assert!(
                page.status != 429
                    || (1..=60).contains(&page.header("retry-after").parse::<u64>().unwrap())
            );
            page.status
        }
    });
    let answers = futures_util::future::join_all(junk).await;
    assert_eq!(answers.iter().filter(|it| **it == 429).count(), 270, "{answers:?}");
    assert_eq!(world.emulator.control().code_calls() - before, 30);
    // Whoever is signed in counts by themselves, and another address by itself.
    signed_in.visits("/oauth2/start?rd=%2Fx").await;
    assert_eq!(signed_in.signs_in_as(TOM).await.status, 200);
    tom.visits("/x").await;
    assert_eq!(tom.signs_in_as(TOM).await.status, 200);
    // Maya, who is behind the same address, goes on with the same code a minute later.
    let page = maya.opens(&callback).await;
    assert!(
        page.status == 429 && page.body.contains("reload this page"),
        "{} {}",
        page.status,
        page.body
    );
    world.later(60);
    let page = maya.opens(&callback).await;
    assert_eq!((page.status, page.path_and_query().as_str()), (200, "/x"), "{}", page.body);
}
