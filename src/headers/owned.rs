//! Header names that are ours or absent, in every spelling that some server reads as ours.

use crate::config::headers::{OWNED_NAMES, OWNED_PREFIXES};
use http::{HeaderMap, HeaderName};

/// The names that no client may speak under.
#[derive(Clone, Debug)]
pub struct Owned {
    further: Vec<String>,
    /// What ours begin with: most of theirs begin otherwise.
    begins: Vec<u8>,
}

impl Owned {
    /// The names that are always ours, and those that the configuration adds.
    pub fn new<'a>(further: impl IntoIterator<Item = &'a HeaderName>) -> Self {
        let further: Vec<_> = further.into_iter().map(|it| fold(it.as_str())).collect();
        let all = OWNED_PREFIXES.into_iter().chain(OWNED_NAMES).chain(further.iter().map(String::as_str));
        let mut begins: Vec<_> = all.filter_map(|it| it.bytes().next()).collect();
        begins.sort_unstable();
        begins.dedup();
        Self { further, begins }
    }

    /// Whether the name folds to one of ours: case, and every sign that is neither letter nor digit taken for `-`
    /// (CGI and WSGI read `X_Forwarded_User` as `X-Forwarded-User`).
    pub fn covers(&self, name: &str) -> bool {
        if !name.bytes().next().is_some_and(|it| self.begins.contains(&folded(it))) {
            return false;
        }
        OWNED_PREFIXES.iter().any(|it| folds_to(name, it, true))
            || OWNED_NAMES.iter().any(|it| folds_to(name, it, false))
            || self.further.iter().any(|it| folds_to(name, it, false))
    }

    /// Takes all of them out.
    pub fn strip(&self, headers: &mut HeaderMap) {
        // Most requests bring none: nothing is allocated then.
        while let Some(name) = headers.keys().find(|it| self.covers(it.as_str())).cloned() {
            headers.remove(&name);
        }
    }
}

fn fold(name: &str) -> String {
    name.bytes().map(|it| char::from(folded(it))).collect()
}

fn folded(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' }
}

/// Whether `name` folds to `ours`, or to something that begins with it.
fn folds_to(name: &str, ours: &str, prefix: bool) -> bool {
    let long_enough = if prefix { name.len() >= ours.len() } else { name.len() == ours.len() };
    long_enough && name.bytes().zip(ours.bytes()).all(|(theirs, ours)| folded(theirs) == ours)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn every_spelling_goes_and_nothing_else() {
        let custom = HeaderName::from_static("x-employee-id");
        let owned = Owned::new([&custom]);
        let ours = [
            "x-forwarded-user",
            "x_forwarded_user",
            "x.forwarded.user",
            "x-forwarded_groups-truncated",
            "x-auth-request-email",
            "x_auth_request_email",
            "x-entrada-assertion",
            "x_entrada_assertion",
            "x-ms-client-principal",
            "x-ms-client-principal-id",
            "x_ms_client_principal",
            "x-ms-token-aad-id-token",
            "x-forwarded-for",
            "forwarded",
            "x-real-ip",
            "x_employee_id",
            "x~employee!id",
            "x-original-url",
        ];
        let theirs = ["host", "x-custom", "x-employee-id2", "authorization", "cookie", "forwarded2", "x-forwarder", "x-ms-version"];
        let mut headers = HeaderMap::new();
        for name in ours.iter().chain(&theirs) {
            headers.append(*name, HeaderValue::from_static("1"));
            headers.append(*name, HeaderValue::from_static("2"));
        }
        owned.strip(&mut headers);
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_by_key(|it| theirs.iter().position(|theirs| theirs == it));
        assert_eq!(left, theirs);
    }
}
