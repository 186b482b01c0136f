//! Entra's discovery document (OpenID Connect Discovery 1.0 section 3). It is accepted only if it
//! matches the requested tenant and authority.

use crate::base::cloud::CLOUDS;
use crate::base::guid::Guid;
use crate::base::site::is_loopback;
use crate::config::entra::TenantConfig;
use serde::Deserialize;
use url::Url;

/// Maximum document size, in bytes; Entra's has 2 KiB.
const MAX_METADATA_BYTES: usize = 256 * 1024;

/// Maximum length of a region's name, in bytes; Entra's have two or three.
const MAX_REGION_BYTES: usize = 16;

/// Placeholder for the tenant in an issuer for several tenants (`learn:/access-tokens`, "Validate
/// the issuer").
const TENANT_TEMPLATE: &str = "{tenantid}";

/// External ID: `contoso.ciamlogin.com` names an issuer at `<tenant id>.ciamlogin.com`.
const CIAM_SUFFIX: &str = ".ciamlogin.com";

/// The endpoints, and the issuer of the tenant's tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntraMetadata {
    /// Required value of `iss`, byte for byte, with `{tenantid}` filled in.
    pub issuer: String,
    /// The tenant's ID, even if a domain was requested; `None` for several tenants.
    pub tenant: Option<Guid>,
    /// Endpoint that browsers are sent to for the sign-in.
    pub authorization: String,
    /// Endpoint that redeems codes.
    pub token: String,
    /// Address of the signing keys.
    pub keys: String,
    /// Endpoint that browsers are sent to for the sign-out.
    pub end_session: Option<String>,
    /// The cloud, which must match the cloud of a key.
    pub cloud: Option<String>,
    /// The tenant's region, as Entra abbreviates it (`EU`, `NA`, `WW`).
    pub region: Option<String>,
    /// Base URL of Microsoft Graph for the tenant; `None` if the document names no known Graph
    /// host.
    pub graph: Option<String>,
}

/// Returns the base URL of Microsoft Graph: the configured one, otherwise the one in the tenant's
/// document, otherwise the cloud's own.
pub fn graph_base(own: Option<&str>, cloud: &str, metadata: &EntraMetadata) -> String {
    let said = own.or(metadata.graph.as_deref());
    said.map_or_else(|| format!("https://{cloud}"), str::to_owned)
}

impl EntraMetadata {
    /// Returns the required `iss` for tokens of that tenant.
    pub fn issuer_of(&self, tenant: Guid) -> String {
        self.issuer.replace(TENANT_TEMPLATE, &tenant.to_string())
    }
}

/// Why a discovery document is rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadMetadata {
    /// Larger than 256 KiB.
    #[error("the discovery document is too large")]
    TooLarge,
    /// Not a discovery document.
    #[error("the discovery document is malformed")]
    Malformed,
    /// `issuer` does not belong to the authority.
    #[error("the discovery document names an issuer that is not the authority's")]
    Issuer,
    /// `issuer` names another tenant.
    #[error("the discovery document belongs to another tenant")]
    Tenant,
    /// An endpoint is outside the authority; the name of the member.
    #[error("the discovery document has an address outside the authority: {0}")]
    Endpoint(&'static str),
}

#[derive(Deserialize)]
struct DiscoveryDocument {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    end_session_endpoint: Option<String>,
    cloud_instance_name: Option<String>,
    tenant_region_scope: Option<String>,
    msgraph_host: Option<String>,
}

/// Returns the address of the discovery document. For one app, the document leads to the keys that
/// are published for this app only (`learn:/access-tokens`, "Validate the signature").
pub fn address(authority: &str, tenant: &TenantConfig, app: Option<Guid>) -> String {
    let query = app.map_or_else(String::new, |it| format!("?appid={it}"));
    format!("{authority}/{}/v2.0/.well-known/openid-configuration{query}", tenant.segment())
}

