//! Class 21: a sign-out that somebody else sends, and what it does beside ending sessions. Then: what is over is over in every way.

use super::{BOTH, HttpVersion, OURS, ask, authority};
use crate::world::World;
use crate::world::raw::{self, talk};
use crate::world::samples::{MAYA, MAYA_ID, TOM};
use bytes::Bytes;
use http_body_util::Full;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt as _;

const FRONT: &str = "/oauth2/front_channel_logout";

/// Maya's session at Entra, as its page says it in the frame.
async fn sid(world: &World, maya: &mut crate::world::browser::TestBrowser) -> String {
    world.emulator.control().front_channel_url(Some(&format!("{}{FRONT}", world.public_url)));
    let url =
        format!("{}/{}/oauth2/v2.0/logout", world.emulator.authority(), world.emulator.tenant_id());
    let page = maya.opens(&url::Url::parse(&url).unwrap()).await;
    page.body.split_once("sid=").unwrap().1.split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn the_front_channel_ends_nothing_by_a_guess_a_cookie_or_an_id_of_ours() {
    let world = World::start().await;
    let mut maya = world.signed_in(MAYA).await;
    let cookie = maya.cookie_header();
    let assertion = maya.visits("/x").await.app_heard("x-entrada-assertion");
    let ours = jsonwebtoken::dangerous::insecure_decode::<serde_json::Value>(&assertion)
        .unwrap()
        .claims["sid"]
        .as_str()
        .unwrap()
        .to_owned();
    let sid = sid(&world, &mut maya).await;
    let oid = MAYA_ID;
    let guesses = [
        String::new(),
        "*".to_owned(),
        "%25".to_owned(),
        oid.to_owned(),
        ours,
        maya.cookie("entrada").unwrap(),
        sid[..35].to_owned(),
        format!("{sid}0"),
        format!("%20{sid}"),
        format!("{sid}%00"),
        format!("{sid}&sid=x"),
        format!("{sid}&sid={sid}"),
    ];
    for http in BOTH {
        for guess in &guesses {
            for head in [
                &[][..],
                &[("cookie", cookie.as_str())],
                &[
                    ("cookie", cookie.as_str()),
                    ("sec-fetch-site", "cross-site"),
                    ("sec-fetch-dest", "iframe"),
                ],
            ] {
                let answer = ask(&world, http, "GET", &format!("{FRONT}?sid={guess}"), head).await;
                assert_eq!(
                    (answer.status, answer.body.as_str(), answer.header("set-cookie")),
                    (200, "", ""),
                    "{guess}: {answer:?}"
                );
            }
        }
        // Not by a method that a form or a script would choose, not by a prefetch of its head, not at another host.
        for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
            assert_eq!(
                ask(&world, http, method, &format!("{FRONT}?sid={sid}"), &[]).await.status,
                405,
                "{method}"
            );
        }
        assert_eq!(ask(&world, http, "HEAD", &format!("{FRONT}?sid={sid}"), &[]).await.status, 200);
    }
    assert_eq!(
        ask(
            &world,
            HttpVersion::One,
            "GET",
            &format!("{FRONT}?sid={sid}"),
            &[("Host", "evil.example")]
        )
        .await
        .status,
        421
    );
    assert_eq!(
        ask(&world, HttpVersion::One, "GET", "/admin/x", &[("cookie", &cookie)]).await.status,
        200,
        "she was signed out by a guess"
    );
    // A header that says where it comes from is asked for nowhere: Entra's frame may bring none.
    assert_eq!(
        ask(
            &world,
            HttpVersion::Two,
            "GET",
            &format!("{FRONT}?sid={sid}&iss=https://evil.example"),
            &[("cookie", &format!("{}=x", maya.with_port("entrada")))]
        )
        .await
        .status,
        200
    );
    assert_eq!(
        ask(&world, HttpVersion::One, "GET", "/api/x", &[("cookie", &cookie)]).await.status,
        401
    );
}

#[tokio::test]
async fn a_flood_of_guesses_loses_no_sign_out_and_stops_nobody() {
    let world = World::start().await;
    let mut maya = world.signed_in(MAYA).await;
    let tom = world.signed_in(TOM).await.cookie_header();
    let cookie = maya.cookie_header();
    let sid = sid(&world, &mut maya).await;
    let host = authority(&world).to_owned();
    let mut flood = tokio::task::JoinSet::new();
    for at in 0..400 {
        let (address, request) = (
            world.address,
            format!(
                "GET {FRONT}?sid=99999999-0000-4000-8000-{at:012} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
            ),
        );
        flood.spawn(async move { raw::status(&talk(address, &request).await) });
    }
    let began = Instant::now();
    assert_eq!(
        ask(&world, HttpVersion::One, "GET", "/api/x", &[("cookie", &tom)]).await.status,
        200
    );
    assert_eq!(
        ask(&world, HttpVersion::One, "GET", &format!("{FRONT}?sid={sid}"), &[]).await.status,
        200
    );
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(
        ask(&world, HttpVersion::One, "GET", "/api/x", &[("cookie", &cookie)]).await.status,
        401
    );
    assert!(flood.join_all().await.iter().all(|it| *it == 200));
}

