//! What people, programs and operators are told when a sign-in does not go as meant.

use crate::world::browser::{BrowserPage, NAVIGATION, SCRIPT, TestBrowser};
use crate::world::raw;
use crate::world::{CLIENT_ID, CLIENT_SECRET, World};
use entrada::base::language::Language;
use entrada::emulator::TokenDefect;
use entrada::entra::aadsts::{self, ResponsibleParty};
use std::collections::BTreeSet;

const TRACE: &str = "0000aaaa-11bb-cccc-dd33-eeeeee333333";
const CORRELATION: &str = "aaaa0000-bb11-2222-33cc-444444dddddd";
const TIME: &str = "2026-01-09 02:02:12Z";

/// A browser with a sign-in under way, and the address that Entra sends it back to with that answer.
async fn answered(browser: &mut TestBrowser, pairs: &[(&str, &str)]) -> String {
    browser.forgets();
    let page = browser.until("/reports?year=2026", "authorize").await;
    let state = page.url.query_pairs().find(|it| it.0 == "state").unwrap().1.into_owned();
    let query: String = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .append_pair("state", &state)
        .finish();
    format!("/oauth2/callback?{query}")
}

/// What Entra writes into `error_description`.
fn description(code: u32) -> String {
    format!(
        "AADSTS{code}: Words of Entra. Trace ID: {TRACE} Correlation ID: {CORRELATION} Timestamp: {TIME}"
    )
}

/// The page as a reader sees it.
fn read(page: &BrowserPage) -> String {
    [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#x27;", "'"),
        ("&#39;", "'"),
        ("&amp;", "&"),
    ]
    .iter()
    .fold(page.body.clone(), |text, (from, to)| text.replace(from, to))
}

#[tokio::test]
async fn p17_every_code_has_a_page_and_json_with_all_that_is_needed() {
    let world = World::start().await;
    let mut browser = world.browser();
    let codes: BTreeSet<_> = aadsts::all().map(|it| it.code).collect();
    assert!(codes.len() > 170);
    for code in codes {
        let entry = aadsts::find(code).unwrap();
        let text = description(code);
        let pairs = [("error", "access_denied"), ("error_description", text.as_str())];

        let address = answered(&mut browser, &pairs).await;
        let page = browser.asks("GET", &address, NAVIGATION).await;
        let words = read(&page);
        assert_eq!(page.status, 403, "{code}: {words}");
        let named = format!("AADSTS{code}");
        for part in [
            entry.what(Language::English),
            &named,
            CORRELATION,
            TRACE,
            TIME,
            page.header("x-request-id"),
            "Who can fix this",
            "What to do",
            "Try again",
        ] {
            let another = part == "Try again" && words.contains("Use another account");
            assert!(words.contains(part) || another, "{code}: no {part:?} in {words}");
        }
        assert!(!words.contains("Words of Entra"), "{code}");

        let address = answered(&mut browser, &pairs).await;
        let answer = browser.asks("GET", &address, SCRIPT).await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (403, "application/problem+json")
        );
        let json = answer.json();
        for (member, value) in [
            ("type", "about:blank"),
            ("detail", entry.what(Language::English)),
            ("code", &named),
            ("correlation_id", CORRELATION),
            ("trace_id", TRACE),
            ("time", TIME),
            ("error", "access_denied"),
            ("client_id", CLIENT_ID),
            ("reference", answer.header("x-request-id")),
        ] {
            assert_eq!(json[member], value, "{code}: {json}");
        }
        assert!(
            json["title"].as_str().unwrap().len() > 5
                && !json["next"][0].as_str().unwrap().is_empty()
                && !json["whose"].as_str().unwrap().is_empty()
        );
        if matches!(
            entry.whose,
            ResponsibleParty::Admin | ResponsibleParty::Owner | ResponsibleParty::IdentityProvider
        ) {
            let (what, place) = (
                json["remedy"]["what"].as_str().unwrap(),
                json["remedy"]["place"].as_str().unwrap(),
            );
            assert!(
                words.contains(what) && words.contains(place) && place.len() > 15,
                "{code}: {json}"
            );
            if let Some(command) = json["remedy"]["command"].as_str() {
                assert!(command.starts_with("az ") && words.contains(command), "{code}: {command}");
            }
        }
        assert!(!words.contains(CLIENT_SECRET) && !answer.body.contains(CLIENT_SECRET));
    }
}

