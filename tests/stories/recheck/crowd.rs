//! Ten thousand sessions and one outage.

use super::{MINUTE, long_lived, metrics};
use crate::world::World;
use crate::world::browser::TestBrowser;
use crate::world::samples::MAYA;
use entrada::session::live::NewSession;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// So many times ten seconds are an hour.
const STEPS: usize = 360;

#[tokio::test(flavor = "multi_thread")]
async fn p2_an_hour_without_entra_signs_none_of_ten_thousand_out_and_asks_it_fewer_than_two_hundred_times()
 {
    let world = long_lived().await;
    let maya = world.signed_in(MAYA).await;
    let cookies = Arc::new(crowd(&world, &maya, 10_000).await);
    let control = world.emulator.control();
    control.be_down(true);
    let before = control.calls();
    world.later(31 * MINUTE);
    // Everybody once within the hour, a few every ten seconds.
    for step in 0..STEPS {
        let few: Vec<_> = cookies.iter().skip(step).step_by(STEPS).cloned().collect();
        assert_eq!(
            all_ask(&world, &Arc::new(few)).await,
            0,
            "somebody was signed out at step {step}"
        );
        world.later(10);
    }
    let calls = control.calls() - before;
    assert!((10..200).contains(&calls), "{calls} calls");
    // Once Entra answers again everybody's turn comes, and nobody's session ends.
    control.be_down(false);
    world.later(2 * MINUTE);
    let since = world.internals().process.clock.now();
    let mut unheard = Arc::clone(&cookies);
    for _ in 0..20 {
        assert_eq!(all_ask(&world, &unheard).await, 0);
        while !world.internals().process.background.is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        unheard =
            Arc::new(cookies.iter().filter(|it| heard_at(&world, it) < since).cloned().collect());
        if unheard.is_empty() {
            break;
        }
        world.later(MINUTE);
    }
    assert_eq!((unheard.len(), answers(&world).await), (0, 10_000));
    println!(
        "an hour without Entra: {calls} calls for {} sessions, then {} answers",
        cookies.len(),
        answers(&world).await
    );
}

/// When Entra last said yes to a session, which is still there.
fn heard_at(world: &World, cookie: &str) -> u64 {
    let session = world.internals().process.live.peek(cookie.split_once('=').unwrap().1);
    session.expect("somebody was signed out").standing().answered()
}

/// How many sessions Entra has said yes to.
async fn answers(world: &World) -> u64 {
    let metrics = metrics(world).await;
    let line =
        metrics.lines().find(|it| it.starts_with("entrada_rechecks_total{outcome=\"live\"}"));
    line.map_or(0, |it| it.rsplit(' ').next().unwrap().parse().unwrap())
}

/// Sessions begun without a browser each, as far as Entra and the store go.
async fn crowd(world: &World, browser: &TestBrowser, count: u64) -> Vec<String> {
    const AT_ONCE: u64 = 4;
    let sidecar = world.internals();
    let session = sidecar.process.live.peek(&browser.cookie("entrada").unwrap()).unwrap();
    // Entra's refresh tokens are good for more than once.
    let grant = session.standing().lease().await.refresh_token().unwrap().clone();
    let name = browser.with_port("entrada");
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..AT_ONCE {
        let (sidecar, grant, name) = (Arc::clone(&sidecar), grant.clone(), name.clone());
        tasks.spawn(async move {
            let mut out = Vec::new();
            for at in (task..count).step_by(usize::try_from(AT_ONCE).unwrap()) {
                let mut refreshed = sidecar.entra.refresh(&grant).await.unwrap();
                let own = refreshed.refresh_token.take();
                let user = sidecar.entra.verify(refreshed).await.unwrap();
                let new = NewSession { refresh_token: own, ..user.into() };
                let (id, session) = sidecar.process.live.prepare(new);
                let id = sidecar.process.store.save(id, &session).await;
                // As a sign-in does; a little earlier each.
                session.standing().set_due_in(sidecar.process.clock.now(), 1620 + at * 180 / count);
                out.push(format!("{name}={}", id.expose()));
            }
            out
        });
    }
    tasks.join_all().await.concat()
}

/// Each session of the crowd asks the running program once; the answers that were not 200.
async fn all_ask(world: &World, cookies: &Arc<Vec<String>>) -> usize {
    const CONNECTIONS: usize = 8;
    let host = world.public_url.split_once("://").unwrap().1.to_owned();
    let mut tasks = tokio::task::JoinSet::new();
    for connection in 0..CONNECTIONS {
        let (cookies, host, address) = (Arc::clone(cookies), host.clone(), world.address);
        tasks.spawn(async move {
            let mut stream = tokio::io::BufReader::new(TcpStream::connect(address).await.unwrap());
            let mut failed = 0;
            for cookie in cookies.iter().skip(connection).step_by(CONNECTIONS) {
                let request = format!(
                    "GET /oauth2/userinfo HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\n\r\n"
                );
                stream.get_mut().write_all(request.as_bytes()).await.unwrap();
                failed += usize::from(!answer_is_200(&mut stream).await);
            }
            failed
        });
    }
    tasks.join_all().await.into_iter().sum()
}

async fn answer_is_200(stream: &mut tokio::io::BufReader<TcpStream>) -> bool {
    use tokio::io::AsyncBufReadExt as _;
    let (mut first, mut length) = (String::new(), 0);
    stream.read_line(&mut first).await.unwrap();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        let line = line.trim_end().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    first.starts_with("HTTP/1.1 200")
}
