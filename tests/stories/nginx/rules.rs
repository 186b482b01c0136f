//! The rules count for what was asked of nginx.

use super::NginxFront;
use crate::world::browser::SCRIPT;
use crate::world::raw::{self, talk};
use crate::world::samples::{GRACE, MAYA, TOM};

#[tokio::test]
async fn the_rules_decide_by_the_path_and_method_that_were_asked() {
    let Some(front) = NginxFront::start().await else { return };
    let mut maya = front.signed_in(MAYA).await;
    let mut tom = front.signed_in(TOM).await;
    assert_eq!(maya.visits("/admin/x").await.status, 200);
    assert_eq!(tom.visits("/admin/x").await.status, 403);
    assert_eq!(maya.visits("/group/x").await.status, 200);
    assert_eq!(tom.visits("/group/x").await.status, 403);
    assert_eq!(maya.visits("/nobody/x").await.status, 403);
    assert_eq!(maya.asks("GET", "/read/x", SCRIPT).await.status, 200);
    assert_eq!(maya.asks("HEAD", "/read/x", SCRIPT).await.status, 200);
    assert_eq!(maya.asks("DELETE", "/read/x", SCRIPT).await.status, 403);
    assert_eq!(front.browser().visits("/public/x").await.status, 200);
    // More groups than Entra lists, and Graph does not tell them: nobody guesses.
    front.world.emulator.control().graph(entrada::emulator::GraphFault::Forbidden, 1);
    let mut grace = front.signed_in(GRACE).await;
    assert_eq!(grace.visits("/group/x").await.status, 403);
    let log = front.world.logged().await;
    assert!(
        log.contains("\"route\":\"forward_auth\"") && log.contains("groups that are unknown"),
        "{log}"
    );
}

#[tokio::test]
async fn a_path_that_nginx_and_the_app_read_differently_is_refused() {
    let Some(front) = NginxFront::start().await else { return };
    let maya = front.signed_in(MAYA).await;
    let before = front.world.app.seen.count();
    let cookie = format!("Cookie: {}\r\n", maya.cookie_header());
    for target in [
        "/public/../admin/x",
        "/public/%2e%2e/admin/x",
        "/public//x",
        "/public/..%2fadmin",
        "/public/x;/../admin",
        "/public/%5c..%5cadmin",
        "/a%252e",
        "//admin/x",
    ] {
        for headers in ["", &cookie] {
            let status = raw::status(&front.raw(&format!("GET {target}"), headers).await);
            assert_eq!(status, 403, "{target}");
        }
    }
    assert_eq!(front.world.app.seen.count(), before);
    // What is judged is byte for byte what the app sees.
    let answer = front.raw("GET /%E2%82%AC/%20x?y=//..%2f&z=%00", &cookie).await;
    assert!(answer.contains("\"target\":\"/%E2%82%AC/%20x?y=//..%2f&z=%00\""), "{answer}");
}

#[tokio::test]
async fn another_site_of_the_same_nginx_is_not_judged_by_our_rules() {
    let Some(front) = NginxFront::start().await else { return };
    let answer = talk(
        front.address,
        "GET /public/x HTTP/1.1\r\nHost: other.example\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert_eq!(raw::status(&answer), 403);
    let answer = talk(front.address, "GET /public/x HTTP/1.0\r\nConnection: close\r\n\r\n").await;
    assert_eq!(raw::status(&answer), 403);
    assert_eq!(front.world.app.seen.count(), 0);
}
