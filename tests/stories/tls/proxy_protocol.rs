//! The PROXY protocol: load balancers that pass bytes through name the client of each connection.

use super::{TestAuthority, connect};
use crate::world::raw::{self, talk_for};
use crate::world::{CapturedEvents, World, WorldPlan, free_port};
use rustls::pki_types::ServerName;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

const PATIENCE: Duration = Duration::from_secs(5);
const FIRST: &[u8] = b"PROXY TCP4 192.0.2.7 198.51.100.1 40001 443\r\n";

fn second(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let length = u16::try_from(block.len()).unwrap().to_be_bytes();
    [b"\r\n\r\n\0\r\nQUIT\n", &[command, family][..], &length, block].concat()
}

async fn behind_load_balancer(server: &str) -> World {
    let server = format!("proxy_protocol = [\"127.0.0.1\"]\n{server}");
    World::with(WorldPlan { server, ..WorldPlan::default() }).await
}

fn get(world: &World) -> Vec<u8> {
    let host = world.public_url.split_once("://").unwrap().1;
    format!(
        "GET /public/x HTTP/1.1\r\nHost: {host}\r\nX-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nConnection: close\r\n\r\n"
    )
    .into_bytes()
}

fn heard(answer: &str, name: &str, value: &str) -> bool {
    raw::status(answer) == 200 && answer.contains(&format!("[\"{name}\",\"{value}\"]"))
}

#[tokio::test]
async fn a_load_balancer_names_the_client_and_the_client_vouches_for_nobody() {
    let named = [&[10, 1, 2, 3, 127, 0, 0, 1, 0x9c, 0x41, 1, 187][..], &[4; 40]].concat();
    let six: Vec<u8> =
        [&[0x20, 1, 0x0d, 0xb8][..], &[0; 11], &[7], &[0; 16], &[0x9c, 0x41, 1, 187]].concat();
    // Even the name of a trusted proxy is only a client's.
    let world = behind_load_balancer("trusted_proxies = [\"10.1.2.3\"]").await;
    for (header, client) in [
        (FIRST.to_vec(), "192.0.2.7"),
        (second(0x21, 0x11, &named), "10.1.2.3"),
        (second(0x21, 0x21, &six), "2001:db8::7"),
        (second(0x20, 0x00, b""), "127.0.0.1"),
        (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1"),
    ] {
        let bytes = [header, get(&world)].concat();
        let answer = talk_for(world.address, &bytes, PATIENCE).await;
        assert!(heard(&answer, "x-forwarded-for", client), "{client}: {answer}");
        assert!(heard(&answer, "x-real-ip", client), "{client}: {answer}");
        assert!(heard(&answer, "x-forwarded-proto", "http"), "{client}: {answer}");
        assert!(world.logged().await.contains(&format!("\"client\":\"{client}\"")), "{client}");
    }
    // In parts, as a slow network delivers it, and HTTP/2 behind it.
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    for byte in FIRST {
        stream.write_all(&[*byte]).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let mut settings = [0; 9];
    tokio::time::timeout(PATIENCE, stream.read_exact(&mut settings)).await.unwrap().unwrap();
    assert_eq!(settings[3], 4, "not a SETTINGS frame: {settings:?}");
}

#[tokio::test]
async fn a_load_balancer_that_sets_the_headers_itself_is_trusted_with_the_scheme() {
    let world = behind_load_balancer("trusted_proxies = [\"127.0.0.1\"]").await;
    let answer = talk_for(world.address, &[FIRST, &get(&world)].concat(), PATIENCE).await;
    assert!(heard(&answer, "x-forwarded-proto", "https"), "{answer}");
    assert!(heard(&answer, "x-forwarded-for", "192.0.2.7"), "{answer}");
    // Where nobody is named, the client's own chain counts no more.
    for header in [b"PROXY UNKNOWN\r\n".to_vec(), second(0x20, 0x00, b"")] {
        let answer = talk_for(world.address, &[&header[..], &get(&world)].concat(), PATIENCE).await;
        assert!(heard(&answer, "x-forwarded-for", "127.0.0.1"), "{answer}");
    }
}

#[tokio::test]
async fn a_load_balancer_that_names_nobody_is_not_served() {
    let told = CapturedEvents::listens();
    let world = behind_load_balancer("limits = { header_timeout = \"1s\" }").await;
    let long = second(0x21, 0x11, &[0; 521]);
    for bytes in [&get(&world)[..], b"PROXY TCP4 192.0.2.7\r\n", b"\x16\x03\x01", &long] {
        let answer = talk_for(world.address, bytes, PATIENCE).await;
        assert_eq!(answer, "", "{:?}", String::from_utf8_lossy(bytes));
    }
    // One that waits with it is closed in time.
    for bytes in [&b""[..], &FIRST[..20]] {
        let begun = Instant::now();
        assert_eq!(talk_for(world.address, bytes, PATIENCE).await, "");
        assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    }
    assert_eq!(world.app.seen.count(), 0);
    assert_eq!(told.times("without a valid PROXY protocol header"), 1);
    let metrics = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let metrics = talk_for(world.admin, metrics.as_bytes(), PATIENCE).await;
    let counted = "entrada_connections_refused_total{cause=\"proxy_header\"} 6";
    assert!(metrics.contains(counted), "{metrics}");
}

#[tokio::test]
async fn anybody_else_who_sends_the_header_sends_a_bad_request() {
    let server = "proxy_protocol = [\"192.0.2.1\"]".to_owned();
    let world = World::with(WorldPlan { server, ..WorldPlan::default() }).await;
    for header in [FIRST.to_vec(), second(0x20, 0x00, b"")] {
        let answer = talk_for(world.address, &[&header[..], &get(&world)].concat(), PATIENCE).await;
        assert_eq!(raw::status(&answer), 400, "{answer}");
    }
    assert_eq!(world.app.seen.count(), 0);
}

#[tokio::test]
async fn the_header_is_in_front_of_tls() {
    let authority = TestAuthority::new();
    let (certificate, key) = authority.makes("tls", "localhost");
    let port = free_port();
    let world = World::with(WorldPlan {
        server: format!(
            "proxy_protocol = [\"127.0.0.1\"]\ntls = {{ certificate = \"{}\", key = \"{}\" }}",
            certificate.display(),
            key.display()
        ),
        port: Some(port),
        public_url: Some(format!("https://localhost:{port}")),
        ..WorldPlan::default()
    })
    .await;
    let config = authority.client(rustls::ALL_VERSIONS, &["http/1.1"]);
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    stream.write_all(FIRST).await.unwrap();
    let mut stream = TlsConnector::from(config.clone())
        .connect(ServerName::try_from("localhost").unwrap(), stream)
        .await
        .unwrap();
    stream.write_all(&get(&world)).await.unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer).await;
    assert!(heard(&answer, "x-forwarded-for", "192.0.2.7"), "{answer}");
    assert!(heard(&answer, "x-forwarded-proto", "https"), "{answer}");
    assert!(connect(&world, config).await.is_err(), "TLS without the header");
}
