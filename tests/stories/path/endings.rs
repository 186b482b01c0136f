//! What an app does wrong after its head, and what is different for old apps and inner addresses.

use super::authority;
use super::framing::{RawApp, over_http1, over_http2};
use crate::world::raw::talk_for;
use crate::world::{CapturedEvents, World};
use http::Method;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

async fn metrics(world: &World) -> String {
    let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    talk_for(world.admin, request.as_bytes(), Duration::from_secs(5)).await
}

/// The count of responses that ended early for this cause.
async fn broken(world: &World, cause: &str) -> u32 {
    let text = metrics(world).await;
    let name = format!("entrada_responses_broken_total{{cause=\"{cause}\"}} ");
    text.lines().find_map(|it| it.strip_prefix(&name)?.parse().ok()).unwrap_or(0)
}

#[tokio::test]
async fn a_response_that_breaks_off_is_logged_and_counted_with_its_cause() {
    let told = CapturedEvents::listens();
    for (body, what) in [
        ("content-length: 9\r\n\r\nhello", "closed the connection"),
        ("transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n", "closed the connection"),
        ("transfer-encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n", "chunk"),
    ] {
        let app = RawApp::that_says(format!("HTTP/1.1 200 OK\r\n{body}"), 1);
        let world = app.world().await;
        // The client sees that it is not whole: what came is cut off, or nothing came.
        let page = over_http1(&world).await;
        assert!(page.is_empty() || page.starts_with("HTTP/1.1 200 "), "{page}");
        assert!(!page.ends_with("0\r\n\r\n"), "{page}");
        assert_eq!(broken(&world, "app").await, 1, "{body:?}");
        let text = told.text();
        let line = text.lines().rfind(|it| it.contains("response broke off")).unwrap();
        assert!(line.contains("WARN") && line.contains("bytes=5"), "{line}");
        assert!(line.contains("cause=\"app\"") && line.contains(what), "{line}");
        let reference = line.split("request_id=\"").nth(1).unwrap().split('"').next().unwrap();
        assert!(
            world.logged().await.contains(&format!("\"request_id\":\"{reference}\"")),
            "{line}"
        );
    }
    assert_eq!(told.times("response broke off"), 3);
}

#[tokio::test]
async fn complete_responses_do_not_count_and_a_client_that_leaves_does() {
    for response in [
        "content-length: 5\r\n\r\nhello",
        "content-length: 0\r\n\r\n",
        "transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "transfer-encoding: chunked\r\ntrailer: x-a\r\n\r\n5\r\nhello\r\n0\r\nx-a: b\r\n\r\n",
        "\r\nhello",
    ] {
        let app = RawApp::that_says(format!("HTTP/1.1 200 OK\r\n{response}"), 1);
        let world = app.world().await;
        over_http1(&world).await;
        over_http2(&world, Method::GET, "").await;
        over_http2(&world, Method::HEAD, "").await;
        let text = metrics(&world).await;
        assert!(!text.contains("entrada_responses_broken_total{"), "{response:?}: {text}");
    }
    let world = World::start().await;
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    let request = format!("GET /public/events HTTP/1.1\r\nHost: {}\r\n\r\n", authority(&world));
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = [0; 64];
    stream.read_exact(&mut head).await.unwrap();
    drop(stream);
    for _ in 0..100 {
        if broken(&world, "client").await == 1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{}", metrics(&world).await);
}

#[tokio::test]
async fn redirects_of_an_app_that_knows_its_inner_address_only_lead_to_the_public_one() {
    for (location, is_inner) in [
        ("http://{self}/a?b", true),
        ("https://{self}/a?b", true),
        ("//{self}/a?b", true),
        ("http://other.example/a?b", false),
        ("/a?b", false),
    ] {
        let app = RawApp::that_says(
            format!("HTTP/1.1 302 Found\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n"),
            9,
        );
        for lines in ["host = \"upstream\"", ""] {
            let world = app.world_with(lines).await;
            let expected = if is_inner && !lines.is_empty() {
                format!("http://{}/a?b", authority(&world))
            } else {
                location.replace("{self}", &app.address.to_string())
            };
            let response = over_http2(&world, Method::GET, "").await;
            assert_eq!(response.headers()["location"], expected.as_str(), "{lines}");
        }
    }
}

#[tokio::test]
async fn an_old_app_receives_names_in_title_case() {
    let app = RawApp::that_says("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_owned(), 9);
    for (lines, names) in [
        ("header_case = \"title\"", ["\r\nHost: ", "\r\nX-Request-Id: ", "\r\nContent-Length: 5"]),
        ("", ["\r\nhost: ", "\r\nx-request-id: ", "\r\ncontent-length: 5"]),
    ] {
        let world = app.world_with(lines).await;
        over_http2(&world, Method::POST, "hello").await;
        for name in names {
            assert!(app.last().contains(name), "{name:?}: {}", app.last());
        }
    }
}

#[tokio::test]
async fn interim_responses_are_counted_and_the_final_one_arrives() {
    let hints = "HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n";
    let app = RawApp::that_says(
        format!("{hints}{hints}HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"),
        9,
    );
    let world = app.world().await;
    let page = over_http1(&world).await;
    assert!(page.starts_with("HTTP/1.1 200 ") && !page.contains("a.css"), "{page}");
    assert!(metrics(&world).await.contains("entrada_interim_responses_total 2"));
}