/// Sign-outs used to wait for one of 64 turns of 20 ms before they ended anything: the streams of 100 connections made a sign-out wait for
/// four seconds, and one whose client disconnected meanwhile was lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_a_full_queue_of_guesses_delays_no_sign_out_also_when_its_client_disconnects() {
    let world = World::start().await;
    let (mut maya, mut tom) = (world.signed_in(MAYA).await, world.signed_in(TOM).await);
    let cookies = [maya.cookie_header(), tom.cookie_header()];
    let sids = [sid(&world, &mut maya).await, sid(&world, &mut tom).await];
    let host = authority(&world).to_owned();
    // More would measure how fast this machine answers them.
    let mut flood = tokio::task::JoinSet::new();
    for at in 0..5 {
        let (mut sender, url) =
            (raw::http2(world.address).await, format!("http://{host}{FRONT}?sid=guess-{at}"));
        flood.spawn(async move {
            let all: Vec<_> = (0..100)
                .map(|_| {
                    sender.send_request(
                        http::Request::get(&url).body(Full::new(Bytes::new())).unwrap(),
                    )
                })
                .collect();
            futures_util::future::join_all(all)
                .await
                .iter()
                .all(|it| it.as_ref().is_ok_and(|it| it.status() == 200))
        });
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    let began = Instant::now();
    let mut streams = Vec::new();
    for sid in &sids {
        let mut stream = tokio::net::TcpStream::connect(world.address).await.unwrap();
        stream
            .write_all(
                format!(
                    "GET {FRONT}?sid={sid} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
                )
                .as_bytes(),
            )
            .await
            .unwrap();
        streams.push(stream);
    }
    // Tom's frame is gone at once, Maya's waits for its answer.
    drop(streams.pop());
    // What a request takes that never waited for a turn: a loaded machine is slow for both.
    let (address, request) = (
        world.address,
        format!("GET /public/x HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"),
    );
    let other = tokio::spawn(async move {
        talk(address, &request).await;
        began.elapsed()
    });
    let store = Arc::clone(&world.internals().process.live);
    let session = format!("entrada-{}=", world.address.port());
    for cookie in &cookies {
        let id = cookie.split_once(&session).unwrap().1.split(';').next().unwrap();
        while store.peek(id).is_some() {
            assert!(began.elapsed() < Duration::from_secs(10), "the sign-out was lost");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
    let elapsed = began.elapsed();
    let other = other.await.unwrap();
    println!("signed out after {elapsed:?}; another request took {other:?}");
    assert!(elapsed < Duration::from_millis(500).max(2 * other), "{elapsed:?}");
    assert!(flood.join_all().await.into_iter().all(|it| it), "everyone is answered");
}

/// Where the end of the connection came along with the request, the request was dropped before anything of it was done.
#[tokio::test]
async fn a_sign_out_takes_effect_although_its_client_disconnects_right_after_sending_it() {
    use std::io::Write as _;
    let world = World::start().await;
    let host = authority(&world).to_owned();
    for by_entra in [true, false] {
        let mut maya = world.signed_in(MAYA).await;
        let cookie = maya.cookie_header();
        let request = if by_entra {
            format!(
                "GET {FRONT}?sid={} HTTP/1.1\r\nHost: {host}\r\n\r\n",
                sid(&world, &mut maya).await
            )
        } else {
            format!(
                "POST /oauth2/sign_out HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nCookie: {cookie}\r\nContent-Length: 0\r\n\r\n"
            )
        };
        let mut stream = std::net::TcpStream::connect(world.address).unwrap();
        let (begin, end) = request.split_at(request.len() - 2);
        stream.write_all(begin.as_bytes()).unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        // Nothing else of this story runs until the connection is closed.
        stream.write_all(end.as_bytes()).unwrap();
        drop(stream);
        let began = Instant::now();
        while ask(&world, HttpVersion::One, "GET", "/api/x", &[("cookie", &cookie)]).await.status
            == 200
        {
            assert!(
                began.elapsed() < Duration::from_secs(5),
                "the sign-out was lost, by Entra: {by_entra}"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// However a session ended, its cookie opens nothing, on any path and in either version.
#[tokio::test]
async fn an_old_cookie_opens_nothing_however_the_session_ended() {
    for way in ["front channel", "revoked", "signed out", "signed out by a link of the app"] {
        let world = World::start().await;
        let mut maya = world.signed_in(MAYA).await;
        let old = maya.cookie_header();
        let own = [
            ("accept", "text/html"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-site", "same-origin"),
        ];
        match way {
            "front channel" => {
                let sid = sid(&world, &mut maya).await;
                ask(&world, HttpVersion::One, "GET", &format!("{FRONT}?sid={sid}"), &[]).await;
            }
            "revoked" => {
                let body = r#"{"user":"maya@contoso.example"}"#;
                let head = "Host: localhost\r\nContent-Type: application/json\r\nConnection: close";
                let answer = talk(world.admin, &format!("POST /sessions/revoke HTTP/1.1\r\n{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len())).await;
                assert!(answer.contains("\"ended\":1"), "{answer}");
            }
            way => {
                let method = if way.ends_with("app") { "GET" } else { "POST" };
                let page = maya.asks(method, "/oauth2/sign_out", &own).await;
                let gone = page
                    .headers
                    .get_all("set-cookie")
                    .iter()
                    .map(|it| it.to_str().unwrap())
                    .find(|it| it.starts_with(&format!("{}=;", maya.with_port("entrada"))))
                    .unwrap();
                // The attributes that it was set with: else a browser keeps the old one.
                for part in ["Max-Age=0", "HttpOnly", "SameSite=Lax", "Path=/"] {
                    assert!(gone.contains(part), "{gone}");
                }
            }
        }
        let before = world.app.seen.count();
        for http in BOTH {
            for target in ["/x", "/admin/x", "/api/x", "/oauth2/userinfo", "/oauth2/session"] {
                assert_eq!(
                    ask(&world, http, "GET", target, &[("cookie", &old)]).await.status,
                    401,
                    "{way}: {target}"
                );
            }
            for target in OURS {
                let answer = ask(&world, http, "GET", target, &[("cookie", &old)]).await;
                assert!(
                    !answer.body.contains("Maya")
                        && answer.header("x-auth-request-user").is_empty(),
                    "{way}: {target}: {answer:?}"
                );
            }
        }
        let upgrade =
            [("Connection", "close, Upgrade"), ("Upgrade", "websocket"), ("Cookie", old.as_str())];
        assert_eq!(
            ask(&world, HttpVersion::One, "GET", "/ws", &upgrade).await.status,
            401,
            "{way}"
        );
        assert_eq!(world.app.seen.count(), before, "{way}");
        assert!(
            ask(&world, HttpVersion::One, "GET", "/public/x", &[("Cookie", &old)])
                .await
                .heard("x-forwarded-user")
                .is_empty(),
            "{way}"
        );
    }
}

/// A page in the operator's own browser, also under a name that was bound to this machine, cannot end anybody's sessions.
#[tokio::test]
async fn a_web_page_cannot_revoke_and_the_public_listener_has_no_such_path() {
    let world = World::start().await;
    let cookie = world.signed_in(MAYA).await.cookie_header();
    let body = r#"{"user":"maya@contoso.example"}"#;
    let json = "Content-Type: application/json";
    for (head, status) in [
        (format!("Host: localhost\r\nOrigin: https://evil.example\r\n{json}"), 403),
        (
            format!(
                "Host: localhost:{}\r\nOrigin: http://localhost:{}\r\n{json}",
                world.admin.port(),
                world.admin.port()
            ),
            403,
        ),
        (format!("Host: localhost\r\nSec-Fetch-Site: none\r\n{json}"), 403),
        (format!("Host: rebound.evil.example\r\n{json}"), 421),
        ("Host: localhost\r\nContent-Type: text/plain".to_owned(), 415),
    ] {
        let request = format!(
            "POST /sessions/revoke HTTP/1.1\r\n{head}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        assert_eq!(raw::status(&talk(world.admin, &request).await), status, "{head}");
    }
    for target in ["/sessions/revoke", "/oauth2/sessions/revoke"] {
        let answer = ask(
            &world,
            HttpVersion::One,
            "POST",
            target,
            &[("Content-Type", "application/json"), ("Content-Length", "0")],
        )
        .await;
        assert!(matches!(answer.status, 401 | 404), "{target}: {answer:?}");
    }
    assert_eq!(
        ask(&world, HttpVersion::One, "GET", "/api/x", &[("Cookie", &cookie)]).await.status,
        200
    );
}
