//! h2spec against the listener: in clear by prior knowledge, over TLS by ALPN, and at a page of our own.

use super::command;
use crate::outside;
use crate::tls::{TestAuthority, https_world};
use crate::world::World;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// What hyper is known to fail in clear, by section and number, and why we live with it.
const KNOWN: &[(&str, &str)] = &[(
    "http2/3.5: Sends invalid connection preface",
    "the listener speaks HTTP/1.1 on the same port: what is no preface is a bad request of that version, answered 400 and closed",
)];

/// Cases that send a request without its end, and then a frame that must not come. A page of ours needs no body, nor does every app, so
/// the whole answer may be on its way before that frame comes; the stream is closed then, and what comes on it is passed over (RFC 9113
/// sections 8.1 and 5.1). Which of the two is first is chance.
const EARLY: &[&str] = &[
    "http2/5.1: closed: Sends a DATA frame after sending RST_STREAM frame",
    "http2/5.1: closed: Sends a HEADERS frame after sending RST_STREAM frame",
    "http2/6.9.1: Sends multiple WINDOW_UPDATE frames increasing the flow control window to above 2^31-1 on a stream",
    "http2/8.1: Sends a second HEADERS frame without the END_STREAM flag",
    "http2/8.1.2.1: Sends a HEADERS frame that contains a pseudo-header field as trailers",
];

#[tokio::test(flavor = "multi_thread")]
async fn the_listener_speaks_http2_as_h2spec_wants_it() {
    let Some(h2spec) = outside::tool("h2spec") else { return };
    judges(&h2spec, &World::start().await, "/public/h2", &[], KNOWN, EARLY).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_listener_speaks_http2_as_h2spec_wants_it_over_tls() {
    let Some(h2spec) = outside::tool("h2spec") else { return };
    let authority = TestAuthority::new();
    judges(
        &h2spec,
        &https_world(&authority).await,
        "/public/h2",
        &["--tls", "--insecure"],
        &[],
        EARLY,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_pages_speak_http2_as_h2spec_wants_it() {
    let Some(h2spec) = outside::tool("h2spec") else { return };
    judges(&h2spec, &World::start().await, "/oauth2/sign_in", &[], KNOWN, EARLY).await;
}

#[tokio::test]
async fn data_that_contradicts_its_content_length_is_a_stream_error_on_every_path_however_late_it_comes()
 {
    let world = World::start().await;
    for path in ["/public/x", "/reports", "/oauth2/sign_in", "/oauth2/nothing", "/oauth2/auth"] {
        for (declared, sent) in [("9", "four"), ("3", "four")] {
            let mut stream = TcpStream::connect(world.address).await.unwrap();
            stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
            stream.write_all(&frame(SETTINGS, 0, 0, b"")).await.unwrap();
            stream
                .write_all(&frame(
                    HEADERS,
                    END_HEADERS,
                    1,
                    &post(&world.address.to_string(), path, declared),
                ))
                .await
                .unwrap();
            tokio::time::sleep(Duration::from_millis(100)).await;
            stream.write_all(&frame(DATA, END_STREAM, 1, sent.as_bytes())).await.unwrap();
            let (kind, payload) =
                tokio::time::timeout(Duration::from_secs(5), first_on_stream_1(&mut stream))
                    .await
                    .unwrap();
            assert_eq!(
                (kind, &payload[..]),
                (RST_STREAM, &PROTOCOL_ERROR[..]),
                "{path} {declared}: {}",
                String::from_utf8_lossy(&payload)
            );
        }
    }
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const PROTOCOL_ERROR: [u8; 4] = [0, 0, 0, 1];

/// RFC 9113 section 4.1.
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    [&[0, 0, u8::try_from(payload.len()).unwrap(), kind, flags, 0, 0, 0, stream], payload].concat()
}

/// POST, http, an authority, a path and a content-length, by the static table of HPACK (RFC 7541 appendix A) and literals.
fn post(host: &str, path: &str, length: &str) -> Vec<u8> {
    let literal = |index: &[u8], text: &str| {
        [index, &[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat()
    };
    [vec![0x83, 0x86], literal(&[1], host), literal(&[4], path), literal(&[0x0f, 13], length)]
        .concat()
}

async fn first_on_stream_1(stream: &mut TcpStream) -> (u8, Vec<u8>) {
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.unwrap();
        let mut payload = vec![0; usize::from(head[1]) << 8 | usize::from(head[2])];
        stream.read_exact(&mut payload).await.unwrap();
        // A window may be opened before.
        if head[8] == 1 && matches!(head[3], DATA | HEADERS | RST_STREAM) {
            return (head[3], payload);
        }
    }
}

/// All cases that concern a server, asked at one path: the known ones fail, and none but those that chance decides.
async fn judges(
    h2spec: &Path,
    world: &World,
    path: &str,
    options: &[&str],
    known: &[(&str, &str)],
    by_chance: &[&str],
) {
    let port = world.address.port().to_string();
    let report = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("h2spec-{port}.xml"));
    let mut command = command::of(h2spec);
    command
        .args([
            "--host",
            "localhost",
            "--port",
            &port,
            "--path",
            path,
            "--timeout",
            "2",
            "--junit-report",
        ])
        .arg(&report)
        .args(options);
    command.args(["generic", "http2"]);
    let output = command::run(command).await;
    let said = String::from_utf8_lossy(&output.stdout);

    let (mut failed, cases) = failures(&std::fs::read_to_string(&report).unwrap());
    assert!(cases > 100, "only {cases} cases were run: {said}");
    failed.retain(|it| !by_chance.contains(&it.as_str()));
    let known: BTreeSet<String> = known.iter().map(|(case, _)| (*case).to_owned()).collect();
    assert_eq!(failed, known, "{said}");
}

/// The cases that failed, as `section: description`, and how many there were.
fn failures(report: &str) -> (BTreeSet<String>, usize) {
    let cases: Vec<&str> = report.split("<testcase ").skip(1).collect();
    let failed = cases.iter().filter(|it| it.contains("<failure") || it.contains("<error"));
    let names =
        failed.map(|it| format!("{}: {}", attribute(it, "package"), attribute(it, "classname")));
    (names.collect(), cases.len())
}

fn attribute<'a>(element: &'a str, name: &str) -> &'a str {
    let (_, rest) = element
        .split_once(&format!("{name}=\""))
        .unwrap_or_else(|| panic!("no {name} in {element}"));
    rest.split('"').next().unwrap()
}
