//! What a token is for: the resource that its scopes name.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The id of Microsoft Graph.
pub(super) const GRAPH: &str = "00000003-0000-0000-c000-000000000000";
/// Scopes that name no resource (OpenID Connect Core section 3.1.2.1).
const OPENID_SCOPES: [&str; 4] = ["openid", "profile", "email", "offline_access"];

/// What an access token for Graph lets its bearer do.
#[derive(Clone)]
pub(super) struct GraphPermissions {
    /// The person; none for the app itself.
    pub(super) oid: Option<String>,
    /// The permissions that were asked for.
    pub(super) permissions: Vec<String>,
    /// When it ends.
    pub(super) until: u64,
}

impl GraphPermissions {
    /// The name under which the grant of a token is kept.
    pub(super) fn key(token: &str) -> String {
        URL_SAFE_NO_PAD.encode(digest(&SHA256, token.as_bytes()))
    }
}

/// Where a page of Graph's answer begins, and whose it is.
#[derive(Clone)]
pub(super) struct GraphPage {
    pub(super) oid: String,
    pub(super) from: usize,
}

/// One resource and the permissions that are asked of it.
pub(super) struct ResourceScopes {
    /// What `aud` is to be.
    pub(super) audience: String,
    /// The permissions without the resource's name.
    pub(super) permissions: Vec<String>,
}

impl ResourceScopes {
    /// Reads the scopes of one token request; without a resource it is Graph, as with Entra. None where they name two.
    pub(super) fn read(authority: &str, scope: &str) -> Option<Self> {
        let mut audience = None;
        let mut permissions = Vec::new();
        for one in scope.split(' ').filter(|it| !it.is_empty() && !OPENID_SCOPES.contains(it)) {
            let (resource, permission) = if one.contains("://") { one.rsplit_once('/').unwrap_or((one, "")) } else { ("", one) };
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

/// What a resource is called in tokens: Graph by its id, also under the emulator's own address.
pub(super) fn named<'a>(authority: &str, resource: &'a str) -> &'a str {
    if resource == authority || resource == "https://graph.microsoft.com" { GRAPH } else { resource }
}
