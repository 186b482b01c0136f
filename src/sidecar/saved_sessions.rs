//! Sessions that are kept beyond the process: in a snapshot, or in their browsers.

use crate::access::policy::Policy;
use crate::base::domains::TenantDomains;
use crate::base::random::RandomSource;
use crate::config::Config;
use crate::seal::keyring::Keyring;
use crate::session::CookieSeal;
use crate::session::live::LiveSessions;
use crate::session::snapshot::{
    FolderLock, RestoredSessions, SessionFolder, SessionFolderError, SnapshotSeal,
};
use crate::session::store::CookieStoreSettings;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Opens a folder when no other process has it any more; its sessions are live afterwards.
pub(crate) async fn open(
    path: PathBuf,
    seal: SnapshotSeal,
    live: Arc<LiveSessions>,
    random: RandomSource,
) -> Result<(SessionFolder, RestoredSessions), SessionFolderError> {
    let lock = FolderLock::acquire(&path).await?;
    let open = move || SessionFolder::open(lock, seal, live, random);
    let opened = tokio::task::spawn_blocking(open).await;
    opened.map_err(|error| SessionFolderError::Io(path, io::Error::other(error))).flatten()
}

/// What snapshots of sessions are sealed with: the secrets, and what sign-ins rest on, so that a
/// start with another tenant, another client or another directory restores nobody.
pub(crate) fn seal(config: &Config, random: &RandomSource) -> SnapshotSeal {
    let directory = config.directory.as_ref().map(|it| &it.database);
    let basis = format!("{} {directory:?}", registration(config));
    SnapshotSeal::new(Keyring::new(&config.session.secrets, random), &basis)
}

/// What a session in the browser rests on. The directory is not part of it: it is asked about the
/// person anyway, and replicas may reach it at different addresses.
pub(super) fn cookie_settings(config: &Config, random: &RandomSource) -> CookieStoreSettings {
    let keyring = Keyring::new(&config.session.secrets, random);
    let seal = CookieSeal::new(&keyring, &registration(config), random);
    let policy = Policy::compile(&config.access, Arc::new(TenantDomains::default()));
    CookieStoreSettings::new(seal, policy.named().map(str::to_owned))
}

fn registration(config: &Config) -> String {
    let entra = &config.entra;
    let registration = (&entra.authority, &entra.tenant, entra.client_id);
    let admitted = (&entra.allowed_tenants, entra.guests, entra.groups);
    format!("{registration:?} {admitted:?}")
}
