//! Time, size and connection limits.

use super::*;

#[tokio::test]
async fn whoever_never_sends_a_whole_head_is_closed_after_the_header_timeout() {
    let world = start();
    let mut taking = tokio::task::JoinSet::new();
    for sent in [&b""[..], b"P", b"GET / HTTP/1.1\r\nHost: a\r\nX", b"PRI * HTTP/2.0\r\n", PREFACE]
    {
        let mut stream = world.ask(sent).await;
        taking.spawn(async move { (sent, closes(&mut stream).await) });
    }
    while let Some(Ok((sent, took))) = taking.join_next().await {
        println!("{:?} {took:?}", String::from_utf8_lossy(sent));
        in_time(took, HEADER);
    }
}

#[tokio::test]
async fn a_head_that_drips_ends_after_the_header_timeout_in_all() {
    let world = start();
    let mut stream = world.ask(b"GET / HTTP/1.1\r\n").await;
    let begin = Instant::now();
    for _ in 0..200 {
        tokio::time::sleep(Duration::from_millis(25)).await;
        if stream.write_all(b"x").await.is_err() {
            break;
        }
    }
    in_time(begin.elapsed(), HEADER);
}

#[tokio::test]
async fn a_second_head_that_drips_ends_too() {
    let world = start();
    let mut stream = world.ask(GET).await;
    answer(&mut stream).await;
    stream.write_all(b"GET / HT").await.unwrap();
    in_time(closes(&mut stream).await, HEADER);
}

#[tokio::test]
async fn a_connection_at_rest_is_closed_after_the_idle_timeout() {
    let world = start();
    let mut stream = world.ask(GET).await;
    assert!(answer(&mut stream).await.starts_with("HTTP/1.1 200 OK\r\n"));
    tokio::time::sleep(HEADER + Duration::from_millis(200)).await;
    stream.write_all(GET).await.unwrap();
    assert!(answer(&mut stream).await.ends_with("address=true tls=false"));
    in_time(closes(&mut stream).await, IDLE);
}

#[tokio::test]
async fn an_answer_that_takes_its_time_outlives_all_those_bounds() {
    let world = start();
    let mut stream = world.ask(b"GET /slow HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    assert_eq!(text.matches("part.").count(), 10);
    assert!(text.ends_with("0\r\n\r\n"));
}

#[tokio::test]
async fn a_client_that_takes_nothing_of_a_big_answer_is_dropped() {
    let world = start();
    let mut stream = world.ask(b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n").await;
    tokio::time::sleep(BODY + LATE).await;
    let mut text = Vec::new();
    let read = stream.read_to_end(&mut text).await;
    assert!(text.len() < 60 << 20, "{} {read:?}", text.len());
}

#[tokio::test]
async fn a_client_that_reads_slowly_gets_all_of_a_big_answer() {
    let world = start();
    let mut stream = world.ask(b"GET /big HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    let (mut total, begin) = (0, Instant::now());
    let mut bytes = vec![0; 1 << 20];
    loop {
        let count = stream.read(&mut bytes).await.unwrap();
        if count == 0 {
            break;
        }
        total += count;
        if begin.elapsed() < 2 * BODY {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    assert!(total > 64 << 20);
    assert!(begin.elapsed() > 2 * BODY, "it was not slow");
}

#[tokio::test]
async fn a_client_that_withholds_the_http2_window_loses_its_stream_and_then_its_idle_connection() {
    let world = start();
    let stream = world.connect().await;
    let mut builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    let (mut sender, connection) = builder
        .initial_stream_window_size(0)
        .handshake::<_, Empty<Bytes>>(TokioIo::new(stream))
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    let begin = Instant::now();
    let response = sender
        .send_request(Request::get("http://a/big").body(Empty::new()).unwrap())
        .await
        .unwrap();
    assert!(response.into_body().collect().await.is_err());
    in_time(begin.elapsed(), BODY);
    assert!(!sender.is_closed());
    let begin = Instant::now();
    let _ = connection.await.unwrap();
    assert!(begin.elapsed() <= IDLE + LATE, "{:?}", begin.elapsed());
}

#[tokio::test]
async fn beyond_the_limit_it_is_a_quick_503_until_a_place_is_free() {
    let world = start_with(ServerLimits { connections: 1, ..patient() }, None, Duration::ZERO);
    let mut first = world.ask(GET).await;
    answer(&mut first).await;
    let mut second = world.ask(GET).await;
    let begin = Instant::now();
    let mut text = String::new();
    second.read_to_string(&mut text).await.unwrap();
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 503 "));
    assert!(head.contains("retry-after: 5"));
    assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{text}");
    drop((first, second));
    // The permit is free after the server has noticed the disconnect.
    while !text.starts_with("HTTP/1.1 200") {
        assert!(begin.elapsed() < Duration::from_secs(10), "{text}");
        tokio::time::sleep(Duration::from_millis(20)).await;
        text.clear();
        world
            .ask(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            .await
            .read_to_string(&mut text)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn an_upgraded_connection_outlives_the_idle_timeout_and_keeps_its_place() {
    let world = start_with(ServerLimits { connections: 1, ..limits() }, None, Duration::ZERO);
    let mut stream = world
        .ask(b"GET /upgrade HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
        .await;
    let mut head = [0; 1024];
    let count = stream.read(&mut head).await.unwrap();
    assert!(head[..count].starts_with(b"HTTP/1.1 101"));
    tokio::time::sleep(IDLE + Duration::from_millis(600)).await;
    stream.write_all(b"echo").await.unwrap();
    let mut bytes = [0; 4];
    stream.read_exact(&mut bytes).await.unwrap();
    assert_eq!(&bytes, b"echo");
    let mut text = String::new();
    world.ask(GET).await.read_to_string(&mut text).await.unwrap();
    assert!(text.starts_with("HTTP/1.1 503"));
}

#[tokio::test]
async fn a_head_of_too_many_bytes_is_refused_though_it_fits_a_buffer() {
    let world = start_with(ServerLimits { header_bytes: 20_000, ..limits() }, None, Duration::ZERO);
    for (length, status) in [(19_000, 200), (21_000, 431), (39_000, 431), (100_000, 431)] {
        let mut stream = world
            .ask(
                format!("GET / HTTP/1.1\r\nHost: a\r\nx: {}\r\n\r\n", "x".repeat(length))
                    .as_bytes(),
            )
            .await;
        assert!(answer(&mut stream).await.starts_with(&format!("HTTP/1.1 {status} ")), "{length}");
    }
}

#[tokio::test]
async fn too_many_header_fields_are_refused_over_both_versions() {
    let world = start_with(ServerLimits { headers: 20, ..limits() }, None, Duration::ZERO);
    let head = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "x: y\r\n".repeat(30));
    let mut text = String::new();
    world.ask(head.as_bytes()).await.read_to_string(&mut text).await.unwrap();
    assert!(text.starts_with("HTTP/1.1 431"), "{text}");
    let (mut sender, connection) = http2(TokioIo::new(world.connect().await)).await;
    tokio::spawn(connection);
    let mut request = Request::get("http://a/").body(Full::default()).unwrap();
    for _ in 0..30 {
        request.headers_mut().append("x", "y".parse().unwrap());
    }
    assert_eq!(sender.send_request(request).await.unwrap().status(), 431);
    assert_eq!(
        sender
            .send_request(Request::get("http://a/").body(Full::default()).unwrap())
            .await
            .unwrap()
            .status(),
        200
    );
}
