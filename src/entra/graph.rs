//! The groups of a person, as Microsoft Graph tells them (`learn:/directoryobject-getmemberobjects`).
//!
//! Where a token has too many groups it carries a pointer instead. That leads to a retired service and is never followed: no address of a
//! token is ever asked.

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

/// What a token for Graph must let us do: read the person's own groups.
pub const GRAPH_PERMISSION: &str = "User.Read";

/// The question: groups that grant something, and nested ones too. Without it directory roles and distribution lists would come along.
const GROUPS_QUERY: &str = r#"{"securityEnabledOnly": true}"#;
/// Pages that are read at most; Graph puts 100 ids on one unless it wants otherwise.
const MAX_PAGES: usize = 120;
/// Ids that are taken at most; Graph itself ends there.
const MAX_GROUPS: usize = 11_000;
/// For all pages together.
const GROUPS_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest `Retry-After` that is honored, in seconds.
const MAX_RETRY_AFTER_SECONDS: u64 = 120;

/// All groups of a person at one moment. Made here only, of an answer of Graph to a token of that person's: there is no other way to tell a session its groups.
#[derive(Debug)]
pub struct GroupMembership {
    oid: Guid,
    tid: Guid,
    ids: StringList,
}

/// What opens Graph for one person. Its new refresh token is to be kept before anything else.
#[derive(Debug)]
pub struct GraphToken {
    pub(in crate::entra) id_token: Option<Secret>,
    pub(in crate::entra) access: Secret,
    pub(in crate::entra) base: String,
    new_refresh_token: Option<Secret>,
}

/// Why Graph did not tell the groups. None holds a token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The session has no refresh token, so none for Graph can be had.
    #[error("Entra returned no refresh token to use for Microsoft Graph")]
    NoRefreshToken,
    /// Entra gave no token for Graph.
    #[error("no token for Microsoft Graph: {0}")]
    Token(super::error::Error),
    /// No answer.
    #[error("no answer from Microsoft Graph: {0}")]
    Unreachable(client::Error),
    /// Too much is asked of it, or it is down.
    #[error("Microsoft Graph returned status {status}")]
    Busy {
        /// 429 or 5xx.
        status: u16,
        /// How long it wants to be left alone, in seconds.
        rest: Option<u64>,
    },
    /// The app may not read the person's groups.
    #[error("Microsoft Graph returned status 403: the app was not granted {GRAPH_PERMISSION}")]
    Forbidden,
    /// Any other status.
    #[error("Microsoft Graph returned status {0}")]
    Status(u16),
    /// No list of groups.
    #[error("the response from Microsoft Graph cannot be read")]
    Answer,
    /// The next page is said to be elsewhere.
    #[error("the response from Microsoft Graph links to another host")]
    Elsewhere,
    /// More groups or pages than anybody has.
    #[error("Microsoft Graph sent more than {MAX_GROUPS} groups or {MAX_PAGES} pages")]
    TooMany,
    /// All pages together took too long, or longer than a request waits.
    #[error("Microsoft Graph did not return the groups in time")]
    Slow,
    /// The asking was given up, as the process ends.
    #[error("the request to Microsoft Graph did not finish")]
    Interrupted,
}

impl Error {
    /// Whether Graph cannot be asked at all right now, by nobody.
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Busy { .. } | Self::Slow => true,
            Self::Token(error) => {
                matches!(error, super::error::Error::Unreachable { .. } | super::error::Error::Status { .. } | super::error::Error::Resting(_))
            }
            _ => false,
        }
    }

    /// For how many seconds nothing is to be asked, where that is known.
    pub fn retry_after(&self) -> Option<u64> {
        match self {
            Self::Busy { rest, .. } => *rest,
            Self::Token(super::error::Error::Status { retry_after, .. }) => retry_after.map(|it| it.min(MAX_RETRY_AFTER_SECONDS)),
            Self::Token(super::error::Error::Resting(seconds)) => Some(*seconds),
            _ => None,
        }
    }

    /// Whether it lies in what one session has to ask by; another session of the same person may be luckier.
    pub fn is_about_refresh_token(&self) -> bool {
        matches!(self, Self::NoRefreshToken | Self::Token(super::error::Error::Refused(_)))
    }

    /// Whether nobody has agreed yet that the app reads the person's groups (AADSTS65001).
    pub fn is_consent(&self) -> bool {
        match self {
            Self::Forbidden => true,
            Self::Token(super::error::Error::Refused(refusal)) => refusal.code == Some(65_001),
            _ => false,
        }
    }
}

impl GroupMembership {
    /// The groups that were told to a token of that person's.
    pub(in crate::entra) fn new(who: &Identity, ids: StringList) -> Self {
        Self { oid: who.oid, tid: who.tid, ids }
    }

