//! Reads a person's groups from Microsoft Graph (`learn:/directoryobject-getmemberobjects`).
//!
//! If a person has too many groups, the token contains a link instead. The link leads to a retired
//! service and is never followed: Entrada requests no address that comes from a token.

use super::claims_challenge::ClaimsChallenge;
use super::oidc::RedeemedTokens;
use crate::base::guid::Guid;
use crate::base::identity::Identity;
use crate::base::secret::Secret;
use crate::base::string_list::StringList;
use crate::wire::client::{self, HttpClient};
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, Request};
use serde::Deserialize;
use std::time::Duration;
use url::Url;

/// Permission that a token for Graph needs: reading the person's own groups.
pub const GRAPH_PERMISSION: &str = "User.Read";

/// Request body: security groups, including nested ones. Without the filter, the response would
/// include directory roles and distribution lists.
const GROUPS_QUERY: &str = r#"{"securityEnabledOnly": true}"#;
/// Maximum number of pages that are read; Graph usually returns 100 IDs on a page.
const MAX_GROUP_PAGES: usize = 120;
/// Maximum number of IDs that are read; the same limit as in Graph.
const MAX_GROUPS_PER_PERSON: usize = 11_000;
/// Timeout for all pages together.
const GROUPS_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest `Retry-After` that is honored, in seconds.
const MAX_GRAPH_RETRY_AFTER_SECONDS: u64 = 120;

/// All groups of a person at one moment. Created only in this module, from Graph's response to that
/// person's token: it is the only way to give a session groups from Graph.
#[derive(Debug)]
pub struct GroupMembership {
    oid: Guid,
    tid: Guid,
    ids: StringList,
}

/// Gives access to Graph for one person. The caller must store its new refresh token before
/// anything else.
#[derive(Debug)]
pub struct GraphToken {
    pub(in crate::entra) id_token: Option<Secret>,
    pub(in crate::entra) access: Secret,
    pub(in crate::entra) base: String,
    new_refresh_token: Option<Secret>,
}

/// Why Graph did not return the groups. No variant contains a token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The session has no refresh token, so it cannot get a token for Graph.
    #[error("Entra returned no refresh token to use for Microsoft Graph")]
    NoRefreshToken,
    /// Entra issued no token for Graph.
    #[error("no token for Microsoft Graph: {0}")]
    Token(super::error::Error),
    /// Graph did not answer.
    #[error("no answer from Microsoft Graph: {0}")]
    Unreachable(client::Error),
    /// Graph is overloaded or down.
    #[error("Microsoft Graph returned status {status}")]
    Busy {
        /// The HTTP status: 429 or 5xx.
        status: u16,
        /// Seconds to wait before the next request, if Graph says so.
        rest: Option<u64>,
        /// Whether Graph itself said so, rather than a proxy or a gateway before it.
        is_from_graph: bool,
    },
    /// The app may not read the person's groups.
    #[error("Microsoft Graph returned status 403: the app was not granted {GRAPH_PERMISSION}")]
    Forbidden,
    /// The person must prove something first.
    #[error("Microsoft Graph returned status {status} with a claims challenge")]
    ProofRequired {
        /// The HTTP status: 401 or 403.
        status: u16,
        /// What the next sign-in must prove.
        challenge: ClaimsChallenge,
    },
    /// Any other status.
    #[error("Microsoft Graph returned status {status}{}", code.as_ref().map(|it| format!(" ({it})")).unwrap_or_default())]
    Status {
        /// The HTTP status.
        status: u16,
        /// Graph's error code, a plain word.
        code: Option<Box<str>>,
    },
    /// The response is not a list of groups.
    #[error("the response from Microsoft Graph cannot be read")]
    Answer,
    /// The link to the next page leads to another host.
    #[error("the response from Microsoft Graph links to another host")]
    Elsewhere,
    /// More groups or pages than the limits allow.
    #[error(
        "Microsoft Graph sent more than {MAX_GROUPS_PER_PERSON} groups or {MAX_GROUP_PAGES} pages"
    )]
    TooMany,
    /// All pages together took too long, or longer than a request waits.
    #[error("Microsoft Graph did not return the groups in time")]
    Slow,
    /// The request was aborted because the process is shutting down.
    #[error("the request to Microsoft Graph did not finish")]
    Interrupted,
}

