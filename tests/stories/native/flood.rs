//! Tokens that are given back by clients who do not wait for the answer.

use super::{NativeWorld, is_no_longer_taken, is_refused, posts};
use crate::world::h2::{DATA, END_HEADERS, END_STREAM, HEADERS, RST_STREAM, RawHttp2, head};
use crate::world::samples::MAYA;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How many may wait for the database although their clients are gone.
const BOUND: u32 = 1024;

/// Requests that no client can cancel waited for the database without a bound: streams that are reset do not count as open.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_while_the_database_is_busy_tokens_that_are_given_back_pile_up_no_tasks() {
    use sqlx::Connection as _;
    let world = NativeWorld::start().await;
    let token = world.signed_in(MAYA).await.access;
    let host = world.world.public_url["http://".len()..].to_owned();
    let mut other = sqlx::SqliteConnection::connect(&world.database()).await.unwrap();
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let process = Arc::clone(&world.world.internals().process);
    // All but four are taken.
    assert_eq!(process.detached.available_permits(), BOUND as usize);
    let taken = Arc::clone(&process.detached).acquire_many_owned(BOUND - 4).await.unwrap();
    let mut client = RawHttp2::connect(world.world.address, &[]).await;
    let mut most = 0;
    for _ in 0..20 {
        let stream = client.next_stream();
        let asked = head(
            "POST",
            &host,
            "/oauth2/native/revoke",
            &[("content-type", "application/x-www-form-urlencoded")],
        );
        client.sends(HEADERS, END_HEADERS, stream, &asked).await;
        client
            .sends(DATA, END_STREAM, stream, format!("client_id=phone&token={token}").as_bytes())
            .await;
        let before = process.background.len();
        let until = Instant::now() + Duration::from_millis(if before < 4 { 2000 } else { 50 });
        while process.background.len() == before && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        most = most.max(process.background.len());
        client.sends(RST_STREAM, 0, stream, &[0, 0, 0, 8]).await;
    }
    assert_eq!(most, 4);
    drop(taken);
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
}

#[tokio::test]
async fn beyond_the_bound_a_client_that_waits_is_served_all_the_same() {
    let world = NativeWorld::start().await;
    let given = world.signed_in(MAYA).await;
    let process = Arc::clone(&world.world.internals().process);
    let taken = Arc::clone(&process.detached).acquire_many_owned(BOUND).await.unwrap();
    let form = [("client_id", "phone"), ("token", given.access.as_str())];
    let page = posts(&mut world.world.browser(), "revoke", &form).await;
    assert_eq!(page.status, 200, "{}", page.body);
    is_no_longer_taken(&world.calls(&given.access).await);
    is_refused(&world.refreshes(&given.refresh).await, "invalid_grant");
    drop(taken);
}
