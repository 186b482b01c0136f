//! Header names that only Entrada may set, in every spelling that some server treats as the same
//! name.

use crate::base::spelling::{fold, folds_to};
use crate::config::headers::is_owned;
use http::{HeaderMap, HeaderName};

/// The header names that clients may not use.
#[derive(Clone, Debug)]
pub struct OwnedHeaders {
    further: Vec<String>,
}

impl OwnedHeaders {
    /// The names that Entrada always owns, together with those from the configuration.
    pub fn new<'a>(further: impl IntoIterator<Item = &'a HeaderName>) -> Self {
        Self { further: further.into_iter().map(|it| fold(it.as_str())).collect() }
    }

    /// Whether the name folds to one of Entrada's.
    pub fn covers(&self, name: &str) -> bool {
        is_owned(name) || self.further.iter().any(|it| folds_to(name, it))
    }

    /// Removes all of these headers.
    pub fn strip(&self, headers: &mut HeaderMap) {
        // Most requests contain none of them; in that case nothing is allocated.
        while let Some(name) = headers.keys().find(|it| self.covers(it.as_str())).cloned() {
            headers.remove(&name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn every_spelling_goes_and_nothing_else() {
        let custom = HeaderName::from_static("x-employee-id");
        let owned = OwnedHeaders::new([&custom]);
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
            "x-http-method-override",
            "x_http_method_override",
            "x-http-method",
            "x-method-override",
        ];
        let theirs = [
            "host",
            "x-custom",
            "x-employee-id2",
            "authorization",
            "cookie",
            "forwarded2",
            "x-forwarder",
            "x-ms-version",
            "x-http-methods",
        ];
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
