//! Authenticates the app at the token endpoint (RFC 6749 section 2.3), with its secret or an
//! assertion.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;

use super::assertions::AssertionCheck;
use super::authorization_request::unknown_client;
use super::refusal::EmulatedRefusal;
use super::secrets::SecretCheck;
use super::state::EmulatorState;
use super::tenants::{TenantAddress, is_guid};
use super::web::EmulatorRequest;

/// Returns the registered app that sends the request, authenticated with its secret or an
/// assertion.
pub(super) fn client<'a>(
    state: &'a EmulatorState,
    tenant: TenantAddress,
    request: &EmulatorRequest,
) -> Result<&'a str, EmulatedRefusal> {
    let (id, secret) = credentials(request);
    let id = id.ok_or_else(|| EmulatedRefusal::missing("client_id"))?;
    if id == "00000000-0000-0000-0000-000000000000" {
        return Err(EmulatedRefusal::new(
            700_038,
            "unauthorized_client",
            format!("{id} is not a valid application identifier."),
        ));
    }
    let known = state.client_at(tenant, &id).ok_or_else(|| unknown_client(&id))?;
    if let (None, Some(assertion)) = (&secret, request.form.value("client_assertion")) {
        let endpoint = format!("{}/{}/oauth2/v2.0/token", state.authority, tenant.segment());
        let judge =
            AssertionCheck { client: known.id, endpoint: &endpoint, now: state.clock.now() };
        let judged = state.control.assertions.judge(
            request.form.value("client_assertion_type"),
            assertion,
            &judge,
        );
        return judged
            .map(|()| known.id)
            .map_err(|it| EmulatedRefusal::new(it.code, it.error, it.text));
    }
    let Some(secret) = secret else {
        let text = "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.";
        return Err(EmulatedRefusal::new(7_000_218, "invalid_client", text));
    };
    let brought = if is_guid(&secret) {
        SecretCheck::Wrong
    } else {
        state.control.secrets.of(&secret, known.secret)
    };
    if brought == SecretCheck::Expired {
        let text = format!(
            "The provided client secret keys for app '{id}' are expired. Visit the Azure portal to create new keys for your app."
        );
        return Err(EmulatedRefusal::new(7_000_222, "invalid_client", text));
    }
    if brought == SecretCheck::Wrong {
        let text = format!(
            "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a \
secret added to app '{id}'."
        );
        return Err(EmulatedRefusal::new(7_000_215, "invalid_client", text));
    }
    Ok(known.id)
}

/// Returns the client's ID and secret: from the form, or else from the `Authorization` header (RFC
/// 6749 section 2.3.1).
fn credentials(request: &EmulatorRequest) -> (Option<String>, Option<String>) {
    let owned = |name: &str| request.form.value(name).map(str::to_owned);
    let basic =
        request.header("authorization").and_then(|it| it.strip_prefix("Basic ").map(str::trim));
    let Some(pair) =
        basic.and_then(|it| STANDARD.decode(it).ok()).and_then(|it| String::from_utf8(it).ok())
    else {
        return (owned("client_id"), owned("client_secret"));
    };
    let decode =
        |it: &str| percent_decode_str(&it.replace('+', " ")).decode_utf8_lossy().into_owned();
    pair.split_once(':')
        .map_or((None, None), |(id, secret)| (Some(decode(id)), Some(decode(secret))))
}
