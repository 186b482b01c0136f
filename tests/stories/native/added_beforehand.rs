//! People who were added beforehand, and first sign in on a phone.

use super::*;
use crate::world::samples::TOM;

/// On a phone, what was typed was forgotten: another person was created.
#[tokio::test]
async fn what_is_typed_on_a_phone_leads_to_a_request_as_it_does_in_a_browser() {
    let world = NativeWorld::start().await;
    world.adds("tom-b", "contoso", "worker").await;
    let mut browser = world.browser();
    let path = authorize_path("phone", &[("scope", "jobs")]);
    let shown = browser.fills(&path, &[("identifier", "tom-b")]).await;
    let callback = browser.stops_at_the_callback(TOM, shown).await;
    let page = browser.asks("GET", callback.as_str(), NAVIGATION).await;
    assert!(
        page.status == 403 && page.body.contains("needs to confirm your account"),
        "{} {}",
        page.status,
        page.body
    );
    let requests = world.directory().link_requests(None, false).await.unwrap();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].typed.as_deref(), Some("tom-b"));
}
