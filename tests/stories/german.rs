//! Whoever reads German is told in German what did not work, and what to do.

use crate::world::World;
use crate::world::browser::{NAVIGATION, SCRIPT, TestBrowser};
use crate::world::samples::TOM;
use entrada::base::language::Language;
use entrada::entra::aadsts;

/// A browser of somebody in Vienna.
fn german(world: &World) -> TestBrowser {
    let mut browser = world.browser();
    browser.says.push(("accept-language", "de-AT,de;q=0.9,en;q=0.5".to_owned()));
    browser
}

/// A sign-in under way, and the address that Entra sends it back to with that refusal.
async fn refused(browser: &mut TestBrowser, told: &str) -> String {
    browser.forgets();
    let page = browser.until("/reports", "authorize").await;
    let state = page.url.query_pairs().find(|it| it.0 == "state").unwrap().1.into_owned();
    let query: String =
        url::form_urlencoded::Serializer::new(String::new()).append_pair("state", &state).finish();
    format!("/oauth2/callback?{told}&{query}")
}

#[tokio::test]
async fn every_refusal_of_entra_is_told_in_german_and_to_programs_in_english() {
    let world = World::start().await;
    let mut browser = german(&world);
    for entry in aadsts::all() {
        let told = format!("error=access_denied&error_description=AADSTS{}%3A+words", entry.code);
        let address = refused(&mut browser, &told).await;
        let page = browser.asks("GET", &address, NAVIGATION).await;
        let (english, in_german) = (entry.what(Language::English), entry.what(Language::German));
        assert!(
            page.body.contains("<html lang=\"de\">")
                && page.body.contains("Wer es beheben kann")
                && page.body.contains("Was zu tun ist"),
            "{}",
            page.body
        );
        assert!(
            page.body.contains(&escaped(in_german)) && !page.body.contains(&escaped(english)),
            "{}: {}",
            entry.code,
            page.body
        );
        for text in
            [entry.title(Language::German), entry.next(Language::German)].into_iter().flatten()
        {
            assert!(
                page.body.contains(&escaped(text)),
                "{}: no {text} in {}",
                entry.code,
                page.body
            );
        }
        let address = refused(&mut browser, &told).await;
        assert_eq!(
            browser.asks("GET", &address, SCRIPT).await.json()["detail"],
            english,
            "{}",
            entry.code
        );
    }
}

/// As it stands in a page.
fn escaped(text: &str) -> String {
    [
        ("&", "&amp;"),
        ("<", "&lt;"),
        (">", "&gt;"),
        ("\"", "&quot;"),
        ("'", "&#x27;"),
        ("/", "&#x2f;"),
    ]
    .iter()
    .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

#[tokio::test]
async fn what_did_not_work_is_told_in_german_on_every_notice() {
    let world = World::start().await;
    let mut browser = german(&world);
    let address = refused(&mut browser, "error=access_denied&error_subcode=cancel").await;
    for (address, says) in [
        (address.as_str(), ["Sie haben die Anmeldung abgebrochen", "Noch einmal anmelden"]),
        ("/oauth2/nowhere", ["Seite nicht gefunden", "Zur Startseite"]),
        ("/oauth2/callback?code=x&state=y", ["Diese Anmeldung ist vorbei", "Noch einmal anmelden"]),
        (
            "/oauth2/callback?code=x&code=y",
            ["Diese Antwort ist nicht lesbar", "Kennung für den Support"],
        ),
    ] {
        let page = browser.asks("GET", address, NAVIGATION).await;
        assert!(
            page.body.contains("<html lang=\"de\">")
                && says.iter().all(|it| page.body.contains(it)),
            "{address}: {}",
            page.body
        );
        for english in
            ["What to do", "Who can fix this", "Reference for support", "Technical details"]
        {
            assert!(!page.body.contains(english), "{address}: {english} in {}", page.body);
        }
    }
    browser.forgets();
    assert!(browser.visits("/reports").await.is_the_sign_in_at_entra());
    assert_eq!(browser.signs_in_as(TOM).await.status, 200);
    let page = browser.asks("GET", "/admin/x", NAVIGATION).await;
    assert!(
        page.status == 403
            && page.body.contains("Auf diese Seite haben Sie keinen Zugriff")
            && page.body.contains("Ihre Administration"),
        "{}",
        page.body
    );
    let answer = browser.asks("GET", "/admin/x", SCRIPT).await;
    assert_eq!(
        (answer.status, answer.json()["title"].as_str()),
        (403, Some("You do not have access to this page"))
    );
}
