//! `[session.redis]`: the Redis or Valkey server that keeps sessions.

use super::super::problem::{InvalidValue, quote};
use super::super::section::ConfigSection;
use crate::base::secret::Secret;
use std::path::PathBuf;
use std::time::Duration;
use url::Url;

const DEFAULT_PORT: u16 = 6379;
/// The port of a Sentinel if none is written.
const DEFAULT_SENTINEL_PORT: u16 = 26379;
/// Maximum number of Sentinels or nodes of a cluster that are named.
const MAX_NODES: usize = 32;
const MAX_PREFIX_BYTES: usize = 64;

const URL_FORMS: &str =
    "write redis://host:6379/0, rediss://user@host:6379, or unix:/run/redis/redis.sock?db=0";

/// The parsed section `[session.redis]`.
#[derive(Clone, Debug)]
pub struct RedisConfig {
    /// Where the server is.
    pub place: RedisPlace,
    /// Whether connections use TLS.
    pub tls: bool,
    /// The ACL user.
    pub user: Option<String>,
    /// The password of the user.
    pub password: Option<Secret>,
    /// The password of the Sentinels.
    pub sentinel_password: Option<Secret>,
    /// Number of the database.
    pub database: u32,
    /// Certificate authorities instead of the usual ones.
    pub ca_file: Option<PathBuf>,
    /// Begins every key.
    pub prefix: String,
    /// Maximum time until a connection is there.
    pub connect_timeout: Duration,
    /// Maximum time until a command is answered.
    pub command_timeout: Duration,
}

impl RedisConfig {
    /// Every secret in it, in a fixed order, because `Debug` does not show them.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        self.password.iter().chain(&self.sentinel_password).map(Secret::expose)
    }
}

/// Where the server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedisPlace {
    /// One server.
    Server(RedisNode),
    /// One server, by a unix socket.
    Socket(PathBuf),
    /// The master of that name, which these Sentinels know.
    Sentinel {
        /// Name of the master.
        master: String,
        /// The Sentinels.
        sentinels: Vec<RedisNode>,
    },
    /// A cluster, which at least one of these nodes belongs to.
    Cluster(Vec<RedisNode>),
}

/// A host and its port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisNode {
    /// Host name or IP address.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

/// What a URL says.
struct RedisUrl {
    tls: bool,
    user: Option<String>,
    database: u32,
    address: UrlAddress,
}

enum UrlAddress {
    Host(RedisNode),
    Socket(PathBuf),
}

/// Reads the section; `None` if it does not say where the server is.
pub(super) fn read(section: &ConfigSection<'_>, is_needed: bool) -> Option<RedisConfig> {
    let url = section
        .key(
            "url",
            "Address of Redis 6 or Valkey 7, or newer: `redis://user@host:6379/0`, `rediss://` for \
             TLS, or `unix:/run/redis.sock?db=0`. With `session.redis.sentinels`, the host is the \
             name of the master",
        )
        .needed_if(is_needed)
        .parse(redis_url);
    let sentinels = nodes(
        section,
        "sentinels",
        "Addresses of the Sentinels that know the master: `host:26379`",
        DEFAULT_SENTINEL_PORT,
    );
    let cluster = nodes(
        section,
        "cluster",
        "Nodes of a Redis Cluster, besides the one in `session.redis.url`: `host:6379`",
        DEFAULT_PORT,
    );
    let password = section.key("password", "Password of the user in `session.redis.url`").secret();
    let sentinel_password = section.key("sentinel_password", "Password of the Sentinels").secret();
    let ca_file = section
        .key(
            "ca_file",
            "PEM file with the certificate authorities of the server, instead of the system's",
        )
        .file();
    let prefix = section
        .key("prefix", "Begins every key, so that several installations can share a server")
        .parse_or("entrada:", prefix);
    let (connect_timeout, command_timeout) = timeouts(section);
    let found = url?;
    let RedisUrl { tls, user, database, address } = found.value;
    let place = place(address, sentinels, cluster, database);
    let place = place.map_err(|invalid| section.add_problem(&found.place, invalid)).ok()?;
    Some(RedisConfig {
        place,
        tls,
        user,
        password: password.map(|it| it.value),
        sentinel_password: sentinel_password.map(|it| it.value),
        database,
        ca_file,
        prefix: prefix.map(|it| it.value).unwrap_or_default(),
        connect_timeout,
        command_timeout,
    })
}

