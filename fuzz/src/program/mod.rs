//! The whole program over loopback: two sidecars, an Entra emulator and an app, and checks of the
//! effect that one connection has on them.

mod answers;
mod app;
mod hpack;
mod operand;
mod scene;
mod script;

use crate::world::browser::SCRIPT;
use crate::world::{MAX_BODY_BYTES, MAX_COOKIES, MAX_HEAD_BYTES};
use answers::Answer;
use app::Reached;
use http::Method;
use scene::Scene;
use script::Script;
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, Once, PoisonError};
use std::time::Duration;
use tokio::runtime::Runtime;

/// Maximum time for an ordinary request after an input, on a busy machine.
const MAX_ORDINARY_TIME: Duration = Duration::from_secs(10);
/// Number of requests for which the target remembers whether they had a session: a request may
/// reach the app after its input has ended.
const REMEMBERED_REQUESTS: usize = 1000;
/// Number of inputs during which events from an earlier input may still be logged.
const LATE_INPUTS: usize = 20;
/// The name of the threads that the program runs in.
const THREADS: &str = "fuzzed-program";

static STAGE: Mutex<Option<Stage>> = Mutex::new(None);
static PANICS: AtomicUsize = AtomicUsize::new(0);

/// Checks that one connection, with any bytes, does not make the program panic or return a 5xx or a
/// response that is too large, that only requests that the rules allow reach the app, and that the
/// program continues to serve others.
pub fn program(data: &[u8]) {
    let mut stage = STAGE.lock().unwrap_or_else(PoisonError::into_inner);
    stage.get_or_insert_with(Stage::start).try_input(data);
}

/// Stops the sidecars; the next input starts them again. Their logs must not contain a secret.
pub fn stop() {
    let stage = STAGE.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(Stage { runtime, plain, full, .. }) = stage {
        let _entered = runtime.enter();
        drop((plain, full));
    }
}

/// All running parts, started once for each process.
struct Stage {
    runtime: Runtime,
    plain: Scene,
    full: Scene,
    next_number: u64,
    /// Number of further inputs during which a path that contained a session may be logged.
    log_is_checked_in: usize,
    /// Recent requests, and whether each one had a session cookie.
    had_session: VecDeque<(u64, bool)>,
}

impl Stage {
    fn start() -> Self {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let others = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |about| {
                if std::thread::current().name() == Some(THREADS) {
                    PANICS.fetch_add(1, Ordering::SeqCst);
                }
                others(about);
            }));
        });
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name(THREADS)
            .enable_all()
            .build()
            .unwrap();
        let (plain, full) =
            runtime.block_on(async { (Scene::start(false).await, Scene::start(true).await) });
        let mut stage = Self {
            runtime,
            plain,
            full,
            next_number: 1,
            log_is_checked_in: 0,
            had_session: VecDeque::new(),
        };
        stage.recognizes_both();
        stage
    }

    /// Checks that the app's responses and Entrada's are distinguished, and that a signed-in person
    /// reaches the app, before other checks rely on it.
    fn recognizes_both(&mut self) {
        for input in ["plain h1", "plain h2", "full h1", "full h2"] {
            let input = format!(
                "{input}\n> GET /public/x\n> GET /oauth2/nothing\n> GET /x\nc {{cookie}}={{session}}"
            );
            let expected = [(200, true), (404, false), (200, true), (200, true)];
            let mut seen = || {
                self.try_input(input.as_bytes())
                    .iter()
                    .map(|it| (it.status, it.of_app))
                    .collect::<Vec<_>>()
            };
            // On a busy machine, a response may arrive too late to be seen.
            assert!((0..20).any(|_| seen() == expected), "{input}: {:?}", seen());
        }
    }

    fn try_input(&mut self, data: &[u8]) -> Vec<Answer> {
        let script = Script::parse(
            data,
            |full| if full { &self.full } else { &self.plain }.names.clone(),
            self.next_number,
        );
        let scene = if script.full { &mut self.full } else { &mut self.plain };
        for (number, bytes) in &script.requests {
            self.had_session
                .push_back((*number, script.request_contains(bytes, &scene.names["session"])));
        }
        let ordinary = self.next_number + script.requests.len() as u64;
        self.next_number = ordinary + 1;
        self.had_session.push_back((ordinary, true));
        while self.had_session.len() > REMEMBERED_REQUESTS {
            self.had_session.pop_front();
        }

        let panics = PANICS.load(Ordering::SeqCst);
        let received = self.runtime.block_on(scene.exchange(&script));
        let answers = answers_of(&script, &received);
        // The HTTP/1.1 app answers 200 to a WebSocket of HTTP/2, which no client may take for one.
        let opens_web_socket = script.http2 && data.windows(9).any(|it| it == b":protocol");
        for answer in &answers {
            is_bounded(answer, script.full, opens_web_socket);
        }
        let had_session = script.requests.iter().any(|it| self.had_session.contains(&(it.0, true)));
        self.runtime
            .block_on(async {
                tokio::time::timeout(MAX_ORDINARY_TIME, goes_on(scene, ordinary, had_session)).await
            })
            .expect("an ordinary request waits");
        let sessions = &self.had_session;
        let received = scene.app.take();
        for request in &received.requests {
            is_permitted(scene, request, sessions);
        }
        assert!(
            received.trailers.iter().all(|it| scene::identity(it) == Default::default()),
            "{:?}",
            received.trailers
        );
        let log = scene.world.log.take();
        self.log_is_checked_in = if script.names_session_elsewhere {
            LATE_INPUTS
        } else {
            self.log_is_checked_in.saturating_sub(1)
        };
        assert!(
            self.log_is_checked_in > 0 || !log.contains(&scene.names["session"]),
            "a session's cookie stands in the log"
        );
        assert_eq!(PANICS.load(Ordering::SeqCst), panics, "the program panicked");
        answers
    }
}

