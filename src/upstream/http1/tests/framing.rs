//! Where a body ends (RFC 9112 section 6.3), and what else of a response is for this hop only.

use super::*;

/// Received, or refused with this error.
type Expected = Result<(u16, &'static str, bool), BadResponse>;

const CASES: &[(&str, RequestFraming, &str, Expected)] = &[
    (
        "a length",
        GET,
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
        Ok((200, "hello", true)),
    ),
    ("no body", GET, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", Ok((200, "", true))),
    (
        "close",
        GET,
        "HTTP/1.1 200 OK\r\nConnection: close\r\ncontent-length: 2\r\n\r\nhi",
        Ok((200, "hi", false)),
    ),
    ("until the end of the stream", GET, "HTTP/1.1 200 OK\r\n\r\nhello", Ok((200, "hello", false))),
    (
        "equal lengths in one line",
        GET,
        "HTTP/1.1 200 OK\r\ncontent-length: 2, 2\r\n\r\nhi",
        Ok((200, "hi", true)),
    ),
    (
        "equal lengths in two lines",
        GET,
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 02\r\n\r\nhi",
        Ok((200, "hi", true)),
    ),
    (
        "unequal lengths",
        GET,
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nhi!",
        Err(BadResponse::ContentLength),
    ),
    (
        "unequal lengths in one line",
        GET,
        "HTTP/1.1 200 OK\r\ncontent-length: 2, 3\r\n\r\nhi!",
        Err(BadResponse::ContentLength),
    ),
    (
        "an empty length",
        GET,
        "HTTP/1.1 200 OK\r\ncontent-length: \r\n\r\nhi",
        Err(BadResponse::ContentLength),
    ),
    (
        "a length with a sign",
        GET,
        "HTTP/1.1 200 OK\r\ncontent-length: +2\r\n\r\nhi",
        Err(BadResponse::ContentLength),
    ),
    (
        "a length beyond 64 bits",
        GET,
        "HTTP/1.1 200 OK\r\ncontent-length: 18446744073709551617\r\n\r\nhi",
        Err(BadResponse::ContentLength),
    ),
    (
        "a body shorter than its length",
        GET,
        "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nhi",
        Err(BadResponse::Incomplete),
    ),
    (
        "bytes after the body",
        GET,
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi!",
        Ok((200, "hi", false)),
    ),
    (
        "chunks",
        GET,
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2;a=b\r\nlo\r\n0\r\n\r\n",
        Ok((200, "hello", true)),
    ),
    (
        "Chunked in another spelling",
        GET,
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked \r\n\r\n00A \r\n0123456789\r\n000;x\r\n\r\n",
        Ok((200, "0123456789", true)),
    ),
    (
        "chunks beside a length",
        GET,
        "HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        Ok((200, "hello", false)),
    ),
    (
        "chunks from HTTP/1.0",
        GET,
        "HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        Ok((200, "hi", false)),
    ),
    (
        "chunked twice",
        GET,
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        Err(BadResponse::TransferEncoding),
    ),
    (
        "chunked that is not the last coding",
        GET,
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
        Err(BadResponse::TransferEncoding),
    ),
    (
        "another coding",
        GET,
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        Err(BadResponse::TransferEncoding),
    ),
    (
        "a coding that looks like chunked",
        GET,
        "HTTP/1.1 200 OK\r\ntransfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
        Err(BadResponse::TransferEncoding),
    ),
    (
        "a chunk without a size",
        GET,
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\r\nhi\r\n0\r\n\r\n",
        Err(BadResponse::Chunk),
    ),
    (
        "a chunk with a sign",
        GET,
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n+2\r\nhi\r\n0\r\n\r\n",
        Err(BadResponse::Chunk),
    ),
    (
        "a chunk with a prefix",
        GET,
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0x2\r\nhi\r\n0\r\n\r\n",
        Err(BadResponse::Chunk),
    ),
    (
        "a chunk beyond 64 bits",
        GET,
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n10000000000000002\r\nhi\r\n0\r\n\r\n",
        Err(BadResponse::Chunk),
    ),
    (
        "a chunk line that ends with LF",
        GET,
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\nhi\r\n0\r\n\r\n",
        Err(BadResponse::Chunk),
    ),
    (
        "a chunk that is longer than its size",
        GET,
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi!\r\n0\r\n\r\n",
        Err(BadResponse::Chunk),
    ),
    (
        "no last chunk",
        GET,
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n",
        Err(BadResponse::Incomplete),
    ),
    (
        "no end of the trailers",
        GET,
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n",
        Err(BadResponse::Incomplete),
    ),
    (
        "trailers that are none",
        GET,
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\nno colon\r\n\r\n",
        Err(BadResponse::Trailers),
    ),
    ("HEAD", HEAD, "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", Ok((200, "", true))),
    (
        "HEAD with a body",
        HEAD,
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
        Ok((200, "", false)),
    ),
    ("204", GET, "HTTP/1.1 204 No Content\r\n\r\n", Ok((204, "", true))),
    (
        "204 with a body",
        GET,
        "HTTP/1.1 204 No Content\r\ncontent-length: 2\r\n\r\nhi",
        Ok((204, "", false)),
    ),
    (
        "204 that announces a body",
        GET,
        "HTTP/1.1 204 No Content\r\ntransfer-encoding: chunked\r\n\r\n",
        Ok((204, "", false)),
    ),
    (
        "204 with a length",
        GET,
        "HTTP/1.1 204 No Content\r\ncontent-length: 2\r\n\r\n",
        Ok((204, "", false)),
    ),
    (
        "trailers that end twice",
        GET,
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\na: b\n\nJUNK\r\n\r\n",
        Err(BadResponse::Trailers),
    ),
    ("304", GET, "HTTP/1.1 304 Not Modified\r\ncontent-length: 7\r\n\r\n", Ok((304, "", true))),
    (
        "interim responses",
        GET,
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi",
        Ok((200, "hi", true)),
    ),
    (
        "101 without a request for it",
        GET,
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
        Err(BadResponse::UnaskedUpgrade),
    ),
    (
        "101",
        UPGRADE,
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
        Ok((101, "", false)),
    ),
    ("HTTP/1.0", GET, "HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nhi", Ok((200, "hi", false))),
    (
        "HTTP/1.0 that keeps the connection",
        GET,
        "HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nhi",
        Ok((200, "hi", true)),
    ),
    (
        "HTTP/1.0 that says both",
        GET,
        "HTTP/1.0 200 OK\r\nconnection: keep-alive, close\r\ncontent-length: 2\r\n\r\nhi",
        Ok((200, "hi", false)),
    ),
    ("bare line feeds", GET, "HTTP/1.1 200 OK\ncontent-length: 2\n\nhi", Ok((200, "hi", true))),
    (
        "empty lines before the head",
        GET,
        "\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi",
        Ok((200, "hi", true)),
    ),
    ("a folded field", GET, "HTTP/1.1 200 OK\r\na: b\r\n c\r\n\r\n", Err(BadResponse::Head)),
    ("a space before the colon", GET, "HTTP/1.1 200 OK\r\na : b\r\n\r\n", Err(BadResponse::Head)),
    ("a NUL in a value", GET, "HTTP/1.1 200 OK\r\na: b\0\r\n\r\n", Err(BadResponse::Head)),
    ("another protocol", GET, "SSH-2.0-OpenSSH_9.2\r\n\r\n", Err(BadResponse::Head)),
    ("HTTP/2", GET, "HTTP/2 200 OK\r\n\r\n", Err(BadResponse::Head)),
    ("a status below 100", GET, "HTTP/1.1 099 No\r\n\r\n", Err(BadResponse::Head)),
    ("half a head", GET, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n", Err(BadResponse::Incomplete)),
    ("nothing", GET, "", Err(BadResponse::Incomplete)),
];

fn judged(received: Result<Received, BadResponse>) -> Result<(u16, String, bool), BadResponse> {
    let it = received?;
    Ok((it.head.status().as_u16(), String::from_utf8(it.body).unwrap(), it.reusable))
}

#[test]
fn the_end_of_a_body_is_where_the_standard_says() {
    for (name, request, bytes, expected) in CASES {
        let expected = expected.map(|(status, body, reusable)| (status, body.to_owned(), reusable));
        assert_eq!(judged(whole(bytes.as_bytes(), *request)), expected, "{name}");
    }
}

#[test]
fn it_does_not_depend_on_how_the_bytes_arrive() {
    for (name, request, bytes, _) in CASES {
        let bytes = bytes.as_bytes();
        let expected = judged(whole(bytes, *request));
        for at in 0..bytes.len() {
            let (first, second) = bytes.split_at(at);
            assert_eq!(judged(receive([first, second], *request)), expected, "{name}, at {at}");
        }
        assert_eq!(judged(receive(bytes.chunks(1), *request)), expected, "{name}, byte by byte");
    }
}

#[test]
fn a_length_is_passed_on_once_and_only_where_it_is_true() {
    for (bytes, expected) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 2, 2\r\n\r\nhi", Some("2")),
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nhi", Some("2")),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 9\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            None,
        ),
        ("HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n", None),
        ("HTTP/1.1 304 Not Modified\r\ncontent-length: 7\r\n\r\n", Some("7")),
    ] {
        let received = whole(bytes.as_bytes(), GET).unwrap();
        let lengths: Vec<_> = received.head.headers().get_all("content-length").iter().collect();
        assert_eq!(lengths.first().map(|it| it.to_str().unwrap()), expected, "{bytes:?}");
        assert!(lengths.len() <= 1, "{bytes:?}");
    }
}

#[test]
fn what_concerns_this_connection_stays_here() {
    let bytes = b"HTTP/1.1 200 OK\r\nConnection: X-Hop, Upgrade, content-type\r\nKeep-Alive: timeout=5\r\n\
        Upgrade: h2c\r\nX-Hop: 1\r\nTE: x\r\nProxy-Authenticate: Basic\r\nContent-Type: text/plain\r\nX-End: 1\r\n\
        Set-Cookie: a=b\r\nSet-Cookie: c=d\r\ncontent-length: 0\r\n\r\n";
    let received = whole(bytes, GET).unwrap();
    let mut left: Vec<_> = received.head.headers().keys().map(http::HeaderName::as_str).collect();
    left.sort_unstable();
    assert_eq!(left, ["content-length", "content-type", "set-cookie", "x-end"]);
    assert_eq!(received.head.headers().get_all("set-cookie").iter().count(), 2);
}

#[test]
fn a_reason_of_the_apps_own_is_kept() {
    for (line, expected) in
        [("499 Client Gone", Some("Client Gone")), ("200 OK", None), ("200 Fine", Some("Fine"))]
    {
        let bytes = format!("HTTP/1.1 {line}\r\ncontent-length: 0\r\n\r\n");
        let received = whole(bytes.as_bytes(), GET).unwrap();
        let reason = received.head.extensions().get::<hyper::ext::ReasonPhrase>();
        assert_eq!(reason.map(hyper::ext::ReasonPhrase::as_bytes), expected.map(str::as_bytes));
    }
}

#[test]
fn trailers_arrive() {
    let bytes =
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\ngrpc-status: 0\r\na: b\r\n\r\n";
    for received in [whole(bytes, GET), receive(bytes.chunks(1), GET)] {
        let received = received.unwrap();
        let trailers = received.trailers.unwrap();
        assert_eq!(trailers.get("grpc-status").unwrap(), "0");
        assert_eq!(trailers.len(), 2);
        assert!(received.reusable);
    }
}

/// hyper allows 100 fields.
#[test]
fn only_bytes_limit_a_head() {
    let fields = |count: usize| -> Vec<u8> {
        let mut out = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n".to_vec();
        (0..count).for_each(|at| out.extend_from_slice(format!("x-{at}: {at}\r\n").as_bytes()));
        out.extend_from_slice(b"\r\n");
        out
    };
    for count in [62, 63, 64, 65, 100, 101, 5000] {
        let received = whole(&fields(count), GET).unwrap();
        assert_eq!(received.head.headers().len(), count + 1);
    }
    assert_eq!(whole(&fields(15_000), GET).err(), Some(BadResponse::HeadTooLarge));
    let endless = vec![b'a'; 200 * 1024];
    assert_eq!(receive(endless.chunks(1000), GET).err(), Some(BadResponse::HeadTooLarge));
}

#[test]
fn nothing_before_or_after_the_body_is_without_end() {
    let interim = "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(65);
    assert_eq!(whole(interim.as_bytes(), GET).err(), Some(BadResponse::TooManyInterim));
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let line = format!("{head}2;{}", "x".repeat(5000));
    assert_eq!(whole(line.as_bytes(), GET).err(), Some(BadResponse::Chunk));
    let trailers = format!("{head}0\r\n{}", "a: b\r\n".repeat(4000));
    assert_eq!(whole(trailers.as_bytes(), GET).err(), Some(BadResponse::Trailers));
    let many = format!("{head}0\r\n{}\r\n", "a: b\r\n".repeat(200));
    assert_eq!(whole(many.as_bytes(), GET).err(), Some(BadResponse::Trailers));
}

/// One app must not stop a worker that serves all apps.
#[test]
fn no_head_costs_more_than_its_bytes() {
    let empty_lines =
        format!("{}HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", "\n".repeat(120_000));
    let options = format!(
        "HTTP/1.1 200 OK\r\nconnection: {}\r\n{}\r\n",
        "b,".repeat(30_000),
        "a: b\r\n".repeat(10_000)
    );
    let began = std::time::Instant::now();
    assert_eq!(whole(empty_lines.as_bytes(), GET).unwrap().head.status(), 200);
    assert_eq!(whole(options.as_bytes(), GET).err(), Some(BadResponse::Head));
    assert!(began.elapsed() < std::time::Duration::from_secs(1), "{:?}", began.elapsed());
}
