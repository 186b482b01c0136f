//! Bodies, WebSockets and large headers go through.

use super::NginxFront;
use crate::world::browser::{NAVIGATION, SCRIPT};
use crate::world::raw;
use crate::world::samples::{GRACE, MAYA};
use crate::world::{RULES, WorldPlan};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::{SinkExt as _, StreamExt as _};
use http::{HeaderMap, HeaderName};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{self, Message};

#[tokio::test]
async fn a_body_goes_to_the_app_and_not_to_entrada() {
    let Some(front) = NginxFront::start().await else { return };
    let mut maya = front.signed_in(MAYA).await;
    let body = "b".repeat(300_000);
    let page = maya.posts("/x", SCRIPT, &body).await;
    assert_eq!((page.status, page.json()["bytes"].as_u64()), (200, Some(300_000)), "{}", page.body);
    // A question with a body would be answered while the body is still coming, and the connection closed under it.
    let chunked = format!(
        "Cookie: {}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
        maya.cookie_header()
    );
    let answer = front.raw("POST /x", &chunked).await;
    assert!(answer.contains("\"bytes\":5"), "{answer}");
}

#[tokio::test]
async fn a_web_socket_goes_through_and_not_from_another_site() {
    let Some(front) = NginxFront::start().await else { return };
    let maya = front.signed_in(MAYA).await;
    let own = front.world.public_url.clone();
    let mut socket = web_socket(&front, &maya.cookie_header(), Some(&own)).await.unwrap();
    socket.send(Message::text("hello")).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("hello"));
    assert!(web_socket(&front, &maya.cookie_header(), None).await.is_ok());
    assert_eq!(
        web_socket(&front, &maya.cookie_header(), Some("https://evil.example")).await.unwrap_err(),
        403
    );
    assert_eq!(web_socket(&front, "", Some(&own)).await.unwrap_err(), 401);
}

async fn web_socket(
    front: &NginxFront,
    cookie: &str,
    origin: Option<&str>,
) -> Result<tokio_tungstenite::WebSocketStream<TcpStream>, u16> {
    use tungstenite::client::IntoClientRequest as _;
    let mut request = format!("ws://{}/live/ws", front.host()).into_client_request().unwrap();
    let mut more = HeaderMap::new();
    more.insert("cookie", cookie.parse().unwrap());
    if let Some(origin) = origin {
        more.insert(HeaderName::from_static("origin"), origin.parse().unwrap());
    }
    request.headers_mut().extend(more);
    match tokio_tungstenite::client_async(request, TcpStream::connect(front.address).await.unwrap())
        .await
    {
        Ok((socket, _)) => Ok(socket),
        Err(tungstenite::Error::Http(response)) => Err(response.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn while_entrada_is_down_nothing_is_open() {
    let Some(mut front) = NginxFront::start().await else { return };
    let mut maya = front.signed_in(MAYA).await;
    let before = front.world.app.seen.count();
    front.world.shutdown.cancel();
    front.world.served.take().unwrap().await.unwrap();
    for path in ["/x", "/public/x", "/live/x", "/admin/x"] {
        let page = maya.asks("GET", path, NAVIGATION).await;
        assert_eq!(page.status, 500, "{path}");
    }
    assert_eq!(front.world.app.seen.count(), before);
}

#[tokio::test]
async fn names_beyond_ascii_and_many_groups_fit_through() {
    let rules = format!("{RULES}\n[headers.assertion]\naudience = \"an app\"\n");
    let Some(front) = NginxFront::with(|plan| WorldPlan { more: rules, ..plan }).await else {
        return;
    };
    let mut zoe = front.signed_in("zoe@contoso.example").await;
    assert!(
        zoe.visits("/x")
            .await
            .app_heard("x-auth-request-name")
            .starts_with("Zo%C3%AB %C5%81ukasiewicz")
    );
    let mut grace = front.signed_in(GRACE).await;
    let page = grace.visits("/x").await;
    assert_eq!(page.app_heard("x-auth-request-groups-truncated"), "true");
    let claims = page
        .app_heard("x-entrada-assertion")
        .split('.')
        .nth(1)
        .map(|it| URL_SAFE_NO_PAD.decode(it).unwrap())
        .unwrap();
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&claims).unwrap()["aud"], "an app");
    // Cookies of the app as large as nginx takes them.
    let cookie = format!("Cookie: {}; big={}\r\n", grace.cookie_header(), "c".repeat(7000));
    assert_eq!(raw::status(&front.raw("GET /x", &cookie).await), 200);
}