impl Error {
    /// Whether Graph is unavailable for everyone at the moment.
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Busy { .. } | Self::Slow => true,
            Self::Token(error) => {
                matches!(
                    error,
                    super::error::Error::Unreachable { .. }
                        | super::error::Error::Foreign(_)
                        | super::error::Error::Status { .. }
                        | super::error::Error::Paused(_)
                )
            }
            _ => false,
        }
    }

    /// Whether Graph itself answered, whatever it said.
    pub fn is_answer(&self) -> bool {
        matches!(
            self,
            Self::Busy { is_from_graph: true, .. }
                | Self::Forbidden
                | Self::ProofRequired { .. }
                | Self::Status { code: Some(_), .. }
        )
    }

    /// Whether the problem passes without anyone's help. `has_answered` says whether Graph answered
    /// at least once since the start.
    pub fn passes(&self, has_answered: bool) -> bool {
        match self {
            // There is a session, so Entra was reached.
            Self::Token(error) => error.passes(true),
            Self::Interrupted => true,
            _ => has_answered && self.is_outage(),
        }
    }

    /// Seconds until the next request, if known.
    pub fn retry_after(&self) -> Option<u64> {
        match self {
            Self::Busy { rest, .. } => *rest,
            Self::Token(super::error::Error::Status { retry_after, .. }) => {
                retry_after.map(|it| it.min(MAX_GRAPH_RETRY_AFTER_SECONDS))
            }
            Self::Token(super::error::Error::Paused(seconds)) => Some(*seconds),
            _ => None,
        }
    }

    /// Whether the cause is the refresh token of one session; another session of the same person
    /// may succeed.
    pub fn is_about_refresh_token(&self) -> bool {
        matches!(
            self,
            Self::NoRefreshToken
                | Self::ProofRequired { .. }
                | Self::Token(super::error::Error::Refused(_))
        )
    }

    /// Returns what the person must prove before Graph answers.
    pub fn challenge(&self) -> Option<&ClaimsChallenge> {
        match self {
            Self::ProofRequired { challenge, .. } => Some(challenge),
            Self::Token(super::error::Error::Refused(refusal)) => refusal.claims.as_ref(),
            _ => None,
        }
    }

    /// Whether consent to read the person's groups is missing (AADSTS65001).
    pub fn is_consent(&self) -> bool {
        match self {
            Self::Forbidden => true,
            Self::Token(super::error::Error::Refused(refusal)) => refusal.code == Some(65_001),
            _ => false,
        }
    }
}

impl GroupMembership {
    /// Creates the membership from the groups that Graph returned for that person's token.
    pub(in crate::entra) fn new(who: &Identity, ids: StringList) -> Self {
        Self { oid: who.oid, tid: who.tid, ids }
    }

    /// Returns the object ID of the person that the groups belong to.
    pub fn oid(&self) -> Guid {
        self.oid
    }

    /// Returns the tenant of the person that the groups belong to.
    pub fn tid(&self) -> Guid {
        self.tid
    }

    /// Returns the object IDs of all groups.
    pub fn ids(&self) -> &StringList {
        &self.ids
    }
}

#[cfg(test)]
impl GroupMembership {
    /// Stands in for a response of Graph in unit tests of other modules.
    pub fn pretended(who: &Identity, ids: StringList) -> Self {
        Self::new(who, ids)
    }
}

impl GraphToken {
    pub(in crate::entra) fn new(tokens: RedeemedTokens, base: String) -> Self {
        Self {
            base,
            id_token: tokens.id_token,
            access: tokens.access,
            new_refresh_token: tokens.refresh_token,
        }
    }

    /// Takes the new refresh token, which replaces the previous one; later calls return `None`.
    pub fn take_refresh_token(&mut self) -> Option<Secret> {
        self.new_refresh_token.take()
    }
}

/// Requests all groups of the person that `access` belongs to.
///
/// # Errors
/// Why Graph did not return the groups. An incomplete list is never returned.
pub async fn groups(client: &HttpClient, base: &str, access: &Secret) -> Result<StringList, Error> {
    tokio::time::timeout(GROUPS_TIMEOUT, pages(client, base, access))
        .await
        .map_err(|_| Error::Slow)?
}

async fn pages(client: &HttpClient, base: &str, access: &Secret) -> Result<StringList, Error> {
    let home = Url::parse(base).map_err(|_| Error::Elsewhere)?;
    let mut ids = Vec::new();
    let mut page =
        request(client, Method::POST, &format!("{base}/v1.0/me/getMemberObjects"), access).await?;
    for _ in 1..MAX_GROUP_PAGES {
        take(&mut ids, &page.value)?;
        let Some(next) = page.next else { return Ok(ids.into_iter().collect()) };
        let next = at_home(&next, &home).ok_or(Error::Elsewhere)?;
        page = request(client, Method::GET, next.as_str(), access).await?;
    }
    Err(Error::TooMany)
}

