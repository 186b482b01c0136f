//! The connections to an app on this machine.

use super::connection::StreamSlot;
use super::pool::Http2Pool;
use crate::upstream::connect::AppDialer;
use crate::upstream::connection_permits::{ConnectionPermits, IdleConnections as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

const TIMEOUT: Duration = Duration::from_millis(500);

struct App {
    dialer: AppDialer,
    pool: Arc<Http2Pool>,
    connections: Arc<AtomicUsize>,
    /// Receives a message when a connection has ended.
    ended: mpsc::UnboundedReceiver<()>,
}

impl App {
    /// An app that accepts this many streams on each connection.
    async fn start(max_streams: u32) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::<AtomicUsize>::default();
        let (counted, (sender, ended)) = (Arc::clone(&connections), mpsc::unbounded_channel());
        tokio::spawn(async move {
            loop {
                let (io, _) = listener.accept().await.unwrap();
                counted.fetch_add(1, Ordering::SeqCst);
                let sender = sender.clone();
                tokio::spawn(async move {
                    let mut builder = h2::server::Builder::new();
                    builder.max_concurrent_streams(max_streams);
                    let mut http = builder.handshake::<_, bytes::Bytes>(io).await.unwrap();
                    while http.accept().await.is_some() {}
                    let _ = sender.send(());
                });
            }
        });
        let permits = Arc::new(ConnectionPermits::new(100));
        let dialer = AppDialer::of_local(port, TIMEOUT, permits);
        Self { dialer, pool: Arc::default(), connections, ended }
    }

    async fn take(&self, count: usize) -> Vec<StreamSlot> {
        let taking = (0..count).map(|_| self.pool.take(&self.dialer, false));
        let taken = futures_util::future::join_all(taking).await;
        taken.into_iter().map(Result::unwrap).collect()
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn requests_that_come_together_share_the_connection_that_is_being_opened() {
    let app = App::start(1000).await;
    let first = app.take(100).await;
    assert_eq!(app.connections(), 1);
    assert_eq!(first.iter().filter(|it| !it.is_reused).count(), 1);
    // Beyond our own limit, another one is opened.
    let _more = app.take(20).await;
    assert_eq!(app.connections(), 2);
    drop(first);
    let _again = app.take(100).await;
    assert_eq!(app.connections(), 2);
}

#[tokio::test]
async fn each_connection_has_as_many_streams_as_the_app_accepts() {
    let app = App::start(2).await;
    let held = app.take(5).await;
    assert!((3..=5).contains(&app.connections()), "{}", app.connections());
    let before = app.connections();
    drop(held);
    let _held = app.take(5).await;
    assert_eq!(app.connections(), before, "those are kept");
}

#[tokio::test]
async fn an_idle_connection_gives_way_and_one_with_streams_does_not() {
    let mut app = App::start(100).await;
    let held = app.take(2).await;
    assert!(app.pool.oldest_since().is_none() && !app.pool.close_oldest());
    drop(held);
    assert!(app.pool.oldest_since().is_some() && app.pool.close_oldest());
    tokio::time::timeout(Duration::from_secs(5), app.ended.recv()).await.unwrap().unwrap();
    assert!(app.pool.oldest_since().is_none());
    let _held = app.take(1).await;
    assert_eq!(app.connections(), 2);
}

#[tokio::test]
async fn requests_do_not_wait_for_a_connection_that_cannot_be_opened_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let permits = Arc::new(ConnectionPermits::new(100));
    let dialer = AppDialer::of_local(port, TIMEOUT, permits);
    let pool = Arc::<Http2Pool>::default();
    let mut first = Box::pin(pool.take(&dialer, false));
    let mut second = Box::pin(pool.take(&dialer, false));
    let both = async { tokio::join!(&mut first, &mut second) };
    // The app is there, but sends no settings.
    assert!(tokio::time::timeout(TIMEOUT / 2, both).await.is_err());
    let _stuck = listener.accept().await.unwrap();
    assert!(tokio::time::timeout(TIMEOUT / 4, listener.accept()).await.is_err(), "both share it");
    let serving = async {
        let (io, _) = listener.accept().await.unwrap();
        let mut http = h2::server::handshake(io).await.unwrap();
        while http.accept().await.is_some() {}
    };
    tokio::select! {
        () = serving => unreachable!(),
        taken = tokio::time::timeout(TIMEOUT * 4, second) => drop(taken.unwrap().unwrap()),
    }
}

// One client's uploads could otherwise use up all connections of the process.
#[tokio::test]
async fn blocked_uploads_are_kept_apart_on_a_few_connections_only() {
    let app = App::start(1000).await;
    let mut held = Vec::new();
    for _ in 0..20 {
        let slot = app.pool.take(&app.dialer, true).await.unwrap();
        let blocked = slot.connection.blocks_upload();
        held.push((slot, blocked));
    }
    assert_eq!(app.connections(), 4);
    // A request without a body avoids none of them.
    let _more = app.take(10).await;
    assert_eq!(app.connections(), 4);
}
