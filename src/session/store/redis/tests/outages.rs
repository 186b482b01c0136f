//! What happens while the server does not answer, and afterwards.

use super::super::test_server::{ServerKind, TestServers, is_installed};
use super::{SECRET, TestProcess, maya, person, presented, until};
use crate::config::session::SessionConfig;
use crate::session::standing::LeaseTurn;
use std::time::Duration;

#[tokio::test]
async fn an_outage_signs_nobody_out_and_what_happened_meanwhile_counts_afterwards() {
    if !is_installed() {
        return;
    }
    let mut servers = TestServers::start(ServerKind::Single);
    let one = TestProcess::start(&servers, &[SECRET]).await;
    let other = TestProcess::start(&servers, &[SECRET]).await;
    let (known, here) = one.saved(maya(), "a").await;
    let (ended, _) = one.saved(person(2), "b").await;
    other.load(&ended).await.unwrap();
    let (unseen, _) = one.saved(person(3), "c").await;
    servers.kill();
    assert!(one.serves(&known) && other.serves(&ended), "known sessions go on");
    until(async || other.store.load(&presented(&unseen)).await.is_err()).await;
    assert!(one.leased(&here).await.0 == LeaseTurn::Elsewhere && !here.is_over());
    // Ends here at once, although the server does not know.
    assert!(one.store.end(&presented(&ended)).await.is_some() && !one.serves(&ended));
    let (during, _) = one.saved(person(4), "d").await;
    assert!(one.serves(&during) && one.store.ready().is_err());
    // It comes back with nothing.
    servers.start_single();
    until(async || one.store.ready().is_ok() && other.store.ready().is_ok()).await;
    until(async || !other.serves(&ended)).await;
    for cookie in [&known, &unseen, &during] {
        assert!(other.load(cookie).await.is_some(), "saved again");
    }
    assert!(one.load(&ended).await.is_none() && other.load(&ended).await.is_none());
    assert_eq!(other.store.end_by_person(person(4)).await, 1);
}

#[tokio::test]
async fn a_server_that_hangs_is_an_outage_and_ends_the_grace_period() {
    if !is_installed() {
        return;
    }
    let servers = TestServers::start(ServerKind::Single);
    let change = |it: &mut SessionConfig| it.store_grace = Duration::from_secs(4);
    let one = TestProcess::with(&servers, &[SECRET], change).await;
    let (known, _) = one.saved(maya(), "a").await;
    servers.signal("-STOP");
    until(async || one.store.ready().is_err()).await;
    assert!(one.serves(&known) && one.store.check_grace().is_ok());
    until(async || one.store.check_grace().is_err()).await;
    servers.signal("-CONT");
    until(async || one.store.check_grace().is_ok() && one.store.ready().is_ok()).await;
    assert!(one.serves(&known));
}

#[tokio::test]
async fn a_revocation_in_an_outage_also_ends_what_no_process_has_in_memory() {
    if !is_installed() {
        return;
    }
    let servers = TestServers::start(ServerKind::Single);
    let gone = TestProcess::start(&servers, &[SECRET]).await;
    let (first, _) = gone.saved(maya(), "a").await;
    let (second, _) = gone.saved(person(2), "b").await;
    drop(gone);
    let one = TestProcess::start(&servers, &[SECRET]).await;
    servers.signal("-STOP");
    until(async || one.store.ready().is_err()).await;
    assert_eq!(one.store.end_by_person(maya()).await, 0);
    // Strangers can report sign-outs at Entra, and only so many of them are remembered.
    assert_eq!(one.store.end_by_sid("b").await, 0);
    for number in 0..2000 {
        one.store.end_by_sid(&number.to_string()).await;
    }
    servers.signal("-CONT");
    until(async || one.store.ready().is_ok()).await;
    let other = TestProcess::start(&servers, &[SECRET]).await;
    assert!(other.load(&first).await.is_none() && other.load(&second).await.is_none());
    let stream = servers.command(&["XLEN", "entrada:c"]);
    assert!(stream.trim().parse::<u32>().unwrap() <= 1001, "{stream}");
}

#[tokio::test]
async fn a_replica_that_is_first_at_an_empty_server_signs_out_nobody_whom_another_one_knows() {
    if !is_installed() {
        return;
    }
    let mut servers = TestServers::start(ServerKind::Single);
    let one = TestProcess::start(&servers, &[SECRET]).await;
    let other = TestProcess::start(&servers, &[SECRET]).await;
    let (cookie, _) = one.saved(maya(), "a").await;
    let (ended, _) = other.saved(person(2), "b").await;
    servers.kill();
    until(async || other.store.ready().is_err() && one.store.ready().is_err()).await;
    assert!(other.store.end(&presented(&ended)).await.is_some());
    // The process that knows the session comes back last, or not at all.
    drop(one);
    servers.start_single();
    until(async || other.store.ready().is_ok()).await;
    for _ in 0..2 {
        assert!(other.store.load(&presented(&cookie)).await.is_err(), "it may still be written");
    }
    assert!(other.load(&ended).await.is_none(), "an ended session is known to have ended");
}
