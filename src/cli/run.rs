//! `entrada run`.

use super::check::{environment, name, read};
use super::signals::StopSignals;
use super::terminal::{CommandError, print_to_stderr};
use crate::base::clock::Clock;
use crate::config::problem::{ConfigLocation, Problem};
use crate::config::server::ListenAddress;
use crate::config::telemetry::{LogFormat, LogLevel};
use crate::config::{self, Config};
use crate::seal::random;
use crate::server::tls::ServerCertificates;
use crate::service::{BindError, BoundListener, Service};
use crate::sidecar::{self, Process};
use crate::telemetry::log::Log;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// `entrada run`.
pub(super) fn run(path: Option<PathBuf>) -> Result<(), CommandError> {
    let config = read(path.as_deref(), &environment())?;
    runtime()?.block_on(serve(config, path))
}

/// All cores; the request path never blocks one.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, CommandError> {
    // Fails if a provider is installed already, as in tests.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|it| CommandError::new(format!("cannot start the runtime: {it}")))
}

async fn serve(config: Config, path: Option<PathBuf>) -> Result<(), CommandError> {
    // Before anything listens, so that no signal is lost.
    let mut signals = Signals::new()?;
    let log = start_log(&config, std::io::stdout())?;
    let process =
        Process::new(&config, Clock::system(), random::system(), log.clone(), environment());
    let process = tokio::select! {
        process = process.opened(&config) => process.map_err(not_opened)?,
        // It may wait for the sessions of another process.
        () = signals.stop.wait() => {
            tracing::info!("stopped before it listened");
            log.finish();
            return Ok(());
        }
    };
    let (service, bound) = build(&config, process).await?;
    warn_of_unopened(&service);
    let shutdown = CancellationToken::new();
    tokio::spawn(signals.listen(Arc::clone(&service), bound.tls.clone(), path, shutdown.clone()));
    // Without systemd there is nothing to notify.
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    tracing::info!(
        public_url = config.server.site.origin(),
        redirect_uri = config.server.site.redirect_uri(),
        "listening"
    );
    service.serve(bound, shutdown).await;
    tracing::info!("drained");
    log.finish();
    Ok(())
}

fn not_opened(error: sidecar::Error) -> CommandError {
    let hint = match error {
        sidecar::Error::Folder(_) => {
            "snapshot is a directory that only entrada's own user can write; it is created if it is missing"
        }
        _ => "docs/guides/directory.md lists the valid forms of [directory] database",
    };
    CommandError::new(error).hint(hint)
}

/// Builds the service and its listeners; prints warnings.
async fn build(
    config: &Config,
    process: Process,
) -> Result<(Arc<Service>, BoundListener), CommandError> {
    if config.server.reuse_port {
        // Another process may serve: this one takes part when people can sign in here.
        let service = start(config, process)?;
        service.reached().await;
        return Ok((service, bind(config)?));
    }
    let bound = bind(config)?;
    Ok((start(config, process)?, bound))
}

fn bind(config: &Config) -> Result<BoundListener, CommandError> {
    BoundListener::new(config).map_err(|error| {
        let hint = match error {
            BindError::Listen(ListenAddress::Systemd, _) => "start the socket unit, not only the service, or set [server] listen to an address",
            BindError::Listen(..) => "check whether another program listens there, or choose another [server] listen or admin_listen",
            BindError::Tls(_) => "certificate is the chain in PEM, leaf first, and key its private key in PEM",
        };
        CommandError::new(error).hint(hint)
    })
}

/// Runs in the background, so that the start does not wait for it.
fn warn_of_unopened(service: &Service) {
    if let Some(organizations) = service.sidecar().organizations.clone() {
        tokio::spawn(async move { organizations.warn_of_unopened().await });
    }
}

/// Starts the service; prints warnings.
pub(super) fn start(config: &Config, process: Process) -> Result<Arc<Service>, CommandError> {
    let (service, warnings) = Service::start(config, process).map_err(CommandError::new)?;
    for warning in &warnings {
        print_to_stderr(&format!("warning: {warning}"));
    }
    Ok(service)
}

/// Starts the log, which also receives the events of libraries.
pub(super) fn start_log(
    config: &Config,
    to: impl std::io::Write + Send + 'static,
) -> Result<Log, CommandError> {
    let log = Log::start(&config.telemetry, to)
        .map_err(|it| CommandError::new(format!("cannot start the log: {it}")))?;
    let (others, ours) = match config.telemetry.level {
        LogLevel::Error => (Level::ERROR, Level::ERROR),
        LogLevel::Warn => (Level::WARN, Level::WARN),
        LogLevel::Info => (Level::WARN, Level::INFO),
        LogLevel::Debug => (Level::INFO, Level::DEBUG),
    };
    let levels = Targets::new().with_default(others).with_target("entrada", ours);
    let line = {
        let log = log.clone();
        move || log.line()
    };
    let builder =
        tracing_subscriber::fmt().with_writer(line).with_ansi(false).with_max_level(Level::TRACE);
    // Tests start several in one process; the first one stays.
    let _ = match config.telemetry.log {
        LogFormat::Json => builder.json().flatten_event(true).finish().with(levels).try_init(),
        LogFormat::Text => builder.without_time().finish().with(levels).try_init(),
    };
    Ok(log)
}

struct Signals {
    stop: StopSignals,
    hang_up: Signal,
}

impl Signals {
    fn new() -> Result<Self, CommandError> {
        let hang_up = signal(SignalKind::hangup())
            .map_err(|it| CommandError::new(format!("cannot listen for signals: {it}")))?;
        Ok(Self { stop: StopSignals::new()?, hang_up })
    }

    async fn listen(
        mut self,
        service: Arc<Service>,
        tls: Option<ServerCertificates>,
        path: Option<PathBuf>,
        shutdown: CancellationToken,
    ) {
        loop {
            tokio::select! {
                () = self.stop.wait() => break,
                _ = self.hang_up.recv() => {}
            }
            // A reload may wait for Entra; a stop interrupts it.
            tokio::select! {
                () = self.stop.wait() => break,
                () = reload(&service, tls.as_ref(), path.clone()) => {}
            }
        }
        tracing::info!("draining");
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
        shutdown.cancel();
    }
}

/// If the file is invalid, the old configuration stays in use.
async fn reload(service: &Service, tls: Option<&ServerCertificates>, path: Option<PathBuf>) {
    if let Some(tls) = tls {
        tls.reload().await;
    }
    let name = name(path.as_deref());
    let read =
        tokio::task::spawn_blocking(move || config::load(path.as_deref(), &environment())).await;
    let Ok(outcome) = read else { return };
    for it in &outcome.warnings {
        tracing::warn!(
            key = it.key,
            at = place(it, &name),
            problem = it.what,
            hint = it.hint,
            "configuration warning"
        );
    }
    let Some(config) = outcome.config else {
        for it in &outcome.problems {
            tracing::error!(
                key = it.key,
                at = place(it, &name),
                problem = it.what,
                hint = it.hint,
                "configuration not reloaded"
            );
        }
        return;
    };
    match service.reload(&config).await {
        Ok(warnings) => {
            for problem in &warnings {
                tracing::warn!(problem, "configuration warning");
            }
            tracing::info!("configuration reloaded");
            warn_of_unopened(service);
        }
        Err(error) => tracing::error!(%error, "configuration not reloaded"),
    }
}

fn place(problem: &Problem, name: &str) -> String {
    match &problem.place {
        ConfigLocation::Line { line, column } => format!("{name}:{line}:{column}"),
        ConfigLocation::Variable(variable) => variable.clone(),
        ConfigLocation::Whole => name.to_owned(),
    }
}
