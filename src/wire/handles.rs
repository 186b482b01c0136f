//! The process's file handles: each connection uses one, to clients and to the app alike.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::sync::OnceLock;

/// Handles reserved for everything except connections to clients and the app: up to 192 for the
/// admin listener and for clients that read why they are rejected (`server::admin`), and 64 for the
/// database (8), Entra, Graph, listeners, files and the log.
pub const RESERVED_HANDLES: u64 = 256;

/// Maximum number of client connections, with as many to the app, that the system allows. The first
/// call raises the soft limit of open files to the hard limit (getrlimit(2), `RLIMIT_NOFILE`): many
/// systems start services with 1,024, for the sake of select(2), which nothing here calls.
pub fn max_connections() -> usize {
    static MAX_HANDLES: OnceLock<usize> = OnceLock::new();
    *MAX_HANDLES.get_or_init(|| share(raised()))
}

/// The soft limit, raised as far as possible; `None` means no limit.
fn raised() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    match setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }) {
        Ok(()) => limit.maximum,
        // For example, a sandbox forbids it; the limit then stays as it was.
        Err(_) => limit.current,
    }
}

/// Half of the handles that remain after the reserve, at least one.
fn share(limit: Option<u64>) -> usize {
    let Some(limit) = limit else { return usize::MAX };
    usize::try_from(limit.saturating_sub(RESERVED_HANDLES) / 2).unwrap_or(usize::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_and_the_app_share_what_is_left_beside_the_reserve() {
        for (limit, connections) in [
            (Some(0), 1),
            (Some(256), 1),
            (Some(1024), 384),
            (Some(65_536), 32_640),
            (None, usize::MAX),
        ] {
            assert_eq!(share(limit), connections, "{limit:?}");
        }
    }
}
