//! Reads requests from a connection and routes them to their endpoint.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

use super::authorization_request::correlation;
use super::control::count;
use super::refusal::EmulatedRefusal;
use super::state::{EmulatorState, ParameterPairs};
use super::tenants::{self, PERSONAL, TenantAddress};
use super::web::{self, AbortedConnection, EmulatorReply, EmulatorRequest};
use super::{authorize, discovery, graph, keys, page, panel, sign_out, token};

/// Maximum size of a body, in bytes.
const MAX_REQUEST_BODY_BYTES: usize = 64 * 1024;
/// Maximum size of a header section, in bytes.
const MAX_REQUEST_HEAD_BYTES: usize = 64 * 1024;
/// Maximum time for a client to send its header section.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// Serves one connection until it ends.
pub(super) async fn connection<S>(state: Arc<EmulatorState>, stream: S, tls: bool)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| {
        let state = Arc::clone(&state);
        async move { answer(&state, request, tls).await }
    });
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_REQUEST_HEAD_BYTES)
        .max_headers(100);
    // A broken connection is not an error of the emulator.
    let _ = http.serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(
    state: &EmulatorState,
    request: Request<Incoming>,
    tls: bool,
) -> Result<EmulatorReply, AbortedConnection> {
    if let path @ (panel::PANEL | panel::CONTROL) = request.uri().path() {
        let is_panel = path == panel::PANEL;
        // The control panel and API also work while Entra is down or slow, and their calls are not
        // counted as calls to Entra.
        return Ok(match read(state, request, tls).await {
            Ok(request) if is_panel => panel::panel(state, &request).await,
            Ok(request) => panel::control(state, &request).await,
            Err((status, text)) => web::reply(status, "text/plain; charset=utf-8", text),
        });
    }
    let arrived = Instant::now();
    let delay = state.control.delay();
    if delay > 0 {
        tokio::time::sleep(Duration::from_millis(delay)).await;
    }
    let path = request.uri().path().to_owned();
    count_call(state, &path);
    let request = read(state, request, tls).await;
    if let ("oauth2/v2.0/token", Ok(request)) = (endpoint(&path), &request) {
        token::count_grant_type(state, request);
    }
    let token = request.as_ref().ok().and_then(|it| it.form.value("refresh_token"));
    let refresh = token.map(|it| state.control.refresh_uses.begin(it, arrived));
    if state.control.is_down() {
        return Ok(web::reply(
            StatusCode::SERVICE_UNAVAILABLE,
            "text/html; charset=utf-8",
            "<p>The service is unavailable.</p>",
        ));
    }
    let mut reply = match request {
        Ok(request) => route(state, &path, &request, tls).await?,
        Err((status, text)) => web::reply(status, "text/plain; charset=utf-8", text),
    };
    if let Ok(id) = HeaderValue::from_str(&state.guid()) {
        reply.headers_mut().insert("x-ms-request-id", id);
    }
    if let Some(refresh) = refresh {
        refresh.answered();
    }
    Ok(reply)
}

/// Returns the path after the tenant.
fn endpoint(path: &str) -> &str {
    path.split_once('/').and_then(|(_, rest)| rest.split_once('/')).map_or("", |(_, rest)| rest)
}

fn count_call(state: &EmulatorState, path: &str) {
    let counters = &state.control.counters;
    count(&counters.all);
    if path.starts_with(graph::GRAPH_ROOT) {
        count(&counters.graph);
    }
    match endpoint(path) {
        "oauth2/v2.0/token" => count(&counters.token),
        "oauth2/v2.0/authorize" => count(&counters.authorize),
        "discovery/v2.0/keys" | "discovery/keys" => count(&counters.published),
        "v2.0/.well-known/openid-configuration" | ".well-known/openid-configuration" => {
            count(&counters.discovery);
        }
        _ => {}
    }
}

/// Returns whether this is a loopback name: another name that resolves to this machine (DNS
/// rebinding) is rejected.
fn is_loopback_host(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|it| it.is_ascii_digit()) => name,
        _ => host,
    };
    matches!(name.to_ascii_lowercase().as_str(), "127.0.0.1" | "localhost" | "[::1]")
}

fn takes_json(path: &str) -> bool {
    path.starts_with(graph::GRAPH_ROOT) || path == panel::CONTROL
}

async fn read(
    state: &EmulatorState,
    request: Request<Incoming>,
    tls: bool,
) -> Result<EmulatorRequest, (StatusCode, &'static str)> {
    let (head, body) = request.into_parts();
    let mut hosts = head.headers.get_all(http::header::HOST).iter();
    let (Some(host), None) = (hosts.next().and_then(|it| it.to_str().ok()), hosts.next()) else {
        return Err((StatusCode::BAD_REQUEST, "Exactly one Host header is needed."));
    };
    let is_ours =
        is_loopback_host(host) || state.authority.split_once("://").is_some_and(|it| it.1 == host);
    if !is_ours || head.uri.authority().is_some_and(|it| it.as_str() != host) {
        return Err((
            StatusCode::MISDIRECTED_REQUEST,
            "The emulator answers to 127.0.0.1, localhost and [::1] only.",
        ));
    }
    let kind = head
        .headers
        .get(http::header::CONTENT_TYPE)
        .and_then(|it| it.to_str().ok())
        .unwrap_or_default();
    let is_form =
        kind.split(';').next().map(str::trim) == Some("application/x-www-form-urlencoded");
    let body = if head.method == Method::POST {
        let is_json = kind.split(';').next().map(str::trim) == Some("application/json");
        if !(is_form || is_json && takes_json(head.uri.path())) {
            return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, "A form is needed."));
        }
        let body = Limited::new(body, MAX_REQUEST_BODY_BYTES).collect().await;
        body.map_err(|_| (StatusCode::PAYLOAD_TOO_LARGE, "The body is too large or broke off."))?
            .to_bytes()
    } else {
        Bytes::new()
    };
    Ok(EmulatorRequest {
        query: ParameterPairs::read(head.uri.query().unwrap_or_default().as_bytes()),
        form: ParameterPairs::read(if is_form { &body } else { &[] }),
        body,
        origin: format!("{}://{host}", if tls { "https" } else { "http" }),
        method: head.method,
        headers: head.headers,
    })
}

