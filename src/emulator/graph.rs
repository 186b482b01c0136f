//! Microsoft Graph, as far as needed for the groups of a person: `getMemberObjects` with its pages
//! and refusals.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Method, StatusCode};
use serde_json::{Value, json};

use super::faults::GraphFault;
use super::people::EmulatedPerson;
use super::scopes::{GRAPH, GraphPage, GraphPermissions};
use super::state::EmulatorState;
use super::tenants::PERSONAL;
use super::time::timestamp;
use super::web::{self, EmulatorReply, EmulatorRequest};

/// The path prefix of Graph on this host.
pub(super) const GRAPH_ROOT: &str = "/v1.0/";
/// Permissions that allow people to read their own groups.
const SUFFICIENT_PERMISSIONS: [&str; 5] =
    ["User.Read", "User.ReadBasic.All", "GroupMember.Read.All", "Directory.Read.All", ".default"];

/// Answers a request to Graph.
pub(super) async fn graph(
    state: &EmulatorState,
    path: &str,
    request: &EmulatorRequest,
) -> EmulatorReply {
    let fault = state.control.graph_faults.next();
    match fault {
        Some(GraphFault::Down) => {
            return error(
                state,
                StatusCode::SERVICE_UNAVAILABLE,
                "ServiceUnavailable",
                "The service is unavailable.",
            );
        }
        Some(GraphFault::TooMany(seconds)) => {
            let mut reply = error(
                state,
                StatusCode::TOO_MANY_REQUESTS,
                "TooManyRequests",
                "Too many requests from identifier under category throttle.",
            );
            reply.headers_mut().extend(seconds.map(|it| (RETRY_AFTER, HeaderValue::from(it))));
            return reply;
        }
        Some(GraphFault::Forbidden) => return denied(state),
        Some(GraphFault::AccessDenied) => {
            return error(
                state,
                StatusCode::FORBIDDEN,
                "AccessDenied",
                "Access has been blocked by Conditional Access policies.",
            );
        }
        Some(GraphFault::ProofRequired(status)) => return proof_required(state, status),
        Some(GraphFault::Garbage) => {
            return web::reply(
                StatusCode::OK,
                "application/json; charset=utf-8",
                "{\"value\":[\"0a1b2c3d",
            );
        }
        Some(GraphFault::Slow(millis)) => tokio::time::sleep(Duration::from_millis(millis)).await,
        Some(GraphFault::ForeignLink | GraphFault::Endless) | None => {}
    }
    member_objects(state, path, request, fault)
}

fn member_objects(
    state: &EmulatorState,
    path: &str,
    request: &EmulatorRequest,
    fault: Option<GraphFault>,
) -> EmulatorReply {
    let Some(grant) = bearer(state, request) else { return unknown_token(state) };
    let asked = path.strip_prefix(GRAPH_ROOT).and_then(|it| it.strip_suffix("/getMemberObjects"));
    let is_method = matches!(request.method, Method::GET | Method::POST);
    let whose = match (asked, &grant.oid) {
        (Some("me"), Some(oid)) => Some(oid.as_str()),
        (Some("me"), None) => {
            return error(
                state,
                StatusCode::BAD_REQUEST,
                "BadRequest",
                "/me request is only valid with delegated authentication flow.",
            );
        }
        (Some(other), _) => other.strip_prefix("users/"),
        (None, _) => None,
    };
    let (Some(whose), true) = (whose, is_method) else {
        return error(
            state,
            StatusCode::NOT_FOUND,
            "ResourceNotFound",
            "Resource not found for the segment.",
        );
    };
    if grant.oid.as_deref().is_some_and(|it| it != whose) || !is_enough(&grant) {
        return denied(state);
    }
    let Some(person) = state.person(whose) else {
        return error(
            state,
            StatusCode::NOT_FOUND,
            "Request_ResourceNotFound",
            &format!("Resource '{whose}' does not exist."),
        );
    };
    if person.tenant == PERSONAL.id {
        return error(
            state,
            StatusCode::BAD_REQUEST,
            "BadRequest",
            "This API is not supported for MSA accounts",
        );
    }
    match first(state, request, &person) {
        Ok(from) => page(state, path, &person, from, fault),
        Err(reply) => *reply,
    }
}

