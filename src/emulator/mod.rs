//! An emulator of Microsoft Entra, on this machine only: for development, for tests, and to try the
//! product without a tenant.
//!
//! It is self-contained: from the rest of the crate it uses only the clock and the randomness.

mod assertions;
mod authorization_request;
mod authorize;
mod claims;
mod client_authentication;
mod control;
mod control_request;
mod discovery;
mod faults;
mod graph;
mod keys;
mod page;
mod panel;
mod people;
mod person_overrides;
mod refresh_uses;
mod refusal;
mod refusals;
mod registration;
mod scopes;
mod secrets;
mod serve;
mod sign_out;
mod state;
mod tenants;
#[cfg(test)]
mod tests;
mod time;
mod tls;
mod token;
mod token_changes;
mod token_defect;
mod token_response;
mod web;

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

pub use self::assertions::FederatedIssuer;
pub use self::control::{EmulatorControl, InjectedRefusal};
pub use self::faults::{GraphFault, TokenFault, UNTIL_CLEARED};
pub use self::people::{EmulatedPerson, SignInObstacle};
pub use self::refresh_uses::RefreshUse;
pub use self::registration::EmulatedRegistration;
pub use self::tls::BadTls;
pub use self::token_defect::TokenDefect;

use self::state::{BoundedTable, EmulatorState, guid};
use self::tenants::CONTOSO;
use crate::base::clock::Clock;
use crate::base::random::RandomSource;

/// Maximum number of concurrent connections.
const MAX_EMULATOR_CONNECTIONS: usize = 512;

/// The settings of the emulator.
pub struct EmulatorOptions {
    /// The time in tokens.
    pub clock: Clock,
    /// The source of codes, IDs and secrets.
    pub random: RandomSource,
    /// The registered redirect URIs, compared exactly. A loopback entry without a port matches any
    /// port, and one without a path any path. If empty, any loopback address is allowed.
    pub redirect_uris: Vec<String>,
    /// The client ID, a GUID; random if absent.
    pub client_id: Option<String>,
    /// The client secret; random if absent.
    pub client_secret: Option<String>,
    /// Additional apps, each registered in one tenant. The emulated tenant Northwind has people
    /// once an app is registered there.
    pub registrations: Vec<EmulatedRegistration>,
    /// If set, serves TLS and writes the temporary authority's certificate to `ca.pem` in this
    /// directory.
    pub tls: Option<PathBuf>,
    /// The name that clients use on port 443, if their proxy forwards it to the emulator; its own
    /// address if absent.
    pub host: Option<String>,
}

/// The reason that the emulator does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address is not loopback: other machines could reach the emulator.
    #[error("the emulator listens on loopback addresses only, not on {0}")]
    NotLoopback(SocketAddr),
    /// The listener is unusable.
    #[error("the emulator's listener is unusable: {0}")]
    Listener(#[from] std::io::Error),
    /// TLS was requested but cannot be set up.
    #[error(transparent)]
    Tls(#[from] BadTls),
}

/// A running emulator; it stops when dropped.
pub struct Emulator {
    state: Arc<EmulatorState>,
    ca_file: Option<PathBuf>,
    stop: CancellationToken,
}

impl Emulator {
    /// Starts serving on a listener that is bound to a loopback address. Returns immediately, while
    /// the first key is still being created.
    ///
    /// # Errors
    ///
    /// If the address is not loopback, the listener is unusable, or TLS cannot be set up.
    pub async fn start(listener: TcpListener, options: EmulatorOptions) -> Result<Self, Error> {
        let address = listener.local_addr()?;
        if !address.ip().is_loopback() {
            return Err(Error::NotLoopback(address));
        }
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let (acceptor, ca_file) = match &options.tls {
            Some(directory) => {
                Some(tls::acceptor(directory, options.host.clone(), options.clock.now())?).unzip()
            }
            None => (None, None),
        };
        let scheme = if acceptor.is_some() { "https" } else { "http" };
        let place = options.host.clone().unwrap_or_else(|| address.to_string());
        let state = Arc::new(initial_state(options, format!("{scheme}://{place}")));
        let stop = CancellationToken::new();
        let first = Arc::clone(&state);
        tokio::spawn(async move { first.control.rotate_keys().await });
        tokio::spawn(stop.clone().run_until_cancelled_owned(accept(
            listener,
            Arc::clone(&state),
            acceptor,
            stop.clone(),
        )));
        Ok(Self { state, ca_file, stop })
    }

    /// Returns the scheme, address and port without a trailing slash, `http://127.0.0.1:PORT`, or
    /// the configured name.
    pub fn authority(&self) -> String {
        self.state.authority.clone()
    }

    /// Returns the GUID of the emulated tenant in which the app is registered.
    pub fn tenant_id(&self) -> &str {
        CONTOSO.id
    }

    /// Returns the registered client ID.
    pub fn client_id(&self) -> &str {
        &self.state.client_id
    }

    /// Returns the registered client secret.
    pub fn client_secret(&self) -> &str {
        &self.state.client_secret
    }

    /// Returns all people in the picker except those in `error_people`.
    pub fn people(&self) -> &[EmulatedPerson] {
        &self.state.people
    }

    /// Returns one person for each AADSTS code that Entra may respond with, such as
    /// `aadsts50105@contoso.example`; they are in a collapsed part of the picker.
    pub fn error_people(&self) -> &[EmulatedPerson] {
        &self.state.of_codes
    }

    /// Returns the file with the temporary authority's certificate, if TLS is served.
    pub fn ca_file(&self) -> Option<&Path> {
        self.ca_file.as_deref()
    }

    /// Returns the controls and counters for tests.
    pub fn control(&self) -> &EmulatorControl {
        &self.state.control
    }

    /// Ends all connections and stops listening.
    pub fn stop(&self) {
        self.stop.cancel();
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn initial_state(options: EmulatorOptions, authority: String) -> EmulatorState {
    let EmulatorOptions {
        clock,
        random,
        redirect_uris,
        client_id,
        client_secret,
        registrations,
        ..
    } = options;
    EmulatorState {
        client_id: client_id.unwrap_or_else(|| guid(&random)),
        client_secret: client_secret.unwrap_or_else(|| random.text::<30>()),
        control: EmulatorControl::new(clock.clone()),
        people: people::all_people(&registrations),
        of_codes: people::of_codes(),
        guests_at_home: people::guests_at_home(),
        requests: BoundedTable::new(),
        sessions: BoundedTable::new(),
        codes: BoundedTable::new(),
        refresh: BoundedTable::new(),
        graph_grants: BoundedTable::new(),
        pages: BoundedTable::new(),
        redirect_uris,
        registrations,
        authority,
        clock,
        random,
    }
}

async fn accept(
    listener: tokio::net::TcpListener,
    state: Arc<EmulatorState>,
    acceptor: Option<TlsAcceptor>,
    stop: CancellationToken,
) {
    let places = Arc::new(tokio::sync::Semaphore::new(MAX_EMULATOR_CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            // Most likely out of file handles, which is temporary.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let (state, acceptor) = (Arc::clone(&state), acceptor.clone());
        let served = async move {
            match acceptor {
                Some(acceptor) => {
                    if let Ok(Ok(stream)) =
                        tokio::time::timeout(Duration::from_secs(10), acceptor.accept(stream)).await
                    {
                        serve::connection(state, stream, true).await;
                    }
                }
                None => serve::connection(state, stream, false).await,
            }
            drop(place);
        };
        tokio::spawn(stop.clone().run_until_cancelled_owned(served));
    }
}
