//! File handles of this process: each connection takes one, on either side.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::sync::OnceLock;

/// Handles kept for what is neither a connection of a client nor of the app: up to 192 for the admin listener and for clients that read why
/// they are refused (`server::admin`), and 64 for the database (8), Entra, Graph, listeners, files and the log.
pub const RESERVED_HANDLES: u64 = 256;

/// Most connections of clients, and as many of the app, that the system backs. The first call raises the soft limit of open files to the
/// hard one (getrlimit(2), `RLIMIT_NOFILE`): many systems start services with 1,024, for the sake of select(2), which nothing here calls.
pub fn max_connections() -> usize {
    static MAX_HANDLES: OnceLock<usize> = OnceLock::new();
    *MAX_HANDLES.get_or_init(|| share(raised()))
}

/// The soft limit after it was raised as far as it can be; `None` is no limit.
fn raised() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    match setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }) {
        Ok(()) => limit.maximum,
        // Such as where a sandbox forbids it: then the limit is what it was.
        Err(_) => limit.current,
    }
}

/// Half of what is left beside the reserve, and one at least.
fn share(limit: Option<u64>) -> usize {
    let Some(limit) = limit else { return usize::MAX };
    usize::try_from(limit.saturating_sub(RESERVED_HANDLES) / 2).unwrap_or(usize::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_and_the_app_share_what_is_left_beside_the_reserve() {
        for (limit, connections) in [(Some(0), 1), (Some(256), 1), (Some(1024), 384), (Some(65_536), 32_640), (None, usize::MAX)] {
            assert_eq!(share(limit), connections, "{limit:?}");
        }
    }
}
