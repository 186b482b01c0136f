//! Every request gets a response, in both versions of HTTP.

use super::*;

#[tokio::test]
async fn a_head_that_begins_like_http2_loses_no_byte() {
    let world = start();
    for head in ["PRINT", "P", "POST"] {
        let mut stream = world.ask(b"P").await;
        for byte in head
            .bytes()
            .skip(1)
            .chain(*b" /count HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
        {
            tokio::time::sleep(Duration::from_millis(2)).await;
            stream.write_all(&[byte]).await.unwrap();
        }
        assert!(answer(&mut stream).await.ends_with("\r\n\r\n3"), "{head}");
    }
    let mut stream = world.connect().await;
    for part in [&PREFACE[..1], &PREFACE[1..20], &PREFACE[20..], b"\0\0\0\x04\0\0\0\0\0"] {
        tokio::time::sleep(Duration::from_millis(20)).await;
        stream.write_all(part).await.unwrap();
    }
    // The server responds with a SETTINGS frame.
    let mut frame = [0; 9];
    stream.read_exact(&mut frame).await.unwrap();
    assert_eq!(frame[3], 4);
}

#[tokio::test]
async fn requests_in_a_row_are_answered_in_order() {
    let world = start();
    let mut stream = world.ask(&[b"GET /late HTTP/1.1\r\nHost: a\r\n\r\n", GET].concat()).await;
    let mut text = answer(&mut stream).await;
    if !text.contains("address=") {
        text.push_str(&answer(&mut stream).await);
    }
    assert!(text.find("late").unwrap() < text.find("address=true").unwrap());
}

#[tokio::test]
async fn the_refusal_of_an_upload_arrives_though_the_client_goes_on_sending() {
    let world = start();
    let mut stream =
        world.ask(b"POST /refuse HTTP/1.1\r\nHost: a\r\nContent-Length: 50000000\r\n\r\n").await;
    // If the server closed with unread bytes, the connection would be reset within the first of
    // these writes.
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        stream.write_all(&vec![0; 64 * 1024]).await.unwrap();
    }
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    assert!(text.starts_with("HTTP/1.1 401") && text.ends_with("no"), "{text}");
    // Clients that never stop sending are cut off.
    let begin = Instant::now();
    while stream.write_all(&[0; 1024]).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(begin.elapsed() < HEADER + LATE);
}

#[tokio::test]
async fn a_body_that_was_asked_for_by_100_continue_arrives() {
    let world = start();
    let mut stream = world
        .ask(
            b"POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n",
        )
        .await;
    let mut bytes = [0; 25];
    stream.read_exact(&mut bytes).await.unwrap();
    assert_eq!(&bytes, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"abc").await.unwrap();
    assert!(answer(&mut stream).await.ends_with("\r\n\r\n3"));
}

#[tokio::test]
async fn http2_by_prior_knowledge_rests_and_is_closed_after_the_idle_timeout() {
    let world = start();
    let (mut sender, connection) = http2(TokioIo::new(world.connect().await)).await;
    let connection = tokio::spawn(connection);
    let get = || Request::get("http://a/").body(Full::default()).unwrap();
    assert_eq!(text(sender.send_request(get()).await.unwrap()).await, "address=true tls=false");
    tokio::time::sleep(HEADER + Duration::from_millis(200)).await;
    let slow = sender
        .send_request(Request::get("http://a/slow").body(Full::default()).unwrap())
        .await
        .unwrap();
    assert_eq!(text(slow).await, "part.".repeat(10));
    let begin = Instant::now();
    connection.await.unwrap().unwrap();
    in_time(begin.elapsed(), IDLE);
}

#[tokio::test]
async fn a_websocket_in_an_http2_stream_keeps_its_connection() {
    let world = start();
    let stream = world.connect().await;
    let (mut sender, connection) = http2(TokioIo::new(stream)).await;
    tokio::spawn(connection);
    let request = Request::connect("http://a/upgrade")
        .extension(hyper::ext::Protocol::from_static("websocket"))
        .body(Full::default())
        .unwrap();
    // The first settings from the server enable extended CONNECT.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let answer = sender.send_request(request).await.unwrap();
    assert_eq!(answer.status(), 200);
    let mut tunnel = TokioIo::new(hyper::upgrade::on(answer).await.unwrap());
    tokio::time::sleep(IDLE + Duration::from_millis(600)).await;
    tunnel.write_all(b"echo").await.unwrap();
    let mut bytes = [0; 4];
    tunnel.read_exact(&mut bytes).await.unwrap();
    assert_eq!(&bytes, b"echo");
}