/// One page of the response.
#[derive(Deserialize)]
struct MemberOfPage {
    value: Vec<String>,
    #[serde(rename = "@odata.nextLink")]
    next: Option<String>,
}

/// Anything other than object IDs is not a valid response from Graph.
fn take(ids: &mut Vec<String>, page: &[String]) -> Result<(), Error> {
    for id in page {
        ids.push(Guid::parse(id).ok_or(Error::Answer)?.to_string());
    }
    if ids.len() > MAX_GROUPS_PER_PERSON { Err(Error::TooMany) } else { Ok(()) }
}

/// Accepts only links to the same host, so that no other host receives the token.
fn at_home(link: &str, home: &Url) -> Option<Url> {
    let url = Url::parse(link).ok()?;
    let plain = url.username().is_empty() && url.password().is_none();
    (plain && url.origin() == home.origin()).then_some(url)
}

async fn request(
    client: &HttpClient,
    method: Method,
    address: &str,
    access: &Secret,
) -> Result<MemberOfPage, Error> {
    let body = if method == Method::POST {
        Bytes::from_static(GROUPS_QUERY.as_bytes())
    } else {
        Bytes::new()
    };
    let mut bearer =
        HeaderValue::from_str(&format!("Bearer {}", access.expose())).map_err(|_| Error::Answer)?;
    bearer.set_sensitive(true);
    let request = Request::builder()
        .method(method)
        .uri(address)
        .header(AUTHORIZATION, bearer)
        .header(ACCEPT, "application/json");
    let request = request
        .header(CONTENT_TYPE, "application/json")
        .body(body)
        .map_err(|_| Error::Elsewhere)?;
    let response = client.send(request).await.map_err(Error::Unreachable)?;
    match response.status().as_u16() {
        200 => serde_json::from_slice(response.body()).map_err(|_| Error::Answer),
        status @ (429 | 500..) => Err(Error::Busy {
            status,
            rest: rest(response.headers()),
            is_from_graph: code_of(response.body()).is_some(),
        }),
        status => Err(refusal(status, response.headers(), response.body())),
    }
}

/// The body of an error (`learn:/graph/errors`).
#[derive(Deserialize)]
struct GraphErrorBody {
    error: GraphErrorMember,
}

#[derive(Deserialize)]
struct GraphErrorMember {
    code: String,
}

/// A 401 or 403 with a claims challenge is about the person (`learn:/claims-challenge`). Any other
/// 403 is missing consent only if Graph says so: the tenant's policies cause 403 too.
fn refusal(status: u16, headers: &HeaderMap, body: &[u8]) -> Error {
    if let (401 | 403, Some(challenge)) = (status, ClaimsChallenge::of_headers(headers)) {
        return Error::ProofRequired { status, challenge };
    }
    match code_of(body) {
        Some(code) if status == 403 && code == "Authorization_RequestDenied" => Error::Forbidden,
        code => Error::Status { status, code: code.map(Into::into) },
    }
}

/// Returns the error code of Graph; `None` if the body is not one of Graph's.
fn code_of(body: &[u8]) -> Option<String> {
    let said: GraphErrorBody = serde_json::from_slice(body).ok()?;
    Some(said.error.code).filter(|it| is_code(it))
}

fn is_code(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'_' | b'-' | b'.'))
}

