//! Listeners for people and front proxies: TCP, unix sockets, and sockets from systemd.

use super::sockets::AcceptedSocket;
use crate::config::server::ListenAddress;
use socket2::{Domain, Protocol, SockAddr, SockRef, TcpKeepalive, Type};
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
        match listen {
            ListenAddress::Tcp(address) => Ok(vec![tcp(*address)?]),
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
        Ok(Self { kind: ListenerKind::Tcp(TcpListener::from_std(listener)?), _file: None })
    }

    fn from_unix(
        listener: std::os::unix::net::UnixListener,
        file: Option<SocketFile>,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self { kind: ListenerKind::Unix(UnixListener::from_std(listener)?), _file: file })
    }
}

fn waiting<T>(accept: impl FnMut() -> io::Result<T>) -> Vec<T> {
    std::iter::repeat_with(accept).take(MAX_WAITING).map_while(Result::ok).collect()
}

fn tcp(address: SocketAddr) -> io::Result<Listener> {
    let socket =
        socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Otherwise the port is unavailable for a minute after a restart.
    socket.set_reuse_address(true)?;
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
