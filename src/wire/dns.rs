//! Looks up TXT records, limited in time, number and size.

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData};
use std::fs::File;
use std::io::Read as _;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Maximum time of a look-up, with all its attempts.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum time of one attempt.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);
/// Port of name servers (RFC 1035 section 4.2).
const DNS_PORT: u16 = 53;
/// Where the system names its name servers.
const RESOLV_CONF: &str = "/etc/resolv.conf";
/// Maximum size of that file that is read, in bytes.
const MAX_RESOLV_CONF_BYTES: u64 = 64 * 1024;
/// Maximum number of name servers that are asked, as in resolv.conf(5).
const MAX_SERVERS: usize = 3;
/// Maximum number of records of a name that are read.
const MAX_RECORDS: usize = 64;
/// Maximum length of a record's text, in bytes; a longer record is ignored.
const MAX_RECORD_BYTES: usize = 1024;

/// Asks name servers for TXT records.
#[derive(Clone, Copy, Debug)]
pub struct TxtResolver {
    /// The name server; `None` means those of `/etc/resolv.conf`, which is read for each look-up.
    server: Option<SocketAddr>,
}

/// Why a look-up says nothing about a record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TxtLookupError {
    /// The name is not a domain name.
    #[error("not a domain name")]
    Name,
    /// No name server is known.
    #[error("no name server in {RESOLV_CONF}; set directory.dns_server")]
    NoServer,
    /// The name servers did not answer in time.
    #[error("no answer in time")]
    Timeout,
    /// The name servers could not be asked, or reported an error such as SERVFAIL.
    #[error("{0}")]
    Failed(String),
}

impl TxtResolver {
    /// Creates a resolver; opens no connection.
    pub fn new(server: Option<SocketAddr>) -> Self {
        Self { server }
    }

    /// Returns the TXT records of exactly this name; the list is empty only if the name servers
    /// answer that there are none. Records that an alias (CNAME) leads to belong to another name.
    ///
    /// # Errors
    /// Why it is not known which records there are.
    pub async fn texts(&self, name: &str) -> Result<Vec<String>, TxtLookupError> {
        // The dot keeps the resolver from trying the search list of `/etc/resolv.conf`.
        let name = Name::from_ascii(format!("{name}.")).map_err(|_| TxtLookupError::Name)?;
        let resolver = self.resolver()?;
        let asked = tokio::time::timeout(LOOKUP_TIMEOUT, resolver.txt_lookup(name.clone()));
        match asked.await.map_err(|_| TxtLookupError::Timeout)? {
            Ok(found) => {
                let own = found.answers().iter().filter(|it| it.name == name);
                Ok(own.filter_map(|it| text(&it.data)).take(MAX_RECORDS).collect())
            }
            Err(NetError::Dns(DnsError::NoRecordsFound(it)))
                if matches!(it.response_code, ResponseCode::NXDomain | ResponseCode::NoError) =>
            {
                Ok(Vec::new())
            }
            Err(NetError::Timeout) => Err(TxtLookupError::Timeout),
            Err(other) => Err(TxtLookupError::Failed(other.to_string())),
        }
    }

    fn resolver(&self) -> Result<TokioResolver, TxtLookupError> {
        let servers = match self.server {
            Some(address) => vec![address],
            None => system_servers(),
        };
        if servers.is_empty() {
            return Err(TxtLookupError::NoServer);
        }
        let servers = servers.into_iter().map(name_server).collect();
        let config = ResolverConfig::from_parts(None, Vec::new(), servers);
        let mut builder =
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        let options = builder.options_mut();
        options.timeout = ATTEMPT_TIMEOUT;
        options.attempts = 2;
        // A record that was just published must be found.
        options.cache_size = 0;
        options.use_hosts_file = ResolveHosts::Never;
        builder.build().map_err(|it| TxtLookupError::Failed(it.to_string()))
    }
}

fn name_server(address: SocketAddr) -> NameServerConfig {
    let mut server = NameServerConfig::udp_and_tcp(address.ip());
    for connection in &mut server.connections {
        connection.port = address.port();
    }
    server
}

/// Returns the name servers of the system; the file is small, and read for each look-up.
fn system_servers() -> Vec<SocketAddr> {
    let mut text = String::new();
    let read = File::open(RESOLV_CONF)
        .and_then(|it| it.take(MAX_RESOLV_CONF_BYTES).read_to_string(&mut text));
    if let Err(cause) = read {
        tracing::warn!(%cause, file = RESOLV_CONF, "cannot read the system's name servers");
    }
    servers_in(&text)
}

/// Reads the lines `nameserver ADDRESS` of resolv.conf(5).
fn servers_in(text: &str) -> Vec<SocketAddr> {
    let address = |line: &str| {
        let mut words = line.split_whitespace();
        let is_server = words.next() == Some("nameserver");
        let ip = words.next().filter(|_| is_server)?.parse::<IpAddr>().ok()?;
        Some(SocketAddr::new(ip, DNS_PORT))
    };
    text.lines().filter_map(address).take(MAX_SERVERS).collect()
}

/// Returns the text of a TXT record: its strings are joined, as in RFC 7208 section 3.3.
fn text(data: &RData) -> Option<String> {
    let RData::TXT(record) = data else { return None };
    let bytes = record.txt_data.concat();
    if bytes.len() > MAX_RECORD_BYTES {
        return None;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_s_name_servers_are_read_and_nothing_else() {
        let text = "# nameserver 192.0.2.9\n; nameserver 192.0.2.8\nsearch contoso.example\n\
                    nameserver 192.0.2.1\n nameserver\t2001:db8::53 # ours\nnameserver fe80::1%eth0\n\
                    nameserver\nnameservers 192.0.2.7\nnameserver name.example\nnameserver 192.0.2.2\n\
                    nameserver 192.0.2.3\noptions ndots:5\n";
        let expected = ["192.0.2.1:53", "[2001:db8::53]:53", "192.0.2.2:53"];
        assert_eq!(servers_in(text), expected.map(|it| it.parse::<SocketAddr>().unwrap()));
        assert_eq!(servers_in(""), []);
    }
}
