//! The resource of a token, as its scopes name it.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The application ID of Microsoft Graph.
pub(super) const GRAPH: &str = "00000003-0000-0000-c000-000000000000";
/// Scopes that do not name a resource (OpenID Connect Core section 3.1.2.1).
const OPENID_SCOPES: [&str; 4] = ["openid", "profile", "email", "offline_access"];

/// The permissions that an access token for Graph grants.
#[derive(Clone)]
pub(super) struct GraphPermissions {
    /// The object ID of the person; `None` for the app itself.
    pub(super) oid: Option<String>,
    /// The requested permissions.
    pub(super) permissions: Vec<String>,
    /// The expiry time.
    pub(super) until: u64,
}

impl GraphPermissions {
    /// Returns the key under which the grant of a token is stored.
    pub(super) fn key(token: &str) -> String {
        URL_SAFE_NO_PAD.encode(digest(&SHA256, token.as_bytes()))
    }
}

/// The start of a page in Graph's response, and the person it belongs to.
#[derive(Clone)]
pub(super) struct GraphPage {
    pub(super) oid: String,
    pub(super) from: usize,
}

/// One resource and the permissions requested for it.
pub(super) struct ResourceScopes {
    /// The value of `aud`.
    pub(super) audience: String,
    /// The permissions, without the resource name.
    pub(super) permissions: Vec<String>,
}

impl ResourceScopes {
    /// Reads the scopes of one token request; without a resource the default is Graph, as with
    /// Entra. Returns `None` if they name two.
    pub(super) fn read(authority: &str, scope: &str) -> Option<Self> {
        let mut audience = None;
        let mut permissions = Vec::new();
        for one in scope.split(' ').filter(|it| !it.is_empty() && !OPENID_SCOPES.contains(it)) {
            let (resource, permission) = if one.contains("://") {
                one.rsplit_once('/').unwrap_or((one, ""))
            } else {
                ("", one)
            };
            let resource = if resource.is_empty() { GRAPH } else { named(authority, resource) };
            if audience.is_some_and(|it| it != resource) {
                return None;
            }
            audience = Some(resource);
            permissions.push(permission.to_owned());
        }
        Some(Self { audience: audience.unwrap_or(GRAPH).to_owned(), permissions })
    }
}

/// Returns the name of a resource in tokens: Graph has its ID, also under the emulator's own
/// address.
pub(super) fn named<'a>(authority: &str, resource: &'a str) -> &'a str {
    if resource == authority || resource == "https://graph.microsoft.com" {
        GRAPH
    } else {
        resource
    }
}