/// Reads a discovery document that was requested from `authority` for `tenant`.
///
/// # Errors
/// `BadMetadata` says why it is rejected.
pub fn read(
    bytes: &[u8],
    authority: &str,
    tenant: &TenantConfig,
) -> Result<EntraMetadata, BadMetadata> {
    if bytes.len() > MAX_METADATA_BYTES {
        return Err(BadMetadata::TooLarge);
    }
    let document: DiscoveryDocument =
        serde_json::from_slice(bytes).map_err(|_| BadMetadata::Malformed)?;
    let authority = Url::parse(authority).map_err(|_| BadMetadata::Issuer)?;
    let whose = tenant_of_issuer(&document.issuer, tenant)?;
    if !is_issuer(&document.issuer, &authority, whose) {
        return Err(BadMetadata::Issuer);
    }
    if matches!(tenant, TenantConfig::Id(asked) if Some(*asked) != whose) {
        return Err(BadMetadata::Tenant);
    }
    let endpoint = |name, text: &str| {
        at_home(text, &authority, whose).map(String::from).ok_or(BadMetadata::Endpoint(name))
    };
    Ok(EntraMetadata {
        authorization: endpoint("authorization_endpoint", &document.authorization_endpoint)?,
        token: endpoint("token_endpoint", &document.token_endpoint)?,
        keys: endpoint("jwks_uri", &document.jwks_uri)?,
        end_session: document
            .end_session_endpoint
            .map(|it| endpoint("end_session_endpoint", &it))
            .transpose()?,
        cloud: document.cloud_instance_name,
        region: document.tenant_region_scope.filter(|it| {
            it.len() <= MAX_REGION_BYTES && it.bytes().all(|it| it.is_ascii_alphanumeric())
        }),
        graph: document
            .msgraph_host
            .and_then(|it| graph(&it, &authority))
            .filter(|_| whose.is_some()),
        issuer: document.issuer,
        tenant: whose,
    })
}

/// Whether this is the issuer of the tenant at the authority. Compares with an address built from
/// its parts, which rules out user names, queries, doubled slashes and other spellings.
fn is_issuer(issuer: &str, authority: &Url, tenant: Option<Guid>) -> bool {
    let segment = tenant.map_or_else(|| TENANT_TEMPLATE.to_owned(), |it| it.to_string());
    let at = |origin: &str| issuer == format!("{origin}/{segment}/v2.0");
    let is_own =
        at_home(issuer, authority, tenant).is_some_and(|it| at(&it.origin().ascii_serialization()));
    // An External ID tenant keeps this issuer behind a custom domain. Microsoft's own hosts name
    // themselves.
    let is_custom =
        authority.host_str().is_some_and(|host| !CLOUDS.iter().any(|it| it.signs_in_at(host)));
    is_own || tenant.is_some() && is_custom && at(&format!("https://{segment}{CIAM_SUFFIX}"))
}

/// Returns the tenant that an issuer names: its only path segment before `v2.0`. A template names
/// no tenant, and is accepted only if several tenants were requested.
fn tenant_of_issuer(issuer: &str, asked: &TenantConfig) -> Result<Option<Guid>, BadMetadata> {
    let segment = issuer
        .strip_suffix("/v2.0")
        .and_then(|it| it.rsplit_once('/'))
        .ok_or(BadMetadata::Issuer)?
        .1;
    match (asked.is_many(), Guid::parse(segment)) {
        (false, Some(id)) => Ok(Some(id)),
        (true, None) if segment == TENANT_TEMPLATE => Ok(None),
        (true, Some(_)) => Err(BadMetadata::Tenant),
        _ => Err(BadMetadata::Issuer),
    }
}

/// Accepts a known Graph host, or the host of an emulator, which is also its authority.
fn graph(host: &str, authority: &Url) -> Option<String> {
    if CLOUDS.iter().any(|it| it.graph == host) {
        return Some(format!("https://{host}"));
    }
    let own = authority.origin().ascii_serialization();
    let is_own = own.split_once("://").is_some_and(|it| it.1 == host)
        && authority.host_str().is_some_and(is_loopback);
    is_own.then_some(own)
}

/// Returns all origins of the authority, including aliases, and the origin of its sign-out
/// endpoint: their pages may frame the page that reports a sign-out.
pub fn origins(authority: &str, end_session: Option<&str>) -> Vec<String> {
    let host = authority.strip_prefix("https://").unwrap_or_default();
    let family = CLOUDS.iter().find(|it| it.signs_in_at(host));
    let names = family
        .into_iter()
        .flat_map(|it| std::iter::once(&it.login).chain(it.aliases))
        .map(|it| format!("https://{it}"));
    let there =
        end_session.and_then(|it| Url::parse(it).ok()).map(|it| it.origin().ascii_serialization());
    let mut all = vec![authority.to_owned()];
    for it in names.chain(there) {
        if !all.contains(&it) {
            all.push(it);
        }
    }
    all
}