/// Returns the index of the first group on the page: 0 for a new request, later for a followed
/// link.
fn first(
    state: &EmulatorState,
    request: &EmulatorRequest,
    person: &EmulatedPerson,
) -> Result<usize, Box<EmulatorReply>> {
    if let Some(token) = request.query.value("$skiptoken") {
        let page = state.pages.get(token).map(|(_, page)| page).filter(|it| it.oid == person.oid);
        let unknown = || {
            Box::new(error(
                state,
                StatusCode::BAD_REQUEST,
                "Directory_ExpiredPageToken",
                "The specified page token value has expired.",
            ))
        };
        return page.map(|it| it.from).ok_or_else(unknown);
    }
    let said: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    if request.method != Method::POST
        || !said.get("securityEnabledOnly").is_some_and(Value::is_boolean)
    {
        let text = "A value must be provided for parameter 'securityEnabledOnly'.";
        return Err(Box::new(error(state, StatusCode::BAD_REQUEST, "BadRequest", text)));
    }
    Ok(0)
}

fn page(
    state: &EmulatorState,
    path: &str,
    person: &EmulatedPerson,
    from: usize,
    fault: Option<GraphFault>,
) -> EmulatorReply {
    let size = state.control.page_size();
    let value: Vec<&String> = person.groups.iter().skip(from).take(size).collect();
    let next = from + value.len();
    let root = match fault {
        Some(GraphFault::ForeignLink) => Some("https://graph.example"),
        Some(GraphFault::Endless) => Some(state.authority.as_str()),
        _ => (next < person.groups.len()).then_some(state.authority.as_str()),
    };
    let mut body = json!({"@odata.context": format!("{}/v1.0/$metadata#Collection(Edm.String)", state.authority), "value": value});
    if let (Some(root), Some(members)) = (root, body.as_object_mut()) {
        let token = state.random.text::<24>();
        let from = if fault == Some(GraphFault::Endless) { 0 } else { next };
        state.pages.put(
            token.clone(),
            state.clock.now(),
            GraphPage { oid: person.oid.clone(), from },
        );
        members.insert(
            "@odata.nextLink".to_owned(),
            format!("{root}{path}?$skiptoken={token}").into(),
        );
    }
    web::json(StatusCode::OK, &body)
}

fn bearer(state: &EmulatorState, request: &EmulatorRequest) -> Option<GraphPermissions> {
    let token = request.header("authorization").and_then(|it| it.strip_prefix("Bearer "))?;
    let (_, grant) = state.graph_grants.get(&GraphPermissions::key(token))?;
    (state.clock.now() < grant.until).then_some(grant)
}

/// Returns whether the grant is sufficient. An app has the permissions that its admin granted; a
/// token requested only with OpenID scopes is also for Graph.
fn is_enough(grant: &GraphPermissions) -> bool {
    grant.oid.is_none()
        || grant.permissions.is_empty()
        || grant.permissions.iter().any(|it| SUFFICIENT_PERMISSIONS.contains(&it.as_str()))
}

fn denied(state: &EmulatorState) -> EmulatorReply {
    error(
        state,
        StatusCode::FORBIDDEN,
        "Authorization_RequestDenied",
        "Insufficient privileges to complete the operation.",
    )
}

/// Answers with a claims challenge (`learn:/claims-challenge`): the token was issued too early.
fn proof_required(state: &EmulatorState, status: u16) -> EmulatorReply {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::UNAUTHORIZED);
    let message = "Continuous access evaluation resulted in challenge.";
    let mut reply = error(state, status, "InvalidAuthenticationToken", message);
    let now = state.clock.now().to_string();
    let claims = json!({"access_token": {"nbf": {"essential": true, "value": now}}}).to_string();
    let challenge = format!(
        "Bearer realm=\"\", authorization_uri=\"{}/common/oauth2/authorize\", client_id=\"{}\", error=\"insufficient_claims\", claims=\"{}\"",
        state.authority,
        GRAPH,
        STANDARD.encode(claims)
    );
    reply
        .headers_mut()
        .extend(HeaderValue::from_str(&challenge).ok().map(|it| (WWW_AUTHENTICATE, it)));
    reply
}

fn unknown_token(state: &EmulatorState) -> EmulatorReply {
    let mut reply = error(
        state,
        StatusCode::UNAUTHORIZED,
        "InvalidAuthenticationToken",
        "Access token validation failure.",
    );
    let challenge = format!(
        "Bearer realm=\"\", authorization_uri=\"{}/common/oauth2/authorize\", client_id=\"{}\"",
        state.authority, GRAPH
    );
    reply
        .headers_mut()
        .extend(HeaderValue::from_str(&challenge).ok().map(|it| (WWW_AUTHENTICATE, it)));
    reply
}

fn error(state: &EmulatorState, status: StatusCode, code: &str, message: &str) -> EmulatorReply {
    let inner = json!({"date": timestamp(state.clock.now()), "request-id": state.guid(), "client-request-id": state.guid()});
    web::json(status, &json!({"error": {"code": code, "message": message, "innerError": inner}}))
}
