//! Reads requests from a connection and routes them to their endpoint.

use std::sync::Arc;
use std::time::Duration;

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
pub(super) async fn connection<S>(world: Arc<EmulatorState>, stream: S, tls: bool)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| {
        let world = Arc::clone(&world);
        async move { answer(&world, request, tls).await }
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
    world: &EmulatorState,
    request: Request<Incoming>,
    tls: bool,
) -> Result<EmulatorReply, AbortedConnection> {
    if let path @ (panel::PANEL | panel::CONTROL) = request.uri().path() {
        let is_panel = path == panel::PANEL;
        // The control panel and API also work while Entra is down or slow, and their calls are not
        // counted as calls to Entra.
        return Ok(match read(world, request, tls).await {
            Ok(asking) if is_panel => panel::panel(world, &asking).await,
            Ok(asking) => panel::control(world, &asking).await,
            Err((status, text)) => web::reply(status, "text/plain; charset=utf-8", text),
        });
    }
    let delay = world.control.delay();
    if delay > 0 {
        tokio::time::sleep(Duration::from_millis(delay)).await;
    }
    let path = request.uri().path().to_owned();
    count_call(world, &path);
    let asking = read(world, request, tls).await;
    if let ("oauth2/v2.0/token", Ok(asking)) = (endpoint(&path), &asking) {
        token::count_grant_type(world, asking);
    }
    if world.control.is_down() {
        return Ok(web::reply(
            StatusCode::SERVICE_UNAVAILABLE,
            "text/html; charset=utf-8",
            "<p>The service is unavailable.</p>",
        ));
    }
    let mut reply = match asking {
        Ok(asking) => route(world, &path, &asking, tls).await?,
        Err((status, text)) => web::reply(status, "text/plain; charset=utf-8", text),
    };
    if let Ok(id) = HeaderValue::from_str(&world.guid()) {
        reply.headers_mut().insert("x-ms-request-id", id);
    }
    Ok(reply)
}

/// Returns the path after the tenant.
fn endpoint(path: &str) -> &str {
    path.split_once('/').and_then(|(_, rest)| rest.split_once('/')).map_or("", |(_, rest)| rest)
}

fn count_call(world: &EmulatorState, path: &str) {
    let counters = &world.control.counters;
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
    world: &EmulatorState,
    request: Request<Incoming>,
    tls: bool,
) -> Result<EmulatorRequest, (StatusCode, &'static str)> {
    let (head, body) = request.into_parts();
    let mut hosts = head.headers.get_all(http::header::HOST).iter();
    let (Some(host), None) = (hosts.next().and_then(|it| it.to_str().ok()), hosts.next()) else {
        return Err((StatusCode::BAD_REQUEST, "Exactly one Host header is needed."));
    };
    let is_ours =
        is_loopback_host(host) || world.authority.split_once("://").is_some_and(|it| it.1 == host);
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
    world: &EmulatorState,
    path: &str,
    asking: &EmulatorRequest,
    tls: bool,
) -> Result<EmulatorReply, AbortedConnection> {
    if path.starts_with(graph::GRAPH_ROOT) {
        return Ok(graph::graph(world, path, asking).await);
    }
    match (endpoint(path), &asking.method, TenantAddress::of(path)) {
        ("oauth2/v2.0/token", &Method::POST, Some(tenant)) => {
            token::token(world, tenant, asking).await
        }
        _ => Ok(page_or_document(world, path, asking, tls).await),
    }
}

async fn page_or_document(
    world: &EmulatorState,
    path: &str,
    asking: &EmulatorRequest,
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
            world,
            asking.query.value("authorization_endpoint"),
        ));
    }
    let Some(tenant) = TenantAddress::read(segment) else {
        return unknown_tenant(world, segment, rest, asking);
    };
    let reading = matches!(asking.method, Method::GET | Method::HEAD);
    match (rest, reading, asking.method == Method::POST) {
        ("v2.0/.well-known/openid-configuration", true, _) => {
            web::public_json(&discovery::metadata(world, tenant))
        }
        (".well-known/openid-configuration", true, _) => {
            web::public_json(&discovery::first_metadata(world, tenant))
        }
        ("discovery/v2.0/keys", true, _) => published(world, tenant, false).await,
        ("discovery/keys", true, _) => published(world, tenant, true).await,
        ("oauth2/v2.0/authorize", true, _) | ("oauth2/v2.0/authorize", _, true) => {
            authorize::authorize(world, tenant, asking)
        }
        ("oauth2/v2.0/logout", true, _) | ("oauth2/v2.0/logout", _, true) => {
            sign_out::logout(world, asking, tls)
        }
        ("pick", _, true) => authorize::picked(world, tenant, asking, tls),
        _ => page::notice(
            StatusCode::NOT_FOUND,
            "Page not found",
            "The emulator does not have this address, or the address does not accept this method.",
        ),
    }
}

async fn published(
    world: &EmulatorState,
    tenant: TenantAddress,
    first_version: bool,
) -> EmulatorReply {
    let work = world.control.keys().await;
    let has_others = matches!(tenant, TenantAddress::Common) || tenant.home() == Some(&PERSONAL);
    let others = if has_others { keys::others(world.clock.now()).await } else { None };
    if work.is_empty() || (has_others && others.is_none()) {
        return web::reply(
            StatusCode::SERVICE_UNAVAILABLE,
            "text/html; charset=utf-8",
            "<p>There is no signing key.</p>",
        );
    }
    web::public_json(&discovery::keys(world, tenant, &work, others.as_deref(), first_version))
}

fn unknown_tenant(
    world: &EmulatorState,
    segment: &str,
    rest: &str,
    asking: &EmulatorRequest,
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
    let traced = refusal.at(world, &correlation(world, asking));
    if rest == "oauth2/v2.0/authorize" { page::refusal(&traced) } else { traced.json() }
}
