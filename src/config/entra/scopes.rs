//! The scopes of a sign-in: a token request covers one service.

use super::super::problem::InvalidValue;
use crate::base::cloud::CLOUDS;

/// Scopes that belong to no service (OpenID Connect Core sections 5.4 and 11).
const OPENID_SCOPES: [&str; 4] = ["openid", "profile", "email", "offline_access"];
/// Names of claims that are often written as scopes; Graph has no such scope.
const NO_SCOPES: [&str; 2] = ["groups", "roles"];
const GRAPH: &str = "Microsoft Graph";

/// Returns what is wrong with the list as a whole.
pub(super) fn problem(scopes: &[String]) -> Option<InvalidValue> {
    let texts = || scopes.iter().map(String::as_str);
    if let Some(name) = texts().find(|it| NO_SCOPES.contains(it)) {
        return Some(
            InvalidValue::new(format!("\"{name}\" is not a scope but a claim (AADSTS650053)"))
                .hint(
                    "add the claim in the app registration, under Token configuration or App roles",
                ),
        );
    }
    let named: Vec<_> = texts().filter(|it| !OPENID_SCOPES.contains(it)).map(parts).collect();
    let (first, _) = named.first()?;
    if let Some((other, _)) = named.iter().find(|it| it.0 != *first) {
        let services = format!("names scopes of two services, {first} and {other}");
        return Some(
            InvalidValue::new(format!("{services}; Entra issues a token for one (AADSTS28000)"))
                .hint("keep the scopes of one service; Entrada asks Microsoft Graph for groups by itself"),
        );
    }
    let is_all = |it: &&(&str, &str)| it.1 == ".default";
    (named.len() > 1 && named.iter().any(|it| is_all(&it))).then(|| {
        InvalidValue::new("combines .default with other scopes of the same service (AADSTS70011)")
            .hint("keep .default, which stands for every permission of the registration, or list scopes")
    })
}

/// Splits a scope into its service and its permission. A scope without a service belongs to Graph.
fn parts(scope: &str) -> (&str, &str) {
    let Some((service, permission)) = scope.rsplit_once('/') else { return (GRAPH, scope) };
    let service = service.trim_end_matches('/');
    let host = service.strip_prefix("https://").unwrap_or_default();
    let is_graph = CLOUDS.iter().any(|it| it.graph == host);
    (if is_graph { GRAPH } else { service }, permission)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_of_one_service_go_together_however_it_is_written() {
        for scopes in [
            &["User.Read", "https://graph.microsoft.com/GroupMember.Read.All", "openid"][..],
            &["api://one/a", "api://one/b", "profile", "email"],
            &["11112222-bbbb-3333-cccc-4444dddd5555/.default"],
            &["https://graph.microsoft.com/.default", "offline_access"],
            &["https://graph.microsoft.com//.default"],
            &["https://dod-graph.microsoft.us/User.Read", "User.Read"],
            &["User.Read"],
            &[],
        ] {
            let scopes: Vec<String> = scopes.iter().map(|it| (*it).to_owned()).collect();
            assert!(problem(&scopes).is_none(), "{scopes:?}");
        }
    }
}
