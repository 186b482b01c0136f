//! Classes 1, 2, 3 and 18: who may write the headers that say who somebody is.

use super::{BOTH, EVIL, HttpVersion, OURS, RawAnswer, ask, authority};
use crate::world::echo::EchoApp;
use crate::world::raw::{http2, talk};
use crate::world::samples::{MAYA, MAYA_ID};
use crate::world::{World, WorldPlan};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use std::convert::Infallible;

/// Every header that we write or that another set-up of ours writes, and those that say of a request what only a proxy may say.
const OWNED: &[&str] = &[
    "X-Forwarded-User",
    "X-Forwarded-Preferred-Username",
    "X-Forwarded-Email",
    "X-Forwarded-Name",
    "X-Forwarded-Groups",
    "X-Forwarded-Roles",
    "X-Forwarded-Tenant",
    "X-Forwarded-Groups-Truncated",
    "X-Forwarded-Access-Token",
    "X-Auth-Request-User",
    "X-Auth-Request-Email",
    "X-Auth-Request-Name",
    "X-Auth-Request-Groups",
    "X-Auth-Request-Roles",
    "X-Auth-Request-Access-Token",
    "X-Auth-Request-Redirect",
    "X-Entrada-Assertion",
    "X-Entrada-Person",
    "X-Entrada-Role",
    "X-Entrada-Organization",
    "X-MS-CLIENT-PRINCIPAL",
    "X-MS-CLIENT-PRINCIPAL-ID",
    "X-MS-CLIENT-PRINCIPAL-NAME",
    "X-MS-CLIENT-PRINCIPAL-IDP",
    "X-MS-TOKEN-AAD-ID-TOKEN",
    "X-MS-TOKEN-AAD-ACCESS-TOKEN",
    "X-Employee-Id",
    "X-Forwarded-For",
    "X-Forwarded-Proto",
    "X-Forwarded-Host",
    "X-Forwarded-Port",
    "X-Forwarded-Prefix",
    "X-Forwarded-Uri",
    "X-Forwarded-Method",
    "Forwarded",
    "X-Real-IP",
    "X-Request-Id",
    "X-Original-URL",
    "X-Original-Method",
    "X-Rewrite-URL",
    "X-HTTP-Method-Override",
    "X-HTTP-Method",
    "X-Method-Override",
    "Proxy",
];

fn with_custom() -> WorldPlan {
    WorldPlan { headers: "send = [\"x-forwarded\", \"x-auth-request\"]\ncustom = { \"X-Employee-Id\" = \"employeeid\" }".into(), ..WorldPlan::default() }
}

/// The ways to write a name that some server reads as the same.
fn spellings(name: &str) -> [String; 7] {
    [
        name.to_owned(),
        name.to_ascii_lowercase(),
        name.to_ascii_uppercase(),
        name.replace('-', "_"),
        name.to_ascii_lowercase().replacen('-', "_", 1),
        name.replace('-', "."),
        name.replace('-', "~"),
    ]
}

async fn tries(
    world: &World,
    http: HttpVersion,
    cookie: &str,
    method: &str,
    target: &str,
    at: usize,
    more: &[(&str, &str)],
) -> RawAnswer {
    let names: Vec<_> = OWNED.iter().map(|it| spellings(it)[at].clone()).collect();
    let mut headers: Vec<_> =
        names.iter().flat_map(|it| [(it.as_str(), EVIL), (it.as_str(), EVIL)]).collect();
    headers.push(("x-harmless", "stays"));
    headers.extend(more);
    if !cookie.is_empty() {
        headers.push(("cookie", cookie));
    }
    ask(world, http, method, target, &headers).await
}

