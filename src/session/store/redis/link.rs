//! Connections to the server: one, the master that Sentinels name, or a cluster.

use crate::config::session::{RedisConfig, RedisNode, RedisPlace};
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::io::tcp::TcpSettings;
use redis::sentinel::{SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, IntoConnectionInfo,
    Pipeline, RedisConnectionInfo, RedisFuture, RedisResult, TlsCertificates, TlsMode, Value,
};
use std::time::Duration;

/// Time that a cluster may take to be explored, in addition to a connection: several nodes are asked.
const CLUSTER_CONNECT_FACTOR: u32 = 5;

/// A connection that many commands share.
#[derive(Clone)]
pub(super) enum RedisLink {
    Server(MultiplexedConnection),
    Cluster(ClusterConnection),
}

/// Opens connections.
#[derive(Clone, Debug)]
pub(super) struct RedisConnector {
    config: RedisConfig,
    ca: Option<Vec<u8>>,
}

impl RedisConnector {
    /// # Errors
    /// The file with the certificate authorities cannot be read.
    pub(super) fn new(config: RedisConfig) -> std::io::Result<Self> {
        let ca = config.ca_file.as_ref().map(std::fs::read).transpose()?;
        Ok(Self { config, ca })
    }

    /// Opens a connection. `patience` is how long a command may take in addition to the usual.
    pub(super) async fn connect(&self, patience: Duration) -> RedisResult<RedisLink> {
        let connect = self.config.connect_timeout;
        let limit = match self.config.place {
            RedisPlace::Cluster(_) | RedisPlace::Sentinel { .. } => {
                connect * CLUSTER_CONNECT_FACTOR
            }
            RedisPlace::Server(_) | RedisPlace::Socket(_) => connect,
        };
        match tokio::time::timeout(limit, self.open(self.config.command_timeout + patience)).await {
            Ok(opened) => opened,
            Err(_) => Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
        }
    }

    async fn open(&self, answer: Duration) -> RedisResult<RedisLink> {
        let settings = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.config.connect_timeout))
            .set_response_timeout(Some(answer));
        let address = match &self.config.place {
            RedisPlace::Server(node) => self.address(node),
            RedisPlace::Socket(path) => ConnectionAddr::Unix(path.clone()),
            RedisPlace::Sentinel { master, sentinels } => {
                let mut client = self.sentinels(master, sentinels)?.build()?;
                let link = client.get_async_connection_with_config(&settings).await?;
                return Ok(RedisLink::Server(link));
            }
            RedisPlace::Cluster(nodes) => {
                let link = self.cluster(nodes, answer)?.get_async_connection().await?;
                return Ok(RedisLink::Cluster(link));
            }
        };
        let client = match &self.ca {
            Some(_) if self.config.tls => {
                Client::build_with_tls(self.info(address)?, self.certificates())?
            }
            _ => Client::open(self.info(address)?)?,
        };
        let link = client.get_multiplexed_async_connection_with_config(&settings).await?;
        Ok(RedisLink::Server(link))
    }

    fn info(&self, address: ConnectionAddr) -> RedisResult<ConnectionInfo> {
        let mut user = RedisConnectionInfo::default().set_db(i64::from(self.config.database));
        if let Some(name) = &self.config.user {
            user = user.set_username(name);
        }
        if let Some(password) = &self.config.password {
            user = user.set_password(password.expose());
        }
        let info = address.into_connection_info()?.set_redis_settings(user);
        Ok(info.set_tcp_settings(tcp_settings()))
    }

    fn address(&self, node: &RedisNode) -> ConnectionAddr {
        if self.config.tls {
            ConnectionAddr::TcpTls {
                host: node.host.clone(),
                port: node.port,
                insecure: false,
                tls_params: None,
            }
        } else {
            ConnectionAddr::Tcp(node.host.clone(), node.port)
        }
    }

    fn certificates(&self) -> TlsCertificates {
        TlsCertificates { client_tls: None, root_cert: self.ca.clone() }
    }

    fn sentinels(&self, master: &str, nodes: &[RedisNode]) -> RedisResult<SentinelClientBuilder> {
        let nodes = nodes.iter().map(|it| self.address(it));
        let mut builder = SentinelClientBuilder::new(nodes, master, SentinelServerType::Master)?
            .set_client_to_redis_db(i64::from(self.config.database))
            .set_client_to_redis_tcp_settings(tcp_settings())
            .set_client_to_sentinel_tcp_settings(tcp_settings());
        if let Some(user) = &self.config.user {
            builder = builder.set_client_to_redis_username(user);
        }
        if let Some(password) = &self.config.password {
            builder = builder.set_client_to_redis_password(password.expose());
        }
        if let Some(password) = &self.config.sentinel_password {
            builder = builder.set_client_to_sentinel_password(password.expose());
        }
        if self.config.tls {
            builder = builder
                .set_client_to_redis_tls_mode(TlsMode::Secure)
                .set_client_to_sentinel_tls_mode(TlsMode::Secure);
            if self.ca.is_some() {
                builder = builder
                    .set_client_to_redis_certificates(self.certificates())
                    .set_client_to_sentinel_certificates(self.certificates());
            }
        }
        Ok(builder)
    }

    fn cluster(&self, nodes: &[RedisNode], answer: Duration) -> RedisResult<ClusterClient> {
        let nodes = nodes.iter().map(|it| self.info(self.address(it)));
        let mut builder = ClusterClient::builder(nodes.collect::<RedisResult<Vec<_>>>()?)
            .connection_timeout(self.config.connect_timeout)
            .response_timeout(answer)
            // The library's own tries would outlast the time that a command has.
            .retries(3)
            .min_retry_wait(10)
            .max_retry_wait(100)
            .tcp_settings(tcp_settings());
        if let Some(user) = &self.config.user {
            builder = builder.username(user);
        }
        if let Some(password) = &self.config.password {
            builder = builder.password(password.expose());
        }
        if self.config.tls {
            builder = builder.tls(TlsMode::Secure);
            if self.ca.is_some() {
                builder = builder.certs(self.certificates());
            }
        }
        builder.build()
    }
}

/// Without this, small commands wait for the acknowledgment of those before them.
fn tcp_settings() -> TcpSettings {
    TcpSettings::default().set_nodelay(true)
}

impl ConnectionLike for RedisLink {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Server(link) => link.req_packed_command(command),
            Self::Cluster(link) => link.req_packed_command(command),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        commands: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Server(link) => link.req_packed_commands(commands, offset, count),
            Self::Cluster(link) => link.req_packed_commands(commands, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Server(link) => link.get_db(),
            Self::Cluster(link) => link.get_db(),
        }
    }
}
