//! Signed-in people who use the app all the time, and what they see of it.

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

/// Time between two requests: 200 in a second.
const PACE: Duration = Duration::from_millis(5);
const PATIENCE: Duration = Duration::from_secs(15);

/// A person with a session.
#[derive(Clone)]
pub struct LoadPerson {
    pub cookie: String,
    /// The object ID that the app must hear.
    pub id: &'static str,
}

/// What the people saw.
#[derive(Debug, Default)]
pub struct LoadCounts {
    /// Responses by status.
    pub answers: BTreeMap<u16, usize>,
    /// Connections that were not accepted.
    pub refused: usize,
    /// Requests on new connections that were not answered.
    pub broken: usize,
    /// Responses of the app to somebody else.
    pub wrong_person: usize,
    /// Requests that were repeated because a kept connection had been closed, as browsers do.
    pub repeated: usize,
    pub slowest: Duration,
}

enum RequestOutcome {
    Answered(u16, bool),
    Refused,
    Broken,
}

/// A load that goes on until it is stopped.
pub struct Load {
    stop: CancellationToken,
    running: JoinHandle<LoadCounts>,
}

type KeptConnection = Arc<Mutex<Option<SendRequest<Empty<Bytes>>>>>;

impl Load {
    /// Starts 200 requests per second of these people in turn, half of them on connections that are
    /// kept.
    pub fn start(address: SocketAddr, host: &str, people: Vec<LoadPerson>) -> Self {
        let stop = CancellationToken::new();
        let host: Arc<str> = host.into();
        let running = tokio::spawn(run(address, host, people, stop.clone()));
        Self { stop, running }
    }

    /// Stops it, and returns what was seen when the last request is answered.
    pub async fn stops(self) -> LoadCounts {
        self.stop.cancel();
        self.running.await.unwrap()
    }
}

async fn run(
    address: SocketAddr,
    host: Arc<str>,
    people: Vec<LoadPerson>,
    stop: CancellationToken,
) -> LoadCounts {
    let kept: Vec<KeptConnection> = people.iter().map(|_| KeptConnection::default()).collect();
    let mut pace = tokio::time::interval(PACE);
    let (mut requests, mut number) = (JoinSet::new(), 0);
    while stop.run_until_cancelled(pace.tick()).await.is_some() {
        let at = number % people.len();
        let (person, host) = (people[at].clone(), Arc::clone(&host));
        // Each person changes between new connections and a kept one.
        let kept = (number / people.len() % 2 == 1).then(|| Arc::clone(&kept[at]));
        requests.spawn(async move {
            let began = Instant::now();
            let (outcome, repeated) = match kept {
                Some(kept) => on_kept(address, &host, &person, &kept).await,
                None => (on_new(address, &host, &person).await.0, false),
            };
            (outcome, repeated, began.elapsed())
        });
        number += 1;
    }
    let mut counts = LoadCounts::default();
    while let Some(done) = requests.join_next().await {
        counts.take(done.unwrap());
    }
    counts
}

impl LoadCounts {
    fn take(&mut self, (outcome, repeated, time): (RequestOutcome, bool, Duration)) {
        self.repeated += usize::from(repeated);
        self.slowest = self.slowest.max(time);
        match outcome {
            RequestOutcome::Answered(status, is_theirs) => {
                *self.answers.entry(status).or_default() += 1;
                self.wrong_person += usize::from(status == 200 && !is_theirs);
            }
            RequestOutcome::Refused => self.refused += 1,
            RequestOutcome::Broken => self.broken += 1,
        }
    }

    /// Nobody noticed anything.
    pub fn are_perfect(&self) -> bool {
        self.refused + self.broken + self.wrong_person == 0
            && self.answers.keys().all(|status| *status == 200)
    }
}

async fn on_new(
    address: SocketAddr,
    host: &str,
    person: &LoadPerson,
) -> (RequestOutcome, Option<SendRequest<Empty<Bytes>>>) {
    let connected = tokio::time::timeout(PATIENCE, TcpStream::connect(address)).await;
    let Ok(Ok(stream)) = connected else { return (RequestOutcome::Refused, None) };
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let outcome = ask(&mut sender, host, person).await.unwrap_or(RequestOutcome::Broken);
    (outcome, Some(sender))
}

/// Uses the person's connection; where it has been closed, a new one.
async fn on_kept(
    address: SocketAddr,
    host: &str,
    person: &LoadPerson,
    kept: &KeptConnection,
) -> (RequestOutcome, bool) {
    let mut place = kept.lock().await;
    let mut repeated = false;
    if let Some(mut sender) = place.take().filter(|it| !it.is_closed()) {
        if let Some(outcome) = ask(&mut sender, host, person).await {
            *place = Some(sender);
            return (outcome, false);
        }
        repeated = true;
    }
    let (outcome, sender) = on_new(address, host, person).await;
    *place = sender;
    (outcome, repeated)
}

/// Returns nothing if the connection ended before the response.
async fn ask(
    sender: &mut SendRequest<Empty<Bytes>>,
    host: &str,
    person: &LoadPerson,
) -> Option<RequestOutcome> {
    let request = Request::get("/api/load")
        .header("host", host)
        .header("cookie", &person.cookie)
        .body(Empty::new())
        .unwrap();
    let answered = tokio::time::timeout(PATIENCE, async {
        sender.ready().await.ok()?;
        let response = sender.send_request(request).await.ok()?;
        let status = response.status();
        let body = response.into_body().collect().await.ok()?.to_bytes();
        Some((status, body))
    });
    let (status, body): (StatusCode, Bytes) = answered.await.ok().flatten()?;
    let is_theirs = String::from_utf8_lossy(&body).contains(person.id);
    Some(RequestOutcome::Answered(status.as_u16(), is_theirs))
}
