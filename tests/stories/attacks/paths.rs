//! Classes 5 and 6: one path and one host, read by us as by the app.

use super::{BOTH, HttpVersion, ask, authority};
use crate::world::samples::{MAYA, TOM};
use crate::world::{World, WorldPlan};

/// Ways from an open place to a closed one, and names for a closed place that a rule does not spell.
fn tricks() -> Vec<String> {
    let ups = [
        "..",
        ".",
        "%2e%2e",
        "%2E%2E",
        ".%2e",
        "%2e.",
        "%2e",
        "..;",
        "..;a=b",
        ".;",
        "%2e%2e;",
        "..%3b",
        "%252e%252e",
        "..%00",
        "..%20/..",
        "..%2f",
        "..%5c",
        "..\\",
        "%c0%ae%c0%ae",
        "%e0%80%ae",
        "%uff0e",
        "..%09/..",
        "",
    ];
    let mut out: Vec<_> = ups
        .iter()
        .flat_map(|up| {
            [
                format!("/public/{up}/admin/x"),
                format!("/public/x/{up}/{up}/admin/x"),
                format!("/{up}/admin/x"),
            ]
        })
        .collect();
    let slashes = [
        "%2f", "%2F", "%5c", "\\", "//", "/./", "%252f", ";/", "%c0%af", "%00/", "%3f/", "%23/",
        "%0a/",
    ];
    out.extend(slashes.iter().flat_map(|it| {
        [
            format!("/public/..{it}admin/x"),
            format!("/admin{it}x"),
            format!("{it}admin/x"),
            format!("/public{it}..{it}admin{it}x"),
        ]
    }));
    out.extend(
        [
            "/admin/x#",
            "/admin/x%23",
            "/admin%3fx",
            "/admin/%",
            "/admin/%4",
            "/admin/%zz",
            "/admin;/x",
            "/;x=y/admin/x",
            "*",
            "//admin/x",
        ]
        .map(str::to_owned),
    );
    out
}

#[tokio::test]
async fn no_trick_of_the_path_leads_past_a_rule() {
    let world = World::start().await;
    let tom = world.signed_in(TOM).await;
    let before = world.app.seen.count();
    let tricks = tricks();
    assert!(tricks.len() > 100);
    for trick in &tricks {
        for cookie in ["", &tom.cookie_header()] {
            let answer = ask(&world, HttpVersion::One, "GET", trick, &[("cookie", cookie)]).await;
            assert!(matches!(answer.status, 400 | 401 | 403), "{trick}: {answer:?}");
            if let Ok(uri) = format!("http://{}{trick}", authority(&world)).parse::<http::Uri>()
                && uri.path_and_query().is_some_and(|it| it.as_str() == trick)
            {
                let answer =
                    ask(&world, HttpVersion::Two, "GET", trick, &[("cookie", cookie)]).await;
                assert!(matches!(answer.status, 400 | 401 | 403), "{trick}: {answer:?}");
            }
        }
    }
    assert_eq!(world.app.seen.count(), before);
    // A fragment is cut before anything is judged, and is not sent on (Envoy CVE-2021-32779).
    for trick in ["/public#/../admin/x", "/public#admin", "/public/x#/../../admin"] {
        let answer = ask(&world, HttpVersion::One, "GET", trick, &[]).await;
        assert!(answer.status == 400 || !answer.body.contains("admin"), "{trick}: {answer:?}");
    }
}

/// An app decodes letters that need no encoding: a rule must not be passed by so (RFC 3986 2.3).
#[tokio::test]
async fn a_path_in_another_spelling_passes_no_rule() {
    let world = World::start().await;
    let (maya, tom) = (world.signed_in(MAYA).await, world.signed_in(TOM).await);
    for http in BOTH {
        for path in ["/%61dmin/x", "/admi%6e/x", "/%61%64%6d%69%6e", "/%61dmin/%78"] {
            assert_eq!(
                ask(&world, http, "GET", path, &[("cookie", &tom.cookie_header())]).await.status,
                403,
                "{path}"
            );
            let answer = ask(&world, http, "GET", path, &[("cookie", &maya.cookie_header())]).await;
            assert_eq!(answer.status, 200, "{path}: {answer:?}");
            assert!(
                answer.body.contains(&format!("\"target\":\"{path}\"")),
                "sent as it came: {answer:?}"
            );
        }
        for path in ["/%6eobody/x", "/nobod%79"] {
            assert_eq!(
                ask(&world, http, "GET", path, &[("cookie", &maya.cookie_header())]).await.status,
                403,
                "{path}"
            );
        }
        // What is open is not opened further, and the method still counts.
        assert_eq!(ask(&world, http, "GET", "/%70ublic/x", &[]).await.status, 401);
        assert_eq!(
            ask(&world, http, "POST", "/%72ead/x", &[("cookie", &maya.cookie_header())])
                .await
                .status,
            403
        );
        assert_eq!(ask(&world, http, "GET", "/public/%78", &[]).await.status, 200);
        // Our own paths are ours in one spelling only, and no other spelling of them is open.
        for path in ["/%6fauth2/userinfo", "/oauth2/%61uth", "/OAUTH2/auth", "/oauth2/auth/"] {
            assert!(
                matches!(ask(&world, http, "GET", path, &[]).await.status, 401 | 404),
                "{path}"
            );
        }
    }
}

