//! The token endpoint: its faults, and the checks of each grant.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};
use serde_json::Value;

use super::authorization_request::correlation;
use super::claims::KeyRing;
use super::client_authentication::client;
use super::control::count;
use super::faults::TokenFault;
use super::keys;
use super::people::SignInObstacle;
use super::refusal::EmulatedRefusal;
use super::refusals::{self, RefusalStage};
use super::state::{EmulatorSession, EmulatorState, IssuedGrant};
use super::tenants::{PERSONAL, TenantAddress};
use super::token_response::{for_the_app, tokens};
use super::web::{self, AbortedConnection, EmulatorReply, EmulatorRequest};

/// Lifetime of a code, in seconds.
const ENTRA_CODE_LIFETIME_SECONDS: u64 = 600;
/// Lifetime of a refresh token, in seconds.
const REFRESH_TOKEN_LIFETIME_SECONDS: u64 = 90 * 86_400;

/// Answers a token request (RFC 6749 section 3.2).
pub(super) async fn token(
    state: &EmulatorState,
    tenant: TenantAddress,
    request: &EmulatorRequest,
) -> Result<EmulatorReply, AbortedConnection> {
    let fault = state.control.token_faults.next();
    let keys = state.control.keys().await;
    let Some(key) = keys.first() else {
        return Ok(web::reply(
            StatusCode::SERVICE_UNAVAILABLE,
            "text/html; charset=utf-8",
            "<p>There is no signing key.</p>",
        ));
    };
    let others =
        if needs_others(state, request) { keys::others(state.clock.now()).await } else { None };
    let ring = KeyRing { public: key, others: others.as_deref() };
    let Some(fault) = fault else { return Ok(answered(state, tenant, request, &ring)) };
    if fault.is_after() {
        answered(state, tenant, request, &ring);
    }
    faulty(state, &correlation(state, request), fault).await
}

/// Returns whether a key from another family must sign.
fn needs_others(state: &EmulatorState, request: &EmulatorRequest) -> bool {
    let code = request.form.value("code").and_then(|it| state.codes.get(it));
    let grant = code.or_else(|| state.refresh.get(request.form.value("refresh_token")?));
    let is_personal = grant
        .and_then(|(_, it)| state.person(&it.session.oid))
        .is_some_and(|it| it.tenant == PERSONAL.id);
    is_personal || state.control.is_next_token_of_another_family()
}

/// Counts the call under its grant type.
pub(super) fn count_grant_type(state: &EmulatorState, request: &EmulatorRequest) {
    let counters = &state.control.counters;
    match request.form.value("grant_type") {
        Some("authorization_code") => count(&counters.codes),
        Some("refresh_token") => count(&counters.refresh),
        Some("client_credentials") => count(&counters.app),
        _ => {}
    }
}

async fn faulty(
    state: &EmulatorState,
    correlation: &str,
    fault: TokenFault,
) -> Result<EmulatorReply, AbortedConnection> {
    match fault {
        TokenFault::TooMany(seconds) => {
            let text = "The server has terminated an operation because it encountered a client request rate which was too high.";
            let mut reply = EmulatedRefusal::new(90_055, "temporarily_unavailable", text)
                .at(state, correlation)
                .json();
            *reply.status_mut() = StatusCode::TOO_MANY_REQUESTS;
            reply.headers_mut().extend(seconds.map(|it| (RETRY_AFTER, HeaderValue::from(it))));
            Ok(reply)
        }
        TokenFault::Html(status) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
            Ok(web::reply(
                status,
                "text/html; charset=utf-8",
                "<html><body><h2>Our services aren't available right now</h2></body></html>",
            ))
        }
        TokenFault::Garbage => Ok(web::reply(
            StatusCode::OK,
            "application/json; charset=utf-8",
            "{\"token_type\":\"Bearer\",\"access_tok",
        )),
        TokenFault::Hang | TokenFault::HangAfter => std::future::pending().await,
        TokenFault::CutBefore | TokenFault::CutAfter => Err(AbortedConnection),
    }
}

