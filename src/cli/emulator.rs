//! `entrada emulator`: the pretend Entra alone.

use super::run::runtime;
use super::signals::StopSignals;
use super::terminal::{CommandError, print_line};
use crate::base::clock::Clock;
use crate::emulator::{Emulator, EmulatorOptions};
use crate::seal::random;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;

/// Arguments of `entrada emulator`.
#[derive(Debug, clap::Args)]
pub(super) struct EmulatorArgs {
    /// Port to listen on, on loopback; 0 picks a free one.
    #[arg(long, default_value_t = 4182)]
    port: u16,
    /// Serve https with a temporary CA in this directory; MSAL rejects plain http.
    #[arg(long, value_name = "DIRECTORY", num_args = 0..=1, default_missing_value = ".entrada-emulator")]
    tls: Option<PathBuf>,
    /// A redirect URI to accept; can be repeated.
    #[arg(long, default_value = "http://localhost:4180/oauth2/callback")]
    redirect_uri: Vec<String>,
    /// Application (client) ID to accept.
    #[arg(long, default_value = "11112222-bbbb-3333-cccc-4444dddd5555")]
    client_id: String,
    /// Client secret to accept: for the emulator only, not a real one.
    #[arg(long, default_value = "pretend-client-secret-value")]
    client_secret: String,
}

/// `entrada emulator`.
pub(super) fn run(arguments: &EmulatorArgs) -> Result<(), CommandError> {
    runtime()?.block_on(serve(arguments))
}

async fn serve(arguments: &EmulatorArgs) -> Result<(), CommandError> {
    let mut stop = StopSignals::new()?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, arguments.port)).map_err(|it| {
        CommandError::new(format!("cannot listen on 127.0.0.1:{}: {it}", arguments.port))
            .hint("choose another port with --port")
    })?;
    let options = EmulatorOptions {
        clock: Clock::system(),
        random: random::system(),
        redirect_uris: arguments.redirect_uri.clone(),
        client_id: Some(arguments.client_id.clone()),
        client_secret: Some(arguments.client_secret.clone()),
        registrations: Vec::new(),
        tls: arguments.tls.clone(),
        host: None,
    };
    let emulator = Emulator::start(listener, options).await.map_err(CommandError::new)?;
    print_line(&format!("authority      {}", emulator.authority()));
    print_line(&format!("tenant         {}", emulator.tenant_id()));
    print_line(&format!("client id      {}", emulator.client_id()));
    print_line(&format!("client secret  {}", emulator.client_secret()));
    if let Some(path) = emulator.ca_file() {
        print_line(&format!("CA file        {}", path.display()));
    }
    stop.wait().await;
    emulator.stop();
    Ok(())
}