async fn route(
    state: &EmulatorState,
    path: &str,
    request: &EmulatorRequest,
    tls: bool,
) -> Result<EmulatorReply, AbortedConnection> {
    if path.starts_with(graph::GRAPH_ROOT) {
        return Ok(graph::graph(state, path, request).await);
    }
    match (endpoint(path), &request.method, TenantAddress::of(path)) {
        ("oauth2/v2.0/token", &Method::POST, Some(tenant)) => {
            token::token(state, tenant, request).await
        }
        _ => Ok(page_or_document(state, path, request, tls).await),
    }
}

async fn page_or_document(
    state: &EmulatorState,
    path: &str,
    request: &EmulatorRequest,
    tls: bool,
) -> EmulatorReply {
    let Some((segment, rest)) = path.strip_prefix('/').and_then(|it| it.split_once('/')) else {
        return page::notice(
            StatusCode::NOT_FOUND,
            "Page not found",
            "This service emulates Microsoft Entra for sign-ins on this machine.",
        );
    };
    if (segment, rest) == ("common", "discovery/instance") {
        return web::public_json(&discovery::instance(
            state,
            request.query.value("authorization_endpoint"),
        ));
    }
    let Some(tenant) = TenantAddress::read(segment) else {
        return unknown_tenant(state, segment, rest, request);
    };
    let reading = matches!(request.method, Method::GET | Method::HEAD);
    match (rest, reading, request.method == Method::POST) {
        ("v2.0/.well-known/openid-configuration", true, _) => {
            web::public_json(&discovery::metadata(state, tenant, request.query.value("appid")))
        }
        (".well-known/openid-configuration", true, _) => {
            web::public_json(&discovery::first_metadata(state, tenant))
        }
        ("discovery/v2.0/keys", true, _) => {
            let app = request.query.value("appid");
            match app.and_then(|it| state.control.tokens.own_key(it)) {
                Some(key) => web::public_json(&discovery::own_key(state, &key)),
                None => published(state, tenant, false).await,
            }
        }
        ("discovery/keys", true, _) => published(state, tenant, true).await,
        ("oauth2/v2.0/authorize", true, _) | ("oauth2/v2.0/authorize", _, true) => {
            authorize::authorize(state, tenant, request)
        }
        ("v2.0/adminconsent" | "adminconsent", true, _) => admin_consent(state, tenant, request),
        ("oauth2/v2.0/logout", true, _) | ("oauth2/v2.0/logout", _, true) => {
            sign_out::logout(state, request, tls)
        }
        ("pick", _, true) => authorize::picked(state, tenant, request, tls),
        _ => page::notice(
            StatusCode::NOT_FOUND,
            "Page not found",
            "The emulator does not have this address, or the address does not accept this method.",
        ),
    }
}

async fn published(
    state: &EmulatorState,
    tenant: TenantAddress,
    first_version: bool,
) -> EmulatorReply {
    let work = state.control.keys().await;
    let has_others = matches!(tenant, TenantAddress::Common) || tenant.home() == Some(&PERSONAL);
    let others = if has_others { keys::others(state.clock.now()).await } else { None };
    if work.is_empty() || (has_others && others.is_none()) {
        return web::reply(
            StatusCode::SERVICE_UNAVAILABLE,
            "text/html; charset=utf-8",
            "<p>There is no signing key.</p>",
        );
    }
    web::public_json(&discovery::keys(state, tenant, &work, others.as_deref(), first_version))
}

/// Grants consent for a whole tenant at once, and reports it without proof, as Entra does.
fn admin_consent(
    state: &EmulatorState,
    tenant: TenantAddress,
    request: &EmulatorRequest,
) -> EmulatorReply {
    let back = request.query.value("redirect_uri").filter(|it| state.knows_redirect(it));
    let Some(mut back) = back.and_then(|it| url::Url::parse(it).ok()) else {
        return page::notice(
            StatusCode::BAD_REQUEST,
            "The redirect URI is not registered",
            "Entra shows AADSTS50011 here.",
        );
    };
    back.query_pairs_mut()
        .append_pair("admin_consent", "True")
        .append_pair("tenant", tenant.segment())
        .extend_pairs(request.query.value("state").map(|it| ("state", it)));
    web::redirect(back.as_str())
}

fn unknown_tenant(
    state: &EmulatorState,
    segment: &str,
    rest: &str,
    request: &EmulatorRequest,
) -> EmulatorReply {
    let text = format!(
        "Tenant '{segment}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud. Check with your \
subscription administrator, this may happen if there are no active subscriptions for the tenant."
    );
    let refusal = if tenants::is_plausible(segment) {
        EmulatedRefusal::new(90_002, "invalid_tenant", text)
    } else {
        let text = format!(
            "Specified tenant identifier '{segment}' is neither a valid DNS name, nor a valid external domain."
        );
        EmulatedRefusal::new(900_023, "invalid_request", text)
    };
    let traced = refusal.at(state, &correlation(state, request));
    if rest == "oauth2/v2.0/authorize" { page::refusal(&traced) } else { traced.json() }
}
