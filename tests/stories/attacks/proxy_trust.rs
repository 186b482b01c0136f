//! Class 4: who may speak for a client, and who may ask whether one may pass.

use super::{BOTH, EVIL, ask};
use crate::world::browser::NAVIGATION;
use crate::world::samples::{MAYA, TOM};
use crate::world::{CapturedEvents, World, WorldPlan};

fn trusting() -> WorldPlan {
    WorldPlan { server: "trusted_proxies = [\"127.0.0.1\"]".into(), ..WorldPlan::default() }
}

const LIES: &[(&str, &str)] = &[
    ("x-forwarded-for", "6.6.6.6"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-host", "evil.example"),
    ("x-forwarded-port", "443"),
    ("x-forwarded-prefix", "/evil"),
    ("x-forwarded-uri", "/public/x"),
    ("x-forwarded-method", "GET"),
    ("forwarded", "for=6.6.6.6;host=evil.example;proto=https"),
    ("x-real-ip", "6.6.6.6"),
    ("x-original-url", "http://localhost/public/x"),
    ("x-original-uri", "/public/x"),
    ("x-original-method", "GET"),
    ("x-rewrite-url", "/public/x"),
];

/// Behind a front proxy that is not trusted all people have one address, and share the limits of it: the operator should know.
#[tokio::test]
async fn a_front_proxy_that_is_not_trusted_is_warned_of_once_without_what_it_says() {
    let told = CapturedEvents::listens();
    let world = World::start().await;
    for (name, value) in [
        ("x-forwarded-for", "6.6.6.6"),
        ("forwarded", "for=6.6.6.7"),
        ("x-forwarded-proto", "https"),
    ] {
        assert_eq!(
            ask(&world, super::HttpVersion::One, "GET", "/public/x", &[(name, value)]).await.status,
            200
        );
    }
    let text = told.text();
    let lines: Vec<_> = text.lines().filter(|it| it.contains("server.trusted_proxies")).collect();
    assert!(
        lines.len() == 1
            && lines[0].contains("WARN")
            && lines[0].contains("127.0.0.1")
            && lines[0].contains("x-forwarded-for"),
        "{lines:?}"
    );
    assert!(lines[0].contains("add its address to server.trusted_proxies"), "{lines:?}");
    assert!(!text.contains("6.6.6."), "{text}");
    // A reload may have taken a proxy off the list.
    world
        .service
        .reload(&world.changed("shutdown_grace = \"3s\"", "shutdown_grace = \"4s\""))
        .await
        .unwrap();
    for _ in 0..2 {
        ask(&world, super::HttpVersion::One, "GET", "/public/x", &[("x-forwarded-for", "6.6.6.6")])
            .await;
    }
    assert_eq!(told.text().lines().filter(|it| it.contains("server.trusted_proxies")).count(), 2);
    // One that is trusted is not warned of.
    let told = CapturedEvents::listens();
    let world = World::with(trusting()).await;
    ask(&world, super::HttpVersion::One, "GET", "/public/x", &[("x-forwarded-for", "6.6.6.6")])
        .await;
    assert_eq!(told.times("server.trusted_proxies"), 0);
}

#[tokio::test]
async fn a_stranger_speaks_for_nobody() {
    let world = World::start().await;
    for http in BOTH {
        let answer = ask(&world, http, "GET", "/public/x", LIES).await;
        assert_eq!(answer.status, 200);
        assert!(
            !answer.body.contains("6.6.6.6") && !answer.body.contains("evil"),
            "{}",
            answer.body
        );
        assert_eq!(answer.heard("x-forwarded-proto"), ["http"]);
        for target in ["/admin/x", "/x", "/api/x"] {
            assert_eq!(ask(&world, http, "GET", target, LIES).await.status, 401, "{target}");
        }
        let headers: Vec<_> = LIES.iter().chain(NAVIGATION).copied().collect();
        let answer = ask(&world, http, "GET", "/x", &headers).await;
        assert_eq!(answer.status, 302);
        assert!(!answer.header("location").contains("evil"), "{answer:?}");
    }
    assert!(!world.logged().await.contains("6.6.6.6"));
}

#[tokio::test]
async fn doubled_or_listed_words_of_a_trusted_proxy_are_worth_nothing() {
    let world = World::with(trusting()).await;
    for http in BOTH {
        let twice = [("x-forwarded-proto", "https"), ("x-forwarded-proto", "https")];
        assert_eq!(
            ask(&world, http, "GET", "/public/x", &twice).await.heard("x-forwarded-proto"),
            ["http"]
        );
        let hosts = [("x-forwarded-host", "evil.example"), ("x-forwarded-host", "evil.example")];
        let answer = ask(&world, http, "GET", "/public/x", &hosts).await;
        assert!(!answer.body.contains("evil"), "{answer:?}");
        for host in [
            "evil.example",
            "localhost, evil.example",
            "evil.example, localhost",
            "localhost@evil.example",
            "localhost/evil",
        ] {
            assert_eq!(
                ask(&world, http, "GET", "/public/x", &[("x-forwarded-host", host)]).await.status,
                421,
                "{host}"
            );
        }
        for (chain, client) in [
            ("6.6.6.6, 192.0.2.7", "192.0.2.7"),
            ("6.6.6.6, 192.0.2.7, 127.0.0.1", "192.0.2.7"),
            ("6.6.6.6, [2001:db8::7]:443", "2001:db8::7"),
            ("6.6.6.6, fe80::1%eth0", "127.0.0.1"),
            ("6.6.6.6, unknown", "127.0.0.1"),
            ("6.6.6.6, _hidden", "127.0.0.1"),
            ("6.6.6.6,,", "127.0.0.1"),
        ] {
            let answer = ask(&world, http, "GET", "/public/x", &[("x-forwarded-for", chain)]).await;
            let forwarded = answer.heard("forwarded").concat();
            let written = if client.contains(':') {
                format!("for=\"[{client}]\";")
            } else {
                format!("for={client};")
            };
            assert!(forwarded.starts_with(&written), "{chain}: {forwarded}");
        }
    }
}

#[tokio::test]
async fn two_lines_of_a_chain_are_one_list_and_the_proxys_own_counts() {
    let world = World::with(trusting()).await;
    for http in BOTH {
        let lines = [("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "192.0.2.7")];
        let answer = ask(&world, http, "GET", "/public/x", &lines).await;
        assert_eq!(answer.heard("x-forwarded-for"), ["6.6.6.6, 192.0.2.7, 127.0.0.1"]);
        assert!(answer.heard("forwarded").concat().starts_with("for=192.0.2.7;"), "{answer:?}");
    }
    let alone = World::start().await;
    for http in BOTH {
        let lines = [("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "192.0.2.7")];
        assert_eq!(
            ask(&alone, http, "GET", "/public/x", &lines).await.heard("x-forwarded-for"),
            ["127.0.0.1"]
        );
    }
}

#[tokio::test]
async fn forward_auth_answers_nobody_but_a_trusted_proxy() {
    let world = World::start().await;
    let maya = world.signed_in(MAYA).await;
    for http in BOTH {
        for target in ["/oauth2/auth", "/oauth2/auth/nginx"] {
            for method in ["GET", "HEAD", "POST", "OPTIONS"] {
                let headers = [
                    ("x-original-uri", "/public/x"),
                    ("x-original-method", "GET"),
                    ("cookie", &maya.cookie_header()),
                    ("x-forwarded-for", "127.0.0.1"),
                ];
                let answer = ask(&world, http, method, target, &headers).await;
                assert_eq!(answer.status, 403, "{http:?} {method} {target}: {answer:?}");
                assert!(
                    !answer.head.iter().any(|it| it.0.starts_with("x-auth-request"))
                        && answer.body.is_empty()
                );
            }
        }
    }
}

#[tokio::test]
async fn a_question_with_two_readings_is_answered_no() {
    let world = World::with(trusting()).await;
    let maya = world.signed_in(MAYA).await;
    let cookie = maya.cookie_header();
    let host = super::authority(&world).to_owned();
    let evil_url = "http://evil.example/public/x".to_owned();
    let (get, public) = (("x-original-method", "GET"), ("x-original-uri", "/public/x"));
    let ours = format!("http://{host}/admin/x");
    let mut questions: Vec<Vec<(&str, &str)>> = vec![
        vec![],
        vec![public],
        vec![get],
        vec![get, public, public],
        vec![get, public, ("x-original-uri", "/admin/x")],
        vec![get, get, public],
        vec![get, public, ("x-original-url", &ours)],
        vec![get, ("x-original-url", &ours), ("x-original-url", &ours)],
        vec![get, ("x-original-url", &evil_url)],
        vec![get, ("x-original-url", "http://localhost@evil.example/public/x")],
        vec![get, ("x-original-url", "ftp://localhost/public/x")],
        vec![get, ("x-original-url", "/public/x")],
        vec![("x-original-method", "GET POST"), public],
        vec![("x-original-method", "CONNECT"), public],
        vec![("x-original-method", "TRACE"), public],
        // Other proxies' words, and ours in another spelling.
        vec![("x_original_uri", "/public/x"), ("x_original_method", "GET")],
        vec![("x-envoy-original-path", "/public/x"), ("x-auth-request-redirect", "/public/x"), get],
        vec![("x-rewrite-url", "/public/x"), get],
    ];
    let paths = [
        "/public/../admin/x",
        "/public/%2e%2e/admin",
        "/public//x",
        "/public/..;/admin",
        "/admin%2fx",
        "/public/x#",
        "/public%5c..%5cadmin",
        "public/x",
        "*",
        "/public/%00",
        "//evil.example/public/x",
        "/public\\..\\admin",
        "",
    ];
    questions.extend(paths.iter().map(|it| vec![get, ("x-original-uri", *it)]));
    for http in BOTH {
        for question in &questions {
            let mut headers = question.clone();
            headers.push(("cookie", &cookie));
            let answer = ask(&world, http, "GET", "/oauth2/auth", &headers).await;
            assert_eq!(answer.status, 403, "{question:?}: {answer:?}");
            assert!(answer.header("x-auth-request-user").is_empty() && answer.body.is_empty());
        }
    }
    assert_eq!(world.app.seen.count(), 1, "only her own sign-in");
}

#[tokio::test]
async fn forward_auth_judges_as_the_path_does_and_repeats_nothing_of_the_client() {
    let world = World::with(trusting()).await;
    let (maya, tom) =
        (world.signed_in(MAYA).await.cookie_header(), world.signed_in(TOM).await.cookie_header());
    for http in BOTH {
        for (method, path, cookie, status) in [
            ("GET", "/x", "", 401),
            ("GET", "/x", tom.as_str(), 200),
            ("GET", "/admin/x", &tom, 403),
            ("GET", "/%61dmin/x", &tom, 403),
            ("GET", "/admin/x", &maya, 200),
            ("GET", "/nobody/x", &maya, 403),
            ("POST", "/read/x", &maya, 403),
            ("GET", "/group/x", &tom, 403),
            ("GET", "/public/x", "", 200),
            ("GET", "/x?next=/public", "entrada=junk", 401),
        ] {
            let lies = [
                ("x-auth-request-user", EVIL),
                ("x-forwarded-user", EVIL),
                ("x-entrada-assertion", EVIL),
                ("x-auth-request-roles", EVIL),
            ];
            let mut headers =
                vec![("x-original-method", method), ("x-original-uri", path), ("cookie", cookie)];
            headers.extend(lies);
            let answer = ask(&world, http, "GET", "/oauth2/auth", &headers).await;
            assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
            assert!(!answer.head.iter().any(|it| it.1.contains(EVIL)), "{answer:?}");
            assert!(answer.body.is_empty());
            let known = status == 200 && !cookie.is_empty();
            assert_eq!(
                answer.header("x-auth-request-user").is_empty(),
                !known,
                "{method} {path}: {answer:?}"
            );
            // An empty value overwrites what the client sent through the proxy.
            assert_eq!(answer.head.iter().any(|it| it.0 == "x-auth-request-roles"), status == 200);
        }
    }
    assert_eq!(world.app.seen.count(), 2, "forward-auth itself reaches no app");
}