#[tokio::test]
async fn lenient_paths_are_judged_in_both_readings() {
    let world =
        World::with(WorldPlan { upstream: "paths = \"lenient\"".into(), ..WorldPlan::default() })
            .await;
    let (maya, tom) = (world.signed_in(MAYA).await, world.signed_in(TOM).await);
    for path in [
        "/admin%2fx",
        "/admin;a=b/x",
        "/x/..%2fadmin",
        "/;/admin/x",
        "/%61dmin%2Fx",
        "/admin;/x",
        "/;a=b/admin",
        "/%2561dmin/x",
        "/admin%252fx",
        "/x/%252e%252e/admin",
        "/admin%253b/x",
        "/%252561dmin/x",
        "/public;%2fx/../admin/x",
        "/;%2fx/admin/x",
        "/admin;a%2fb",
    ] {
        let answer =
            ask(&world, HttpVersion::One, "GET", path, &[("cookie", &tom.cookie_header())]).await;
        assert!(matches!(answer.status, 400 | 403), "{path}: {answer:?}");
    }
    for path in ["/public/a//b;c=d%2fe", "/public;a/x", "/public/100%25", "/public/a%252fb"] {
        let answer =
            ask(&world, HttpVersion::One, "GET", path, &[("cookie", &maya.cookie_header())]).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
    }
    assert_eq!(ask(&world, HttpVersion::One, "GET", "/public/../admin/x", &[]).await.status, 400);
}

#[tokio::test]
async fn a_query_in_utf_8_reaches_the_app_as_it_is_and_survives_a_sign_in() {
    let world = World::start().await;
    let target = "/public/x?q=m\u{fc}nchen&p=100%25%5c";
    let answer = ask(&world, HttpVersion::One, "GET", target, &[]).await;
    assert!(
        answer.status == 200 && answer.body.contains("q=m\u{fc}nchen&p=100%25%5c"),
        "{answer:?}"
    );
    let page =
        ["GET /x?q=m\u{fc}nchen HTTP/1.1", "Accept: text/html", "Connection: close"].join("\r\n");
    let answer = crate::world::raw::talk(
        world.address,
        &format!("{page}\r\nHost: {}\r\n\r\n", authority(&world)),
    )
    .await;
    assert_eq!(crate::world::raw::status(&answer), 302, "{answer}");
    let mut maya = world.browser();
    maya.visits("/x?q=m%C3%BCnchen").await;
    let page = maya.signs_in_as(MAYA).await;
    assert!(page.body.contains("q=m%C3%BCnchen"), "{}", page.body);
    // A path is encoded, or it is refused.
    assert_eq!(ask(&world, HttpVersion::One, "GET", "/public/\u{fc}", &[]).await.status, 400);
}

#[tokio::test]
async fn a_host_in_another_spelling_changes_nothing_and_another_host_is_told() {
    let world = World::start().await;
    let port = world.address.port();
    let tom = world.signed_in(TOM).await;
    for host in
        [format!("LOCALHOST:{port}"), format!("localhost.:{port}"), format!("127.0.0.1:{port}")]
    {
        let headers = [("Host", host.as_str()), ("Cookie", &tom.cookie_header())];
        assert_eq!(
            ask(&world, HttpVersion::One, "GET", "/admin/x", &headers).await.status,
            403,
            "{host}"
        );
        assert_eq!(
            ask(&world, HttpVersion::One, "GET", "/x", &headers).await.status,
            200,
            "{host}"
        );
    }
    let count = world.app.seen.count();
    let evil = [
        "evil.example",
        "localhost",
        "localhost:1",
        "xlocalhost",
        "localhost:4180:1",
        "localhost@evil.example",
        "evil.example/localhost",
        "",
        "[::1]",
        "169.254.169.254",
        "localhost, evil.example",
    ];
    for host in evil {
        for target in [
            "/public/x",
            "/x",
            "/oauth2/sign_in",
            "/oauth2/start",
            "/oauth2/callback",
            "/oauth2/sign_out",
            "/oauth2/userinfo",
        ] {
            let headers = [("Host", host), ("Cookie", &tom.cookie_header())];
            let answer = ask(&world, HttpVersion::One, "GET", target, &headers).await;
            assert!(matches!(answer.status, 400 | 421), "{host} {target}: {answer:?}");
            assert!(
                host.is_empty() || !answer.head.iter().any(|it| it.1.contains("evil")),
                "{answer:?}"
            );
        }
    }
    let twice = [("Host", authority(&world)), ("Host", "evil.example")];
    assert_eq!(ask(&world, HttpVersion::One, "GET", "/public/x", &twice).await.status, 400);
    assert_eq!(
        ask(&world, HttpVersion::Two, "GET", "/public/x", &[("host", "evil.example")]).await.status,
        400
    );
    assert_eq!(world.app.seen.count(), count);
}

