//! What the codes of Entra are told as.

use super::{CORRELATION, TIME, TRACE, answered, description, read};
use crate::world::browser::{NAVIGATION, SCRIPT};
use crate::world::{CLIENT_ID, CLIENT_SECRET, World};
use entrada::base::language::Language;
use entrada::entra::aadsts::{self, ResponsibleParty};
use std::collections::BTreeSet;

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
