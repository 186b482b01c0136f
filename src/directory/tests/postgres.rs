//! PostgreSQL for the tests: an empty cluster in a temporary folder, running as an ordinary user.
//! It listens on a socket, and with TLS on loopback.
//!
//! `tests/stories` includes this file too.

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

struct Server {
    folder: PathBuf,
    count: AtomicU32,
    port: u16,
}

static SERVER: OnceLock<Option<Server>> = OnceLock::new();

/// Returns the address of an empty database; `None` if PostgreSQL is not installed, which fails
/// with `CI=true`.
pub(super) fn database() -> Option<String> {
    let server = SERVER.get_or_init(Server::start).as_ref()?;
    let name = format!("story_{}", server.count.fetch_add(1, Ordering::SeqCst));
    let folder = server.folder.display().to_string();
    let made = as_ordinary(
        "createdb",
        &["-h", &folder, "-p", &server.port.to_string(), "-U", "entrada", &name],
        &server.folder,
    )
    .output()
    .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    Some(format!("postgres://entrada@{}:{}/{name}", folder.replace('/', "%2F"), server.port))
}

/// Returns the address of the same database with mandatory TLS, at a host name; `ca` is a file of
/// trusted certificates, the tests' own if `None`.
pub(super) fn by_tls(address: &str, host: &str, ca: Option<&Path>) -> String {
    let server = SERVER.get().and_then(Option::as_ref).unwrap();
    let ours = server.folder.join("ca.pem");
    let (_, name) = address.rsplit_once('/').unwrap();
    format!(
        "postgres://entrada@{host}:{}/{name}?sslmode=verify-full&sslrootcert={}",
        server.port,
        ca.unwrap_or(&ours).display()
    )
}

/// Creates a certificate for `localhost`, and the authority that issued it, in that folder; the key
/// gets the same owner as `data`.
fn certify(folder: &Path, data: &Path) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let authority_key = KeyPair::generate().unwrap();
    std::fs::write(folder.join("ca.pem"), authority.self_signed(&authority_key).unwrap().pem())
        .unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(
        folder.join("server.pem"),
        leaf.signed_by(&key, &Issuer::new(authority, authority_key)).unwrap().pem(),
    )
    .unwrap();
    let (path, owner) = (folder.join("server.key"), std::fs::metadata(data).unwrap());
    std::fs::write(&path, key.serialize_pem()).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::os::unix::fs::chown(&path, Some(owner.uid()), Some(owner.gid())).unwrap();
}

impl Server {
    fn start() -> Option<Self> {
        if binary("initdb").is_none() {
            skip("PostgreSQL is not on this machine: make setup");
            return None;
        }
        // The socket's path must be short; the folder is deleted after the server has stopped (see
        // `watch`).
        let folder =
            tempfile::Builder::new().prefix("entrada-pg-").tempdir_in("/tmp").unwrap().keep();
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).unwrap();
        let data = folder.join("data").display().to_string();
        let made = as_ordinary(
            "initdb",
            &["-D", &data, "-U", "entrada", "-A", "trust", "-E", "UTF8", "--no-sync"],
            &folder,
        )
        .output()
        .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        certify(&folder, Path::new(&data));
        let port =
            std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let here = folder.display();
        let socket = format!(
            "-c listen_addresses=127.0.0.1 -c port={port} -c ssl=on -c ssl_cert_file={here}/server.pem -c ssl_key_file={here}/server.key \
             -c unix_socket_directories={here} -c fsync=off -c max_connections=200"
        );
        let log = folder.join("log").display().to_string();
        let started = as_ordinary(
            "pg_ctl",
            &["-D", &data, "-o", &socket, "-l", &log, "-w", "start"],
            &folder,
        )
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
        assert!(started.success(), "PostgreSQL does not start: {log}");
        watch(&folder, &data);
        Some(Self { folder, count: AtomicU32::new(0), port })
    }
}

/// Stops the server and deletes its folder when this process ends: a static is never dropped.
fn watch(folder: &Path, data: &str) {
    let stop = binary("pg_ctl").unwrap();
    let user = if is_root() { "runuser -u nobody -- " } else { "" };
    let script = format!(
        "(while kill -0 {} 2>/dev/null; do sleep 1; done; {user}{} -D {data} -m immediate stop >/dev/null 2>&1; rm -rf {}) &",
        std::process::id(),
        stop.display(),
        folder.display()
    );
    Command::new("sh")
        .args(["-c", &script])
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
}

/// Runs a program as an ordinary user, because PostgreSQL refuses to run as root.
fn as_ordinary(program: &str, arguments: &[&str], folder: &Path) -> Command {
    let program = binary(program).unwrap();
    let mut command = if is_root() {
        let mut command = Command::new("runuser");
        command.args(["-u", "nobody", "--"]).arg(program);
        command
    } else {
        Command::new(program)
    };
    command.args(arguments).current_dir(folder).env("LC_ALL", "C.UTF-8");
    command
}

fn is_root() -> bool {
    let out = Command::new("id").arg("-u").output().unwrap();
    out.stdout.trim_ascii() == b"0"
}

/// Debian installs the server's programs by version, outside the PATH.
fn binary(name: &str) -> Option<PathBuf> {
    let mut versions: Vec<_> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|it| it.path().join("bin"))
        .collect();
    versions.sort();
    versions.reverse();
    let path = std::env::var_os("PATH").unwrap_or_default();
    versions
        .into_iter()
        .chain(std::env::split_paths(&path))
        .map(|it| it.join(name))
        .find(|it| it.is_file())
}

/// Prints the reason, and records it for the end of `make test`.
fn skip(why: &str) {
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{why}");
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target"), PathBuf::from);
    let mut file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(target.join("skipped.txt"))
        .unwrap();
    writeln!(file, "directory on PostgreSQL: {why}").unwrap();
    writeln!(std::io::stderr(), "SKIPPED: directory on PostgreSQL: {why}").unwrap();
}
