//! Every way to listen.

use crate::world::raw::{self, talk_for};
use crate::world::{World, WorldPlan, free_port};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

#[tokio::test]
async fn every_kind_of_listener_serves_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("entrada.sock");
    let (port, six) = (free_port(), free_port());
    let listen = format!(
        "listen = [\"127.0.0.1:{port}\", \"[::1]:{six}\", \"unix:{}\"]\ntrusted_proxies = [\"unix\"]",
        socket.display()
    );
    let host = format!("localhost:{port}");
    let world = World::with(WorldPlan {
        server: listen,
        port: Some(port),
        public_url: Some(format!("http://{host}")),
        ..WorldPlan::default()
    })
    .await;
    let request = format!(
        "GET /public/x HTTP/1.1\r\nHost: {host}\r\nX-Forwarded-For: 192.0.2.9\r\nConnection: close\r\n\r\n"
    );
    let four = talk_for(world.address, request.as_bytes(), Duration::from_secs(5)).await;
    assert!(
        raw::status(&four) == 200 && four.contains("[\"x-forwarded-for\",\"127.0.0.1\"]"),
        "{four}"
    );
    let six = talk_for(
        SocketAddr::new("::1".parse().unwrap(), six),
        request.as_bytes(),
        Duration::from_secs(5),
    )
    .await;
    assert!(
        raw::status(&six) == 200
            && six.contains("[\"x-forwarded-for\",\"::1\"]")
            && six.contains("for=\\\"[::1]\\\""),
        "{six}"
    );
    // Whoever may open the socket speaks for the client, where the configuration says so.
    let mut stream = UnixStream::connect(&socket).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(
        raw::status(&answer) == 200 && answer.contains("[\"x-forwarded-for\",\"192.0.2.9\"]"),
        "{answer}"
    );
    assert_eq!(world.app.seen.count(), 3);
    drop(world);
    for _ in 0..100 {
        if !socket.exists() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the socket's file was left behind");
}
