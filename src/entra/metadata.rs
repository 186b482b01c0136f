//! Entra's discovery document (OpenID Connect Discovery 1.0 section 3), believed only where it speaks for the tenant and the authority asked.

use crate::base::guid::Guid;
use crate::config::entra::Tenant;
use serde::Deserialize;
use url::Url;

/// Largest document, in bytes; Entra's has 2 KiB.
const DOCUMENT: usize = 256 * 1024;

/// Hosts that are one authority under several names (`learn:/authentication-national-cloud`): asked at one, Entra may name another.
const FAMILIES: [&[&str]; 3] = [
    &["login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "sts.windows.net"],
    &["login.microsoftonline.us", "login.usgovcloudapi.net", "login-us.microsoftonline.com"],
    &["login.partner.microsoftonline.cn", "login.chinacloudapi.cn"],
];

/// External ID: `contoso.ciamlogin.com` names an issuer at `<tenant id>.ciamlogin.com`.
const CIAM: &str = ".ciamlogin.com";

/// Where everything is, and how the tenant's tokens name their issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// What `iss` must be, byte for byte.
    pub issuer: String,
    /// The tenant, also where a domain was asked for.
    pub tenant: Guid,
    /// Where browsers are sent to sign in.
    pub authorization: String,
    /// Where a code is redeemed.
    pub token: String,
    /// Where the keys are.
    pub keys: String,
    /// Where browsers are sent to sign out.
    pub end_session: Option<String>,
    /// The cloud, which must be that of a key.
    pub cloud: Option<String>,
}

/// Why a discovery document is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadMetadata {
    /// Larger than 256 KiB.
    #[error("the discovery document is too large")]
    TooLarge,
    /// No discovery document.
    #[error("the discovery document is malformed")]
    Malformed,
    /// `issuer` is not one of the authority.
    #[error("the discovery document names an issuer that is not the authority's")]
    Issuer,
    /// `issuer` names another tenant.
    #[error("the discovery document is that of another tenant")]
    Tenant,
    /// An endpoint leads elsewhere; the name of the member.
    #[error("the discovery document leads away from the authority: {0}")]
    Endpoint(&'static str),
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    end_session_endpoint: Option<String>,
    cloud_instance_name: Option<String>,
}

/// Where the discovery document is.
pub fn address(authority: &str, tenant: &Tenant) -> String {
    format!("{authority}/{}/v2.0/.well-known/openid-configuration", tenant.segment())
}

/// Reads a discovery document that was asked of `authority` for `tenant`.
///
/// # Errors
/// `BadMetadata` says what keeps it from being believed.
pub fn read(bytes: &[u8], authority: &str, tenant: &Tenant) -> Result<Metadata, BadMetadata> {
    if bytes.len() > DOCUMENT {
        return Err(BadMetadata::TooLarge);
    }
    let document: Document = serde_json::from_slice(bytes).map_err(|_| BadMetadata::Malformed)?;
    let authority = Url::parse(authority).map_err(|_| BadMetadata::Issuer)?;
    let id = tenant_of(&document.issuer).ok_or(BadMetadata::Issuer)?;
    let issuer = at_home(&document.issuer, &authority, id).ok_or(BadMetadata::Issuer)?;
    // Built again from its parts: no user, query, doubled slash or other spelling is left over.
    if document.issuer != format!("{}/{id}/v2.0", issuer.origin().ascii_serialization()) {
        return Err(BadMetadata::Issuer);
    }
    if matches!(tenant, Tenant::Id(asked) if *asked != id) {
        return Err(BadMetadata::Tenant);
    }
    let endpoint = |name, text: &str| at_home(text, &authority, id).map(String::from).ok_or(BadMetadata::Endpoint(name));
    Ok(Metadata {
        authorization: endpoint("authorization_endpoint", &document.authorization_endpoint)?,
        token: endpoint("token_endpoint", &document.token_endpoint)?,
        keys: endpoint("jwks_uri", &document.jwks_uri)?,
        end_session: document.end_session_endpoint.map(|it| endpoint("end_session_endpoint", &it)).transpose()?,
        cloud: document.cloud_instance_name,
        issuer: document.issuer,
        tenant: id,
    })
}

