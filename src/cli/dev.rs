//! `entrada dev`: everything on this machine, with a pretend Entra.

use super::companies::{self, DatabaseLocation};
use super::run::{runtime, start, start_log};
use super::signals::StopSignals;
use super::terminal::{CommandError, print_line};
use crate::base::clock::Clock;
use crate::config::problem::Problem;
use crate::config::server::ListenAddress;
use crate::config::{self, Config};
use crate::demo;
use crate::emulator::{self, Emulator};
use crate::seal::random;
use crate::server::Listener;
use crate::service::BoundListener;
use crate::sidecar::Process;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use tokio_util::sync::CancellationToken;

/// Rules for the paths of the built-in demo. Another app has its own paths, so everyone who signs
/// in may use all of them.
const DEMO_RULES: &str = r#"
[[access.rule]]
path = "/admin/**"
suffixes = true
allow = { roles = ["Admin"] }
[[access.rule]]
path = "/public/**"
allow = "anyone"
"#;

/// The same where each company defines its own app roles: there the roles of the directory say who may.
const RULES_OF_COMPANIES: &str = r#"
[[access.rule]]
path = "/admin/**"
suffixes = true
allow = { directory_roles = ["owner", "admin"] }
[[access.rule]]
path = "/public/**"
allow = "anyone"
"#;

/// The demo as a phone.
const PHONE_CONFIG: &str = r#"
[native]
[[native.client]]
id = "demo-phone"
name = "Entrada demo"
redirect_uris = ["http://127.0.0.1/phone/back"]
"#;

/// Arguments of `entrada dev`.
#[derive(Debug, clap::Args)]
pub(super) struct DevArgs {
    /// URL of your app; without it, a built-in demo app that shows what an app receives.
    #[arg(long)]
    upstream: Option<String>,
    /// Port to listen on, on loopback; 0 picks a free one.
    #[arg(long, default_value_t = 4180)]
    port: u16,
    /// Start with several companies, each with its own emulated tenant, one of them not set up yet.
    #[arg(long)]
    organizations: bool,
    /// Directory in which to keep the companies and their people; without it, they are deleted at the end.
    #[arg(long, value_name = "DIRECTORY", requires = "organizations")]
    data: Option<PathBuf>,
}

/// `entrada dev`.
pub(super) fn run(arguments: &DevArgs) -> Result<(), CommandError> {
    runtime()?.block_on(serve(arguments))
}

async fn serve(arguments: &DevArgs) -> Result<(), CommandError> {
    let mut stop = StopSignals::new()?;
    let (port, data) = listen(arguments.port)?;
    let public_url = format!("http://localhost:{port}");
    // One clock, so that the emulator's panel advances all parts.
    let clock = Clock::system();
    let place = arguments
        .organizations
        .then(|| DatabaseLocation::at(arguments.data.as_deref(), &random::system()))
        .transpose()?;
    let emulator = start_emulator(&public_url, clock.clone(), place.is_some()).await?;
    let shutdown = CancellationToken::new();
    let upstream = match &arguments.upstream {
        Some(url) => url.clone(),
        None => start_demo(&public_url, clock.clone(), arguments.organizations, shutdown.clone())?,
    };
    let config = read(
        &written(arguments, place.as_ref(), port, &public_url, &upstream, &emulator)?,
        &emulator,
    )?;
    let log = start_log(&config, std::io::stderr())?;
    // Ignores the environment: a proxy must not be used for loopback.
    let process = Process::new(&config, clock, random::system(), log.clone(), Vec::new())
        .opened(&config)
        .await
        .map_err(CommandError::new)?;
    let link = match &process.directory {
        Some(directory) => companies::create_companies(directory, &config.server.site)
            .await
            .map_err(CommandError::new)?,
        None => None,
    };
    let service = start(&config, process)?;
    let admin = Listener::bind(&config.server.admin_listen)
        .map_err(|it| CommandError::new(format!("cannot listen on 127.0.0.1: {it}")))?;
    announce(&public_url, &upstream, &emulator, link.as_deref(), arguments);
    let stopping = shutdown.clone();
    tokio::spawn(async move {
        stop.wait().await;
        stopping.cancel();
    });
    service.serve(BoundListener { data, admin, tls: None }, shutdown).await;
    emulator.stop();
    log.finish();
    Ok(())
}

/// Listens on both loopback addresses, since "localhost" may be either; on the first one alone where the machine has no IPv6.
///
/// Bound before the configuration is written, so that no other program takes the port.
fn listen(port: u16) -> Result<(u16, Vec<Listener>), CommandError> {
    let bind = |address: SocketAddr| Listener::bind(&ListenAddress::Tcp(address));
    let taken = |address: SocketAddr, why: io::Error| {
        CommandError::new(format!("cannot listen on {address}: {why}"))
            .hint("choose another port with --port")
    };
    let first = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut listeners = bind(first).map_err(|it| taken(first, it))?;
    let port = listeners.iter().find_map(Listener::local_addr).map_or(port, |it| it.port());
    let second = SocketAddr::from((Ipv6Addr::LOCALHOST, port));
    match bind(second) {
        Ok(more) => listeners.extend(more),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(taken(second, error)),
        Err(_) => {}
    }
    Ok((port, listeners))
}

fn loopback() -> Result<TcpListener, CommandError> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .map_err(|it| CommandError::new(format!("cannot listen on 127.0.0.1: {it}")))
}

