//! A second process of a world's installation.

use super::browser::TestBrowser;
use super::{World, free_port, read};
use entrada::config::Config;
use entrada::seal::random;
use entrada::service::{BoundListener, Service};
use entrada::sidecar::Process;
use entrada::telemetry::log::Log;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// A process beside that of the world: the same public address, Entra, app, directory and clock.
pub struct Replica {
    pub address: SocketAddr,
    pub service: Arc<Service>,
    shutdown: CancellationToken,
}

impl World {
    /// Starts a replica with the world's configuration.
    pub async fn replica(&self) -> Replica {
        self.replica_with(|text| text).await
    }

    /// Starts a replica whose configuration differs.
    pub async fn replica_with(&self, change: impl FnOnce(String) -> String) -> Replica {
        let (port, admin) = (free_port(), free_port());
        let config = read(&change(self.text_for(port, admin)));
        Replica::start(self, &config, SocketAddr::from(([127, 0, 0, 1], port))).await
    }
}

impl Replica {
    async fn start(world: &World, config: &Config, address: SocketAddr) -> Self {
        let line = Log::start(&config.telemetry, world.log.clone()).unwrap();
        let process = Process::new(config, world.clock.clone(), random::system(), line, Vec::new());
        let process = process.opened(config).await.unwrap();
        let bound = BoundListener::new(config).unwrap();
        let service = Service::start(config, process).unwrap().0;
        let shutdown = CancellationToken::new();
        tokio::spawn(Arc::clone(&service).serve(bound, shutdown.clone()));
        for _ in 0..500 {
            if service.sidecar().entra.ready().is_ok() {
                return Self { address, service, shutdown };
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("Entra was not reached: {:?}", service.sidecar().entra.ready());
    }
}

impl TestBrowser {
    /// Reaches the same site at another address, as a load balancer decides.
    pub fn reaches(&mut self, address: SocketAddr) {
        self.address = address;
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.shutdown.cancel();
        self.service.sidecar().process.log.finish();
    }
}