fn answered(
    state: &EmulatorState,
    tenant: TenantAddress,
    request: &EmulatorRequest,
    ring: &KeyRing<'_>,
) -> EmulatorReply {
    match answer(state, tenant, request, ring) {
        Ok(body) => web::json(StatusCode::OK, &body),
        Err(refusal) => refusal.at(state, &correlation(state, request)).json(),
    }
}

fn answer(
    state: &EmulatorState,
    tenant: TenantAddress,
    request: &EmulatorRequest,
    ring: &KeyRing<'_>,
) -> Result<Value, EmulatedRefusal> {
    if request.header("origin").is_some() {
        let text = "Tokens issued for the 'Single-Page Application' client-type may only be redeemed via cross-origin requests.";
        return Err(EmulatedRefusal::new(9_002_326, "invalid_request", text));
    }
    let grant =
        request.form.value("grant_type").ok_or_else(|| EmulatedRefusal::missing("grant_type"))?;
    if !matches!(grant, "authorization_code" | "refresh_token" | "client_credentials") {
        return Err(EmulatedRefusal::new(
            70_003,
            "unsupported_grant_type",
            format!("The app requested an unsupported grant type '{grant}'."),
        ));
    }
    let client = client(state, tenant, request)?;
    if let Some(refused) = state.control.next_refused() {
        return Err(EmulatedRefusal::written(refused));
    }
    match grant {
        "authorization_code" => redeem(state, tenant, client, request, ring),
        "refresh_token" => refresh(state, client, request, ring),
        _ => for_the_app(state, tenant, client, request, ring),
    }
}

fn redeem(
    state: &EmulatorState,
    tenant: TenantAddress,
    client: &str,
    request: &EmulatorRequest,
    ring: &KeyRing<'_>,
) -> Result<Value, EmulatedRefusal> {
    let code = request.form.value("code").ok_or_else(|| EmulatedRefusal::missing("code"))?;
    let redirect = request
        .form
        .value("redirect_uri")
        .ok_or_else(|| EmulatedRefusal::missing("redirect_uri"))?;
    let verifier = request.form.value("code_verifier");
    let grant = state.codes.get(code).filter(|(_, it)| it.request.client == client);
    let (born, grant) = grant.ok_or_else(|| {
        invalid_grant(70_000, "The provided value for the 'code' parameter is not valid.")
    })?;
    if state.clock.now() > born.saturating_add(ENTRA_CODE_LIFETIME_SECONDS) {
        return Err(invalid_grant(
            70_008,
            "The provided authorization code or refresh token has expired due to inactivity. Send a new interactive \
authorization request for this user and resource.",
        ));
    }
    if redirect != grant.request.redirect_uri {
        let text = "The reply address does not match the reply address provided when requesting Authorization code.";
        return Err(invalid_grant(500_112, text));
    }
    if tenant.segment() != grant.request.tenant {
        return Err(invalid_grant(
            700_005,
            "The provided Authorization Code is intended to use against other tenant, thus rejected.",
        ));
    }
    check_pkce(&grant, verifier)?;
    allowed(state, &grant.session)?;
    if let Some(refusal) = refused_by_nature(state, &grant.session.oid) {
        return Err(refusal);
    }
    if state.codes.update(code, |it| it.used = true).is_none_or(|(_, old)| old.used) {
        let text = "OAuth2 Authorization code was already redeemed, please retry with a new valid code or use an existing refresh token.";
        return Err(invalid_grant(54_005, text));
    }
    let scope = request.form.value("scope").unwrap_or(&grant.request.scope).to_owned();
    tokens(state, request, ring, &grant, &scope)
}