#[tokio::test]
async fn no_spelling_of_our_headers_reaches_the_app_on_any_kind_of_route() {
    let world = World::with(with_custom()).await;
    let maya = world.signed_in(MAYA).await;
    let cookie = maya.cookie_header();
    for http in BOTH {
        for at in 0..spellings("").len() {
            for (method, target, cookie) in [
                ("GET", "/public/x", ""),
                ("OPTIONS", "/public/x", ""),
                ("GET", "/public/x", &cookie),
                ("GET", "/admin/x", &cookie),
            ] {
                let answer = tries(&world, http, cookie, method, target, at, &[]).await;
                assert_eq!(answer.status, 200, "{http:?} {method} {target}: {answer:?}");
                assert!(
                    !answer.body.contains(EVIL),
                    "{http:?} {method} {target} {at}: {}",
                    answer.body
                );
                assert_eq!(answer.heard("x-harmless"), ["stays"]);
                let user = answer.heard("x-forwarded-user");
                assert_eq!(
                    user.len(),
                    usize::from(!cookie.is_empty()),
                    "{http:?} {method} {target}: {user:?}"
                );
                assert_eq!(answer.heard("x-entrada-assertion").len(), user.len());
                assert_eq!(answer.heard("x-forwarded-for"), ["127.0.0.1"]);
                assert!(answer.heard("x-employee-id").is_empty());
            }
        }
    }
}

#[tokio::test]
async fn no_spelling_of_our_headers_survives_an_upgrade() {
    let world = World::with(with_custom()).await;
    let maya = world.signed_in(MAYA).await;
    let upgrade = [("Connection", "close, Upgrade"), ("Upgrade", "mine/1")];
    for at in 0..spellings("").len() {
        for (target, cookie) in [("/public/x", String::new()), ("/x", maya.cookie_header())] {
            let answer =
                tries(&world, HttpVersion::One, &cookie, "GET", target, at, &upgrade).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            assert!(!answer.body.contains(EVIL), "{at}: {}", answer.body);
        }
    }
    let mut request = format!(
        "GET /public/raw-upgrade HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: mine/1\r\n",
        authority(&world)
    );
    request.push_str("X-Forwarded-User: EVIL-0000\r\nX_Forwarded_User: EVIL-0000\r\n\r\n");
    let answer = crate::world::raw::talk_for(
        world.address,
        request.as_bytes(),
        std::time::Duration::from_millis(500),
    )
    .await;
    assert!(
        answer.starts_with("HTTP/1.1 101") && answer.contains("x-user-heard: nobody"),
        "{answer}"
    );
}

#[tokio::test]
async fn no_spelling_of_our_headers_signs_anyone_in_or_is_repeated_by_our_own_answers() {
    let world = World::with(with_custom()).await;
    for http in BOTH {
        for target in OURS.into_iter().chain(["/x", "/admin/x", "/api/x", "/nobody/x"]) {
            let answer = tries(&world, http, "", "GET", target, 1, &[]).await;
            assert!(
                !answer.body.contains(EVIL) && !answer.head.iter().any(|it| it.1.contains(EVIL)),
                "{http:?} {target}: {answer:?}"
            );
            let public = matches!(
                target,
                "/oauth2/sign_in"
                    | "/oauth2/sign_out"
                    | "/oauth2/front_channel_logout"
                    | "/oauth2/jwks.json"
            );
            assert_eq!(answer.status == 200, public, "{http:?} {target}: {answer:?}");
        }
    }
    assert_eq!(world.app.seen.count(), 0);
}

