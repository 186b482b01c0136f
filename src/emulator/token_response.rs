//! The response of the token endpoint: the tokens for a person's grant, or for the app itself.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::claims::{self, KeyRing};
use super::refusal::EmulatedRefusal;
use super::scopes::{GRAPH, GraphPermissions, ResourceScopes, named};
use super::state::{AuthorizationRequest, EmulatorState, IssuedGrant};
use super::tenants::TenantAddress;
use super::web::EmulatorRequest;

/// Returns the tokens for a person's grant, for these scopes.
pub(super) fn tokens(
    state: &EmulatorState,
    request: &EmulatorRequest,
    ring: &KeyRing<'_>,
    grant: &IssuedGrant,
    scope: &str,
) -> Result<Value, EmulatedRefusal> {
    let unknown = "The user account does not exist in the directory.";
    let person = state
        .person(&grant.session.oid)
        .ok_or_else(|| EmulatedRefusal::new(50_034, "invalid_grant", unknown))?;
    let has = |wanted: &str| scope.split(' ').any(|it| it == wanted);
    let mut meant = grant.clone();
    scope.clone_into(&mut meant.request.scope);
    // Entra's response lists the resource scopes and omits `offline_access`.
    let listed: Vec<&str> =
        scope.split(' ').filter(|it| !it.is_empty() && *it != "offline_access").collect();
    let listed = listed.join(" ");
    let resource =
        ResourceScopes::read(&state.authority, scope).ok_or_else(|| two_resources(scope))?;
    let access = claims::access_token(
        state,
        ring,
        &person,
        &grant.request.client,
        &resource,
        &permissions(&resource, &listed),
    )
    .map_err(|_| no_token())?;
    granted(state, &access, Some(&person.oid), &resource);
    let mut body = json!({"token_type": "Bearer", "scope": listed, "expires_in": claims::TOKEN_LIFETIME_SECONDS, "ext_expires_in": claims::TOKEN_LIFETIME_SECONDS, "access_token": access});
    let Some(members) = body.as_object_mut() else { return Err(no_token()) };
    if has("offline_access") {
        let refresh = format!("1.{}", state.random.text::<200>());
        // It stays valid for everything granted at the sign-in, not only for the scopes requested
        // now.
        let asked = AuthorizationRequest { nonce: None, acrs: Vec::new(), ..grant.request.clone() };
        state.refresh.put(
            refresh.clone(),
            state.clock.now(),
            IssuedGrant { request: asked, session: grant.session.clone(), used: false },
        );
        members.insert("refresh_token".to_owned(), refresh.into());
    }
    if has("openid") {
        let token = claims::id_token(state, ring, &person, &meant).map_err(|_| no_token())?;
        members.insert("id_token".to_owned(), token.into());
    }
    if request.form.value("client_info") == Some("1") {
        let info = json!({"uid": person.oid, "utid": person.tenant}).to_string();
        members.insert("client_info".to_owned(), URL_SAFE_NO_PAD.encode(info).into());
    }
    Ok(body)
}

fn two_resources(scope: &str) -> EmulatedRefusal {
    let text = format!(
        "Provided value for the input parameter scope '{scope}' is not valid because it contains more than one resource."
    );
    EmulatedRefusal::new(28_000, "invalid_grant", text)
}

/// Returns the access token for the app itself (RFC 6749 section 4.4).
pub(super) fn for_the_app(
    state: &EmulatorState,
    tenant: TenantAddress,
    client: &str,
    request: &EmulatorRequest,
    ring: &KeyRing<'_>,
) -> Result<Value, EmulatedRefusal> {
    let TenantAddress::One(home) = tenant else {
        return Err(EmulatedRefusal::new(
            9_001_023,
            "invalid_request",
            "The grant type is not supported over the /common or /consumers endpoints.",
        ));
    };
    let scope = request.form.value("scope").ok_or_else(|| EmulatedRefusal::missing("scope"))?;
    let Some(audience) = scope.strip_suffix("/.default") else {
        let text = format!(
            "The provided value for scope {scope} is not valid. Client credential flows must have a scope value with /.default suffixed to the \
resource identifier (application ID URI)."
        );
        return Err(EmulatedRefusal::new(1_002_012, "invalid_scope", text));
    };
    let resource = ResourceScopes {
        audience: named(&state.authority, audience).to_owned(),
        permissions: Vec::new(),
    };
    let access = claims::app_token(state, ring, home.id, client, &resource.audience)
        .map_err(|_| no_token())?;
    granted(state, &access, None, &resource);
    Ok(
        json!({"token_type": "Bearer", "expires_in": claims::TOKEN_LIFETIME_SECONDS, "ext_expires_in": claims::TOKEN_LIFETIME_SECONDS, "access_token": access}),
    )
}

/// Returns the value of `scp`: the permissions for the resource, and the OpenID scopes.
fn permissions(resource: &ResourceScopes, listed: &str) -> String {
    let openid = listed.split(' ').filter(|it| matches!(*it, "openid" | "profile" | "email"));
    resource.permissions.iter().map(String::as_str).chain(openid).collect::<Vec<_>>().join(" ")
}

/// Records the permissions of a token for Graph.
fn granted(state: &EmulatorState, access: &str, oid: Option<&str>, resource: &ResourceScopes) {
    if resource.audience == GRAPH {
        let now = state.clock.now();
        let grant = GraphPermissions {
            oid: oid.map(str::to_owned),
            permissions: resource.permissions.clone(),
            until: now + claims::TOKEN_LIFETIME_SECONDS,
        };
        state.graph_grants.put(GraphPermissions::key(access), now, grant);
    }
}

fn no_token() -> EmulatedRefusal {
    EmulatedRefusal::new(
        90_033,
        "temporarily_unavailable",
        "A transient error has occurred. Please try again.",
    )
}
