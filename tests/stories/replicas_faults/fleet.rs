//! Everything that runs: Entra, the app, the store and the replicas.

use super::exchange::send;
use super::replica::Replica;
use super::timeline::{Disturbance, DisturbedPart, Timeline};
use crate::world::echo::EchoApp;
use crate::world::redis::{MASTER_NAME, RedisServer, SentinelGroup};
use crate::world::slow_link::SlowLink;
use crate::world::{CLIENT_ID, CLIENT_SECRET, PlanAddresses, WorldPlan, free_port};
use entrada::base::clock::Clock;
use entrada::emulator::{Emulator, EmulatorOptions, RefreshUse};
use entrada::seal::random;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Mutex, RwLock};
use std::time::{Duration, Instant};

/// Maximum time for a process to start.
const START: Duration = Duration::from_secs(30);

/// The store of a run.
pub enum FaultyStore {
    Single(RedisServer),
    Sentinel(SentinelGroup),
}

/// All running parts; they end with the story.
pub struct Fleet {
    pub emulator: Emulator,
    pub app: EchoApp,
    pub store: tokio::sync::Mutex<FaultyStore>,
    pub replicas: Vec<RwLock<Replica>>,
    pub public_url: String,
    pub timeline: Mutex<Timeline>,
    pub refreshes: Mutex<Vec<RefreshUse>>,
    folder: tempfile::TempDir,
}

impl Fleet {
    /// Starts this number of replicas with that store.
    pub async fn start(replicas: usize, store: FaultyStore) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let public_url = format!("http://localhost:{}", free_port());
        let options = EmulatorOptions {
            clock: Clock::system(),
            random: random::system(),
            redirect_uris: vec![format!("{public_url}/oauth2/callback")],
            client_id: Some(CLIENT_ID.to_owned()),
            client_secret: Some(CLIENT_SECRET.to_owned()),
            registrations: Vec::new(),
            tls: None,
            host: None,
        };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let emulator = Emulator::start(listener, options).await.unwrap();
        let logout = format!("{public_url}/oauth2/front_channel_logout");
        emulator.control().front_channel_url(Some(&logout));
        let mut fleet = Self {
            emulator,
            app: EchoApp::start().await,
            store: tokio::sync::Mutex::new(store),
            replicas: Vec::new(),
            public_url,
            timeline: Mutex::default(),
            refreshes: Mutex::default(),
            folder: tempfile::tempdir().unwrap(),
        };
        for number in 0..replicas {
            let replica = fleet.replica(number).await;
            fleet.replicas.push(RwLock::new(replica));
        }
        for number in 0..replicas {
            fleet.is_ready(number).await;
        }
        fleet
    }

    async fn replica(&self, number: usize) -> Replica {
        let (session, link) = match &*self.store.lock().await {
            FaultyStore::Single(server) => {
                let target = SocketAddr::from(([127, 0, 0, 1], server.port));
                let link = SlowLink::to(target).await;
                (format!("redis.url = \"redis://{}\"", link.address), Some(link))
            }
            FaultyStore::Sentinel(group) => {
                let sentinels = group.addresses();
                let lines = format!(
                    "redis.url = \"redis://{MASTER_NAME}\"\nredis.sentinels = {sentinels:?}"
                );
                (lines, None)
            }
        };
        let plan = WorldPlan {
            session: format!(
                "store = \"redis\"\nidle = \"2h\"\nlifetime = \"6h\"\nper_person = 10000\n{session}"
            ),
            entra: "recheck = \"1m\"".to_owned(),
            public_url: Some(self.public_url.clone()),
            ..WorldPlan::default()
        };
        let [port, admin] = [free_port(), free_port()];
        let folder = self.folder.path().join(format!("replica-{number}"));
        let text = plan.text(&PlanAddresses {
            port,
            admin,
            public_url: &self.public_url,
            emulator: &self.emulator,
            app: &self.app,
            folder: &folder,
        });
        Replica::start(&folder, &text, [port, admin], link)
    }

    /// Waits until a replica is ready.
    pub async fn is_ready(&self, number: usize) {
        let began = Instant::now();
        let request = "GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        let admin = self.replicas[number].read().unwrap().admin;
        while !send(admin, request).await.is_ok_and(|it| it.contains(" 200 ")) {
            let log = || self.replicas[number].read().unwrap().logged();
            assert!(began.elapsed() < START, "not ready: {}", log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Returns where a replica is, and how often it was started.
    pub fn place(&self, number: usize) -> (SocketAddr, u32) {
        let replica = self.replicas[number].read().unwrap();
        (replica.address, replica.life)
    }

    /// The host that browsers name.
    pub fn host(&self) -> &str {
        self.public_url.split_once("://").unwrap().1
    }

    /// Records a disturbance that began then and is over now.
    pub fn was_disturbed(&self, part: DisturbedPart, loses: bool, from: Instant) {
        let to = Instant::now();
        self.timeline.lock().unwrap().0.push(Disturbance { part, loses, from, to });
    }

    /// Takes the calls that Entra has recorded, before there are too many.
    pub fn collects_refreshes(&self) {
        self.refreshes.lock().unwrap().extend(self.emulator.control().take_refresh_uses());
    }
}
