//! Reads and checks the parameters of an authorization request.

use serde_json::Value;

use super::refusal::EmulatedRefusal;
use super::state::{AuthorizationRequest, EmulatorState};
use super::tenants::{TenantAddress, is_guid};
use super::web::EmulatorRequest;

/// Maximum length of `state`, in characters: Entra fails at about this length.
const MAX_STATE_CHARS: usize = 1800;

/// Runs the checks whose failure must never lead to a redirect.
pub(super) fn read(
    state: &EmulatorState,
    tenant: TenantAddress,
    request: &EmulatorRequest,
    correlation: &str,
) -> Result<AuthorizationRequest, EmulatedRefusal> {
    if request.value("state").is_some_and(|it| it.len() > MAX_STATE_CHARS) {
        let text = "Requested query string is too long.";
        return Err(EmulatedRefusal::new(90_015, "invalid_request", text));
    }
    let client = request.value("client_id").ok_or_else(|| EmulatedRefusal::missing("client_id"))?;
    let known = state.client_at(tenant, client).ok_or_else(|| unknown_client(client))?;
    let redirect = request.value("redirect_uri").ok_or_else(|| {
        EmulatedRefusal::new(900_971, "invalid_request", "No reply address provided.")
    })?;
    if !state.knows_redirect(redirect) {
        let text = format!(
            "The redirect URI '{redirect}' specified in the request does not match the redirect URIs configured for the application '{client}'. \
Make sure the redirect URI sent in the request matches one added to your application in the Azure portal."
        );
        return Err(EmulatedRefusal::new(50_011, "invalid_request", text));
    }
    let owned = |name: &str| request.value(name).map(str::to_owned);
    Ok(AuthorizationRequest {
        tenant: tenant.segment(),
        client: known.id.to_owned(),
        redirect_uri: redirect.to_owned(),
        state: owned("state"),
        nonce: owned("nonce"),
        scope: owned("scope").unwrap_or_default(),
        challenge: owned("code_challenge"),
        form_post: request.value("response_mode") == Some("form_post"),
        correlation: correlation.to_owned(),
        acrs: request.value("claims").map(contexts).unwrap_or_default(),
        consenting: None,
    })
}

/// Returns the authentication contexts that a `claims` parameter requests, for either token: a
/// challenge from an API names the access token's.
fn contexts(claims: &str) -> Vec<String> {
    let claims: Value = serde_json::from_str(claims).unwrap_or_default();
    let asked =
        ["id_token", "access_token"].into_iter().filter_map(|token| claims.get(token)?.get("acrs"));
    let named = asked.flat_map(|it| {
        it.get("value")
            .into_iter()
            .chain(it.get("values").and_then(Value::as_array).into_iter().flatten())
    });
    let mut contexts: Vec<String> = named
        .filter_map(Value::as_str)
        .filter(|it| it.starts_with('c') && it.len() <= 3)
        .map(str::to_owned)
        .collect();
    contexts.dedup();
    contexts
}

/// Runs the checks whose failure is reported to the app.
pub(super) fn check(request: &EmulatorRequest) -> Result<(), EmulatedRefusal> {
    match request.value("response_type") {
        Some("code") => {}
        None => return Err(EmulatedRefusal::missing("response_type")),
        Some(other) => {
            let text = format!("The response type '{other}' is not enabled for the application.");
            return Err(EmulatedRefusal::new(700_054, "unsupported_response_type", text));
        }
    }
    if request.value("scope").is_none() {
        return Err(EmulatedRefusal::missing("scope"));
    }
    if !matches!(request.value("response_mode"), None | Some("query" | "form_post")) {
        return Err(EmulatedRefusal::new(
            90_023,
            "invalid_request",
            "The value of the input parameter 'response_mode' is not supported.",
        ));
    }
    if !matches!(
        request.value("prompt"),
        None | Some("none" | "login" | "select_account" | "consent")
    ) {
        return Err(EmulatedRefusal::new(90_023, "invalid_request", "Unsupported 'prompt' value."));
    }
    if request
        .value("claims")
        .is_some_and(|it| !serde_json::from_str(it).is_ok_and(|it: Value| it.is_object()))
    {
        return Err(EmulatedRefusal::new(
            9_002_313,
            "invalid_request",
            "The 'claims' parameter is no JSON object.",
        ));
    }
    if request.value("code_challenge").is_some()
        && request.value("code_challenge_method") != Some("S256")
    {
        return Err(EmulatedRefusal::new(
            9_002_313,
            "invalid_request",
            "Only the code challenge method S256 is supported here.",
        ));
    }
    // RFC 7636 section 4.2: a SHA-256 digest in base64url is 43 characters long.
    if request.value("code_challenge").is_some_and(|it| it.len() != 43) {
        return Err(EmulatedRefusal::new(
            501_491,
            "invalid_request",
            "The size of the Code_Challenge parameter is invalid.",
        ));
    }
    Ok(())
}

/// Returns the client's own ID for the request if it sent one, which Entra adopts too.
pub(super) fn correlation(state: &EmulatorState, request: &EmulatorRequest) -> String {
    let sent = request.value("client-request-id").or_else(|| request.header("client-request-id"));
    sent.filter(|it| is_guid(it)).map_or_else(|| state.guid(), str::to_owned)
}

/// Returns the refusal for an unregistered client (AADSTS700016).
pub(super) fn unknown_client(client: &str) -> EmulatedRefusal {
    let text = format!(
        "Application with identifier '{client}' was not found in the directory 'Contoso'. This can happen if the application has not been installed by \
the administrator of the tenant or consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant."
    );
    EmulatedRefusal::new(700_016, "unauthorized_client", text)
}
