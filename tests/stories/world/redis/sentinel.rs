//! Three Sentinels, a primary and its replica.

use super::{RedisOptions, RedisReply, RedisServer};
/// The name by which the Sentinels know the primary.
pub const MASTER_NAME: &str = "sessions";

/// Time without an answer after which a Sentinel takes the primary for dead, in milliseconds. With
/// less than two of its pings, which come every second, it sees new primaries as dead.
const DOWN_AFTER_MS: u32 = 2000;

/// Running servers and Sentinels; they end with the test.
pub struct SentinelGroup {
    pub servers: [RedisServer; 2],
    pub sentinels: Vec<RedisServer>,
}

impl SentinelGroup {
    /// Starts them with the same password, or none; `None` if Redis is not installed.
    pub async fn start(password: Option<&str>) -> Option<Self> {
        let password = password.map(str::to_owned);
        let options = RedisOptions { password: password.clone(), ..RedisOptions::default() };
        let primary = RedisServer::with(options.clone()).await?;
        let replica_of = Some(primary.port);
        let replica = RedisServer::with(RedisOptions { replica_of, ..options }).await?;
        replica
            .waits_until("it follows the primary", async |it| {
                let role = it.ask(&["ROLE"]).await.unwrap().text();
                role.contains("slave") && role.contains("connected")
            })
            .await;
        let mut sentinels = Vec::new();
        for _ in 0..3 {
            sentinels.push(sentinel(primary.port, password.clone()).await?);
        }
        let group = Self { servers: [primary, replica], sentinels };
        group.is_complete().await;
        Some(group)
    }

    /// Waits until every Sentinel knows the others and the replica, without which none can fail over.
    async fn is_complete(&self) {
        for sentinel in &self.sentinels {
            sentinel
                .waits_until("it knows the others", async |it| {
                    let known = it.ask(&["SENTINEL", "MASTER", MASTER_NAME]).await.unwrap().text();
                    known.contains("num-slaves\n1\n") && known.contains("num-other-sentinels\n2\n")
                })
                .await;
        }
    }

    /// Returns the addresses for `session.redis.sentinels`.
    pub fn addresses(&self) -> Vec<String> {
        self.sentinels.iter().map(|it| format!("127.0.0.1:{}", it.port)).collect()
    }

    /// Returns the port of the primary, as the Sentinels see it.
    pub async fn primary_port(&self) -> u16 {
        let words = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER_NAME];
        let address = self.sentinels[0].command(&words).await.list();
        address[1].text().parse().unwrap()
    }

    /// Returns the server that is the primary.
    pub async fn primary(&mut self) -> &mut RedisServer {
        let port = self.primary_port().await;
        self.servers.iter_mut().find(|it| it.port == port).unwrap()
    }

    /// Makes the replica the primary while the old one runs, and waits until it is.
    pub async fn fail_over(&self) {
        let before = self.primary_port().await;
        self.sentinels[0]
            .waits_until("it may fail over", async |it| {
                let words = ["SENTINEL", "FAILOVER", MASTER_NAME];
                !matches!(it.ask(&words).await.unwrap(), RedisReply::Error(_))
            })
            .await;
        self.has_another_primary(before).await;
    }

    /// Waits until another server than that one is the primary and accepts writes.
    pub async fn has_another_primary(&self, before: u16) {
        for sentinel in &self.sentinels {
            // The address of the primary changes before the failover is decided; this does not.
            let words = ["SENTINEL", "MASTER", MASTER_NAME];
            sentinel
                .waits_until("another primary", async |it| {
                    let known = it.ask(&words).await.unwrap().text();
                    !known.contains(&format!("\nport\n{before}\n"))
                })
                .await;
        }
        let port = self.primary_port().await;
        let primary = self.servers.iter().find(|it| it.port == port).unwrap();
        primary
            .waits_until("it is the primary", async |it| {
                it.ask(&["ROLE"]).await.is_ok_and(|it| it.text().starts_with("master"))
            })
            .await;
    }

    /// Waits until the other server follows the primary again.
    pub async fn is_replicated(&self) {
        let port = self.primary_port().await;
        let replica = self.servers.iter().find(|it| it.port != port).unwrap();
        replica
            .waits_until("it follows the primary", async |it| {
                let role = it.ask(&["ROLE"]).await.map(|it| it.text()).unwrap_or_default();
                role.starts_with("slave")
                    && role.contains("connected")
                    && role.contains(&port.to_string())
            })
            .await;
    }
}

async fn sentinel(primary: u16, password: Option<String>) -> Option<RedisServer> {
    let auth = password.as_deref().map_or(String::new(), |it| {
        format!("sentinel auth-pass {MASTER_NAME} {it}\nsentinel sentinel-pass {it}\n")
    });
    let text = format!(
        "sentinel monitor {MASTER_NAME} 127.0.0.1 {primary} 2\n\
         sentinel down-after-milliseconds {MASTER_NAME} {DOWN_AFTER_MS}\n\
         sentinel failover-timeout {MASTER_NAME} 20000\n\
         sentinel parallel-syncs {MASTER_NAME} 1\n{auth}"
    );
    RedisServer::sentinel(&text, password).await
}