fn nodes(
    section: &ConfigSection<'_>,
    name: &'static str,
    about: &'static str,
    default_port: u16,
) -> Vec<RedisNode> {
    let all = section.key(name, about).list(&[], |text| node(text, default_port));
    if all.len() > MAX_NODES {
        let invalid = InvalidValue::new(format!("more than {MAX_NODES} addresses"));
        section.add_problem(&section.locate(name), invalid);
    }
    all.into_iter().map(|it| it.value).collect()
}

/// The maximum times until a connection is open, and until a command is answered.
fn timeouts(section: &ConfigSection<'_>) -> (Duration, Duration) {
    let connect_timeout = section
        .key("connect_timeout", "Maximum time until a connection is open")
        .duration(Duration::from_secs(1), Duration::from_millis(100)..=Duration::from_secs(10));
    let command_timeout = section
        .key("command_timeout", "Maximum time until a command is answered")
        .duration(Duration::from_millis(500), Duration::from_millis(50)..=Duration::from_secs(5));
    (connect_timeout, command_timeout)
}

fn place(
    address: UrlAddress,
    sentinels: Vec<RedisNode>,
    mut cluster: Vec<RedisNode>,
    database: u32,
) -> Result<RedisPlace, InvalidValue> {
    let address = match address {
        UrlAddress::Socket(path) if sentinels.is_empty() && cluster.is_empty() => {
            return Ok(RedisPlace::Socket(path));
        }
        UrlAddress::Socket(_) => {
            return Err(InvalidValue::new("a unix socket leads to one server")
                .hint("leave out session.redis.sentinels and session.redis.cluster"));
        }
        UrlAddress::Host(node) => node,
    };
    match (sentinels.is_empty(), cluster.is_empty()) {
        (true, true) => Ok(RedisPlace::Server(address)),
        (false, true) => Ok(RedisPlace::Sentinel { master: address.host, sentinels }),
        (true, false) if database != 0 => {
            Err(InvalidValue::new("a cluster has only database 0").hint("leave the number out"))
        }
        (true, false) => {
            if !cluster.contains(&address) {
                cluster.insert(0, address);
            }
            Ok(RedisPlace::Cluster(cluster))
        }
        (false, false) => Err(InvalidValue::new("is a cluster and has Sentinels")
            .hint("a cluster needs no Sentinels: leave out session.redis.sentinels")),
    }
}

fn redis_url(text: &str) -> Result<RedisUrl, InvalidValue> {
    // The text is not quoted: people may write a password into it.
    let invalid = || InvalidValue::new("is not the address of a Redis server").hint(URL_FORMS);
    let url = Url::parse(text).map_err(|_| invalid())?;
    if url.password().is_some() {
        return Err(InvalidValue::new("contains a password")
            .hint("move it to session.redis.password = { file = \"/run/secrets/redis\" }"));
    }
    let tls = match url.scheme() {
        "unix" => return socket(&url).ok_or_else(invalid),
        "redis" => false,
        "rediss" => true,
        _ => return Err(invalid()),
    };
    if url.query().is_some() || url.fragment().is_some() {
        return Err(invalid());
    }
    let number = url.path().trim_start_matches('/');
    let database = if number.is_empty() { 0 } else { number.parse().map_err(|_| invalid())? };
    let host = url.host_str().filter(|it| !it.is_empty()).ok_or_else(invalid)?;
    let host = host.trim_matches(['[', ']']).to_owned();
    let user = Some(url.username()).filter(|it| !it.is_empty()).map(str::to_owned);
    let port = url.port().unwrap_or(DEFAULT_PORT);
    Ok(RedisUrl { tls, user, database, address: UrlAddress::Host(RedisNode { host, port }) })
}

fn socket(url: &Url) -> Option<RedisUrl> {
    let (mut user, mut database) = (None, 0);
    for (name, value) in url.query_pairs() {
        match name.as_ref() {
            "db" => database = value.parse().ok()?,
            "user" => user = Some(value.into_owned()),
            _ => return None,
        }
    }
    let path = PathBuf::from(url.path());
    let address = UrlAddress::Socket(path.clone());
    let is_socket = path.is_absolute() && url.host_str().is_none_or(str::is_empty);
    is_socket.then_some(RedisUrl { tls: false, user, database, address })
}