/// Whether an address belongs to the authority: the same origin, or https at an alias of the
/// authority.
fn at_home(text: &str, authority: &Url, tenant: Option<Guid>) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    let same = url.origin() == authority.origin();
    let other_name = url.scheme() == "https"
        && url.port().is_none()
        && authority.port().is_none()
        && is_alias(url.host_str()?, authority.host_str()?, tenant);
    (plain && (same || other_name)).then_some(url)
}

fn is_alias(host: &str, authority: &str, tenant: Option<Guid>) -> bool {
    let family = CLOUDS.iter().any(|it| it.signs_in_at(host) && it.signs_in_at(authority));
    family
        || authority.ends_with(CIAM_SUFFIX)
            && tenant.is_some()
            && host.strip_suffix(CIAM_SUFFIX).and_then(Guid::parse) == tenant
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

    fn tenant() -> TenantConfig {
        TenantConfig::Id(Guid::parse(TENANT).unwrap())
    }

    fn judged(
        document: &Value,
        authority: &str,
        tenant: &TenantConfig,
    ) -> Result<EntraMetadata, BadMetadata> {
        read(document.to_string().as_bytes(), authority, tenant)
    }

    #[test]
    fn a_tenant_is_found_by_its_id_and_by_its_domain() {
        for tenant in [tenant(), TenantConfig::Domain("contoso.com".to_owned())] {
            let metadata = judged(&document(PUBLIC), PUBLIC, &tenant).unwrap();
            assert_eq!(metadata.tenant, Guid::parse(TENANT));
            assert_eq!(metadata.keys, format!("{PUBLIC}/{TENANT}/discovery/v2.0/keys"));
        }
    }

    #[test]
    fn many_tenants_have_an_issuer_that_each_fills_in() {
        let mut document = document(PUBLIC);
        document["issuer"] = format!("{PUBLIC}/{{tenantid}}/v2.0").into();
        document["msgraph_host"] = "graph.microsoft.com".into();
        for tenant in [TenantConfig::Organizations, TenantConfig::Common] {
            let metadata = judged(&document, PUBLIC, &tenant).unwrap();
            assert_eq!((metadata.tenant, metadata.graph.as_deref()), (None, None));
            assert_eq!(
                metadata.issuer_of(Guid::parse(TENANT).unwrap()),
                format!("{PUBLIC}/{TENANT}/v2.0")
            );
        }
        document["issuer"] = format!("{PUBLIC}/{TENANT}/v2.0").into();
        assert_eq!(
            judged(&document, PUBLIC, &TenantConfig::Common).unwrap_err(),
            BadMetadata::Tenant
        );
        for issuer in [
            "{tenantid}/v2.0/",
            "x/{tenantid}/v2.0",
            "{tenantId}/v2.0",
            "{tenantid}",
            "{tenantid}{tenantid}/v2.0",
        ] {
            document["issuer"] = format!("{PUBLIC}/{issuer}").into();
            assert_eq!(
                judged(&document, PUBLIC, &TenantConfig::Organizations).unwrap_err(),
                BadMetadata::Issuer,
                "{issuer}"
            );
        }
        document["issuer"] = "https://{tenantid}.ciamlogin.com/{tenantid}/v2.0".into();
        assert_eq!(
            judged(&document, "https://contoso.ciamlogin.com", &TenantConfig::Common).unwrap_err(),
            BadMetadata::Issuer
        );
    }

    #[test]
    fn only_a_graph_that_is_known_is_believed() {
        let named = |authority: &str, host: &str| {
            let mut document = document(authority);
            document["msgraph_host"] = host.into();
            judged(&document, authority, &tenant()).unwrap().graph
        };
        for host in [
            "graph.microsoft.com",
            "graph.microsoft.us",
            "dod-graph.microsoft.us",
            "microsoftgraph.chinacloudapi.cn",
        ] {
            assert_eq!(named(PUBLIC, host), Some(format!("https://{host}")));
        }
        let emulator = "http://127.0.0.1:4100";
        assert_eq!(named(emulator, "127.0.0.1:4100").as_deref(), Some(emulator));
        for (authority, host) in [
            (PUBLIC, "graph.example.com"),
            (PUBLIC, "login.microsoftonline.com"),
            (PUBLIC, "graph.microsoft.com:444"),
            (PUBLIC, "a@graph.microsoft.com"),
            (PUBLIC, "127.0.0.1:4100"),
            (emulator, "127.0.0.1:4101"),
        ] {
            assert_eq!(named(authority, host), None, "{host}");
        }
    }

    #[test]
    fn an_external_id_tenant_has_its_own_issuer_behind_a_custom_domain() {
        let of = |authority: &str, issuer: &str, asked: &TenantConfig| {
            let mut document = document(authority);
            document["issuer"] = issuer.into();
            judged(&document, authority, asked)
        };
        let ciam = format!("https://{TENANT}.ciamlogin.com/{TENANT}/v2.0");
        let domain = TenantConfig::Domain("contoso.onmicrosoft.com".to_owned());
        for authority in ["https://login.contoso.com", "https://login.contoso.com:8443"] {
            for asked in [tenant(), domain.clone()] {
                let metadata = of(authority, &ciam, &asked).unwrap();
                assert_eq!((metadata.issuer, metadata.tenant), (ciam.clone(), Guid::parse(TENANT)));
            }
            let other = "99999999-9999-4999-8999-999999999999";
            for issuer in [
                ciam.replacen(TENANT, other, 1),
                ciam.replacen(TENANT, "contoso", 1),
                ciam.replace("https", "http"),
                ciam.replace(".com/", ".com.example/"),
                ciam.replace(".com/", ".com:443/"),
                format!("{ciam}/"),
            ] {
                let refused = of(authority, &issuer, &domain);
                assert_eq!(refused.unwrap_err(), BadMetadata::Issuer, "{issuer}");
            }
            let issuer = ciam.replace(TENANT, other);
            assert_eq!(of(authority, &issuer, &tenant()).unwrap_err(), BadMetadata::Tenant);
        }
        assert_eq!(of(PUBLIC, &ciam, &tenant()).unwrap_err(), BadMetadata::Issuer);
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
        assert_eq!(
            origins("http://127.0.0.1:4100", Some("http://127.0.0.1:4100/x/oauth2/v2.0/logout")),
            ["http://127.0.0.1:4100"]
        );
        let china = origins("https://login.chinacloudapi.cn", None);
        assert_eq!(
            china,
            ["https://login.chinacloudapi.cn", "https://login.partner.microsoftonline.cn"]
        );
        let public = origins(PUBLIC, Some(&format!("{PUBLIC}/{TENANT}/oauth2/v2.0/logout")));
        assert_eq!(
            public,
            [
                "https://login.microsoftonline.com",
                "https://login.windows.net",
                "https://login.microsoft.com",
                "https://sts.windows.net"
            ]
        );
        let ciam = format!("https://{TENANT}.ciamlogin.com");
        assert_eq!(
            origins("https://contoso.ciamlogin.com", Some(&format!("{ciam}/logout"))),
            ["https://contoso.ciamlogin.com", &ciam]
        );
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
            assert_eq!(
                judged(&document, PUBLIC, &tenant()).unwrap_err(),
                BadMetadata::Issuer,
                "{issuer}"
            );
        }
        let mut document = document(PUBLIC);
        document["issuer"] = format!("{PUBLIC}/{other}/v2.0").into();
        assert_eq!(judged(&document, PUBLIC, &tenant()).unwrap_err(), BadMetadata::Tenant);
    }

    #[test]
    fn an_endpoint_that_leads_elsewhere_is_refused() {
        for name in ["authorization_endpoint", "token_endpoint", "jwks_uri", "end_session_endpoint"]
        {
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
                assert_eq!(
                    judged(&document, PUBLIC, &tenant()).unwrap_err(),
                    BadMetadata::Endpoint(name),
                    "{place}"
                );
            }
        }
        let mut document = document("http://127.0.0.1:4100");
        document["jwks_uri"] = "http://127.0.0.1:4101/keys".into();
        assert_eq!(
            judged(&document, "http://127.0.0.1:4100", &tenant()).unwrap_err(),
            BadMetadata::Endpoint("jwks_uri")
        );
    }

    #[test]
    fn what_is_no_document_is_refused() {
        assert_eq!(read(b"<html>", PUBLIC, &tenant()).unwrap_err(), BadMetadata::Malformed);
        assert_eq!(read(b"{}", PUBLIC, &tenant()).unwrap_err(), BadMetadata::Malformed);
        assert_eq!(
            read(&vec![b' '; MAX_METADATA_BYTES + 1], PUBLIC, &tenant()).unwrap_err(),
            BadMetadata::TooLarge
        );
    }
}
