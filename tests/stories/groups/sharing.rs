//! One question serves everyone who waits for it.

use super::{PAGES, RECHECK, groups, no_rules, soon};
use crate::world::World;
use crate::world::browser::NAVIGATION;
use crate::world::raw::{self, talk};
use crate::world::samples::{GRACE, GRACE_ID};
use entrada::emulator::{GraphFault, UNTIL_CLEARED};
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt as _;

#[tokio::test]
async fn fifty_requests_and_two_sessions_of_one_person_make_one_question() {
    let world = World::start().await;
    world.emulator.control().graph(GraphFault::Slow(1500), 1);
    let first = world.signed_in(GRACE).await;
    let second = world.signed_in(GRACE).await;
    let asked = (0..50).map(|at| {
        let cookie = if at % 2 == 0 { &first } else { &second }.cookie_header();
        let host = world.public_url.split_once("://").unwrap().1;
        let request = format!("GET /group/{at} HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n");
        let address = world.address;
        tokio::spawn(async move { raw::status(&talk(address, &request).await) })
    });
    for answer in asked.collect::<Vec<_>>() {
        assert_eq!(answer.await.unwrap(), 200);
    }
    let control = world.emulator.control();
    assert_eq!((control.refresh_calls(), control.graph_calls()), (1, PAGES));
}

#[tokio::test]
async fn a_request_that_goes_away_takes_nothing_with_it() {
    let world = World::start().await;
    let control = world.emulator.control();
    control.single_use_refresh(true);
    control.graph(GraphFault::Slow(800), 1);
    let mut grace = world.signed_in(GRACE).await;
    let host = world.public_url.split_once("://").unwrap().1;
    for _ in 0..3 {
        let mut gone = tokio::net::TcpStream::connect(world.address).await.unwrap();
        let request = format!(
            "GET /group/x HTTP/1.1\r\nHost: {host}\r\nCookie: {}\r\n\r\n",
            grace.cookie_header()
        );
        gone.write_all(request.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        drop(gone);
    }
    assert_eq!(grace.visits("/group/x").await.status, 200);
    assert_eq!(
        (control.refresh_calls(), control.graph_calls(), control.reused_refresh_tokens()),
        (1, PAGES, 0)
    );
}

#[tokio::test]
async fn where_no_rule_needs_groups_nobody_waits_and_headers_follow_when_they_are_told() {
    let world = World::with(no_rules()).await;
    let control = world.emulator.control();
    control.graph(GraphFault::Slow(700), 1);
    let mut grace = world.signed_in(GRACE).await;
    let began = Instant::now();
    let page = grace.visits("/x").await;
    assert!(began.elapsed() < Duration::from_millis(600), "{:?}", began.elapsed());
    assert_eq!(
        (page.app_heard("x-forwarded-groups"), page.app_heard("x-forwarded-groups-truncated")),
        (String::new(), "true".to_owned())
    );
    control.set_groups(GRACE_ID, groups(1..=2));
    soon(&mut grace, "/x", |it| it.app_heard("x-forwarded-groups") == groups(1..=2).join(","))
        .await;
    let page = grace.visits("/x").await;
    assert!(page.app_heard("x-forwarded-groups-truncated").is_empty());
    let claims = page.app_heard("x-entrada-assertion");
    let claims =
        jsonwebtoken::dangerous::insecure_decode::<serde_json::Value>(&claims).unwrap().claims;
    assert_eq!(claims["groups"], serde_json::json!(groups(1..=2)));
}

#[tokio::test]
async fn p6_groups_that_graph_told_outlive_a_refreshed_token_that_does_not_tell_them() {
    let world = World::start().await;
    let control = world.emulator.control();
    control.single_use_refresh(true);
    let mut grace = world.signed_in(GRACE).await;
    assert_eq!(grace.visits("/group/x").await.status, 200);
    control.graph(GraphFault::Down, UNTIL_CLEARED);
    let sidecar = world.internals();
    let session = sidecar.process.live.peek(&grace.cookie("entrada").unwrap()).unwrap();
    for _ in 0..3 {
        let mut lease = session.standing().lease().await;
        let mut refreshed = sidecar.entra.refresh(lease.refresh_token().unwrap()).await.unwrap();
        lease.store_refresh_token(refreshed.refresh_token.take().unwrap());
        drop(lease);
        session.renew(sidecar.entra.verify(refreshed).await.unwrap()).unwrap();
        assert_eq!(grace.asks("GET", "/group/x", NAVIGATION).await.status, 200);
        world.later(61);
    }
    assert_eq!(control.reused_refresh_tokens(), 0);
}

#[tokio::test]
async fn refresh_tokens_that_are_good_for_once_are_shared_by_recheck_and_graph() {
    let world = World::start().await;
    let control = world.emulator.control();
    control.single_use_refresh(true);
    let mut grace = world.signed_in(GRACE).await;
    assert_eq!(grace.visits("/group/x").await.status, 200);
    for round in 1..=4 {
        let (refreshed, told) = (control.refresh_calls(), control.graph_calls());
        world.later(RECHECK);
        let host = world.public_url.split_once("://").unwrap().1;
        let request = format!(
            "GET /group/x HTTP/1.1\r\nHost: {host}\r\nCookie: {}\r\nConnection: close\r\n\r\n",
            grace.cookie_header()
        );
        let asked: Vec<_> = (0..20)
            .map(|_| {
                tokio::spawn({
                    let (address, request) = (world.address, request.clone());
                    async move { talk(address, &request).await }
                })
            })
            .collect();
        for answer in asked {
            assert_eq!(raw::status(&answer.await.unwrap()), 200, "round {round}");
        }
        soon(&mut grace, "/group/x", |_| {
            control.refresh_calls() >= refreshed + 2 && control.graph_calls() == told + PAGES
        })
        .await;
        assert_eq!(
            (control.refresh_calls(), control.reused_refresh_tokens()),
            (refreshed + 2, 0),
            "round {round}"
        );
    }
}
