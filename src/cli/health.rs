//! `entrada health`: the container's health check, by the binary itself.

use super::check::read_quietly;
use super::terminal::{Failure, say};
use crate::config::server::Listen;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

const TIME: Duration = Duration::from_secs(3);
const REQUEST: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// `entrada health`: exit code 0 where the process answers.
pub(super) fn run(path: Option<&Path>) -> Result<(), Failure> {
    let config = read_quietly(path)?;
    let answer = match &config.server.admin_listen {
        Listen::Tcp(address) => TcpStream::connect_timeout(&reachable(*address), TIME).and_then(|it| {
            it.set_read_timeout(Some(TIME))?;
            ask(it)
        }),
        Listen::Unix(path) => UnixStream::connect(path).and_then(|it| {
            it.set_read_timeout(Some(TIME))?;
            ask(it)
        }),
        Listen::Systemd => {
            return Err(Failure::new("[server] admin_listen is a socket of systemd's, whose address is not known here").hint("write its address there instead"));
        }
    };
    match answer {
        Ok(head) if head.starts_with("HTTP/1.1 200") => {
            say("healthy");
            Ok(())
        }
        Ok(head) => Err(Failure::new(format!("unhealthy: {}", head.lines().next().unwrap_or_default()))),
        Err(error) => {
            let what = format!("nothing answers on {}: {error}", config.server.admin_listen);
            Err(Failure::new(what).hint("see whether entrada runs, and with the same [server] admin_listen"))
        }
    }
}

fn ask(mut stream: impl Read + Write) -> std::io::Result<String> {
    stream.write_all(REQUEST)?;
    let mut head = [0; 64];
    let count = stream.read(&mut head)?;
    Ok(String::from_utf8_lossy(head.get(..count).unwrap_or_default()).into_owned())
}

/// A listener on all addresses is asked by loopback.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}
