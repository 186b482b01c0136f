//! The traffic: requests at a steady rate, and `WebSockets` that stay open.

use super::exchange::{PATIENCE, send};
use super::fleet::Fleet;
use super::people::People;
use super::seed::Chance;
use super::verdict::{Observation, RequestOutcome};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

/// Time between two messages on a `WebSocket`.
const BETWEEN_MESSAGES: Duration = Duration::from_millis(500);

/// Running traffic.
pub struct Traffic {
    fleet: Arc<Fleet>,
    people: Arc<People>,
    observations: Arc<Mutex<Vec<Observation>>>,
    stop: CancellationToken,
    tasks: tokio_util::task::TaskTracker,
}

impl Traffic {
    /// Starts that many requests a second, and that many `WebSockets`.
    pub fn start(
        fleet: &Arc<Fleet>,
        people: &Arc<People>,
        per_second: u32,
        sockets: usize,
        chance: Chance,
    ) -> Self {
        let traffic = Self {
            fleet: Arc::clone(fleet),
            people: Arc::clone(people),
            observations: Arc::default(),
            stop: CancellationToken::new(),
            tasks: tokio_util::task::TaskTracker::new(),
        };
        traffic.requests(per_second, chance);
        for number in 0..sockets {
            let replica = number % fleet.replicas.len();
            traffic.socket(number * people.sessions.len() / sockets, replica);
        }
        traffic
    }

    fn requests(&self, per_second: u32, mut chance: Chance) {
        let (fleet, people, stop) =
            (Arc::clone(&self.fleet), Arc::clone(&self.people), self.stop.clone());
        let (observations, tasks) = (Arc::clone(&self.observations), self.tasks.clone());
        self.tasks.spawn(async move {
            let mut ticks = tokio::time::interval(Duration::from_secs(1) / per_second);
            while stop.run_until_cancelled(ticks.tick()).await.is_some() {
                let (session, replica) =
                    (chance.below(people.sessions.len()), chance.below(fleet.replicas.len()));
                let (fleet, people, observations) =
                    (Arc::clone(&fleet), Arc::clone(&people), Arc::clone(&observations));
                tasks.spawn(async move {
                    let seen = ask(&fleet, &people, session, replica).await;
                    observations.lock().unwrap().push(seen);
                });
            }
        });
    }

    fn socket(&self, session: usize, replica: usize) {
        let (fleet, people, stop) =
            (Arc::clone(&self.fleet), Arc::clone(&self.people), self.stop.clone());
        let observations = Arc::clone(&self.observations);
        self.tasks.spawn(async move {
            let (address, life) = fleet.place(replica);
            let cookie = &people.sessions[session].cookie;
            let mut socket = open(address, fleet.host(), cookie).await;
            loop {
                let began = Instant::now();
                let echoed = echoes(&mut socket).await;
                let ended = Instant::now();
                let outcome = match &echoed {
                    Ok(()) => RequestOutcome::Served,
                    Err(why) => RequestOutcome::Broken(format!("WebSocket: {why}")),
                };
                let seen =
                    Observation { session, replica, life, is_socket: true, began, ended, outcome };
                observations.lock().unwrap().push(seen);
                let rest = tokio::time::sleep(BETWEEN_MESSAGES);
                if echoed.is_err() || stop.run_until_cancelled(rest).await.is_none() {
                    return;
                }
            }
        });
    }

    /// Moves the clocks of all replicas past the end of every session.
    pub fn time_is_over(&self, clocks: Vec<i64>) {
        self.people.time_is_over(&self.fleet);
        for (replica, seconds) in self.fleet.replicas.iter().zip(clocks) {
            replica.read().unwrap().moves_clock(seconds);
        }
    }

    /// Asks for every session at every replica.
    pub async fn asks_everywhere(&self) {
        use futures_util::StreamExt as _;
        let pairs = (0..self.people.sessions.len())
            .flat_map(|session| (0..self.fleet.replicas.len()).map(move |it| (session, it)));
        let all: Vec<_> = futures_util::stream::iter(pairs)
            .map(|(session, replica)| ask(&self.fleet, &self.people, session, replica))
            .buffer_unordered(16)
            .collect()
            .await;
        self.observations.lock().unwrap().extend(all);
    }

    /// Ends the traffic; returns all that was observed.
    pub async fn stops(self) -> Vec<Observation> {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        std::mem::take(&mut self.observations.lock().unwrap())
    }
}

/// One request of a person at a replica.
async fn ask(fleet: &Fleet, people: &People, session: usize, replica: usize) -> Observation {
    let ((address, life), it) = (fleet.place(replica), &people.sessions[session]);
    let request = format!(
        "GET /api/x HTTP/1.1\r\nHost: {}\r\nAccept: application/json\r\nCookie: {}\r\n\
         Connection: close\r\n\r\n",
        fleet.host(),
        it.cookie
    );
    let began = Instant::now();
    let outcome = match send(address, &request).await {
        Err(why) => RequestOutcome::Broken(why),
        Ok(answer) => outcome(&answer, it.person),
    };
    let ended = Instant::now();
    Observation { session, replica, life, is_socket: false, began, ended, outcome }
}

/// Reads an answer; the app tells whom it was told.
fn outcome(answer: &str, person: &str) -> RequestOutcome {
    let told = || answer.contains(person);
    let status = answer.get(9..12).unwrap_or_default();
    match status {
        "200" if told() => RequestOutcome::Served,
        "401" => RequestOutcome::SignedOut,
        "503" if answer.to_lowercase().contains("\nretry-after:") => RequestOutcome::ComeAgain,
        _ => RequestOutcome::Wrong(answer.chars().take(400).collect()),
    }
}

async fn open(address: SocketAddr, host: &str, cookie: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "GET /ws HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Cookie: {cookie}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    stream
}

/// A masked text frame "hi" (RFC 6455 section 5.7), and its echo.
async fn echoes(socket: &mut TcpStream) -> Result<(), String> {
    let both = async {
        socket.write_all(&[0x81, 0x82, 0, 0, 0, 0, b'h', b'i']).await?;
        let mut echo = [0; 4];
        socket.read_exact(&mut echo).await?;
        Ok::<_, std::io::Error>(echo)
    };
    match tokio::time::timeout(PATIENCE, both).await {
        Err(_) => Err("no echo".to_owned()),
        Ok(Err(why)) => Err(why.to_string()),
        Ok(Ok(echo)) if &echo == b"\x81\x02hi" => Ok(()),
        Ok(Ok(echo)) => Err(format!("{echo:02x?}")),
    }
}