    /// Whose groups these are: object id and tenant.
    pub fn person(&self) -> (Guid, Guid) {
        (self.oid, self.tid)
    }

    /// Object ids, all of them.
    pub fn ids(&self) -> &StringList {
        &self.ids
    }
}

impl GraphToken {
    pub(in crate::entra) fn new(tokens: RedeemedTokens, base: String) -> Self {
        Self { base, id_token: tokens.id_token, access: tokens.access, new_refresh_token: tokens.refresh_token }
    }

    /// The refresh token that took the last one's place; given once.
    pub fn take_refresh_token(&mut self) -> Option<Secret> {
        self.new_refresh_token.take()
    }
}

/// Asks for all groups of the person whom `access` stands for.
///
/// # Errors
/// Why they were not told; some of them are never given for all.
pub async fn groups(client: &HttpClient, base: &str, access: &Secret) -> Result<StringList, Error> {
    tokio::time::timeout(GROUPS_TIMEOUT, pages(client, base, access)).await.map_err(|_| Error::Slow)?
}

async fn pages(client: &HttpClient, base: &str, access: &Secret) -> Result<StringList, Error> {
    let home = Url::parse(base).map_err(|_| Error::Elsewhere)?;
    let mut ids = Vec::new();
    let mut page = request(client, Method::POST, &format!("{base}/v1.0/me/getMemberObjects"), access).await?;
    for _ in 1..MAX_PAGES {
        take(&mut ids, &page.value)?;
        let Some(next) = page.next else { return Ok(ids.into_iter().collect()) };
        let next = at_home(&next, &home).ok_or(Error::Elsewhere)?;
        page = request(client, Method::GET, next.as_str(), access).await?;
    }
    Err(Error::TooMany)
}

/// One page of the answer.
#[derive(Deserialize)]
struct MemberOfPage {
    value: Vec<String>,
    #[serde(rename = "@odata.nextLink")]
    next: Option<String>,
}

/// What is no object id is no answer of Graph's.
fn take(ids: &mut Vec<String>, page: &[String]) -> Result<(), Error> {
    for id in page {
        ids.push(Guid::parse(id).ok_or(Error::Answer)?.to_string());
    }
    if ids.len() > MAX_GROUPS { Err(Error::TooMany) } else { Ok(()) }
}

/// The token goes to no other host.
fn at_home(link: &str, home: &Url) -> Option<Url> {
    let url = Url::parse(link).ok()?;
    let plain = url.username().is_empty() && url.password().is_none();
    (plain && url.origin() == home.origin()).then_some(url)
}

async fn request(client: &HttpClient, method: Method, address: &str, access: &Secret) -> Result<MemberOfPage, Error> {
    let body = if method == Method::POST { Bytes::from_static(GROUPS_QUERY.as_bytes()) } else { Bytes::new() };
    let mut bearer = HeaderValue::from_str(&format!("Bearer {}", access.expose())).map_err(|_| Error::Answer)?;
    bearer.set_sensitive(true);
    let request = Request::builder().method(method).uri(address).header(AUTHORIZATION, bearer).header(ACCEPT, "application/json");
    let request = request.header(CONTENT_TYPE, "application/json").body(body).map_err(|_| Error::Elsewhere)?;
    let response = client.send(request).await.map_err(Error::Unreachable)?;
    match response.status().as_u16() {
        200 => serde_json::from_slice(response.body()).map_err(|_| Error::Answer),
        403 => Err(Error::Forbidden),
        status @ (429 | 500..) => Err(Error::Busy { status, rest: rest(response.headers()) }),
        status => Err(Error::Status(status)),
    }
}

/// `Retry-After` in seconds (RFC 9110 section 10.2.3); Graph sends no date.
fn rest(headers: &HeaderMap) -> Option<u64> {
    let seconds: u64 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(seconds.min(MAX_RETRY_AFTER_SECONDS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_that_leads_elsewhere_is_not_followed() {
        let home = Url::parse("https://graph.microsoft.com").unwrap();
        assert!(at_home("https://graph.microsoft.com/v1.0/me/getMemberObjects?$skiptoken=x", &home).is_some());
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
        let all: Vec<_> = (0..=MAX_GROUPS).map(id).collect();
        assert_eq!(take(&mut Vec::new(), &all[..MAX_GROUPS]), Ok(()));
        assert_eq!(take(&mut Vec::new(), &all), Err(Error::TooMany));
    }

    #[test]
    fn a_rest_is_read_in_seconds_and_bounded() {
        let of = |text: &'static str| rest(&HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(text))]));
        assert_eq!((of("3"), of("999999"), of("Wed, 25 Nov 2026 00:00:00 GMT"), of("-1")), (Some(3), Some(MAX_RETRY_AFTER_SECONDS), None, None));
    }
}
