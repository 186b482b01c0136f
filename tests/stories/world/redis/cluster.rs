//! A Cluster of three primaries, each with a replica if that is wanted.

use super::{RedisOptions, RedisProgram, RedisServer, free_port};

/// Number of hash slots (Redis Cluster specification).
const SLOTS: usize = 16_384;
const PRIMARIES: usize = 3;
/// Time without an answer after which the others take a node for dead, in milliseconds.
const NODE_TIMEOUT_MS: u32 = 1000;

/// Running nodes; they end with the test. The first three are primaries in the beginning.
pub struct RedisCluster {
    pub nodes: Vec<RedisServer>,
}

impl RedisCluster {
    /// Starts three primaries; `None` if Redis is not installed.
    pub async fn start() -> Option<Self> {
        Self::with(RedisProgram::Redis, false).await
    }

    /// Starts three primaries with a replica each.
    pub async fn with_replicas() -> Option<Self> {
        Self::with(RedisProgram::Redis, true).await
    }

    /// Starts them with this program, which must know `cluster-port` (Redis 7).
    pub async fn with(program: RedisProgram, replicas: bool) -> Option<Self> {
        let (mut nodes, mut buses) = (Vec::new(), Vec::new());
        for _ in 0..if replicas { 2 * PRIMARIES } else { PRIMARIES } {
            let bus = free_port();
            let more = [
                ("--cluster-enabled", "yes".to_owned()),
                ("--cluster-port", bus.to_string()),
                ("--cluster-node-timeout", NODE_TIMEOUT_MS.to_string()),
                ("--cluster-replica-validity-factor", "0".to_owned()),
            ];
            let more = more.into_iter().flat_map(|it| [it.0.to_owned(), it.1]).collect();
            nodes.push(
                RedisServer::with(RedisOptions { program, more, ..Default::default() }).await?,
            );
            buses.push(bus);
        }
        let cluster = Self { nodes };
        cluster.is_joined(&buses).await;
        for at in PRIMARIES..cluster.nodes.len() {
            cluster.follows(at).await;
        }
        cluster.knows_replicas().await;
        cluster.is_whole().await;
        Some(cluster)
    }

    /// Gives each primary its slots, and lets the nodes know each other.
    async fn is_joined(&self, buses: &[u16]) {
        for (at, node) in self.nodes.iter().enumerate() {
            // A node's first epoch is its own, so that no two need to agree on one.
            node.command(&["CLUSTER", "SET-CONFIG-EPOCH", &(at + 1).to_string()]).await;
            if at < PRIMARIES {
                let (from, to) = (at * SLOTS / PRIMARIES, (at + 1) * SLOTS / PRIMARIES - 1);
                let range = [from.to_string(), to.to_string()];
                node.command(&["CLUSTER", "ADDSLOTSRANGE", &range[0], &range[1]]).await;
            }
        }
        for (node, bus) in self.nodes.iter().zip(buses).skip(1) {
            let (port, bus) = (node.port.to_string(), bus.to_string());
            self.nodes[0].command(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus]).await;
        }
        for node in &self.nodes {
            let all = format!("cluster_known_nodes:{}\r", self.nodes.len());
            node.waits_until("it knows all nodes", async |it| {
                let info = it.ask(&["CLUSTER", "INFO"]).await.unwrap().text();
                info.contains(&all) && info.contains("cluster_state:ok")
            })
            .await;
        }
    }

    /// Makes a node the replica of one of the primaries.
    async fn follows(&self, at: usize) {
        let primary = self.nodes[at - PRIMARIES].command(&["CLUSTER", "MYID"]).await.text();
        self.nodes[at].command(&["CLUSTER", "REPLICATE", &primary]).await;
        self.nodes[at]
            .waits_until("it follows its primary", async |it| {
                let role = it.ask(&["ROLE"]).await.unwrap().text();
                role.starts_with("slave") && role.contains("connected")
            })
            .await;
    }

    /// Waits until every node knows whose replica another one is: without it, a primary does not let
    /// its replica take over.
    async fn knows_replicas(&self) {
        let replicas = self.nodes.len() - PRIMARIES;
        for node in &self.nodes {
            node.waits_until("it knows the replicas", async |it| {
                let nodes = it.ask(&["CLUSTER", "NODES"]).await.unwrap().text();
                nodes.matches("slave ").count() == replicas
            })
            .await;
        }
    }

    /// Waits until every node says that every slot has a primary.
    pub async fn is_whole(&self) {
        for node in &self.nodes {
            node.waits_until("the cluster is whole", async |it| {
                let info = it.ask(&["CLUSTER", "INFO"]).await;
                info.is_ok_and(|it| it.text().contains("cluster_state:ok"))
            })
            .await;
        }
    }

    /// Returns the addresses of all nodes.
    pub fn addresses(&self) -> Vec<String> {
        self.nodes.iter().map(|it| format!("127.0.0.1:{}", it.port)).collect()
    }

    /// Makes the replica of a primary take its place while it runs; needs replicas.
    pub async fn fail_over(&self, at: usize) {
        let replica = &self.nodes[at + PRIMARIES];
        replica.command(&["CLUSTER", "FAILOVER"]).await;
        replica
            .waits_until("it is a primary", async |it| {
                it.ask(&["ROLE"]).await.unwrap().text().starts_with("master")
            })
            .await;
        self.is_whole().await;
    }

    /// Returns every key with all bytes of its value, of all nodes.
    pub async fn everything(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut all = Vec::new();
        for node in &self.nodes {
            if node.command(&["ROLE"]).await.text().starts_with("master") {
                all.extend(node.everything(0).await);
            }
        }
        all
    }
}