/// Checks that the verifier matches the challenge (RFC 7636 section 4.6).
fn check_pkce(grant: &IssuedGrant, verifier: Option<&str>) -> Result<(), EmulatedRefusal> {
    match (&grant.request.challenge, verifier) {
        (Some(_), None) => {
            return Err(invalid_grant(
                50_148,
                "The code_verifier does not match the code_challenge supplied in the authorization request for PKCE.",
            ));
        }
        (Some(challenge), Some(verifier))
            if *challenge != URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes())) =>
        {
            let text = "The Code_Verifier does not match the code_challenge supplied in the authorization request.";
            return Err(invalid_grant(501_481, text));
        }
        // RFC 9700 section 4.8.2: a verifier without a challenge is a downgrade.
        (None, Some(_)) => {
            return Err(invalid_grant(
                501_481,
                "The Code_Verifier does not match the code_challenge supplied in the authorization request.",
            ));
        }
        _ => {}
    }
    Ok(())
}

fn invalid_grant(code: u32, text: &str) -> EmulatedRefusal {
    EmulatedRefusal::new(code, "invalid_grant", text)
}

fn refresh(
    state: &EmulatorState,
    client: &str,
    request: &EmulatorRequest,
    ring: &KeyRing<'_>,
) -> Result<Value, EmulatedRefusal> {
    let token = request
        .form
        .value("refresh_token")
        .ok_or_else(|| EmulatedRefusal::missing("refresh_token"))?;
    let unknown = || {
        invalid_grant(9_002_313, "Invalid request. Request is malformed or invalid.")
            .finer("bad_token")
    };
    let (born, mut grant) = state
        .refresh
        .get(token)
        .filter(|(_, it)| it.request.client == client)
        .ok_or_else(unknown)?;
    if state.clock.now() > born.saturating_add(REFRESH_TOKEN_LIFETIME_SECONDS) {
        let text = "The refresh token has expired due to inactivity. The token was issued and was inactive for 90.00:00:00.";
        return Err(invalid_grant(700_082, text).finer("token_expired"));
    }
    allowed(state, &grant.session)?;
    if let Some(refusal) = refused_by_code(state, &grant.session.oid) {
        return Err(refusal);
    }
    let used = state.refresh.update(token, |it| it.used = true).is_none_or(|(_, old)| old.used);
    if used {
        count(&state.control.counters.reused);
        if state.control.is_single_use() {
            return Err(invalid_grant(
                70_000,
                "The refresh token was redeemed before, and here it is good for once.",
            )
            .finer("bad_token"));
        }
    }
    // A refreshed ID token carries neither a nonce nor contexts, because there was no authorization
    // request.
    grant.request.nonce = None;
    grant.request.acrs = Vec::new();
    let scope = request.form.value("scope").unwrap_or(&grant.request.scope).to_owned();
    tokens(state, request, ring, &grant, &scope)
}

/// Checks the changes to this person since the grant.
fn allowed(state: &EmulatorState, who: &EmulatorSession) -> Result<(), EmulatedRefusal> {
    let change = state.control.changed.of(&who.oid);
    if change.disabled {
        return Err(invalid_grant(50_057, "The user account is disabled."));
    }
    if !state.is_good(who) {
        let text = "The provided grant has expired due to it being revoked, a fresh auth token is needed. The user might have changed or reset their password.";
        return Err(invalid_grant(50_173, text));
    }
    Ok(())
}

fn refused_by_code(state: &EmulatorState, oid: &str) -> Option<EmulatedRefusal> {
    state.control.changed.of(oid).refused.and_then(refusals::of).map(EmulatedRefusal::at_token)
}

/// Returns the refusal for a person whose code appears at this stage.
fn refused_by_nature(state: &EmulatorState, oid: &str) -> Option<EmulatedRefusal> {
    let SignInObstacle::Code(code) = state.person(oid)?.obstacle? else { return None };
    refusals::of(code).filter(|it| it.stage == RefusalStage::Token).map(EmulatedRefusal::at_token)
}
