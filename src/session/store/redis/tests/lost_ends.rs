//! Ends that a server has confirmed and then lost, as in a failover.

use super::super::test_server::{ServerKind, TestServers, is_installed};
use super::{SECRET, TestProcess, maya, presented, until};
use crate::base::secret::Secret;
use std::time::Duration;

/// The ways to end the session that a process does, or does not, have live.
#[derive(Clone, Copy, Debug)]
enum Way {
    SignOut,
    Person,
    Sid,
}

/// Keeps copies of all sessions, beyond the scripts' reach.
fn copies(servers: &TestServers) -> Vec<String> {
    let all = servers.command(&["KEYS", "entrada:*:s"]);
    let all: Vec<_> = all.lines().map(str::to_owned).collect();
    for key in &all {
        servers.command(&["COPY", key, &format!("copy-{key}")]);
    }
    all
}

/// The server is one that the last commands did not reach.
fn forgets_ends(servers: &TestServers, sessions: &[String]) {
    for key in servers.command(&["KEYS", "entrada:*:x"]).lines() {
        servers.command(&["DEL", key]);
    }
    servers.command(&["DEL", "entrada:c"]);
    for key in sessions {
        servers.command(&["COPY", &format!("copy-{key}"), key, "REPLACE"]);
    }
}

async fn ends(process: &TestProcess, cookie: &Secret, way: Way) {
    match way {
        Way::SignOut => drop(process.store.end(&presented(cookie)).await),
        Way::Person => drop(process.store.end_by_person(maya()).await),
        Way::Sid => drop(process.store.end_by_sid("sid").await),
    }
}

/// A revocation that a failover lost let the people in again ten seconds later, at the very process
/// that had ended their sessions.
#[tokio::test]
async fn ends_that_a_failover_lost_are_written_to_the_next_server() {
    if !is_installed() {
        return;
    }
    for way in [Way::SignOut, Way::Person, Way::Sid] {
        for is_live in [true, false] {
            let servers = TestServers::start(ServerKind::Single);
            let one = TestProcess::start(&servers, &[SECRET]).await;
            let other = TestProcess::start(&servers, &[SECRET]).await;
            let starts_at = if is_live { &one } else { &other };
            let (cookie, _) = starts_at.saved(maya(), "sid").await;
            let sessions = copies(&servers);
            assert_eq!(sessions.len(), 1);
            ends(&one, &cookie, way).await;
            until(async || !other.serves(&cookie)).await;
            forgets_ends(&servers, &sessions);
            let fresh = TestProcess::start(&servers, &[SECRET]).await;
            assert!(fresh.load(&cookie).await.is_some(), "{way:?}: nothing was lost");
            servers.command(&["CLIENT", "KILL", "TYPE", "normal"]);
            until(async || !fresh.serves(&cookie)).await;
            let last = TestProcess::start(&servers, &[SECRET]).await;
            assert!(last.load(&cookie).await.is_none(), "{way:?} {is_live}");
        }
    }
}

/// Every reconnect ended the sessions that began since a revocation, also at other processes.
#[tokio::test]
async fn who_signs_in_again_after_a_revocation_stays_signed_in_over_a_failover() {
    if !is_installed() {
        return;
    }
    let servers = TestServers::start(ServerKind::Single);
    let one = TestProcess::start(&servers, &[SECRET]).await;
    let other = TestProcess::start(&servers, &[SECRET]).await;
    let (before, _) = one.saved(maya(), "sid").await;
    one.store.end_by_person(maya()).await;
    other.clock.shift(2);
    let (again, _) = other.saved(maya(), "sid").await;
    servers.command(&["CLIENT", "KILL", "TYPE", "normal"]);
    // They notice, connect again within a tenth of a second, and write what they know.
    tokio::time::sleep(Duration::from_secs(2)).await;
    for process in [&one, &other] {
        until(async || process.store.ready().is_ok()).await;
    }
    assert!(one.load(&before).await.is_none());
    let fresh = TestProcess::start(&servers, &[SECRET]).await;
    assert!(fresh.load(&again).await.is_some() && other.serves(&again));
}
