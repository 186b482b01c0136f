//! Responses and requests that take longer than a page.

use super::*;

#[tokio::test]
async fn http_2_with_prior_knowledge_is_answered() {
    let world = World::start().await;
    let stream = TcpStream::connect(world.address).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    tokio::spawn(connection);
    let request =
        Request::get("http://localhost:4180/echo").body(Full::<Bytes>::default()).unwrap();
    let said: Value =
        serde_json::from_str(&text(sender.send_request(request).await.unwrap()).await).unwrap();
    assert_eq!(said["version"], "HTTP/2.0");
}

#[tokio::test]
async fn the_socket_echoes_what_it_receives_and_closes_at_the_end() {
    let world = World::start().await;
    let stream = TcpStream::connect(world.address).await.unwrap();
    let (mut socket, _) =
        tokio_tungstenite::client_async("ws://localhost:4180/ws", stream).await.unwrap();
    for message in [Message::text("Zoë"), Message::binary(vec![0, 255])] {
        socket.send(message.clone()).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), message);
    }
    world.shutdown.cancel();
    assert!(matches!(socket.next().await, Some(Ok(Message::Close(_)))));
}

#[tokio::test]
async fn the_socket_reads_no_message_past_its_limit() {
    let world = World::start().await;
    let stream = TcpStream::connect(world.address).await.unwrap();
    let (mut socket, _) =
        tokio_tungstenite::client_async("ws://localhost:4180/ws", stream).await.unwrap();
    let _ = socket.send(Message::text("x".repeat(70_000))).await;
    assert!(!matches!(socket.next().await, Some(Ok(Message::Text(_)))));
}

#[tokio::test]
async fn what_is_no_handshake_gets_426() {
    let world = World::start().await;
    let whole = [
        ("upgrade", "websocket"),
        ("connection", "keep-alive, Upgrade"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA=="),
    ];
    for missing in 0..=whole.len() {
        let mut request = Request::get("/ws").header("host", "h");
        for (_, (name, value)) in whole.iter().enumerate().filter(|it| it.0 != missing) {
            request = request.header(*name, *value);
        }
        let status = world.asks(request.body(Full::default()).unwrap()).await.status();
        let expected = if missing == whole.len() {
            StatusCode::SWITCHING_PROTOCOLS
        } else {
            StatusCode::UPGRADE_REQUIRED
        };
        assert_eq!(status, expected, "without {:?}", whole.get(missing));
    }
}

#[tokio::test]
async fn events_arrive_one_by_one_and_end_with_the_demo() {
    let world = World::start().await;
    let response = world
        .asks(Request::get("/events").header("host", "h").body(Full::default()).unwrap())
        .await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.into_body();
    let begun = Instant::now();
    for tick in 0..3 {
        let event = body.frame().await.unwrap().unwrap().into_data().unwrap();
        let event = std::str::from_utf8(&event).unwrap();
        assert!(
            event.starts_with(&format!("id: {tick}\ndata: {{\"tick\":{tick},\"time\":"))
                && event.ends_with("}\n\n"),
            "{event}"
        );
        assert!(
            begun.elapsed() >= Duration::from_millis(900) * tick,
            "tick {tick} came after {:?}",
            begun.elapsed()
        );
    }
    world.shutdown.cancel();
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn an_upload_is_counted() {
    let world = World::start().await;
    let body = Bytes::from(vec![b'x'; 5_000_000]);
    let request =
        Request::post("/upload").header("host", "h").body(Full::new(body.clone())).unwrap();
    assert_eq!(text(world.asks(request).await).await, "{\"bytes\":5000000}");
    let request = Request::post("/upload")
        .header("host", "h")
        .header("accept", "text/html,*/*")
        .body(Full::new(body))
        .unwrap();
    assert!(text(world.asks(request).await).await.contains("<h1>5000000 bytes received</h1>"));
}

#[tokio::test]
async fn a_download_has_exactly_the_bytes_that_were_asked_for() {
    let world = World::start().await;
    for bytes in [0_usize, 1, 65_536, 10_000_001] {
        let response = world
            .asks(
                Request::get(format!("/download?bytes={bytes}"))
                    .header("host", "h")
                    .body(Full::default())
                    .unwrap(),
            )
            .await;
        assert_eq!(response.headers()["content-length"], bytes.to_string());
        assert_eq!(text(response).await.len(), bytes);
    }
    for path in ["/download?bytes=-1", "/download?bytes=99999999999999", "/download?bytes=x"] {
        assert_eq!(world.gets(path, None).await.0, StatusCode::BAD_REQUEST);
    }
}
