//! Listeners, the drain, and the admin listener.

use super::*;
use crate::base::guid::Guid;
use crate::base::secret::Secret;
use crate::base::site::Site;
use crate::directory::Directory;
use crate::session::person::{
    AmbiguousPerson, EndedSessions, PersonKey, PersonName, PersonSelector,
};
use crate::sidecar::domain_prover::DomainProver;

#[tokio::test]
async fn the_drain_lets_an_answer_finish_and_closes_what_rests() {
    let world = start_with(patient(), None, Duration::from_secs(60));
    let mut resting = world.ask(GET).await;
    answer(&mut resting).await;
    let mut half = world.ask(b"GET / HT").await;
    let mut silent = world.connect().await;
    let (mut sender, connection) = http2(TokioIo::new(world.connect().await)).await;
    let connection = tokio::spawn(connection);
    assert_eq!(
        sender
            .send_request(Request::get("http://a/").body(Full::default()).unwrap())
            .await
            .unwrap()
            .status(),
        200
    );
    let mut slow = world.ask(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await;
    tokio::time::sleep(Duration::from_millis(150)).await;

    let begin = Instant::now();
    world.shutdown.cancel();
    closes(&mut resting).await;
    closes(&mut silent).await;
    connection.await.unwrap().unwrap();
    closes(&mut half).await;
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    assert!(TcpStream::connect(world.address).await.is_err());
    let mut text = String::new();
    slow.read_to_string(&mut text).await.unwrap();
    assert_eq!(text.matches("part.").count(), 10);
    world.served.await.unwrap();
    assert!(begin.elapsed() < Duration::from_secs(20));
}

#[tokio::test]
async fn the_drain_ends_at_its_deadline_whatever_goes_on() {
    let world = start_with(limits(), None, Duration::from_millis(700));
    let mut slow = world.ask(b"GET /long HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let (mut sender, connection) = http2(TokioIo::new(world.connect().await)).await;
    tokio::spawn(connection);
    let stream = sender
        .send_request(Request::get("http://a/long").body(Full::default()).unwrap())
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let begin = Instant::now();
    world.shutdown.cancel();
    world.served.await.unwrap();
    in_time(begin.elapsed(), Duration::from_millis(700));
    closes(&mut slow).await;
    assert!(stream.into_body().collect().await.is_err());
}

#[tokio::test]
async fn a_unix_socket_has_no_address_takes_over_a_dead_one_and_leaves_no_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("entrada.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let listen = ListenAddress::Unix(path.clone());
    let listeners = Listener::bind(&listen).unwrap();
    assert_eq!(Listener::bind(&listen).unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
    let shutdown = CancellationToken::new();
    let settings = ServerSettings {
        limits: limits(),
        tls: None,
        hsts: None,
        proxy_protocol: PeerSet::default(),
        grace: Duration::ZERO,
        metrics: Arc::default(),
    };
    let served =
        tokio::spawn(serve(listeners, settings, App, TunnelTracker::new(), shutdown.clone()));
    let mut stream = UnixStream::connect(&path).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    assert!(text.ends_with("address=false tls=false"));
    shutdown.cancel();
    served.await.unwrap();
    assert!(!path.exists());
    std::fs::write(&path, "precious").unwrap();
    assert!(Listener::bind(&listen).is_err());
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
}

#[tokio::test]
async fn a_listener_that_closes_hands_over_the_connections_that_wait_in_it() {
    let listener = Listener::bind(&ListenAddress::Tcp("127.0.0.1:0".parse().unwrap()));
    let listener = listener.unwrap().pop().unwrap();
    let address = listener.local_addr().unwrap();
    // Nothing lets the reactor see them.
    let clients: Vec<_> = (0..50).map(|_| std::net::TcpStream::connect(address).unwrap()).collect();
    let waiting = listener.close();
    assert_eq!(waiting.len(), clients.len());
    assert!(std::net::TcpStream::connect(address).is_err());
    let mut expected: Vec<_> = clients.iter().map(|it| it.local_addr().ok()).collect();
    let mut found: Vec<_> = waiting.iter().map(|it| it.1).collect();
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn two_listeners_share_a_port_and_the_one_that_leaves_loses_no_connection() {
    const CLIENTS: usize = 64;
    let bind = |address: &str| {
        Listener::bind_beside_others(&ListenAddress::Tcp(address.parse().unwrap())).unwrap()
    };
    let old = bind("127.0.0.1:0").pop().unwrap();
    let address = old.local_addr().unwrap();
    let new = bind(&address.to_string()).pop().unwrap();
    let alone = Listener::bind(&ListenAddress::Tcp(address));
    assert_eq!(alone.unwrap_err().kind(), std::io::ErrorKind::AddrInUse, "it does not share");
    let before: Vec<_> =
        (0..CLIENTS).map(|_| std::net::TcpStream::connect(address).unwrap()).collect();
    let leaves = old.leave_to_others();
    let mut after = tokio::task::JoinSet::new();
    for _ in 0..CLIENTS {
        after.spawn(TcpStream::connect(address));
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    let of_old = old.close();
    assert!((1..CLIENTS).contains(&of_old.len()), "{} of {CLIENTS}", of_old.len());
    if leaves {
        let before: Vec<_> = before.iter().map(|it| it.local_addr().ok()).collect();
        assert!(of_old.iter().all(|it| before.contains(&it.1)), "new ones still arrived");
    }
    let connected = tokio::time::timeout(Duration::from_secs(10), after.join_all()).await.unwrap();
    assert!(connected.iter().all(Result::is_ok));
    assert_eq!(of_old.len() + new.close().len(), 2 * CLIENTS);
}

#[tokio::test]
async fn a_listener_that_nobody_can_share_serves_until_it_is_closed() {
    let bind = |listen| Listener::bind(&listen).unwrap().pop().unwrap();
    let listener = bind(ListenAddress::Tcp("127.0.0.1:0".parse().unwrap()));
    assert!(!listener.leave_to_others());
    let directory = tempfile::tempdir().unwrap();
    let listen = ListenAddress::Unix(directory.path().join("entrada.sock"));
    let listener = Listener::bind_beside_others(&listen).unwrap().pop().unwrap();
    assert!(!listener.leave_to_others());
}

struct FixedReadiness(Result<(), Vec<String>>);

impl AdminSource for FixedReadiness {
    fn ready(&self) -> Result<(), Vec<String>> {
        self.0.clone()
    }

    fn notes(&self) -> Vec<String> {
        Vec::new()
    }

    fn metrics(&self) -> String {
        "# EOF\n".to_owned()
    }

    fn revoke(&self, selector: &PersonSelector) -> Result<EndedSessions, AmbiguousPerson> {
        let oid = Guid::parse("00aa00aa-bb11-cc22-dd33-44ee44ee0001").unwrap();
        let person = PersonKey { oid, tid: oid };
        match selector.user {
            PersonName::Object(_) => Ok(EndedSessions { person: Some(person), sessions: 2 }),
            PersonName::Name(_) => Err(AmbiguousPerson(vec![person, person])),
        }
    }

    fn token(&self) -> Option<Secret> {
        None
    }

    fn has_federated_token(&self) -> bool {
        false
    }

    fn directory(&self) -> Option<Directory> {
        None
    }

    fn domains(&self) -> Option<DomainProver> {
        None
    }

    fn site(&self) -> Site {
        Site::parse("https://app.example.com", "/oauth2", None).unwrap()
    }
}

async fn admin(readiness: Result<(), Vec<String>>) -> World {
    let mut listeners =
        Listener::bind(&ListenAddress::Tcp("127.0.0.1:0".parse().unwrap())).unwrap();
    let listener = listeners.pop().unwrap();
    let (address, shutdown) = (listener.local_addr().unwrap(), CancellationToken::new());
    let served = tokio::spawn(serve_admin(listener, FixedReadiness(readiness), shutdown.clone()));
    World { address, shutdown, served }
}

#[tokio::test]
async fn the_admin_listener_answers_three_paths_and_nothing_else() {
    let world = admin(Ok(())).await;
    let waiting = admin(Err(vec!["Entra was not reached yet".to_owned()])).await;
    let mut stream = world.connect().await;
    for (asked, status, expected) in [
        ("GET /healthz", 200, "\r\n\r\nok\n"),
        ("GET /readyz", 200, "\r\n\r\nready\n"),
        ("GET /metrics", 200, "openmetrics-text"),
        ("GET /", 404, ""),
        ("GET /oauth2/start", 404, ""),
        ("POST /healthz", 405, "allow: GET, HEAD"),
    ] {
        stream.write_all(format!("{asked} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).await.unwrap();
        let text = answer(&mut stream).await;
        assert!(
            text.starts_with(&format!("HTTP/1.1 {status} ")) && text.contains(expected),
            "{asked}: {text}"
        );
    }
    let text = answer(&mut waiting.ask(b"GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n").await).await;
    assert!(
        text.starts_with("HTTP/1.1 503") && text.ends_with("Entra was not reached yet\n"),
        "{text}"
    );
    let mut text = String::new();
    let mut head =
        world.ask(b"HEAD /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    head.read_to_string(&mut text).await.unwrap();
    assert!(text.starts_with("HTTP/1.1 200") && text.ends_with("\r\n\r\n"), "{text}");
    world.shutdown.cancel();
    tokio::time::timeout(Duration::from_secs(1), world.served).await.unwrap().unwrap();
}

/// Sends a request to the admin listener. `head` contains the request line and the headers.
async fn order(world: &World, head: &str, body: &str) -> String {
    let mut text = String::new();
    let request =
        format!("{head}Connection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    world.ask(request.as_bytes()).await.read_to_string(&mut text).await.unwrap();
    text
}

const POST: &str = "POST /sessions/revoke HTTP/1.1\r\n";
const LOCAL: &str = "Host: localhost\r\n";
const JSON: &str = "Content-Type: application/json\r\n";
const USER: &str = r#"{"user":"00aa00aa-bb11-cc22-dd33-44ee44ee0001"}"#;

#[tokio::test]
async fn sessions_are_revoked_in_json_from_this_machine_and_a_web_page_cannot_ask() {
    let world = admin(Ok(())).await;
    for host in ["localhost", "LOCALHOST:4181", "127.0.0.1:4181", "[::1]:4181"] {
        let text = order(&world, &format!("{POST}Host: {host}\r\n{JSON}"), USER).await;
        assert!(text.starts_with("HTTP/1.1 200") && text.contains("\"ended\":2"), "{host}: {text}");
    }
    let text = order(
        &world,
        &format!("{POST}{LOCAL}{JSON}"),
        r#"{"user":"maya@contoso.com","tenant":null}"#,
    )
    .await;
    assert!(
        text.starts_with("HTTP/1.1 409") && text.matches("\"user\":\"00aa").count() == 2,
        "{text}"
    );
    for (head, body, status) in [
        (format!("GET /sessions/revoke HTTP/1.1\r\n{LOCAL}"), "", 405),
        (
            format!("OPTIONS /sessions/revoke HTTP/1.1\r\n{LOCAL}Origin: https://evil.example\r\n"),
            "",
            405,
        ),
        (format!("{POST}Host: rebound.evil.example:4181\r\n{JSON}"), USER, 421),
        (format!("{POST}Host: localhost.evil.example\r\n{JSON}"), USER, 421),
        (format!("{POST}Host: 10.0.0.1\r\n{JSON}"), USER, 421),
        (format!("POST http://evil.example/sessions/revoke HTTP/1.1\r\n{LOCAL}{JSON}"), USER, 421),
        (format!("{POST}{LOCAL}{JSON}Origin: http://localhost\r\n"), USER, 403),
        (format!("{POST}{LOCAL}{JSON}Origin: null\r\n"), USER, 403),
        (format!("{POST}{LOCAL}{JSON}Sec-Fetch-Site: same-origin\r\n"), USER, 403),
        (format!("{POST}{LOCAL}{JSON}Referer: http://localhost/\r\n"), USER, 403),
        (format!("{POST}{LOCAL}"), USER, 415),
        (format!("{POST}{LOCAL}Content-Type: text/plain\r\n"), USER, 415),
        (format!("{POST}{LOCAL}Content-Type: application/x-www-form-urlencoded\r\n"), USER, 415),
        (format!("{POST}{LOCAL}{JSON}Content-Type: text/plain\r\n"), USER, 415),
        (format!("{POST}{LOCAL}{JSON}"), "", 400),
        (format!("{POST}{LOCAL}{JSON}"), r#"{"user":"*"}"#, 400),
        (
            format!("{POST}{LOCAL}{JSON}"),
            r#"{"user":"maya@contoso.com","tenant":"contoso.com"}"#,
            400,
        ),
        (format!("{POST}{LOCAL}{JSON}"), r#"{"users":"maya@contoso.com"}"#, 400),
    ] {
        let text = order(&world, &head, body).await;
        assert!(
            text.starts_with(&format!("HTTP/1.1 {status} "))
                && !text.contains("ended")
                && !text.contains("access-control"),
            "{head} {body}: {text}"
        );
    }
    let long = format!("{{\"user\":\"{}\"}}", "x".repeat(5000));
    assert!(
        order(&world, &format!("{POST}{LOCAL}{JSON}"), &long).await.starts_with("HTTP/1.1 400")
    );
}

#[tokio::test]
async fn a_listener_that_others_reach_takes_no_order() {
    let listener =
        Listener::bind(&ListenAddress::Tcp("0.0.0.0:0".parse().unwrap())).unwrap().pop().unwrap();
    let (port, shutdown) = (listener.local_addr().unwrap().port(), CancellationToken::new());
    let served = tokio::spawn(serve_admin(listener, FixedReadiness(Ok(())), shutdown.clone()));
    let world = World { address: ([127, 0, 0, 1], port).into(), shutdown, served };
    let text = order(&world, &format!("{POST}{LOCAL}{JSON}"), USER).await;
    assert!(text.starts_with("HTTP/1.1 403") && text.contains("loopback"), "{text}");
    assert!(
        order(&world, &format!("GET /healthz HTTP/1.1\r\n{LOCAL}"), "")
            .await
            .starts_with("HTTP/1.1 200")
    );
}