async fn start_emulator(
    public_url: &str,
    clock: Clock,
    with_companies: bool,
) -> Result<Emulator, CommandError> {
    let options = emulator::EmulatorOptions {
        clock,
        random: random::system(),
        redirect_uris: vec![format!("{public_url}/oauth2/callback")],
        client_id: Some("11112222-bbbb-3333-cccc-4444dddd5555".to_owned()),
        client_secret: None,
        registrations: if with_companies { companies::registrations() } else { Vec::new() },
        tls: None,
        host: None,
    };
    Emulator::start(loopback()?, options).await.map_err(CommandError::new)
}

fn start_demo(
    public_url: &str,
    clock: Clock,
    has_phone: bool,
    shutdown: CancellationToken,
) -> Result<String, CommandError> {
    let listener = loopback()?;
    listener.set_nonblocking(true).map_err(CommandError::new)?;
    let listener = tokio::net::TcpListener::from_std(listener).map_err(CommandError::new)?;
    let address = listener.local_addr().map_err(CommandError::new)?;
    let options = demo::DemoOptions {
        assertion_header: "x-entrada-assertion".to_owned(),
        jwks_url: format!("{public_url}/oauth2/jwks.json"),
        issuer: public_url.to_owned(),
        audience: public_url.to_owned(),
        sign_out_path: "/oauth2/sign_out".to_owned(),
        start_path: "/oauth2/start".to_owned(),
        phone: has_phone.then(|| demo::PhoneClient {
            client_id: "demo-phone".to_owned(),
            issuer: public_url.to_owned(),
            random: random::system(),
        }),
        clock,
    };
    tokio::spawn(demo::serve(listener, options, shutdown));
    Ok(format!("http://{address}"))
}

/// Returns the configuration as text.
fn written(
    arguments: &DevArgs,
    place: Option<&DatabaseLocation>,
    port: u16,
    public_url: &str,
    upstream: &str,
    emulator: &Emulator,
) -> Result<String, CommandError> {
    let of_one_tenant = || {
        let (tenant, client_id) = (quoted(emulator.tenant_id()), quoted(emulator.client_id()));
        format!(
            "tenant = {tenant}\nclient_id = {client_id}\nclient_secret = {{ env = \"DEV_CLIENT_SECRET\" }}"
        )
    };
    let (entra, more) = match place {
        Some(place) => (String::new(), directory(place)?),
        None => (of_one_tenant(), String::new()),
    };
    Ok(format!(
        r#"
[server]
listen = ["127.0.0.1:{port}"]
public_url = {public_url}
hosts = ["127.0.0.1:{port}", "[::1]:{port}"]
admin_listen = "127.0.0.1:0"
shutdown_grace = "1s"
[upstream]
url = {upstream}
[entra]
authority = {authority}
{entra}
{more}
{rules}
[telemetry]
log = "text"
"#,
        public_url = quoted(public_url),
        upstream = quoted(upstream),
        authority = quoted(&emulator.authority()),
        rules = match place {
            _ if arguments.upstream.is_some() => "",
            Some(_) => RULES_OF_COMPANIES,
            None => DEMO_RULES,
        },
    ))
}

fn directory(place: &DatabaseLocation) -> Result<String, CommandError> {
    let (secret, database) =
        (place.secret(&random::system())?, format!("sqlite:{}", place.database().display()));
    Ok(format!(
        "[session]\nsecrets = [{}]\n[directory]\ndatabase = {}\n{PHONE_CONFIG}",
        quoted(&secret),
        quoted(&database)
    ))
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Reads it like any other configuration file.
fn read(text: &str, emulator: &Emulator) -> Result<Config, CommandError> {
    let environment = [("DEV_CLIENT_SECRET".to_owned(), emulator.client_secret().to_owned())];
    let outcome = config::read("entrada dev", text, &environment);
    outcome.config.ok_or_else(|| refused(&outcome.problems))
}

/// Only `--upstream` comes from the user.
fn refused(problems: &[Problem]) -> CommandError {
    let Some(Problem { key, what, hint, .. }) = problems.first() else {
        return CommandError::new("the configuration cannot be read");
    };
    let name = if key == "upstream.url" { "--upstream" } else { key };
    let failure = CommandError::new(format!("{name} {what}"));
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

fn announce(
    public_url: &str,
    upstream: &str,
    emulator: &Emulator,
    link: Option<&str>,
    arguments: &DevArgs,
) {
    let names: Vec<_> = emulator
        .people()
        .iter()
        .map(|it| it.user_name.split('@').next().unwrap_or_default().to_owned())
        .collect();
    let app = if arguments.upstream.is_some() {
        upstream.to_owned()
    } else {
        format!("{upstream} (the built-in demo)")
    };
    let (who, hint) = if arguments.organizations {
        (companies::lines(link), "")
    } else {
        (
            format!("sign in   as {}", names.join(", ")),
            "  Try --organizations for several companies with their own Entra IDs.\n",
        )
    };
    let phone = if arguments.organizations && arguments.upstream.is_none() {
        format!("\n  phone     {upstream}/phone")
    } else {
        String::new()
    };
    print_line(&format!(
        "\n  open      {public_url}\n  {who}\n  app       {app}{phone}\n  Entra     {} (emulator, not Microsoft; control panel)\n\n{hint}  Ctrl-C stops it.\n",
        emulator.authority()
    ));
}
