//! Why a sidecar cannot be built.

use crate::directory;
use crate::seal::jwk::KeyDerivationError;
use crate::session::snapshot::SessionFolderError;
use crate::upstream::BadUpstream;
use crate::wire::client;

/// Why the components cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `[upstream]`: its certificates cannot be used.
    #[error("[upstream] {0}")]
    Upstream(#[from] BadUpstream),
    /// `[entra]`: the roots or the proxy cannot be used.
    #[error("[entra] {0}")]
    Client(#[from] client::BadHttpClient),
    /// The key for the assertions cannot be derived.
    #[error("[session] {0}")]
    Key(#[from] KeyDerivationError),
    /// `[directory]`: the database cannot be used.
    #[error("[directory] {0}")]
    Directory(#[from] directory::Error),
    /// `[session] snapshot`: the folder cannot be used.
    #[error("[session] {0}")]
    Folder(#[from] SessionFolderError),
    /// `[session.redis]`: a file cannot be read.
    #[error("[session.redis] {0}")]
    Store(#[from] std::io::Error),
}