/// The authority under all of its names, as origins, and where its sign-out is: whose pages may frame what tells of a sign-out.
pub fn origins(authority: &str, end_session: Option<&str>) -> Vec<String> {
    let host = authority.strip_prefix("https://").unwrap_or_default();
    let names = FAMILIES.iter().filter(|it| it.contains(&host)).flat_map(|it| it.iter()).map(|it| format!("https://{it}"));
    let there = end_session.and_then(|it| Url::parse(it).ok()).map(|it| it.origin().ascii_serialization());
    let mut all = vec![authority.to_owned()];
    for it in names.chain(there) {
        if !all.contains(&it) {
            all.push(it);
        }
    }
    all
}

/// The tenant that an issuer names: its one path segment before `v2.0`.
fn tenant_of(issuer: &str) -> Option<Guid> {
    Guid::parse(issuer.strip_suffix("/v2.0")?.rsplit_once('/')?.1)
}

/// Whether an address is the authority's own: the same origin, or https at another name of the same authority.
fn at_home(text: &str, authority: &Url, tenant: Guid) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    let same = url.origin() == authority.origin();
    let other_name = url.scheme() == "https" && url.port().is_none() && authority.port().is_none() && is_alias(url.host_str()?, authority.host_str()?, tenant);
    (plain && (same || other_name)).then_some(url)
}

