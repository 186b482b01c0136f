//! Connections and streams that the app turns into tunnels.

use super::echo::{EchoBody, status};
use futures_util::{SinkExt as _, StreamExt as _};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;

fn switching(request: &mut Request<Incoming>) -> (Response<EchoBody>, OnUpgrade) {
    let upgrade = hyper::upgrade::on(&mut *request);
    let mut response = status(StatusCode::SWITCHING_PROTOCOLS, "");
    response.headers_mut().insert("connection", HeaderValue::from_static("upgrade"));
    response.headers_mut().insert("upgrade", request.headers()["upgrade"].clone());
    response.headers_mut().insert("x-user-heard", user(request));
    (response, upgrade)
}

/// Answers a WebSocket, also one over HTTP/2 (RFC 8441), and returns its messages.
pub(super) fn web_socket(mut request: Request<Incoming>) -> Response<EchoBody> {
    if request.method() == Method::CONNECT {
        assert!(!request.headers().contains_key("sec-websocket-key"));
        tokio::spawn(echo_messages(hyper::upgrade::on(&mut request)));
        let mut response = status(StatusCode::OK, "");
        response.headers_mut().insert("x-user-heard", user(&request));
        return response;
    }
    let Some(key) = request.headers().get("sec-websocket-key").cloned() else {
        return status(StatusCode::BAD_REQUEST, "no key");
    };
    let (mut response, upgrade) = switching(&mut request);
    let accept = tokio_tungstenite::tungstenite::handshake::derive_accept_key(key.as_bytes());
    response.headers_mut().insert("sec-websocket-accept", HeaderValue::from_str(&accept).unwrap());
    tokio::spawn(echo_messages(upgrade));
    response
}

async fn echo_messages(upgrade: OnUpgrade) {
    let Ok(upgraded) = upgrade.await else { return };
    let mut socket =
        WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
    while let Some(Ok(message)) = socket.next().await {
        if !(message.is_text() || message.is_binary()) || socket.send(message).await.is_err() {
            break;
        }
    }
}

fn user(request: &Request<Incoming>) -> HeaderValue {
    let user = request.headers().get("x-forwarded-user").cloned();
    user.unwrap_or(HeaderValue::from_static("nobody"))
}

/// Upgrades to any other protocol: echoes the bytes as they were sent.
pub(super) fn raw_upgrade(mut request: Request<Incoming>) -> Response<EchoBody> {
    let (response, upgrade) = switching(&mut request);
    tokio::spawn(async move {
        let Ok(upgraded) = upgrade.await else { return };
        let (mut from, mut to) = tokio::io::split(TokioIo::new(upgraded));
        drop(tokio::io::copy(&mut from, &mut to).await);
    });
    response
}
