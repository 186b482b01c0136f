//! Listeners for people and front proxies: TCP, unix sockets, and sockets from systemd.

use super::sockets::AcceptedSocket;
use crate::config::server::ListenAddress;
use socket2::{Domain, Protocol, SockAddr, SockFilter, SockRef, TcpKeepalive, Type};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

/// Number of connections that the kernel holds until they are accepted. The kernel limits it to
/// `net.core.somaxconn`.
const ACCEPT_BACKLOG: i32 = 4096;
const MAX_WAITING: usize = 4096;
/// When the kernel starts to probe whether a silent client still exists.
const KEEP_ALIVE_AFTER: Duration = Duration::from_secs(60);

/// A listening socket. The file of a unix socket is removed with it.
#[derive(Debug)]
pub struct Listener {
    kind: ListenerKind,
    /// Whether another process may listen at the same port.
    is_shared: bool,
    _file: Option<SocketFile>,
}

#[derive(Debug)]
enum ListenerKind {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    /// Binds one address of the configuration. systemd may pass several sockets.
    ///
    /// # Errors
    /// If the address cannot be bound. For a unix socket, also if another process answers there or
    /// if the file is not a socket.
    pub fn bind(listen: &ListenAddress) -> io::Result<Vec<Self>> {
        Self::bind_with(listen, false)
    }

    /// Like `bind`, but processes of the same user that do this too can listen at the same TCP port
    /// (`SO_REUSEPORT`); the kernel distributes new connections among them.
    ///
    /// # Errors
    /// Like `bind`.
    pub fn bind_beside_others(listen: &ListenAddress) -> io::Result<Vec<Self>> {
        Self::bind_with(listen, true)
    }

    fn bind_with(listen: &ListenAddress, is_shared: bool) -> io::Result<Vec<Self>> {
        match listen {
            ListenAddress::Tcp(address) => {
                Ok(vec![Self { is_shared, ..tcp(*address, is_shared)? }])
            }
            ListenAddress::Unix(path) => Ok(vec![unix(path)?]),
            ListenAddress::Systemd => systemd(),
        }
    }

    /// Returns its address, or nothing for a unix socket.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        match &self.kind {
            ListenerKind::Tcp(it) => it.local_addr().ok(),
            ListenerKind::Unix(_) => None,
        }
    }

    /// Accepts the next connection and returns it with its address, if it has one.
    pub(super) async fn accept(&self) -> io::Result<(AcceptedSocket, Option<SocketAddr>)> {
        match &self.kind {
            ListenerKind::Tcp(it) => {
                let (stream, address) = it.accept().await?;
                // If the connection is already closed, the first read reports it.
                let _ = stream.set_nodelay(true);
                Ok((AcceptedSocket::Tcp(stream), Some(address)))
            }
            ListenerKind::Unix(it) => Ok((AcceptedSocket::Unix(it.accept().await?.0), None)),
        }
    }

    /// Leaves new connections to the other processes that listen at the same port, and returns
    /// true; returns false if there can be none. Connections whose handshake has begun still arrive
    /// here.
    ///
    /// Without it, the kernel would reset connections whose handshake is not complete when the
    /// listener is closed, unless it moves them to another one (`net.ipv4.tcp_migrate_req`).
    pub(super) fn leave_to_others(&self) -> bool {
        let ListenerKind::Tcp(listener) = &self.kind else { return false };
        // If the kernel refuses, connections may be lost as without it.
        self.is_shared && !moves_handshakes() && {
            SockRef::from(listener).attach_filter(&refuse_syn()).is_ok()
        }
    }

    /// Closes the listener, and returns the connections that the kernel had already accepted: it
    /// would reset them.
    pub(super) fn close(self) -> Vec<(AcceptedSocket, Option<SocketAddr>)> {
        // Not `accept` above, which knows of a connection only after the reactor has seen it.
        match self.kind {
            ListenerKind::Tcp(listener) => {
                let Ok(listener) = listener.into_std() else { return Vec::new() };
                waiting(|| {
                    let (stream, address) = listener.accept()?;
                    stream.set_nonblocking(true)?;
                    let _ = stream.set_nodelay(true);
                    Ok((AcceptedSocket::Tcp(TcpStream::from_std(stream)?), Some(address)))
                })
            }
            ListenerKind::Unix(listener) => {
                let Ok(listener) = listener.into_std() else { return Vec::new() };
                waiting(|| {
                    let (stream, _) = listener.accept()?;
                    stream.set_nonblocking(true)?;
                    Ok((AcceptedSocket::Unix(UnixStream::from_std(stream)?), None))
                })
            }
        }
    }

    /// Whether this listener uses TLS if TLS is configured. Clients of a unix socket are on this
    /// machine and use cleartext.
    pub(super) fn may_be_tls(&self) -> bool {
        matches!(self.kind, ListenerKind::Tcp(_))
    }

    fn from_tcp(listener: std::net::TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        // Accepted sockets inherit this. It detects a client that lost power, even if nothing is
        // sent to it.
        let _ = SockRef::from(&listener)
            .set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEP_ALIVE_AFTER));
        let kind = ListenerKind::Tcp(TcpListener::from_std(listener)?);
        Ok(Self { kind, is_shared: false, _file: None })
    }

    fn from_unix(
        listener: std::os::unix::net::UnixListener,
        file: Option<SocketFile>,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let kind = ListenerKind::Unix(UnixListener::from_std(listener)?);
        Ok(Self { kind, is_shared: false, _file: file })
    }
}

