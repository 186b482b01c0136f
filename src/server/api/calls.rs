//! All calls of the admin listener. `docs/reference/openapi.json` describes each of them; a test compares the
//! two.

use percent_encoding::percent_decode_str;
use std::borrow::Cow;

/// The calls in OpenAPI 3.1.
pub(in crate::server) const OPENAPI: &str = include_str!("../../../docs/reference/openapi.json");

/// A call of the admin API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server) enum ApiCall {
    Health,
    Ready,
    Metrics,
    OpenApi,
    Revoke,
    Organizations,
    AddOrganization,
    Organization,
    ChangeOrganization,
    ChangeCode,
    Invite,
    History,
    PeopleOf,
    AddPerson,
    ExportOf,
    Import,
    People,
    Export,
    Person,
    ChangePerson,
    SignOut,
    DeleteOrganization,
    LinkRequests,
    Decide,
    Merge,
    DeletePerson,
    AddDomain,
    VerifyDomain,
    RemoveDomain,
}

/// Method and path of each call. A name in braces stands for one segment.
pub(in crate::server) const CALLS: [(ApiCall, &str, &str); 29] = [
    (ApiCall::Health, "GET", "/healthz"),
    (ApiCall::Ready, "GET", "/readyz"),
    (ApiCall::Metrics, "GET", "/metrics"),
    (ApiCall::OpenApi, "GET", "/openapi.json"),
    (ApiCall::Revoke, "POST", "/sessions/revoke"),
    (ApiCall::Organizations, "GET", "/organizations"),
    (ApiCall::AddOrganization, "POST", "/organizations"),
    (ApiCall::Organization, "GET", "/organizations/{code}"),
    (ApiCall::ChangeOrganization, "PATCH", "/organizations/{code}"),
    (ApiCall::ChangeCode, "POST", "/organizations/{code}/code"),
    (ApiCall::Invite, "POST", "/organizations/{code}/invitations"),
    (ApiCall::History, "GET", "/organizations/{code}/history"),
    (ApiCall::PeopleOf, "GET", "/organizations/{code}/people"),
    (ApiCall::AddPerson, "POST", "/organizations/{code}/people"),
    (ApiCall::ExportOf, "GET", "/organizations/{code}/people.csv"),
    (ApiCall::Import, "POST", "/organizations/{code}/people.csv"),
    (ApiCall::People, "GET", "/people"),
    (ApiCall::Export, "GET", "/people.csv"),
    (ApiCall::Person, "GET", "/people/{username}"),
    (ApiCall::ChangePerson, "PATCH", "/people/{username}"),
    (ApiCall::SignOut, "POST", "/people/{username}/sign_out"),
    (ApiCall::DeleteOrganization, "DELETE", "/organizations/{code}"),
    (ApiCall::LinkRequests, "GET", "/organizations/{code}/link_requests"),
    (ApiCall::Decide, "POST", "/link_requests/{id}"),
    (ApiCall::Merge, "POST", "/people/{username}/merge"),
    (ApiCall::DeletePerson, "DELETE", "/people/{username}"),
    (ApiCall::AddDomain, "POST", "/organizations/{code}/domains"),
    (ApiCall::VerifyDomain, "POST", "/organizations/{code}/domains/verify"),
    (ApiCall::RemoveDomain, "DELETE", "/organizations/{code}/domains"),
];

/// Why there is no such call.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::server) enum UnknownCall {
    /// The path does not exist.
    Path,
    /// The path exists, but only for these methods.
    Method(String),
}

/// Returns the call of a method and a path, with the value of the name in braces.
pub(in crate::server) fn find<'a>(
    method: &str,
    path: &'a str,
) -> Result<(ApiCall, Cow<'a, str>), UnknownCall> {
    let mut allowed = Vec::new();
    // HEAD is handled like GET, without the body.
    let asked = if method == "HEAD" { "GET" } else { method };
    for (call, method, pattern) in CALLS {
        let Some(name) = matched(pattern, path) else { continue };
        if method == asked {
            return percent_decode_str(name)
                .decode_utf8()
                .map(|it| (call, it))
                .map_err(|_| UnknownCall::Path);
        }
        allowed.push(if method == "GET" { "GET, HEAD" } else { method });
    }
    Err(if allowed.is_empty() {
        UnknownCall::Path
    } else {
        UnknownCall::Method(allowed.join(", "))
    })
}

/// Returns the value of the name in braces, or an empty text if the pattern has none.
fn matched<'a>(pattern: &str, path: &'a str) -> Option<&'a str> {
    let (mut patterns, mut segments) = (pattern.split('/'), path.split('/'));
    let mut name = "";
    loop {
        match (patterns.next(), segments.next()) {
            (None, None) => return Some(name),
            (Some(wanted), Some(found)) if wanted.starts_with('{') && !found.is_empty() => {
                name = found;
            }
            (Some(wanted), Some(found)) if wanted == found => {}
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_found_by_method_and_path_and_names_are_decoded_once() {
        assert_eq!(
            find("GET", "/organizations/contoso/people").unwrap(),
            (ApiCall::PeopleOf, "contoso".into())
        );
        assert_eq!(find("HEAD", "/healthz").unwrap().0, ApiCall::Health);
        assert_eq!(
            find("PATCH", "/people/maya%40contoso.com").unwrap(),
            (ApiCall::ChangePerson, "maya@contoso.com".into())
        );
        assert_eq!(find("GET", "/people/a%252fb").unwrap().1, "a%2fb");
        assert_eq!(
            find("DELETE", "/organizations"),
            Err(UnknownCall::Method("GET, HEAD, POST".to_owned()))
        );
        for path in [
            "",
            "/",
            "/organizations/",
            "/organizations//people",
            "/people/a/b",
            "/organizations/contoso/people/",
            "/people/%ff",
        ] {
            assert_eq!(find("GET", path), Err(UnknownCall::Path), "{path}");
        }
    }

    #[test]
    fn the_document_has_every_call_and_no_other() {
        let document: serde_json::Value = serde_json::from_str(OPENAPI).unwrap();
        let mut written: Vec<String> = Vec::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            written.extend(
                item.as_object()
                    .unwrap()
                    .keys()
                    .filter(|it| *it != "parameters")
                    .map(|it| format!("{} {path}", it.to_uppercase())),
            );
        }
        let mut known: Vec<String> = CALLS.iter().map(|it| format!("{} {}", it.1, it.2)).collect();
        written.sort();
        known.sort();
        assert_eq!(written, known);
    }
}
