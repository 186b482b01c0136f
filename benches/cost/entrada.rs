//! `entrada run` as it is measured: one tenant (the emulator), sixteen access rules, the
//! `x-forwarded` set and the assertion.

use crate::http::{BenchSite, HttpConnection};
use crate::nginx::BenchCertificate;
use crate::process::{ChildProcess, free_port};
use crate::sign_in::EmulatorProcess;
use crate::terminal::BenchOutcome;
use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Maximum time until Entrada is ready, which includes fetching Entra's metadata.
const PATIENCE: Duration = Duration::from_secs(60);

/// Fifteen rules that a measured request passes before the last one, which matches the person; the
/// fifteenth is the public one.
const RULES: &str = r#"
[[access.rule]]
path = "/admin/users/**"
methods = ["POST", "PUT", "DELETE"]
allow = { roles = ["Owner"] }
[[access.rule]]
path = "/admin/**"
allow = { roles = ["Admin", "Owner"] }
[[access.rule]]
path = "/api/v1/reports/**"
methods = ["GET"]
allow = { groups = ["0a1b2c3d-0000-4000-8000-000000000001"] }
[[access.rule]]
path = "/api/v1/**"
allow = { roles = ["Reader", "Writer"] }
[[access.rule]]
path = "/api/v2/reports/**"
allow = "signed-in"
signed_out = "401"
[[access.rule]]
path = "/api/v2/**"
allow = { roles = ["Writer"] }
[[access.rule]]
path = "/billing/**"
allow = { roles = ["Billing"] }
[[access.rule]]
path = "/people/**"
allow = { groups = ["0a1b2c3d-0000-4000-8000-000000000002"] }
[[access.rule]]
path = "/internal/**"
allow = "nobody"
[[access.rule]]
path = "/assets/**"
allow = "anyone"
[[access.rule]]
path = "/health"
allow = "anyone"
[[access.rule]]
path = "/docs/**"
allow = "signed-in"
[[access.rule]]
path = "/files/**"
methods = ["GET", "PUT"]
allow = { roles = ["Writer"] }
[[access.rule]]
path = "/app/settings/**"
allow = { roles = ["Owner"] }
[[access.rule]]
path = "/public/**"
allow = "anyone"
[[access.rule]]
path = "/app/**"
allow = { roles = ["Admin"] }
"#;

/// The variants that run side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntradaKind {
    /// Plain HTTP, no access log.
    Clear,
    /// Over TLS, no access log.
    Tls,
    /// Plain HTTP, with the access log.
    Logged,
    /// Like `Clear`, with this session store.
    Store(&'static str),
}

/// The address of a variant: chosen before the emulator starts, because the emulator needs the
/// redirect URIs.
#[derive(Debug)]
pub struct EntradaFolder {
    kind: EntradaKind,
    site: BenchSite,
}

impl EntradaFolder {
    /// Chooses a free port.
    pub fn choose(kind: EntradaKind, certificate: &BenchCertificate) -> BenchOutcome<Self> {
        let tls = (kind == EntradaKind::Tls).then(|| Arc::clone(&certificate.believed));
        Ok(Self { kind, site: BenchSite::local(free_port()?, tls) })
    }

    /// Returns the redirect URI to register.
    pub fn redirect_uri(&self) -> String {
        format!("{}/oauth2/callback", self.site.origin())
    }
}

/// A running `entrada run`.
#[derive(Debug)]
pub struct EntradaProcess {
    /// The process under measurement.
    pub process: ChildProcess,
    /// The address on which it listens.
    pub site: BenchSite,
}

impl EntradaProcess {
    /// Starts it in front of the app on port `app`, and waits until it can sign people in.
    pub fn start(
        binary: &Path,
        dir: &Path,
        app: u16,
        place: &EntradaFolder,
        certificate: &BenchCertificate,
        emulator: &EmulatorProcess,
    ) -> BenchOutcome<Self> {
        Self::start_as(Command::new(binary), dir, app, place, certificate, emulator)
    }

