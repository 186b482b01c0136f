//! The access tokens of the app's own clients.

use crate::base::clock::Clock;
use crate::base::random::RandomSource;
use crate::base::site::Site;
use crate::bearer::access_token::AccessTokens;
use crate::bearer::sessions::BearerSessions;
use crate::config::native::NativeConfig;
use crate::seal::jwk::KeyDerivationError;
use crate::seal::keyring::Keyring;

/// Creates what finds the sessions of `[native]` clients.
pub(super) fn sessions(
    native: &NativeConfig,
    keyring: &Keyring,
    site: &Site,
    clock: Clock,
    random: RandomSource,
) -> Result<BearerSessions, KeyDerivationError> {
    let tokens = AccessTokens::new(
        keyring,
        site.origin(),
        &format!("{}/native", site.prefix()),
        native.access_token.as_secs(),
        clock.clone(),
        random,
    )?;
    let clients = native.clients.iter().map(|it| it.id.clone()).collect();
    Ok(BearerSessions::new(tokens, clients, clock))
}
