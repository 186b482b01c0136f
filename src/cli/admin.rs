//! Commands that ask the admin listener of the same configuration.

use super::terminal::CommandError;
use crate::config::server::ListenAddress;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// Maximum time without data.
const ADMIN_TIMEOUT: Duration = Duration::from_secs(3);
/// Maximum size of a response, in bytes.
const MAX_ADMIN_ANSWER_BYTES: u64 = 64 * 1024;

/// Sends a request that asks the connection to close, and reads the answer.
pub(super) fn send(listen: &ListenAddress, request: &str) -> Result<String, CommandError> {
    let answer = match listen {
        ListenAddress::Tcp(address) => {
            TcpStream::connect_timeout(&reachable(*address), ADMIN_TIMEOUT).and_then(|stream| {
                stream.set_read_timeout(Some(ADMIN_TIMEOUT))?;
                exchange(stream, request)
            })
        }
        ListenAddress::Unix(path) => UnixStream::connect(path).and_then(|stream| {
            stream.set_read_timeout(Some(ADMIN_TIMEOUT))?;
            exchange(stream, request)
        }),
        ListenAddress::Systemd => {
            return Err(CommandError::new(
                "[server] admin_listen is a systemd socket, so its address is unknown",
            )
            .hint("set [server] admin_listen to an address"));
        }
    };
    answer.map_err(|error| {
        let what = format!("no answer on {listen}: {error}");
        CommandError::new(what)
            .hint("check that entrada is running with the same [server] admin_listen")
    })
}

fn exchange(mut stream: impl Read + Write, request: &str) -> io::Result<String> {
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(MAX_ADMIN_ANSWER_BYTES).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// A listener on all addresses is reached over loopback.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}
