//! The servers and the link that other stories break: that they do what those stories count on.

use crate::world::free_port;
use crate::world::redis::{
    MASTER_NAME, RedisCluster, RedisOptions, RedisProgram, RedisReply, RedisServer, SentinelGroup,
};
use crate::world::slow_link::SlowLink;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

async fn error(server: &RedisServer, words: &[&str]) -> String {
    match server.client().await.unwrap().ask(words).await.unwrap() {
        RedisReply::Error(text) => text.split(' ').next().unwrap().to_owned(),
        other => panic!("{words:?}: {other:?}"),
    }
}

#[tokio::test]
async fn every_server_keeps_its_data_over_a_kill_and_refuses_as_a_real_one() {
    for program in RedisProgram::ALL {
        let options = RedisOptions { program, ..RedisOptions::default() };
        let Some(mut server) = RedisServer::with(options).await else { continue };
        server.command(&["SET", "a", "1"]).await;
        server.command(&["XADD", "b", "*", "name", "value"]).await;
        server.kill();
        server.restart().await;
        let mut all = server.everything(0).await;
        all.sort();
        assert_eq!(all[0], (b"a".to_vec(), b"1".to_vec()), "{program:?}");
        assert!(String::from_utf8_lossy(&all[1].1).contains("name\nvalue"), "{program:?}");
        server.becomes_a_replica().await;
        assert_eq!(error(&server, &["SET", "a", "2"]).await, "READONLY");
        server.becomes_primary().await;
        server.runs_out_of_memory().await;
        assert_eq!(error(&server, &["SET", "a", "2"]).await, "OOM");
        server.has_memory().await;
        if program != RedisProgram::Redis6 {
            server.restart_loading(Duration::from_secs(2)).await;
            assert_eq!(error(&server, &["GET", "a"]).await, "LOADING", "{program:?}");
        }
        server.restart_empty().await;
        assert!(server.everything(0).await.is_empty());
        let mut client = server.client().await.unwrap();
        server.pause();
        let asked = tokio::time::timeout(Duration::from_millis(300), client.ask(&["PING"])).await;
        assert!(asked.is_err(), "a stopped server answered");
        server.resume();
    }
}

#[tokio::test]
async fn users_and_tls_are_what_the_server_insists_on() {
    let user = Some("app on >hunter22 ~entrada:* &* +@all".to_owned());
    let options = RedisOptions { user, ..RedisOptions::default() };
    let Some(server) = RedisServer::with(options).await else { return };
    assert!(server.url().contains("app@"));
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).await.unwrap();
    stream.write_all(b"PING\r\nAUTH app hunter22\r\nSET other 1\r\n").await.unwrap();
    let mut answer = [0; 200];
    tokio::time::sleep(Duration::from_millis(200)).await;
    let count = stream.read(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer[..count]).into_owned();
    assert!(answer.starts_with("-NOAUTH") && answer.contains("+OK\r\n-NOPERM"), "{answer}");
    let tls = RedisOptions { tls: true, ..RedisOptions::default() };
    let server = RedisServer::with(tls).await.unwrap();
    assert!(server.url().starts_with("rediss://") && server.ca_file().is_file());
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).await.unwrap();
    stream.write_all(b"PING\r\n").await.unwrap();
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer).await);
    assert!(!answer.starts_with(b"+PONG"), "without TLS");
}

#[tokio::test]
async fn the_sentinels_choose_another_primary_when_it_is_dead() {
    let Some(mut group) = SentinelGroup::start(Some("hunter22")).await else { return };
    assert_eq!((group.addresses().len(), MASTER_NAME), (3, "sessions"));
    let first = group.primary_port().await;
    group.primary().await.command(&["SET", "a", "1"]).await;
    group.primary().await.command(&["WAIT", "1", "1000"]).await;
    group.primary().await.kill();
    group.has_another_primary(first).await;
    assert_ne!(group.primary_port().await, first);
    assert_eq!(group.primary().await.command(&["GET", "a"]).await.text(), "1");
    group.servers[0].restart().await;
    group.is_replicated().await;
}

#[tokio::test]
async fn the_cluster_has_every_slot_and_a_replica_takes_over() {
    let Some(cluster) = RedisCluster::with_replicas().await else { return };
    assert_eq!(cluster.addresses().len(), 6);
    cluster.fail_over(0).await;
    let role = cluster.nodes[3].command(&["ROLE"]).await.text();
    assert!(role.starts_with("master"), "{role}");
    assert!(cluster.everything().await.is_empty());
}

#[tokio::test]
async fn the_link_is_slow_silent_or_cut_and_well_again() {
    let listener = TcpListener::bind(("127.0.0.1", free_port())).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                tokio::io::copy(&mut from, &mut to).await
            });
        }
    });
    let link = SlowLink::to(address).await;
    let mut stream = TcpStream::connect(link.address).await.unwrap();
    assert!(echoes(&mut stream).await.is_some_and(|it| it < Duration::from_millis(150)));
    link.slows(Duration::from_millis(200));
    assert!(echoes(&mut stream).await.is_some_and(|it| it >= Duration::from_millis(400)));
    link.is_well();
    link.falls_silent();
    assert_eq!(echoes(&mut stream).await, None);
    let mut later = TcpStream::connect(link.address).await.unwrap();
    assert_eq!(echoes(&mut later).await, None);
    link.is_well();
    // What was lost on the way arrives, as TCP sends it again.
    let mut late = [0; 4];
    stream.read_exact(&mut late).await.unwrap();
    later.read_exact(&mut late).await.unwrap();
    assert!(echoes(&mut stream).await.is_some() && echoes(&mut later).await.is_some());
    link.breaks();
    assert_eq!(stream.read(&mut late).await.unwrap_or(0), 0);
    assert_eq!(fresh(link.address).await, None);
    link.is_well();
    assert!(fresh(link.address).await.is_some());
}

async fn fresh(address: SocketAddr) -> Option<Duration> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    echoes(&mut stream).await
}

/// Returns how long four bytes took there and back; `None` if they did not arrive within a second.
async fn echoes(stream: &mut TcpStream) -> Option<Duration> {
    let began = Instant::now();
    let mut back = [0; 4];
    let both = async {
        stream.write_all(b"ping").await.ok()?;
        stream.read_exact(&mut back).await.ok()
    };
    tokio::time::timeout(Duration::from_secs(1), both).await.ok().flatten()?;
    Some(began.elapsed())
}
