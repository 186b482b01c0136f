//! Idle HTTP/1.1 connections that gave their memory back.

use super::tls::CertificateFiles;
use super::*;
use crate::server::connection::{self, HttpProtocol};
use crate::server::sockets::{AcceptedSocket, CountedSocket};
use crate::server::state::ConnectionState;
use crate::server::sweep::ConnectionRegistry;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// A connection that only the test ends or lets rest.
struct Served {
    state: Arc<ConnectionState>,
    task: JoinHandle<()>,
}

impl Served {
    async fn start(tls: Option<&ServerCertificates>) -> (Self, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (socket, address) = listener.accept().await.unwrap();
        let state = ConnectionRegistry::new().enter();
        let permit = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        let io = CountedSocket::new(AcceptedSocket::Tcp(socket), Arc::clone(&state), permit);
        let protocol = Arc::new(HttpProtocol::new(&limits(), None));
        let tls = tls.map(ServerCertificates::acceptor);
        let peer = Peer::of_socket(Some(address), tls.is_some());
        let serving = connection::serve(protocol, io, tls, App, peer);
        // A connection that rests keeps nothing but this and its state.
        let bytes = size_of_val(&serving) + size_of::<ConnectionState>();
        assert!(bytes <= 2048, "{bytes}");
        let task = tokio::spawn(serving);
        (Self { state, task }, client)
    }

    async fn rests(&self) {
        for _ in 0..500 {
            // As the sweeper does: the last request may not have ended yet.
            self.state.request_rest();
            if self.state.is_resting() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it does not rest");
    }
}

async fn is_answered(client: &mut (impl AsyncRead + Unpin), times: usize) {
    let mut text = String::new();
    while text.matches("address=true").count() < times {
        let mut bytes = [0; 1024];
        let count = client.read(&mut bytes).await.unwrap();
        assert!(count > 0, "closed after {text:?}");
        text.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
    }
    assert_eq!(text.matches("HTTP/1.1 200 OK").count(), times, "{text}");
}

/// Requests after a rest: whole, byte by byte, two at once, with a body, and for an upgrade.
async fn serves_after_each_rest(served: &Served, mut client: impl AsyncRead + AsyncWrite + Unpin) {
    client.write_all(GET).await.unwrap();
    is_answered(&mut client, 1).await;
    served.rests().await;
    client.write_all(GET).await.unwrap();
    is_answered(&mut client, 1).await;
    served.rests().await;
    for byte in GET {
        client.write_all(&[*byte]).await.unwrap();
        client.flush().await.unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    is_answered(&mut client, 1).await;
    served.rests().await;
    client.write_all(&GET.repeat(2)).await.unwrap();
    is_answered(&mut client, 2).await;
    served.rests().await;
    let upload = b"POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: 40\r\n\r\n";
    client.write_all(upload).await.unwrap();
    client.write_all(&[b'x'; 40]).await.unwrap();
    let mut text = [0; 256];
    let count = client.read(&mut text).await.unwrap();
    assert!(text[..count].ends_with(b"40"));
    served.rests().await;
    let upgrade =
        b"GET /upgrade HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";
    client.write_all(upgrade).await.unwrap();
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n\r\n") {
        text.push(client.read_u8().await.unwrap());
    }
    client.write_all(b"hello").await.unwrap();
    let mut echo = [0; 5];
    client.read_exact(&mut echo).await.unwrap();
    assert_eq!(&echo, b"hello");
}

#[tokio::test]
async fn requests_of_every_kind_are_served_after_a_rest() {
    let (served, client) = Served::start(None).await;
    serves_after_each_rest(&served, client).await;
}

#[tokio::test]
async fn requests_of_every_kind_are_served_after_a_rest_over_tls() {
    let files = CertificateFiles::new();
    let certificates = ServerCertificates::load(&files.files).unwrap();
    let (served, client) = Served::start(Some(&certificates)).await;
    let client = files.handshake(client, b"http/1.1").await.unwrap();
    serves_after_each_rest(&served, client).await;
}

#[tokio::test]
async fn a_resting_connection_ends_with_its_client_and_when_it_should_close() {
    for by_client in [true, false] {
        let (served, mut client) = Served::start(None).await;
        client.write_all(GET).await.unwrap();
        is_answered(&mut client, 1).await;
        served.rests().await;
        if by_client {
            drop(client);
        } else {
            served.state.close();
            assert!(closes(&mut client).await < LATE);
        }
        tokio::time::timeout(LATE, served.task).await.unwrap().unwrap();
        assert!(served.state.forgotten());
    }
}

#[tokio::test]
async fn a_connection_over_tls_ends_its_rest_with_close_notify() {
    let files = CertificateFiles::new();
    let certificates = ServerCertificates::load(&files.files).unwrap();
    let (served, client) = Served::start(Some(&certificates)).await;
    let mut client = files.handshake(client, b"http/1.1").await.unwrap();
    client.write_all(GET).await.unwrap();
    is_answered(&mut client, 1).await;
    served.rests().await;
    served.state.close();
    // Without close_notify, rustls returns an error.
    assert_eq!(client.read(&mut [0; 16]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_connection_in_use_does_not_rest() {
    let (served, mut client) = Served::start(None).await;
    for (sent, name) in
        [(&b"GET /late HTTP/1.1\r\nHost: a\r\n\r\n"[..], "a request"), (b"GET / HT", "half a head")]
    {
        client.write_all(sent).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        served.state.request_rest();
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(!served.state.is_resting(), "{name}");
        if name == "a request" {
            answer(&mut client).await;
        }
    }
    client.write_all(b"TP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    is_answered(&mut client, 1).await;
}