#[tokio::test]
async fn trailers_carry_none_of_our_headers() {
    let two = EchoApp::start().await;
    for (upstream, http) in [
        (String::new(), HttpVersion::One),
        (format!("url = \"h2c://{}\"", two.address), HttpVersion::Two),
    ] {
        let world = World::with(WorldPlan { upstream, ..with_custom() }).await;
        let body = match http {
            HttpVersion::One => {
                let request = format!(
                    "POST /public/x HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nTransfer-Encoding: chunked\r\nTrailer: X-Forwarded-User, X_Forwarded_User, X-Fine\r\n\r\n\
                     2\r\nhi\r\n0\r\nX-Forwarded-User: {EVIL}\r\nX_Forwarded_User: {EVIL}\r\nX-Entrada-Assertion: {EVIL}\r\nX-Fine: 1\r\n\r\n",
                    authority(&world)
                );
                talk(world.address, &request).await
            }
            HttpVersion::Two => {
                let stream = tokio::net::TcpStream::connect(world.address).await.unwrap();
                let io = hyper_util::rt::TokioIo::new(stream);
                let (mut sender, connection) =
                    hyper::client::conn::http2::handshake(hyper_util::rt::TokioExecutor::new(), io)
                        .await
                        .unwrap();
                tokio::spawn(connection);
                let mut trailers = HeaderMap::new();
                for name in ["x-forwarded-user", "x_forwarded_user", "x-entrada-assertion"] {
                    trailers.append(name, HeaderValue::from_static(EVIL));
                }
                trailers.append("x-fine", HeaderValue::from_static("1"));
                let frames = [
                    Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"hi"))),
                    Ok(Frame::trailers(trailers)),
                ];
                let body = StreamBody::new(futures_util::stream::iter(frames));
                let request = Request::post(format!("http://{}/public/x", authority(&world)))
                    .body(body)
                    .unwrap();
                let body = sender
                    .send_request(request)
                    .await
                    .unwrap()
                    .into_body()
                    .collect()
                    .await
                    .unwrap()
                    .to_bytes();
                let text = String::from_utf8_lossy(&body).into_owned();
                assert!(text.contains("x-fine"), "honest trailers go through: {text}");
                text
            }
        };
        assert!(body.contains("\"bytes\":2") && !body.contains(EVIL), "{body}");
    }
}

#[tokio::test]
async fn connection_talks_none_of_ours_away() {
    let world = World::start().await;
    let maya = world.signed_in(MAYA).await;
    let cookie = format!("{}; theirs=1", maya.cookie_header());
    for listed in [
        "X-Forwarded-User, X-Forwarded-Email, X-Forwarded-Roles, X-Entrada-Assertion, X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host, Forwarded, X-Request-Id",
        "x-forwarded-user,x-forwarded-email,x-forwarded-roles,x-entrada-assertion,x-forwarded-for,x-forwarded-proto,x-forwarded-host,forwarded,x-request-id",
        "cookie, Host, Authorization, content-length, Origin",
    ] {
        let connection = format!("close, {listed}");
        let headers = [
            ("Connection", connection.as_str()),
            ("Cookie", &cookie),
            ("Authorization", "Bearer theirs"),
            ("X-Forwarded-User", EVIL),
        ];
        let answer = ask(&world, HttpVersion::One, "GET", "/admin/x", &headers).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.heard("x-forwarded-user"), [MAYA_ID]);
        assert_eq!(answer.heard("x-forwarded-roles"), ["Admin"]);
        assert_eq!(answer.heard("authorization"), ["Bearer theirs"]);
        assert_eq!(answer.heard("cookie"), ["theirs=1"]);
        for name in [
            "x-entrada-assertion",
            "x-forwarded-for",
            "x-forwarded-proto",
            "x-forwarded-host",
            "forwarded",
            "x-request-id",
            "host",
        ] {
            assert_eq!(answer.heard(name).len(), 1, "{name} {listed}");
        }
    }
    // Nor does it make a signed-out caller of a signed-in one, or the other way round.
    assert_eq!(
        ask(&world, HttpVersion::One, "GET", "/api/x", &[("Connection", "close, cookie")])
            .await
            .status,
        401
    );
}

#[tokio::test]
async fn names_that_are_no_names_are_refused() {
    let world = World::start().await;
    for line in [
        "X-Forwarded-User : EVIL",
        "X-Forwarded User: EVIL",
        " X-Forwarded-User: EVIL",
        "X-Fine: 1\r\n X-Forwarded-User: EVIL",
        "X-Forwarded-User\t: EVIL",
        ": EVIL",
        "X\u{0}Y: 1",
    ] {
        let request = format!(
            "GET /public/x HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{line}\r\n\r\n",
            authority(&world)
        );
        let answer = talk(world.address, &request).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{line:?}: {answer}");
    }
    assert_eq!(world.app.seen.count(), 0);
    let mut sender = http2(world.address).await;
    let request = Request::get(format!("http://{}/public/x", authority(&world)))
        .header("connection", "x-forwarded-user")
        .header("x-forwarded-user", EVIL);
    let answer =
        sender.send_request(request.body(http_body_util::Full::new(Bytes::new())).unwrap()).await;
    if let Ok(answer) = answer {
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert!(!String::from_utf8_lossy(&body).contains(EVIL));
    }
}