fn waiting<T>(accept: impl FnMut() -> io::Result<T>) -> Vec<T> {
    std::iter::repeat_with(accept).take(MAX_WAITING).map_while(Result::ok).collect()
}

/// Whether the kernel moves connections of a closed listener to another one at the same port.
fn moves_handshakes() -> bool {
    let setting = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_migrate_req");
    setting.is_ok_and(|it| it.trim() == "1")
}

/// A program for the kernel (classic BPF) that drops segments which begin a connection: SYN without
/// ACK. The client repeats it after a second (RFC 6298 section 2), when this listener is closed.
fn refuse_syn() -> [SockFilter; 5] {
    const LOAD_BYTE: u16 = 0x30;
    const AND: u16 = 0x54;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    /// Offset of the flags in the TCP header (RFC 9293 section 3.1).
    const FLAGS: u32 = 13;
    const SYN: u32 = 0x02;
    const ACK: u32 = 0x10;
    [
        SockFilter::new(LOAD_BYTE, 0, 0, FLAGS),
        SockFilter::new(AND, 0, 0, SYN | ACK),
        SockFilter::new(JUMP_IF_EQUAL, 0, 1, SYN),
        // Nothing of the segment is kept.
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ]
}

fn tcp(address: SocketAddr, is_shared: bool) -> io::Result<Listener> {
    let socket =
        socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Otherwise the port is unavailable for a minute after a restart.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(is_shared)?;
    socket.bind(&address.into())?;
    socket.listen(ACCEPT_BACKLOG)?;
    Listener::from_tcp(socket.into())
}

fn unix(path: &Path) -> io::Result<Listener> {
    remove_stale(path)?;
    let socket = socket2::Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    let file = SocketFile::new(path)?;
    socket.listen(ACCEPT_BACKLOG)?;
    Listener::from_unix(socket.into(), Some(file))
}

/// Removes the socket that a killed process left behind. Other files are not removed.
fn remove_stale(path: &Path) -> io::Result<()> {
    let Ok(there) = std::fs::symlink_metadata(path) else { return Ok(()) };
    if !there.file_type().is_socket() {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "the file exists and is not a socket",
        ));
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            "another process already listens on this socket",
        )),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path)
        }
        Err(error) => Err(error),
    }
}

/// The file of a unix socket. It is removed with the listener, unless another process has put its
/// own in its place.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    identity: FileIdentity,
}

/// The device and the number of a file on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileIdentity {
    device: u64,
    inode: u64,
}

impl SocketFile {
    fn new(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), identity: identity(path)? })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|it| it == self.identity) {
            // A failed removal has no remedy here.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> io::Result<FileIdentity> {
    let file = std::fs::symlink_metadata(path)?;
    Ok(FileIdentity { device: file.dev(), inode: file.ino() })
}

/// Returns all sockets of `LISTEN_FDS` (`sd_listen_fds(3)`). They can be taken only once: a second
/// owner would close them while the first uses them.
fn systemd() -> io::Result<Vec<Listener>> {
    static ARE_SOCKETS_TAKEN: AtomicBool = AtomicBool::new(false);
    let none = |why: &str| io::Error::new(io::ErrorKind::NotFound, why.to_owned());
    if ARE_SOCKETS_TAKEN.swap(true, Ordering::Relaxed) {
        return Err(none("another listener already uses the systemd sockets"));
    }
    let mut handed = listenfd::ListenFd::from_env();
    let listeners: Vec<_> =
        (0..handed.len()).map(|at| take(&mut handed, at)).collect::<io::Result<_>>()?;
    if listeners.is_empty() {
        Err(none("systemd passed no socket (LISTEN_FDS)"))
    } else {
        Ok(listeners)
    }
}

fn take(handed: &mut listenfd::ListenFd, at: usize) -> io::Result<Listener> {
    if let Ok(Some(listener)) = handed.take_tcp_listener(at) {
        return Listener::from_tcp(listener);
    }
    match handed.take_unix_listener(at)? {
        Some(listener) => Listener::from_unix(listener, None),
        None => Err(io::Error::new(io::ErrorKind::NotFound, "a systemd socket is missing")),
    }
}