fn node(text: &str, default_port: u16) -> Result<RedisNode, InvalidValue> {
    let invalid = || {
        InvalidValue::new(format!("{} is not a host", quote(text)))
            .hint(format!("write host:{default_port}"))
    };
    let url = Url::parse(&format!("redis://{text}")).map_err(|_| invalid())?;
    let host = url.host_str().filter(|it| !it.is_empty()).ok_or_else(invalid)?;
    let is_plain = matches!(url.path(), "" | "/")
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none();
    if !is_plain {
        return Err(invalid());
    }
    let host = host.trim_matches(['[', ']']).to_owned();
    Ok(RedisNode { host, port: url.port().unwrap_or(default_port) })
}

fn prefix(text: &str) -> Result<String, InvalidValue> {
    // Braces would choose the node of a cluster.
    let is_valid = text.len() <= MAX_PREFIX_BYTES
        && text.bytes().all(|it| it.is_ascii_graphic() && !matches!(it, b'{' | b'}'));
    is_valid.then(|| text.to_owned()).ok_or_else(|| {
        InvalidValue::new(format!("{} cannot begin keys", quote(text))).hint(format!(
            "choose at most {MAX_PREFIX_BYTES} printable characters other than braces"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(host: &str, port: u16) -> RedisNode {
        RedisNode { host: host.to_owned(), port }
    }

    #[test]
    fn every_form_of_an_address_is_read() {
        for (text, tls, user, database, address) in [
            ("redis://localhost", false, None, 0, host("localhost", 6379)),
            ("redis://10.0.0.1:7000/3", false, None, 3, host("10.0.0.1", 7000)),
            ("rediss://app@cache.example/", true, Some("app"), 0, host("cache.example", 6379)),
            ("redis://[::1]:6380", false, None, 0, host("::1", 6380)),
        ] {
            let read = redis_url(text).unwrap_or_else(|_| panic!("{text}"));
            let UrlAddress::Host(found) = read.address else { panic!("{text}") };
            let said = (read.tls, read.user.as_deref(), read.database, found);
            assert_eq!(said, (tls, user, database, address), "{text}");
        }
        let read = redis_url("unix:///run/redis.sock?db=2&user=app").ok().unwrap();
        let UrlAddress::Socket(path) = read.address else { panic!("a host") };
        let said = (path.as_path().to_str(), read.user.as_deref(), read.database);
        assert_eq!(said, (Some("/run/redis.sock"), Some("app"), 2));
    }

    #[test]
    fn what_is_no_address_is_refused_without_being_shown() {
        for text in [
            "",
            "localhost:6379",
            "http://localhost",
            "redis://",
            "redis://:hunter22hunter22@localhost",
            "redis://localhost/one",
            "redis://localhost/0?timeout=3",
            "unix:run/redis.sock",
            "unix:///run/redis.sock?password=hunter22hunter22",
        ] {
            let Err(invalid) = redis_url(text) else { panic!("{text}") };
            assert!(!format!("{invalid:?}").contains("hunter22"), "{text}");
        }
        for text in ["", "a b", "user@host", "host/0", "host:99999"] {
            assert!(node(text, 6379).is_err(), "{text}");
        }
        for text in ["a{b", "a b", "}", &"a".repeat(65)] {
            assert!(prefix(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_place_follows_from_what_else_is_named() {
        let address = || UrlAddress::Host(host("one", 1));
        assert_eq!(
            place(address(), vec![host("s", 2)], vec![], 0).ok(),
            Some(RedisPlace::Sentinel { master: "one".to_owned(), sentinels: vec![host("s", 2)] })
        );
        assert_eq!(
            place(address(), vec![], vec![host("two", 2)], 0).ok(),
            Some(RedisPlace::Cluster(vec![host("one", 1), host("two", 2)]))
        );
        assert!(place(address(), vec![], vec![host("two", 2)], 1).is_err());
        assert!(place(address(), vec![host("s", 2)], vec![host("two", 2)], 0).is_err());
        let socket = || UrlAddress::Socket("/run/redis.sock".into());
        assert!(place(socket(), vec![host("s", 2)], vec![], 0).is_err());
        assert!(place(socket(), vec![], vec![], 0).is_ok());
    }
}
