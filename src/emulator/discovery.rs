//! The documents that tell where everything is.

use serde_json::{Value, json};

use super::world::{DOMAIN, TENANT, World};

/// Which tenant an address names.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Tenant {
    /// The pretend tenant, by GUID or by domain.
    One,
    /// Any tenant; the issuer is a template.
    Any(&'static str),
}

impl Tenant {
    /// Reads the first segment of a path; no answer for an unknown tenant.
    pub(super) fn read(segment: &str) -> Option<Self> {
        match segment.to_ascii_lowercase().as_str() {
            TENANT | DOMAIN => Some(Self::One),
            "common" => Some(Self::Any("common")),
            "organizations" => Some(Self::Any("organizations")),
            _ => None,
        }
    }

    /// The tenant that a path begins with.
    pub(super) fn of(path: &str) -> Option<Self> {
        path.strip_prefix('/').and_then(|it| it.split('/').next()).and_then(Self::read)
    }

    /// The segment that addresses carry.
    pub(super) fn segment(self) -> &'static str {
        match self {
            Self::One => TENANT,
            Self::Any(alias) => alias,
        }
    }
}

/// The metadata of OpenID Connect Discovery 1.0 section 3, with Entra's members and no other.
pub(super) fn metadata(world: &World, tenant: Tenant) -> Value {
    let base = format!("{}/{}", world.authority, tenant.segment());
    let (issuer, region) = match tenant {
        Tenant::One => (format!("{}/{TENANT}/v2.0", world.authority), Some("EU")),
        Tenant::Any(_) => (template(world), None),
    };
    json!({
        "token_endpoint": format!("{base}/oauth2/v2.0/token"),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "jwks_uri": format!("{base}/discovery/v2.0/keys"),
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "issuer": issuer,
        "request_uri_parameter_supported": false,
        "userinfo_endpoint": "https://graph.microsoft.com/oidc/userinfo",
        "authorization_endpoint": format!("{base}/oauth2/v2.0/authorize"),
        "device_authorization_endpoint": format!("{base}/oauth2/v2.0/devicecode"),
        "http_logout_supported": true,
        "frontchannel_logout_supported": true,
        "end_session_endpoint": format!("{base}/oauth2/v2.0/logout"),
        "claims_supported": ["sub", "iss", "cloud_instance_name", "cloud_instance_host_name", "cloud_graph_host_name", "msgraph_host", "aud", "exp",
            "iat", "auth_time", "acr", "nonce", "preferred_username", "name", "tid", "ver", "at_hash", "c_hash", "email"],
        "kerberos_endpoint": format!("{base}/kerberos"),
        "tenant_region_scope": region,
        "cloud_instance_name": "microsoftonline.com",
        "cloud_graph_host_name": "graph.windows.net",
        "msgraph_host": "graph.microsoft.com",
        "rbac_url": "https://pas.windows.net"
    })
}

/// The issuer with its literal braces.
pub(super) fn template(world: &World) -> String {
    format!("{}/{{tenantid}}/v2.0", world.authority)
}

/// The answer of instance discovery; the emulator's own host is its only name.
pub(super) fn instance(world: &World, asked: Option<&str>) -> Value {
    let host = world.authority.split_once("://").map_or("", |(_, host)| host);
    let asked = asked.and_then(|it| url::Url::parse(it).ok());
    let tenant = asked.as_ref().and_then(|it| it.path_segments()?.next()).and_then(Tenant::read).map_or("common", Tenant::segment);
    json!({
        "tenant_discovery_endpoint": format!("{}/{tenant}/v2.0/.well-known/openid-configuration", world.authority),
        "api-version": "1.1",
        "metadata": [{"preferred_network": host, "preferred_cache": host, "aliases": [host]}]
    })
}