fn answers_of(script: &Script, received: &[u8]) -> Vec<Answer> {
    if script.http2 {
        answers::http2(received).into_values().map(|it| it.0).filter(|it| it.status > 0).collect()
    } else {
        answers::http1(received)
    }
}

fn is_bounded(answer: &Answer, full: bool, opens_web_socket: bool) {
    // An HTTP/2 app does not support upgrades.
    let upgrade = answer.status == if full { 501 } else { 502 } && (full || opens_web_socket);
    assert!(answer.of_app || answer.status < 500 || upgrade, "{answer:?}");
    assert!(
        answer.head_bytes <= MAX_HEAD_BYTES
            && answer.body_bytes <= MAX_BODY_BYTES
            && answer.cookies <= MAX_COOKIES,
        "{answer:?}"
    );
}

/// Sends an ordinary request for the signed-in person. Only an input that had the session can have
/// ended it.
async fn goes_on(scene: &mut Scene, number: u64, had_session: bool) {
    let number = number.to_string();
    let says: Vec<_> = SCRIPT.iter().copied().chain([(script::NUMBER, number.as_str())]).collect();
    let page = scene.browser.asks("GET", "/ordinary", &says).await;
    if page.status == 401 && had_session {
        scene.sign_in().await;
    } else {
        assert_eq!((page.status, page.header(answers::MARKER)), (200, "1"), "{}", page.body);
    }
}

/// Checks that the app receives only requests that the rules allow for everyone, and requests that
/// the signed-in person makes with the session.
fn is_permitted(scene: &mut Scene, request: &Reached, sessions: &VecDeque<(u64, bool)>) {
    let (assertions, identity) = scene::identity(&request.headers);
    match assertions.as_slice() {
        [] => {
            let path = request.target.split('?').next().unwrap_or_default();
            assert!(
                path == "/public" || path.starts_with("/public/"),
                "without a permit: {request:?}"
            );
            assert_eq!(identity, BTreeMap::new(), "{request:?}");
        }
        [assertion] => {
            scene.is_of_the_person(assertion);
            assert_eq!(identity, scene.identity, "{request:?}");
            let reads = [Method::GET, Method::HEAD].contains(&request.method)
                || !request.target.starts_with("/read/");
            assert!(
                reads && !request.target.starts_with("/nobody/"),
                "against the rules: {request:?}"
            );
            let numbers: Vec<_> = request
                .headers
                .get_all(script::NUMBER)
                .iter()
                .filter_map(|it| it.to_str().ok()?.parse::<u64>().ok())
                .collect();
            let had_session = match numbers.as_slice() {
                [number] => sessions.iter().find(|it| it.0 == *number).map(|it| it.1),
                _ => None,
            };
            // An invented number does not identify a request, but some request had the session.
            assert!(
                had_session.unwrap_or_else(|| sessions.iter().any(|it| it.1)),
                "as somebody who did not ask: {request:?}"
            );
        }
        _ => panic!("two assertions: {request:?}"),
    }
    scene.is_of_this_way(&request.headers);
}