const SUFFIXES: &str = "[[access.rule]]\npath = \"/admin/**\"\nsuffixes = true\nallow = { roles = [\"Admin\"] }\n\
    [[access.rule]]\npath = \"/users/{id}/edit\"\nsuffixes = true\nallow = \"nobody\"\n\
    [[access.rule]]\npath = \"/plain/**\"\nallow = \"nobody\"\n";

// Rails serves `/admin.json` as `/admin`, and Windows drops dots and spaces at the end of a name: the default decided about them.
#[tokio::test]
async fn no_suffix_leads_past_a_rule_that_covers_suffixes() {
    for paths in ["strict", "lenient"] {
        let world = World::with(WorldPlan {
            upstream: format!("paths = \"{paths}\""),
            more: SUFFIXES.into(),
            ..WorldPlan::default()
        })
        .await;
        let (maya, tom) = (world.signed_in(MAYA).await, world.signed_in(TOM).await);
        let suffixes = [
            ".json",
            ".",
            "..",
            "%20",
            "%20%20",
            ".%20",
            "%20.",
            ".json/x",
            "./x",
            "%20/x",
            ".a%20b",
            ".json?x=.y",
            "%2ejson",
            "%2e",
            "%20%2E",
            ".json;a=b",
            ";.json",
        ];
        for suffix in suffixes {
            for http in [HttpVersion::One, HttpVersion::Two] {
                for (path, cookie) in [
                    (format!("/admin{suffix}"), tom.cookie_header()),
                    (format!("/%61dmin{suffix}"), tom.cookie_header()),
                    (format!("/users/7/edit{}", suffix.replace("/x", "")), maya.cookie_header()),
                    (
                        format!("/users{}/7/edit", suffix.split(['/', '?']).next().unwrap()),
                        maya.cookie_header(),
                    ),
                ] {
                    let answer = ask(&world, http, "GET", &path, &[("cookie", &cookie)]).await;
                    assert!(matches!(answer.status, 400 | 403), "{paths} {path}: {answer:?}");
                    assert!(
                        answer.status == 403 || path.contains('%') || path.contains(';'),
                        "{paths} {path}: {answer:?}"
                    );
                }
            }
        }
        for (path, status) in [
            ("/admin.json", 200),
            ("/administrator", 200),
            ("/admin%20x", 200),
            ("/plain.json", 200),
            ("/plain/x", 403),
        ] {
            assert_eq!(
                ask(&world, HttpVersion::One, "GET", path, &[("cookie", &maya.cookie_header())])
                    .await
                    .status,
                status,
                "{path}"
            );
        }
    }
}

// Lenient let overlong sequences pass, which lax decoders read as `/`, `.` and `\\`: `/public/%e0%80%af..` climbed.
#[tokio::test]
async fn overlong_utf_8_is_refused_in_both_readings() {
    for paths in ["strict", "lenient"] {
        let world = World::with(WorldPlan {
            upstream: format!("paths = \"{paths}\""),
            ..WorldPlan::default()
        })
        .await;
        for slash in [
            "%c0%af",
            "%e0%80%af",
            "%F0%80%80%AF",
            "%f8%80%80%80%af",
            "%fc%80%80%80%80%af",
            "%e0%80%ae",
            "%f0%80%80%ae",
            "%e0%81%9c",
            "%f0%80%81%9c",
            "%ff",
        ] {
            for http in [HttpVersion::One, HttpVersion::Two] {
                for path in [
                    format!("/public/x{slash}y"),
                    format!("/public/{slash}"),
                    format!("/public{slash}{slash}admin;x"),
                ] {
                    assert_eq!(
                        ask(&world, http, "GET", &path, &[]).await.status,
                        400,
                        "{paths} {path}"
                    );
                }
            }
        }
        assert_eq!(
            ask(&world, HttpVersion::One, "GET", "/public/caf%c3%a9", &[]).await.status,
            200
        );
        assert_eq!(world.app.seen.count(), 1);
    }
}
