//! The WebSocket: echoes each message (RFC 6455).

use super::web::{self, DemoReply};
use crate::wire::body::Body;
use futures_util::{SinkExt as _, StreamExt as _};
use http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_util::sync::CancellationToken;

/// Maximum size of a message, in bytes.
const MAX_MESSAGE_BYTES: usize = 64 * 1024;

/// Completes the handshake, then echoes messages until either side ends the connection.
pub(super) fn echo(mut request: Request<Incoming>, shutdown: CancellationToken) -> DemoReply {
    let Some(accept) = accept(&request) else { return not_a_handshake() };
    let upgraded = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let Ok(upgraded) = upgraded.await else { return };
        let limits = WebSocketConfig::default()
            .max_message_size(Some(MAX_MESSAGE_BYTES))
            .max_frame_size(Some(MAX_MESSAGE_BYTES));
        let socket =
            WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(limits))
                .await;
        converse(socket, shutdown).await;
    });
    let mut out = Response::new(Body::empty());
    *out.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = out.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    out
}

fn not_a_handshake() -> DemoReply {
    let mut out = web::text(
        StatusCode::UPGRADE_REQUIRED,
        "This is a WebSocket; the page /websocket connects to it.\n",
    );
    let headers = out.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    out
}

/// Returns the value that proves that the handshake was understood, or `None` if the request is not
/// a handshake (RFC 6455 4.2.1).
fn accept(request: &Request<Incoming>) -> Option<HeaderValue> {
    let headers = request.headers();
    let is_handshake = request.method() == Method::GET
        && request.version() == Version::HTTP_11
        && names(headers, &UPGRADE, "websocket")
        && names(headers, &CONNECTION, "upgrade")
        && names(headers, &SEC_WEBSOCKET_VERSION, "13");
    let key = headers.get(SEC_WEBSOCKET_KEY).filter(|_| is_handshake)?;
    HeaderValue::from_str(&derive_accept_key(key.as_bytes())).ok()
}

fn names(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    let lines = headers.get_all(name).iter().filter_map(|it| it.to_str().ok());
    lines.flat_map(|it| it.split(',')).any(|it| it.trim().eq_ignore_ascii_case(word))
}

async fn converse(
    mut socket: WebSocketStream<TokioIo<hyper::upgrade::Upgraded>>,
    shutdown: CancellationToken,
) {
    loop {
        let message = tokio::select! {
            message = socket.next() => message,
            () = shutdown.cancelled() => None,
        };
        let echoed = match message {
            Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => {
                socket.send(message).await
            }
            // The library answers pings and close frames while messages are read.
            Some(Ok(_)) => Ok(()),
            Some(Err(_)) => return,
            None => break,
        };
        if echoed.is_err() {
            return;
        }
    }
    let _ = socket.close(None).await;
}
