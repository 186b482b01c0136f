//! Classes 14, 19 and 21: our own answers carry nothing of the app's and nothing secret, and another site orders nothing.

use super::{BOTH, HttpVersion, ask};
use crate::world::browser::{NAVIGATION, SCRIPT};
use crate::world::samples::{MAYA, TOM};
use crate::world::{World, WorldPlan};

const HUSH: &str = "hush-1234";

/// A page of ours, or an app's answer, but never both: the app is not asked before the answer is yes.
#[tokio::test]
async fn nothing_of_the_app_stands_in_a_refusal() {
    let world = World::start().await;
    let tom = world.signed_in(TOM).await.cookie_header();
    let before = world.app.seen.count();
    for http in BOTH {
        for (target, cookie, statuses) in [
            ("/teapot", "", [302, 401]),
            ("/admin/teapot", &tom, [403, 403]),
            ("/nobody/teapot", &tom, [403, 403]),
            ("/api/teapot", "", [401, 401]),
        ] {
            for (asker, status) in [NAVIGATION, SCRIPT].into_iter().zip(statuses) {
                for method in ["GET", "HEAD"] {
                    let headers: Vec<_> =
                        asker.iter().copied().chain([("cookie", cookie)]).collect();
                    let answer = ask(&world, http, method, target, &headers).await;
                    assert_eq!(answer.status, status, "{http:?} {method} {target}: {answer:?}");
                    assert!(!answer.body.contains("stout"));
                    assert_eq!(answer.header("cache-control"), "no-store", "{target}");
                    assert!(
                        !answer
                            .head
                            .iter()
                            .any(|it| it.0.starts_with("x-forwarded")
                                || it.0.starts_with("x-entrada")),
                        "{answer:?}"
                    );
                }
            }
        }
    }
    assert_eq!(world.app.seen.count(), before);
}

/// The one place that may carry a query is the way back after a sign-in.
#[tokio::test]
async fn our_pages_and_headers_repeat_no_query_no_cookie_and_no_token() {
    let world = World::with(WorldPlan {
        upstream: "response_timeout = \"1s\"".into(),
        ..WorldPlan::default()
    })
    .await;
    let tom = format!("{}; theirs={HUSH}", world.signed_in(TOM).await.cookie_header());
    let session = tom.split(['=', ';']).nth(1).unwrap().to_owned();
    let bearer = format!("Bearer {HUSH}");
    for http in BOTH {
        for (target, status) in [
            ("/admin/x", 403),
            ("/nobody/x", 403),
            ("/a//b", 400),
            ("/oauth2/x", 404),
            ("/oauth2/callback", 303),
            ("/oauth2/sign_out", 200),
            ("/oauth2/userinfo", 200),
            ("/oauth2/session", 200),
            ("/oauth2/jwks.json", 200),
            ("/oauth2/auth", 403),
            ("/never", 504),
        ] {
            let target = format!("{target}?token={HUSH}&code={HUSH}&error_description={HUSH}");
            for asker in [NAVIGATION, SCRIPT] {
                let headers: Vec<_> = asker
                    .iter()
                    .copied()
                    .filter(|it| it.0 != "sec-fetch-site")
                    .chain([("cookie", tom.as_str()), ("authorization", &bearer)])
                    .collect();
                let answer = ask(&world, http, "GET", &target, &headers).await;
                assert_eq!(answer.status, status, "{target}: {answer:?}");
                let all = format!("{:?}{}", answer.head, answer.body);
                assert!(!all.contains(HUSH) && !all.contains(&session), "{target}: {all}");
            }
        }
        // Off to Entra: it learns neither the page nor its query.
        let headers: Vec<_> =
            NAVIGATION.iter().copied().chain([("authorization", bearer.as_str())]).collect();
        let answer =
            ask(&world, http, "GET", &format!("/secret-page?token={HUSH}"), &headers).await;
        assert_eq!((answer.status, answer.header("referrer-policy")), (302, "no-referrer"));
        assert!(
            !format!("{:?}", answer.head).contains(HUSH)
                && !answer.header("location").contains("secret-page"),
            "{answer:?}"
        );
    }
    let logged = world.logged().await;
    assert!(!logged.contains(HUSH) && !logged.contains(&session), "{logged}");
}

#[tokio::test]
async fn who_am_i_tells_no_token() {
    let world = World::start().await;
    let mut maya = world.signed_in(MAYA).await;
    let assertion = maya.visits("/x").await.app_heard("x-entrada-assertion");
    for path in ["/oauth2/userinfo", "/oauth2/session", "/oauth2/jwks.json"] {
        let page = maya.asks("GET", path, SCRIPT).await;
        assert!(
            !page.body.contains("eyJ")
                && !page.body.contains(&assertion)
                && !page.body.contains("token\""),
            "{}",
            page.body
        );
        assert!(!page.body.contains("\"d\""), "a private key is published");
        let foreign = maya
            .asks(
                "GET",
                path,
                &[
                    ("origin", "https://evil.example"),
                    ("sec-fetch-mode", "cors"),
                    ("sec-fetch-site", "cross-site"),
                ],
            )
            .await;
        assert_eq!(
            foreign.header("access-control-allow-origin") == "*",
            path.ends_with("jwks.json"),
            "{path}"
        );
        assert_eq!(foreign.header("access-control-allow-credentials"), "");
    }
}

#[tokio::test]
async fn another_site_signs_nobody_out_in_any_dress() {
    let world = World::start().await;
    let maya = world.signed_in(MAYA).await.cookie_header();
    for http in BOTH {
        for (method, headers) in [
            ("POST", vec![("origin", "https://evil.example")]),
            ("POST", vec![("origin", "null")]),
            ("POST", vec![("sec-fetch-site", "cross-site")]),
            ("POST", vec![("sec-fetch-site", "cross-site"), ("origin", world.public_url.as_str())]),
            (
                "POST",
                vec![("origin", world.public_url.as_str()), ("origin", "https://evil.example")],
            ),
            (
                "GET",
                vec![
                    ("sec-fetch-site", "cross-site"),
                    ("sec-fetch-mode", "navigate"),
                    ("accept", "text/html"),
                ],
            ),
            (
                "GET",
                vec![
                    ("sec-fetch-site", "cross-site"),
                    ("sec-fetch-mode", "no-cors"),
                    ("sec-fetch-dest", "image"),
                ],
            ),
            (
                "GET",
                vec![
                    ("sec-fetch-site", "same-origin"),
                    ("sec-fetch-mode", "navigate"),
                    ("sec-purpose", "prefetch"),
                ],
            ),
            ("GET", vec![("accept", "text/html")]),
            ("HEAD", vec![]),
            ("GET", vec![]),
            ("PUT", vec![]),
            ("DELETE", vec![("sec-fetch-site", "same-origin")]),
        ] {
            let all: Vec<_> = headers.iter().copied().chain([("cookie", maya.as_str())]).collect();
            let answer = ask(&world, http, method, "/oauth2/sign_out?rd=/", &all).await;
            assert!(matches!(answer.status, 200 | 403 | 405), "{method} {headers:?}: {answer:?}");
            assert_eq!(answer.header("set-cookie"), "", "{method} {headers:?}");
            assert_eq!(
                ask(&world, HttpVersion::One, "GET", "/admin/x", &[("Cookie", &maya)]).await.status,
                200,
                "{method} {headers:?}"
            );
        }
    }
}
