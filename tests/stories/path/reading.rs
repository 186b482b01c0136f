//! A request has one reading, or is refused.

use super::authority;
use crate::world::World;
use crate::world::raw::{self, talk};
use crate::world::samples::MAYA;

#[tokio::test]
async fn what_is_judged_is_byte_for_byte_what_is_sent() {
    let world = World::start().await;
    let mut maya = world.signed_in(MAYA).await;
    for target in
        ["/a?b=//..%2f;x", "/%E2%82%AC/%20x?y=%00", "/a/b/?", "/@x:y/~z!$&'()*+,=", "/x?%2e%2e/"]
    {
        let page = raw_get(&world, &maya.cookie_header(), target).await;
        assert!(page.starts_with("HTTP/1.1 200"), "{target}: {page}");
        assert_eq!(world.app.seen.last_target(), target);
    }
    for target in [
        "/a//b",
        "/a/../b",
        "/%2e%2e/b",
        "/a%2fb",
        "/a;b",
        "/a%5cb",
        "/a\\b",
        "/a%00",
        "/a%252e",
        "*",
    ] {
        let before = world.app.seen.count();
        let page = raw_get(&world, &maya.cookie_header(), target).await;
        assert_eq!(raw::status(&page), 400, "{target}: {page}");
        assert_eq!(world.app.seen.count(), before);
    }
    assert_eq!(maya.visits("/public/x").await.status, 200);
}

async fn raw_get(world: &World, cookie: &str, target: &str) -> String {
    let host = authority(world);
    talk(
        world.address,
        &format!(
            "GET {target} HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n"
        ),
    )
    .await
}

#[tokio::test]
async fn hosts_and_methods_without_one_reading_are_refused() {
    let world = World::start().await;
    let host = authority(&world);
    for (request, status) in [
        (
            format!(
                "GET /public/x HTTP/1.1\r\nHost: {host}\r\nHost: {host}\r\nConnection: close\r\n\r\n"
            ),
            400,
        ),
        ("GET /public/x HTTP/1.1\r\nConnection: close\r\n\r\n".to_owned(), 400),
        (
            format!(
                "GET http://evil.example/public/x HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
            ),
            400,
        ),
        (format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"), 400),
        (format!("TRACE /public/x HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"), 400),
        (
            "GET /public/x HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n".to_owned(),
            421,
        ),
        (
            format!(
                "GET http://{host}/public/x HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
            ),
            200,
        ),
        (
            format!(
                "GET /public/x HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
                host.to_uppercase()
            ),
            200,
        ),
    ] {
        let answer = talk(world.address, &request).await;
        assert_eq!(raw::status(&answer), status, "{request}: {answer}");
    }
    assert_eq!(world.app.seen.count(), 2);
}

#[tokio::test]
async fn head_has_no_body_and_the_right_length() {
    let world = World::start().await;
    let request = format!(
        "HEAD /public/teapot HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
        authority(&world)
    );
    let answer = talk(world.address, &request).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(
        head.starts_with("HTTP/1.1 418") && head.to_lowercase().contains("content-length: 15"),
        "{head}"
    );
    assert_eq!(body, "");
}

/// A method of 60 KiB was sent on, and written to the log.
#[tokio::test]
async fn a_method_that_is_too_long_is_refused_and_not_logged() {
    let world = World::start().await;
    let long = "A".repeat(60_000);
    for method in [&long[..65], &long] {
        let answer = talk(
            world.address,
            &format!(
                "{method} /public/x HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
                authority(&world)
            ),
        )
        .await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    }
    assert_eq!(world.app.seen.count(), 0);
    assert!(!world.logged().await.contains("AAAAAAAA"));
}