fn is_alias(host: &str, authority: &str, tenant: Guid) -> bool {
    let family = FAMILIES.iter().any(|it| it.contains(&host) && it.contains(&authority));
    family || authority.ends_with(CIAM) && host.strip_suffix(CIAM).and_then(Guid::parse) == Some(tenant)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const TENANT: &str = "aaaabbbb-0000-cccc-1111-dddd2222eeee";
    const PUBLIC: &str = "https://login.microsoftonline.com";

    fn document(authority: &str) -> Value {
        json!({
            "issuer": format!("{authority}/{TENANT}/v2.0"),
            "authorization_endpoint": format!("{authority}/{TENANT}/oauth2/v2.0/authorize"),
            "token_endpoint": format!("{authority}/{TENANT}/oauth2/v2.0/token"),
            "jwks_uri": format!("{authority}/{TENANT}/discovery/v2.0/keys"),
            "end_session_endpoint": format!("{authority}/{TENANT}/oauth2/v2.0/logout"),
            "cloud_instance_name": "microsoftonline.com"
        })
    }

    fn tenant() -> Tenant {
        Tenant::Id(Guid::parse(TENANT).unwrap())
    }

    fn judged(document: &Value, authority: &str, tenant: &Tenant) -> Result<Metadata, BadMetadata> {
        read(document.to_string().as_bytes(), authority, tenant)
    }

    #[test]
    fn a_tenant_is_found_by_its_id_and_by_its_domain() {
        for tenant in [tenant(), Tenant::Domain("contoso.com".to_owned())] {
            let metadata = judged(&document(PUBLIC), PUBLIC, &tenant).unwrap();
            assert_eq!(metadata.tenant.to_string(), TENANT);
            assert_eq!(metadata.keys, format!("{PUBLIC}/{TENANT}/discovery/v2.0/keys"));
        }
    }

    #[test]
    fn other_names_of_the_same_authority_are_accepted() {
        let ciam = format!("https://{TENANT}.ciamlogin.com");
        for (asked, named) in [
            ("https://login.windows.net", PUBLIC),
            ("https://login.chinacloudapi.cn", "https://login.partner.microsoftonline.cn"),
            ("https://contoso.ciamlogin.com", ciam.as_str()),
            ("http://127.0.0.1:4100", "http://127.0.0.1:4100"),
        ] {
            assert!(judged(&document(named), asked, &tenant()).is_ok(), "{asked} {named}");
        }
    }

    #[test]
    fn the_authority_is_known_by_all_of_its_names_and_nobody_elses() {
        assert_eq!(origins("http://127.0.0.1:4100", Some("http://127.0.0.1:4100/x/oauth2/v2.0/logout")), ["http://127.0.0.1:4100"]);
        let china = origins("https://login.chinacloudapi.cn", None);
        assert_eq!(china, ["https://login.chinacloudapi.cn", "https://login.partner.microsoftonline.cn"]);
        let public = origins(PUBLIC, Some(&format!("{PUBLIC}/{TENANT}/oauth2/v2.0/logout")));
        assert_eq!(public, ["https://login.microsoftonline.com", "https://login.windows.net", "https://login.microsoft.com", "https://sts.windows.net"]);
        let ciam = format!("https://{TENANT}.ciamlogin.com");
        assert_eq!(origins("https://contoso.ciamlogin.com", Some(&format!("{ciam}/logout"))), ["https://contoso.ciamlogin.com", &ciam]);
    }

    #[test]
    fn an_issuer_that_is_not_the_authoritys_is_refused() {
        let other = "99999999-9999-4999-8999-999999999999";
        for issuer in [
            "https://login.microsoftonline.com/{tenantid}/v2.0".to_owned(),
            format!("https://login.example.com/{TENANT}/v2.0"),
            format!("https://login.microsoftonline.us/{TENANT}/v2.0"),
            format!("http://login.microsoftonline.com/{TENANT}/v2.0"),
            format!("https://login.microsoftonline.com:8443/{TENANT}/v2.0"),
            format!("https://user@login.microsoftonline.com/{TENANT}/v2.0"),
            format!("https://login.microsoftonline.com/x/{TENANT}/v2.0"),
            format!("https://login.microsoftonline.com//{TENANT}/v2.0"),
            format!("https://login.microsoftonline.com/{TENANT}/v2.0/"),
            format!("https://login.microsoftonline.com/{TENANT}"),
            format!("https://LOGIN.microsoftonline.com/{TENANT}/v2.0"),
            format!("https://{other}.ciamlogin.com/{TENANT}/v2.0"),
            String::new(),
        ] {
            let mut document = document(PUBLIC);
            document["issuer"] = issuer.clone().into();
            assert_eq!(judged(&document, PUBLIC, &tenant()).unwrap_err(), BadMetadata::Issuer, "{issuer}");
        }
        let mut document = document(PUBLIC);
        document["issuer"] = format!("{PUBLIC}/{other}/v2.0").into();
        assert_eq!(judged(&document, PUBLIC, &tenant()).unwrap_err(), BadMetadata::Tenant);
    }

    #[test]
    fn an_endpoint_that_leads_elsewhere_is_refused() {
        for name in ["authorization_endpoint", "token_endpoint", "jwks_uri", "end_session_endpoint"] {
            for place in [
                "http://login.microsoftonline.com/keys",
                "https://169.254.169.254/metadata",
                "https://login.microsoftonline.com.example/keys",
                "https://login.microsoftonline.com:444/keys",
                "https://a@login.microsoftonline.com/keys",
                "file:///etc/passwd",
                "/keys",
            ] {
                let mut document = document(PUBLIC);
                document[name] = place.into();
                assert_eq!(judged(&document, PUBLIC, &tenant()).unwrap_err(), BadMetadata::Endpoint(name), "{place}");
            }
        }
        let mut document = document("http://127.0.0.1:4100");
        document["jwks_uri"] = "http://127.0.0.1:4101/keys".into();
        assert_eq!(judged(&document, "http://127.0.0.1:4100", &tenant()).unwrap_err(), BadMetadata::Endpoint("jwks_uri"));
    }

    #[test]
    fn what_is_no_document_is_refused() {
        assert_eq!(read(b"<html>", PUBLIC, &tenant()).unwrap_err(), BadMetadata::Malformed);
        assert_eq!(read(b"{}", PUBLIC, &tenant()).unwrap_err(), BadMetadata::Malformed);
        assert_eq!(read(&vec![b' '; DOCUMENT + 1], PUBLIC, &tenant()).unwrap_err(), BadMetadata::TooLarge);
    }
}