#[tokio::test]
async fn p17_a_missing_assignment_is_told_to_the_person_and_to_the_admin() {
    let world = World::start().await;
    let mut bruno = world.browser();
    let address = answered(
        &mut bruno,
        &[("error", "interaction_required"), ("error_description", &description(50_105))],
    )
    .await;
    let page = bruno.asks("GET", &address, NAVIGATION).await;
    let words = read(&page);
    for part in [
        "<h1>You are not assigned to this app</h1>",
        "Your account is fine, but it has not been given access",
        "Ask your administrator to assign you",
        "<dd>Your administrator</dd>",
        "For your administrator",
        "Enterprise applications",
        "Users and groups",
        "az rest --method POST",
        CLIENT_ID,
    ] {
        assert!(words.contains(part), "no {part:?} in {words}");
    }
    // The way back leads to where the person was going.
    assert!(words.contains("/oauth2/start?rd=%2Freports%3Fyear%3D2026"), "{words}");
    let logged = world.logged().await;
    assert!(
        logged.contains(r#""event":"sign_in_refused","level":"INFO""#)
            && logged.contains(r#""whose":"admin","aadsts":50105"#),
        "{logged}"
    );
}

#[tokio::test]
async fn p17_hostile_words_of_an_answer_are_never_repeated() {
    let world = World::start().await;
    let mut browser = world.browser();
    let evil = "AADSTS50105: <script>alert('h0stile')</script> {{ 7*7 }} Trace ID: h0stile Correlation ID: <img src=h0stile> Timestamp: 2026-01-09 02:02:12Z\r\nh0stile: x";
    for error in ["access_denied", "<h0stile>", "h0stile\"onload=", "invalid_client"] {
        for asker in [NAVIGATION, SCRIPT] {
            let pairs = [
                ("error", error),
                ("error_description", evil),
                ("error_subcode", "h0stile'"),
                ("error_uri", "https://h0stile.example/"),
            ];
            let address = answered(&mut browser, &pairs).await;
            let page = browser.asks("GET", &address, asker).await;
            assert!(matches!(page.status, 403 | 503), "{error}: {}", page.status);
            assert!(
                !page.body.contains("h0stile")
                    && !format!("{:?}", page.headers).contains("h0stile"),
                "{}",
                page.body
            );
            assert!(
                page.body.contains("AADSTS50105") && page.body.contains("not assigned"),
                "{}",
                page.body
            );
        }
    }
    assert!(!world.logged().await.contains("h0stile"));
}

#[tokio::test]
async fn p17_an_unknown_code_is_told_by_its_error_with_code_and_ids() {
    let world = World::start().await;
    let mut browser = world.browser();
    for (error, status, whose) in [
        ("access_denied", 403, "admin"),
        ("interaction_required", 403, "you"),
        ("invalid_client", 503, "app-owner"),
        ("temporarily_unavailable", 503, "entra"),
        ("something_new", 403, "app-owner"),
    ] {
        let address = answered(
            &mut browser,
            &[("error", error), ("error_description", &description(4_999_999))],
        )
        .await;
        let answer = browser.asks("GET", &address, SCRIPT).await;
        let json = answer.json();
        assert_eq!((answer.status, json["whose"].as_str().unwrap()), (status, whose), "{json}");
        assert_eq!(
            (json["code"].as_str().unwrap(), json["correlation_id"].as_str().unwrap()),
            ("AADSTS4999999", CORRELATION)
        );
        assert!(json["remedy"]["command"].as_str().unwrap().contains(CORRELATION), "{json}");
    }
}

/// The code chooses words; the error decides.
#[tokio::test]
async fn p17_the_error_decides_and_the_code_only_chooses_words() {
    let world = World::start().await;
    let mut browser = world.browser();
    for (error, status) in [
        ("temporarily_unavailable", 503),
        ("unauthorized_client", 503),
        ("access_denied", 403),
        ("invalid_grant", 403),
    ] {
        let address = answered(
            &mut browser,
            &[("error", error), ("error_description", &description(53_003))],
        )
        .await;
        let page = browser.asks("GET", &address, NAVIGATION).await;
        assert_eq!(
            (page.status, page.headers.contains_key("retry-after")),
            (status, status == 503),
            "{error}"
        );
        assert!(
            page.body.contains("a rule in your organization (Conditional Access)"),
            "{}",
            page.body
        );
    }
}

#[tokio::test]
async fn p17_cancelling_is_calm_and_leads_back() {
    let world = World::start().await;
    let mut maya = world.browser();
    let address =
        answered(&mut maya, &[("error", "access_denied"), ("error_subcode", "cancel")]).await;
    let page = maya.asks("GET", &address, NAVIGATION).await;
    let words = read(&page);
    assert_eq!(page.status, 403);
    assert!(
        words.contains("<h1>You canceled the sign-in</h1>")
            && words.contains("<main class=\"calm\">")
            && words.contains("Sign in again"),
        "{words}"
    );
    assert!(!words.contains("For your administrator") && !words.contains("AADSTS"), "{words}");
    // A moment later the person signs in after all.
    assert!(
        maya.visits("/oauth2/start?rd=%2Freports%3Fyear%3D2026").await.is_the_sign_in_at_entra()
    );
    assert_eq!(
        maya.signs_in_as("maya@contoso.example").await.path_and_query(),
        "/reports?year=2026"
    );
}

#[tokio::test]
async fn p17_another_account_is_offered_where_this_one_cannot_help() {
    let world = World::start().await;
    let mut maya = world.browser();
    let address = answered(
        &mut maya,
        &[("error", "interaction_required"), ("error_description", &description(50_020))],
    )
    .await;
    let words = read(&maya.asks("GET", &address, NAVIGATION).await);
    assert!(
        words.contains("Use another account") && words.contains("&prompt=select_account"),
        "{words}"
    );
}

#[tokio::test]
async fn p17_a_wrong_secret_is_the_owners_to_mend_and_the_log_says_how() {
    let world = World::start().await;
    let wrong = world.changed(
        "client_secret = { env = \"STORY_CLIENT_SECRET\" }",
        "client_secret = \"another~secret.value-0123456789abcdefghij\"",
    );
    world.service.reload(&wrong).await.unwrap();
    let mut maya = world.browser();
    maya.visits("/x").await;
    let page = maya.signs_in_as("maya@contoso.example").await;
    let words = read(&page);
    assert_eq!(page.status, 503, "{words}");
    for part in [
        "<h1>Sign-in is not available right now</h1>",
        "The app’s owner",
        "Certificates & secrets",
        "AADSTS7000215",
        "az ad app credential reset",
    ] {
        assert!(words.contains(part), "no {part:?} in {words}");
    }
    assert!(maya.cookie("entrada").is_none());
    let logged = world.logged().await;
    let line = logged
        .lines()
        .find(|it| it.contains("sign_in_refused"))
        .unwrap_or_else(|| panic!("{logged}"));
    let line: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!(
        (line["level"].as_str(), line["whose"].as_str(), line["aadsts"].as_u64()),
        (Some("WARN"), Some("app-owner"), Some(7_000_215)),
        "{line}"
    );
    assert_eq!(
        (line["error"].as_str(), line["request_id"].as_str()),
        (Some("invalid_client"), Some(page.header("x-request-id")))
    );
    assert!(
        line["remedy"].as_str().unwrap().contains("client secret")
            && line["place"].as_str().unwrap().contains("Certificates & secrets"),
        "{line}"
    );
    assert_eq!(
        (line["correlation_id"].as_str().unwrap().len(), line["trace_id"].as_str().unwrap().len()),
        (36, 36)
    );
    assert!(!logged.contains("another~secret"));
    let metrics =
        raw::talk(world.admin, "GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            .await;
    assert!(metrics.contains("entrada_sign_in_refusals_total{whose=\"app-owner\"} 1"), "{metrics}");
}

#[tokio::test]
async fn p17_a_token_of_another_time_names_the_clock() {
    let world = World::start().await;
    let mut maya = world.browser();
    maya.visits("/x").await;
    world.emulator.control().wrong(TokenDefect::Expired);
    let page = maya.signs_in_as("maya@contoso.example").await;
    let words = read(&page);
    assert_eq!(page.status, 403);
    for part in [
        "We could not sign you in",
        "check this machine's clock",
        "<dt>Clock ahead of Microsoft’s (s)</dt><dd>",
        "The app’s owner",
        "Try again",
    ] {
        assert!(words.contains(part), "no {part:?} in {words}");
    }
}

#[tokio::test]
async fn p17_reload_and_back_at_the_callback_lead_on() {
    let world = World::start().await;
    let mut maya = world.browser();
    maya.visits("/reports").await;
    let shown = maya.page.clone();
    let callback = maya.stops_at_the_callback("maya@contoso.example", shown).await;
    assert_eq!(maya.opens(&callback).await.path_and_query(), "/reports");
    // Reload, and Back: signed in stays signed in, and Entra hears nothing.
    let calls = world.emulator.control().token_calls();
    for _ in 0..2 {
        assert_eq!(maya.opens(&callback).await.status, 200);
    }
    assert_eq!(world.emulator.control().token_calls(), calls);
    // The same after the session is gone: a new sign-in begins.
    maya.forgets();
    assert!(maya.opens(&callback).await.is_the_sign_in_at_entra());
    // A second request that the browser sent before it had the session.
    let mut twice = world.browser();
    twice.visits("/x").await;
    let shown = twice.page.clone();
    let callback = twice.stops_at_the_callback("tom@contoso.example", shown).await;
    let cookies = twice.cookie_header();
    assert_eq!(twice.opens(&callback).await.status, 200);
    let headers: Vec<_> =
        NAVIGATION.iter().copied().chain([("cookie", cookies.as_str())]).collect();
    let second =
        world.browser().asks("GET", &callback[url::Position::BeforePath..], &headers).await;
    assert_eq!(second.status, 403, "{}", second.body);
    assert!(
        second.body.contains("AADSTS54005") && second.body.contains("Try again"),
        "{}",
        second.body
    );
}

#[tokio::test]
async fn p17_scanners_at_the_callback_meet_400_and_never_500() {
    let world = World::start().await;
    let mut scanner = world.browser();
    let long = format!("/oauth2/callback?state={}&code=x", "a".repeat(4000));
    for address in [
        "/oauth2/callback",
        "/oauth2/callback?",
        "/oauth2/callback?code=x",
        "/oauth2/callback?state=",
        "/oauth2/callback?state=abc.def&code=x",
        "/oauth2/callback?state=a&state=b",
        "/oauth2/callback?error=access_denied",
        "/oauth2/callback?error=%00&error_description=%ff%fe",
        "/oauth2/callback?%3Cscript%3E",
        &long,
    ] {
        for asker in [NAVIGATION, SCRIPT] {
            let page = scanner.asks("GET", address, asker).await;
            assert_eq!(page.status, 400, "{address}: {}", page.body);
            assert!(
                page.body.contains(page.header("x-request-id")) && !page.body.contains("<script"),
                "{address}"
            );
        }
    }
    let page = scanner.posts("/oauth2/callback", NAVIGATION, "%ff=\u{0}&code=1&code=2").await;
    assert_eq!(page.status, 400);
    assert_eq!(world.emulator.control().token_calls(), 0);
}
