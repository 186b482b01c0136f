//! A link to a server that can become slow, silent or cut: TCP on loopback, forwarded.

use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

/// Number of parts of up to 16 KiB that are under way in each direction.
const PARTS_UNDER_WAY: usize = 64;

/// How the link is at a moment.
#[derive(Clone, Copy, Debug, Default)]
struct LinkState {
    /// Added to each part, in each direction.
    delay: Duration,
    /// Whether nothing arrives, and nobody is told.
    is_silent: bool,
    /// Whether new connections are closed at once.
    is_refusing: bool,
    /// Number of times that all connections were cut.
    cuts: u64,
}

/// A running link; it ends with the story.
pub struct SlowLink {
    pub address: SocketAddr,
    state: watch::Sender<LinkState>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for SlowLink {
    fn drop(&mut self) {
        self.task.abort();
        self.change(|it| it.cuts += 1);
    }
}

impl SlowLink {
    /// Starts a link to a server at this address of the machine.
    pub async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", super::free_port())).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (state, seen) = watch::channel(LinkState::default());
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if !seen.borrow().is_refusing {
                    tokio::spawn(connection(client, target, seen.clone()));
                }
            }
        });
        Self { address, state, task }
    }

    fn change(&self, change: impl FnOnce(&mut LinkState)) {
        self.state.send_modify(change);
    }

    /// Delays what is sent from now on, in each direction.
    pub fn slows(&self, delay: Duration) {
        self.change(|it| it.delay = delay);
    }

    /// Forwards nothing, as a network that lost its way: connections stay open, new ones are
    /// accepted, and what is sent arrives when the link is well again.
    pub fn falls_silent(&self) {
        self.change(|it| it.is_silent = true);
    }

    /// Cuts all connections and closes new ones at once.
    pub fn breaks(&self) {
        self.change(|it| (it.is_refusing, it.cuts) = (true, it.cuts + 1));
    }

    /// Cuts all connections; new ones work.
    pub fn cuts(&self) {
        self.change(|it| it.cuts += 1);
    }

    /// Is as in the beginning.
    pub fn is_well(&self) {
        self.change(|it| *it = LinkState { cuts: it.cuts, ..LinkState::default() });
    }
}

async fn connection(client: TcpStream, target: SocketAddr, mut state: watch::Receiver<LinkState>) {
    let cuts = state.borrow().cuts;
    let both = async {
        // A connection that was opened in silence reaches the server afterwards.
        is_audible(&mut state.clone()).await;
        let Ok(server) = TcpStream::connect(target).await else { return };
        for stream in [&client, &server] {
            stream.set_nodelay(true).unwrap();
        }
        let ((from_client, to_client), (from_server, to_server)) =
            (client.into_split(), server.into_split());
        tokio::join!(
            forward(from_client, to_server, state.clone()),
            forward(from_server, to_client, state.clone())
        );
    };
    let cut = async {
        let mut state = state.clone();
        drop(state.wait_for(|it| it.cuts != cuts).await);
    };
    tokio::select! { () = both => {}, () = cut => {} }
    state.mark_unchanged();
}

async fn is_audible(state: &mut watch::Receiver<LinkState>) {
    drop(state.wait_for(|it| !it.is_silent).await);
}

/// Forwards one direction: what arrived together leaves together, later.
async fn forward(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut state: watch::Receiver<LinkState>,
) {
    let (sender, mut parts) = mpsc::channel::<(Instant, Vec<u8>)>(PARTS_UNDER_WAY);
    let delays = state.clone();
    let read = async move {
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(count @ 1..) = from.read(&mut buffer).await {
            let due = Instant::now() + delays.borrow().delay;
            if sender.send((due, buffer[..count].to_vec())).await.is_err() {
                break;
            }
        }
    };
    let write = async move {
        while let Some((due, part)) = parts.recv().await {
            tokio::time::sleep_until(due).await;
            is_audible(&mut state).await;
            if to.write_all(&part).await.is_err() {
                return;
            }
        }
        is_audible(&mut state).await;
        drop(to.shutdown().await);
    };
    tokio::join!(read, write);
}