    /// Starts it by a command, to which its own arguments are added.
    pub fn start_as(
        mut command: Command,
        dir: &Path,
        app: u16,
        place: &EntradaFolder,
        certificate: &BenchCertificate,
        emulator: &EmulatorProcess,
    ) -> BenchOutcome<Self> {
        let dir = dir.join(format!("entrada-{}", place.site.port));
        fs::create_dir_all(&dir)?;
        let admin = free_port()?;
        let file = dir.join("entrada.toml");
        fs::write(&file, config(place, admin, app, certificate, emulator))?;
        // An outbound proxy or other settings of this machine must not influence the measurement.
        command
            .env_clear()
            .env("BENCH_CLIENT_SECRET", &emulator.client_secret)
            .env("BENCH_SECRET", "a secret of thirty-two bytes or more, for one run only");
        command
            .args(["run", "--config"])
            .arg(file)
            .stdout(File::create(dir.join("out.log"))?)
            .stderr(File::create(dir.join("err.log"))?);
        let mut process = ChildProcess::start("entrada run", &mut command)?;
        process.wait_for(place.site.port).map_err(|it| said(&it, &dir))?;
        wait_until_ready(&mut process, admin).map_err(|it| said(&it, &dir))?;
        Ok(Self { process, site: place.site.clone() })
    }
}

fn said(failure: &dyn std::fmt::Display, dir: &Path) -> String {
    let text: String = ["err.log", "out.log"]
        .iter()
        .map(|it| fs::read_to_string(dir.join(it)).unwrap_or_default())
        .collect();
    format!("{failure}: {}", text.chars().take(2000).collect::<String>())
}

fn wait_until_ready(process: &mut ChildProcess, admin: u16) -> BenchOutcome<()> {
    let began = Instant::now();
    let site = BenchSite { host: format!("127.0.0.1:{admin}"), ..BenchSite::local(admin, None) };
    loop {
        process.must_live()?;
        let reply = HttpConnection::open(&site).and_then(|mut it| it.get("/readyz", &[]));
        match reply {
            Ok(reply) if reply.status == 200 => return Ok(()),
            Ok(reply) if began.elapsed() > PATIENCE => {
                return Err(format!("it does not become ready: {}", reply.text()).into());
            }
            Err(error) if began.elapsed() > PATIENCE => return Err(error),
            Ok(_) | Err(_) => sleep(Duration::from_millis(20)),
        }
    }
}

fn config(
    place: &EntradaFolder,
    admin: u16,
    app: u16,
    certificate: &BenchCertificate,
    emulator: &EmulatorProcess,
) -> String {
    let tls = match place.kind {
        EntradaKind::Tls => format!(
            "tls = {{ certificate = '{}', key = '{}' }}",
            certificate.chain.display(),
            certificate.key.display()
        ),
        EntradaKind::Clear | EntradaKind::Logged | EntradaKind::Store(_) => String::new(),
    };
    let store = match place.kind {
        EntradaKind::Store(name) => name,
        EntradaKind::Clear | EntradaKind::Tls | EntradaKind::Logged => "memory",
    };
    let level = if place.kind == EntradaKind::Logged { "info" } else { "warn" };
    format!(
        r#"[server]
listen = "127.0.0.1:{port}"
public_url = "{origin}"
admin_listen = "127.0.0.1:{admin}"
shutdown_grace = "1s"
{tls}
[upstream]
url = "http://127.0.0.1:{app}"
[entra]
tenant = "{tenant}"
client_id = "{client_id}"
client_secret = {{ env = "BENCH_CLIENT_SECRET" }}
authority = "{authority}"
[session]
secrets = [{{ env = "BENCH_SECRET" }}]
per_person = 1000000
store = "{store}"
[headers]
send = ["x-forwarded"]
[telemetry]
level = "{level}"
[access]
default = "signed-in"
{RULES}"#,
        port = place.site.port,
        origin = place.site.origin(),
        tenant = emulator.tenant,
        client_id = emulator.client_id,
        authority = emulator.authority,
    )
}
