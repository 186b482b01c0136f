//! What only an operator can fix.

use super::read;
use crate::world::samples::MAYA;
use crate::world::{World, raw};
use entrada::emulator::TokenDefect;

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
    let page = maya.signs_in_as(MAYA).await;
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
    let page = maya.signs_in_as(MAYA).await;
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
