//! `entrada dev`: everything on this machine, with a pretend Entra.

use super::run::{furnish, runtime, start_log};
use super::terminal::{Failure, say};
use crate::base::clock::Clock;
use crate::config::{self, Config};
use crate::demo;
use crate::emulator::{self, Emulator};
use crate::seal::random;
use crate::sidecar::Lasting;
use std::net::{Ipv4Addr, TcpListener};
use tokio_util::sync::CancellationToken;

/// What can be chosen.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The app to put it in front of; without it, a built-in one that shows what an app receives.
    #[arg(long)]
    upstream: Option<String>,
    /// Port to listen on, on loopback; 0 takes a free one.
    #[arg(long, default_value_t = 4180)]
    port: u16,
}

/// `entrada dev`.
pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    runtime()?.block_on(serve(arguments))
}

async fn serve(arguments: &Arguments) -> Result<(), Failure> {
    let port = free_port(arguments.port)?;
    let public_url = format!("http://localhost:{port}");
    let options = emulator::Options {
        clock: Clock::system(),
        random: random::system(),
        redirect_uris: vec![format!("{public_url}/oauth2/callback")],
        client_id: Some("11112222-bbbb-3333-cccc-4444dddd5555".to_owned()),
        client_secret: None,
        tls: None,
        host: None,
    };
    let emulator = Emulator::start(loopback(0)?, options).await.map_err(Failure::new)?;
    let shutdown = CancellationToken::new();
    let upstream = match &arguments.upstream {
        Some(url) => url.clone(),
        None => start_demo(&public_url, shutdown.clone())?,
    };
    let config = config(port, &public_url, &upstream, &emulator)?;
    let log = start_log(&config, std::io::stderr())?;
    // Purposefully without the environment: a proxy towards the internet must not stand before loopback.
    let lasting = Lasting::new(&config, Clock::system(), random::system(), log, Vec::new());
    let (service, bound) = furnish(&config, lasting)?;
    announce(&public_url, &upstream, &emulator, arguments.upstream.is_some());
    let ended = shutdown.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            ended.cancel();
        }
    });
    let told = shutdown.clone();
    tokio::spawn(async move {
        if let Ok(mut terminate) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            terminate.recv().await;
            told.cancel();
        }
    });
    service.serve(bound, shutdown).await;
    emulator.stop();
    Ok(())
}

fn loopback(port: u16) -> Result<TcpListener, Failure> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .map_err(|it| Failure::new(format!("cannot listen on 127.0.0.1:{port}: {it}")).hint("choose another port with --port"))
}

/// The port itself, or a free one for 0: the address must be known before the configuration is written.
fn free_port(port: u16) -> Result<u16, Failure> {
    let bound = loopback(port)?;
    bound.local_addr().map(|it| it.port()).map_err(Failure::new)
}

fn start_demo(public_url: &str, shutdown: CancellationToken) -> Result<String, Failure> {
    let listener = loopback(0)?;
    listener.set_nonblocking(true).map_err(Failure::new)?;
    let listener = tokio::net::TcpListener::from_std(listener).map_err(Failure::new)?;
    let address = listener.local_addr().map_err(Failure::new)?;
    let options = demo::Options {
        assertion_header: "x-entrada-assertion".to_owned(),
        jwks_url: format!("{public_url}/oauth2/jwks.json"),
        issuer: public_url.to_owned(),
        audience: public_url.to_owned(),
        sign_out_path: "/oauth2/sign_out".to_owned(),
        start_path: "/oauth2/start".to_owned(),
        clock: Clock::system(),
    };
    tokio::spawn(demo::serve(listener, options, shutdown));
    Ok(format!("http://{address}"))
}

/// The same configuration as anybody's, read the same way.
fn config(port: u16, public_url: &str, upstream: &str, emulator: &Emulator) -> Result<Config, Failure> {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let text = format!(
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
tenant = {tenant}
client_id = {client_id}
client_secret = {{ env = "DEV_CLIENT_SECRET" }}
authority = {authority}
[[access.rule]]
path = "/admin/**"
allow = {{ roles = ["Admin"] }}
[[access.rule]]
path = "/public/**"
allow = "anyone"
[telemetry]
log = "text"
"#,
        public_url = quoted(public_url),
        upstream = quoted(upstream),
        tenant = quoted(emulator.tenant_id()),
        client_id = quoted(emulator.client_id()),
        authority = quoted(&emulator.authority()),
    );
    let environment = [("DEV_CLIENT_SECRET".to_owned(), emulator.client_secret().to_owned())];
    let outcome = config::read("entrada dev", &text, &environment);
    let problems = config::problem::print(&outcome, "entrada dev");
    outcome.config.ok_or_else(|| Failure::new(problems.trim_end().trim_start_matches("error: ")).hint("--upstream is an address like http://127.0.0.1:3000"))
}

fn announce(public_url: &str, upstream: &str, emulator: &Emulator, theirs: bool) {
    let names: Vec<_> = emulator.people().iter().map(|it| it.user_name.split('@').next().unwrap_or_default().to_owned()).collect();
    let app = if theirs { upstream.to_owned() } else { format!("{upstream} (the built-in demo)") };
    say(&format!(
        "\n  open      {public_url}\n  sign in   as {}\n  app       {app}\n  Entra     {} (pretend; not Microsoft)\n\n  Ctrl-C stops it.\n",
        names.join(", "),
        emulator.authority()
    ));
}
