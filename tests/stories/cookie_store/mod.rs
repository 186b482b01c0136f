//! `session.store = "cookie"`: sessions are sealed in their browsers.

mod attacks;
mod directory;
mod life;
mod replicas;

use crate::world::browser::{BrowserPage, SCRIPT, TestBrowser};
use crate::world::{World, WorldPlan};
use std::time::Duration;

const MINUTE: i64 = 60;

/// Sessions in the browser, with these lines of `[session]` besides.
fn plan(session: &str) -> WorldPlan {
    WorldPlan { session: format!("store = \"cookie\"\n{session}"), ..WorldPlan::default() }
}

async fn start() -> World {
    World::with(plan("")).await
}

async fn status(browser: &mut TestBrowser) -> u16 {
    browser.asks("GET", "/api/x", SCRIPT).await.status
}

/// Returns the `Set-Cookie` line of the record in a response, and whether there is one for the
/// session cookie.
fn set(browser: &TestBrowser, page: &BrowserPage) -> (Option<String>, bool) {
    let lines = page.headers.get_all("set-cookie");
    let line = |name: &str| {
        let begin = format!("{}=", browser.with_port(name));
        let mut all = lines.iter().map(|it| it.to_str().unwrap().to_owned());
        all.find(|it| it.starts_with(&begin))
    };
    (line("entrada-s"), line("entrada").is_some())
}

/// Waits until `done`.
async fn until(what: &str, mut done: impl AsyncFnMut() -> bool) {
    for _ in 0..300 {
        if done().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{what}: it did not come about");
}
