//! The names of the identity headers, which are the same for all people.

use super::owned::OwnedHeaders;
use crate::config::headers::{HeaderSet, HeadersConfig as Config};
use http::HeaderName;

/// Number of headers in a set. The last three come from the directory and have the same name in
/// every set.
pub(super) const HEADERS_PER_SET: usize = 11;

const PERSON_HEADER: HeaderName = HeaderName::from_static("x-entrada-person");
const ROLE_HEADER: HeaderName = HeaderName::from_static("x-entrada-role");
const ORGANIZATION_HEADER: HeaderName = HeaderName::from_static("x-entrada-organization");

const X_FORWARDED: [HeaderName; HEADERS_PER_SET] = [
    HeaderName::from_static("x-forwarded-user"),
    HeaderName::from_static("x-forwarded-preferred-username"),
    HeaderName::from_static("x-forwarded-email"),
    HeaderName::from_static("x-forwarded-name"),
    HeaderName::from_static("x-forwarded-groups"),
    HeaderName::from_static("x-forwarded-roles"),
    HeaderName::from_static("x-forwarded-tenant"),
    HeaderName::from_static("x-forwarded-groups-truncated"),
    PERSON_HEADER,
    ROLE_HEADER,
    ORGANIZATION_HEADER,
];

const X_AUTH_REQUEST: [HeaderName; HEADERS_PER_SET] = [
    HeaderName::from_static("x-auth-request-user"),
    HeaderName::from_static("x-auth-request-preferred-username"),
    HeaderName::from_static("x-auth-request-email"),
    HeaderName::from_static("x-auth-request-name"),
    HeaderName::from_static("x-auth-request-groups"),
    HeaderName::from_static("x-auth-request-roles"),
    HeaderName::from_static("x-auth-request-tenant"),
    HeaderName::from_static("x-auth-request-groups-truncated"),
    PERSON_HEADER,
    ROLE_HEADER,
    ORGANIZATION_HEADER,
];

/// The header names, which are the same for all people.
#[derive(Debug)]
pub(super) struct HeaderNames {
    pub(super) owned: OwnedHeaders,
    pub(super) path: Vec<HeaderName>,
    pub(super) answer: Vec<HeaderName>,
    pub(super) custom: Vec<(HeaderName, String)>,
    pub(super) assertion: HeaderName,
}

impl HeaderNames {
    /// Returns the names that the configuration sets.
    pub(super) fn new(config: &Config) -> Self {
        let path = config.send.iter().flat_map(|it| match it {
            HeaderSet::XForwarded => X_FORWARDED,
            HeaderSet::XAuthRequest => X_AUTH_REQUEST,
        });
        Self {
            owned: OwnedHeaders::new(
                config.custom.iter().map(|it| &it.0).chain([&config.assertion.name]),
            ),
            path: path.collect(),
            answer: X_AUTH_REQUEST.to_vec(),
            custom: config.custom.clone(),
            assertion: config.assertion.name.clone(),
        }
    }

    /// The names that the app receives, each with the position of its value.
    pub(super) fn sent(&self) -> impl Iterator<Item = (usize, &HeaderName)> {
        let sets = self.path.chunks(HEADERS_PER_SET).flat_map(|set| set.iter().enumerate());
        sets.chain(
            self.custom
                .iter()
                .map(|it| &it.0)
                .enumerate()
                .map(|(at, name)| (at + HEADERS_PER_SET, name)),
        )
    }
}