/// `Retry-After` in seconds (RFC 9110 section 10.2.3); Graph sends no date.
fn rest(headers: &HeaderMap) -> Option<u64> {
    let seconds: u64 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(seconds.min(MAX_GRAPH_RETRY_AFTER_SECONDS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_that_leads_elsewhere_is_not_followed() {
        let home = Url::parse("https://graph.microsoft.com").unwrap();
        assert!(
            at_home("https://graph.microsoft.com/v1.0/me/getMemberObjects?$skiptoken=x", &home)
                .is_some()
        );
        for link in [
            "https://graph.windows.net/x",
            "http://graph.microsoft.com/x",
            "https://graph.microsoft.com:444/x",
            "https://graph.microsoft.com.example/x",
            "https://a@graph.microsoft.com/x",
            "https://a:b@graph.microsoft.com/x",
            "//graph.example/x",
            "/v1.0/x",
            "file:///etc/passwd",
        ] {
            assert!(at_home(link, &home).is_none(), "{link}");
        }
    }

    #[test]
    fn names_are_no_ids_and_too_many_ids_are_refused_as_a_whole() {
        let id = |at: usize| format!("0A1B2C3D-0000-4000-8000-{at:012x}");
        let mut ids = Vec::new();
        take(&mut ids, &[id(1)]).unwrap();
        assert_eq!(ids, ["0a1b2c3d-0000-4000-8000-000000000001"]);
        assert_eq!(take(&mut ids, &["Admins".to_owned()]), Err(Error::Answer));
        let all: Vec<_> = (0..=MAX_GROUPS_PER_PERSON).map(id).collect();
        assert_eq!(take(&mut Vec::new(), &all[..MAX_GROUPS_PER_PERSON]), Ok(()));
        assert_eq!(take(&mut Vec::new(), &all), Err(Error::TooMany));
    }

    #[test]
    fn graph_s_403_is_missing_consent_only_if_graph_says_so() {
        let of = |status, body: &str| refusal(status, &HeaderMap::new(), body.as_bytes());
        let denied = r#"{"error":{"code":"Authorization_RequestDenied","message":"x"}}"#;
        assert_eq!(of(403, denied), Error::Forbidden);
        let status =
            |status, code: Option<&str>| Error::Status { status, code: code.map(Into::into) };
        for (got, meant) in [
            (of(401, denied), status(401, Some("Authorization_RequestDenied"))),
            (of(403, r#"{"error":{"code":"AccessDenied"}}"#), status(403, Some("AccessDenied"))),
            (of(403, r#"{"error":{"code":"<b>"}}"#), status(403, None)),
            (of(403, "<html>"), status(403, None)),
            (of(403, ""), status(403, None)),
            (of(404, "{}"), status(404, None)),
        ] {
            assert_eq!(got, meant);
            assert!(!got.is_consent() && got.challenge().is_none());
        }
    }

    #[test]
    fn a_claims_challenge_is_about_the_person_whatever_the_body_says() {
        let line = "Bearer error=\"insufficient_claims\", claims=\"e30=\"";
        let headers = HeaderMap::from_iter([(
            http::header::WWW_AUTHENTICATE,
            HeaderValue::from_static(line),
        )]);
        let body = br#"{"error":{"code":"Authorization_RequestDenied"}}"#;
        for status in [401, 403] {
            let error = refusal(status, &headers, body);
            assert_eq!(error.challenge().map(ClaimsChallenge::as_json), Some("{}"));
            assert!(error.is_about_refresh_token() && !error.is_consent() && !error.is_outage());
        }
    }

    /// The page of a proxy counted as an answer of Graph, so people were told that it passes.
    #[tokio::test]
    async fn an_error_is_an_answer_of_graph_only_if_it_is_written_as_graph_writes_it() {
        let graph = r#"{"error":{"code":"ServiceUnavailable","message":"x"}}"#;
        for (status, body, is_answer) in [
            (503, graph, true),
            (429, graph, true),
            (503, "<html>proxy</html>", false),
            (502, "", false),
            (504, r#"{"message":"gateway"}"#, false),
            (429, "slow down", false),
        ] {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let base = format!("http://{}", listener.local_addr().unwrap());
            tokio::spawn(async move {
                use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
                let (mut stream, _) = listener.accept().await.unwrap();
                let _ = stream.read(&mut [0; 4096]).await;
                let head =
                    format!("HTTP/1.1 {status} No\r\nContent-Length: {}\r\n\r\n", body.len());
                let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
            });
            let client = HttpClient::new(None, &[]).unwrap();
            let error = groups(&client, &base, &Secret::new("t")).await.unwrap_err();
            assert_eq!(error.is_answer(), is_answer, "{status} {body}");
            assert!(error.is_outage() && !error.passes(false) && error.passes(true), "{error}");
        }
        assert!(!refusal(403, &HeaderMap::new(), b"<html>").is_answer());
        assert!(refusal(404, &HeaderMap::new(), graph.as_bytes()).is_answer());
    }

    #[test]
    fn a_rest_is_read_in_seconds_and_bounded() {
        let of = |text: &'static str| {
            rest(&HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(text))]))
        };
        assert_eq!(
            (of("3"), of("999999"), of("Wed, 25 Nov 2026 00:00:00 GMT"), of("-1")),
            (Some(3), Some(MAX_GRAPH_RETRY_AFTER_SECONDS), None, None)
        );
    }
}
