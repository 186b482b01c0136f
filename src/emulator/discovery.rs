//! Discovery documents: metadata, keys and instances.

use serde_json::{Value, json};

use super::keys::{KeySet, OtherKeys, SigningKey};
use super::state::EmulatorState;
use super::tenants::{PERSONAL, TenantAddress, first_issuer};

const CLAIMS: [&str; 19] = [
    "sub",
    "iss",
    "cloud_instance_name",
    "cloud_instance_host_name",
    "cloud_graph_host_name",
    "msgraph_host",
    "aud",
    "exp",
    "iat",
    "auth_time",
    "acr",
    "nonce",
    "preferred_username",
    "name",
    "tid",
    "ver",
    "at_hash",
    "c_hash",
    "email",
];

/// Returns the version 2.0 metadata (OpenID Connect Discovery 1.0 section 3), with exactly Entra's
/// members. For one app, the keys are those of this app.
pub(super) fn metadata(state: &EmulatorState, tenant: TenantAddress, app: Option<&str>) -> Value {
    let query = app.map_or_else(String::new, |it| format!("?appid={it}"));
    let base = format!("{}/{}", state.authority, tenant.segment());
    json!({
        "token_endpoint": format!("{base}/oauth2/v2.0/token"),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "jwks_uri": format!("{base}/discovery/v2.0/keys{query}"),
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "issuer": state.control.tokens.issuer(&state.authority, tenant.home()),
        "request_uri_parameter_supported": false,
        "userinfo_endpoint": format!("{}/oidc/userinfo", state.authority),
        "authorization_endpoint": format!("{base}/oauth2/v2.0/authorize"),
        "device_authorization_endpoint": format!("{base}/oauth2/v2.0/devicecode"),
        "http_logout_supported": true,
        "frontchannel_logout_supported": true,
        "end_session_endpoint": format!("{base}/oauth2/v2.0/logout"),
        "claims_supported": CLAIMS,
        "kerberos_endpoint": format!("{base}/kerberos"),
        "tenant_region_scope": region(tenant),
        "cloud_instance_name": "microsoftonline.com",
        "cloud_graph_host_name": "graph.windows.net",
        "msgraph_host": host(state),
        "rbac_url": "https://pas.windows.net"
    })
}

/// Returns the version 1.0 metadata, which leads to the issuer and the keys of version 1.0 tokens.
pub(super) fn first_metadata(state: &EmulatorState, tenant: TenantAddress) -> Value {
    let base = format!("{}/{}", state.authority, tenant.segment());
    json!({
        "token_endpoint": format!("{base}/oauth2/token"),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "jwks_uri": format!("{base}/discovery/keys"),
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "response_types_supported": ["code", "id_token", "code id_token", "token id_token", "token"],
        "scopes_supported": ["openid"],
        "issuer": first_issuer(&state.authority, tenant.home()),
        "microsoft_multi_refresh_token": true,
        "authorization_endpoint": format!("{base}/oauth2/authorize"),
        "http_logout_supported": true,
        "frontchannel_logout_supported": true,
        "end_session_endpoint": format!("{base}/oauth2/logout"),
        "check_session_iframe": format!("{base}/oauth2/checksession"),
        "userinfo_endpoint": format!("{base}/openid/userinfo"),
        "kerberos_endpoint": format!("{base}/kerberos"),
        "tenant_region_scope": region(tenant),
        "cloud_instance_name": "microsoftonline.com",
        "cloud_graph_host_name": "graph.windows.net",
        "msgraph_host": host(state),
        "rbac_url": "https://pas.windows.net"
    })
}

/// Returns the region; there is none under an alias.
fn region(tenant: TenantAddress) -> Option<&'static str> {
    if let TenantAddress::One(home) = tenant { home.region } else { None }
}

/// Returns the host of Graph. The emulator also acts as Graph, so that nothing leaves this machine.
fn host(state: &EmulatorState) -> &str {
    state.authority.split_once("://").map_or("", |(_, host)| host)
}

/// Returns the published keys: the work accounts' keys with the issuer template, and on /common
/// also those of the US Government cloud and of personal accounts.
///
/// The version 1.0 set has the same keys without their issuers.
pub(super) fn keys(
    state: &EmulatorState,
    tenant: TenantAddress,
    work: &KeySet,
    others: Option<&OtherKeys>,
    first_version: bool,
) -> Value {
    let issuer = |home| state.control.tokens.issuer(&state.authority, home);
    let (template, personal) = (issuer(None), issuer(Some(&PERSONAL)));
    let mut keys: Vec<Value> = Vec::new();
    let name = |issuer: &String| (!first_version).then(|| issuer.clone());
    if tenant.home() != Some(&PERSONAL) {
        keys.extend(work.iter().map(|it| it.jwk(name(&template).as_deref())));
    }
    if let (TenantAddress::Common, Some(others)) = (tenant, others) {
        keys.push(others.government.jwk(name(&template).as_deref()));
    }
    let has_personal = tenant == TenantAddress::Common || tenant.home() == Some(&PERSONAL);
    if let (true, Some(others)) = (has_personal, others) {
        keys.push(others.personal.jwk(name(&personal).as_deref()));
    }
    json!({"keys": keys})
}

/// Returns the own key of an app with claims mapping, which no other document lists.
pub(super) fn own_key(state: &EmulatorState, key: &SigningKey) -> Value {
    let template = state.control.tokens.issuer(&state.authority, None);
    json!({"keys": [key.jwk(Some(&template))]})
}

/// Returns the response to instance discovery; the emulator's own host is the only name in it.
pub(super) fn instance(state: &EmulatorState, asked: Option<&str>) -> Value {
    let host = host(state);
    let asked = asked.and_then(|it| url::Url::parse(it).ok());
    let tenant = asked
        .as_ref()
        .and_then(|it| it.path_segments()?.next())
        .and_then(TenantAddress::read)
        .map_or("common", TenantAddress::segment);
    json!({
        "tenant_discovery_endpoint": format!("{}/{tenant}/v2.0/.well-known/openid-configuration", state.authority),
        "api-version": "1.1",
        "metadata": [{"preferred_network": host, "preferred_cache": host, "aliases": [host]}]
    })
}
