//! Sessions that are saved over a restart.

use crate::base::random::RandomSource;
use crate::config::Config;
use crate::seal::keyring::Keyring;
use crate::session::snapshot::SnapshotSeal;

/// What snapshots of sessions are sealed with: the secrets, and what sign-ins rest on, so that a
/// start with another tenant, another client or another directory restores nobody.
pub(crate) fn seal(config: &Config, random: &RandomSource) -> SnapshotSeal {
    let entra = &config.entra;
    let registration = (&entra.authority, &entra.tenant, entra.client_id);
    let admitted = (&entra.allowed_tenants, entra.guests, entra.groups);
    let directory = config.directory.as_ref().map(|it| &it.database);
    let basis = format!("{registration:?} {admitted:?} {directory:?}");
    SnapshotSeal::new(Keyring::new(&config.session.secrets, random), &basis)
}
