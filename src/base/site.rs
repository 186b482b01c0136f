//! Entrada's public address and the paths under it.

use super::own_path;
use http::HeaderValue;

/// The address that people see, and the paths on it that belong to Entrada.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    https: bool,
    host: String,
    port: Option<u16>,
    authority: String,
    prefix: String,
    redirect_path: String,
    return_hosts: Vec<String>,
    hosts: Vec<String>,
}

/// The reason why an address is not a valid public address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSite {
    /// The text is not an absolute http or https URL with a host.
    #[error("not an http or https address")]
    NotAnAddress,
    /// The URL has a user, path, query or fragment.
    #[error("only scheme, host and port; no path, query or user")]
    MoreThanOrigin,
    /// The URL is http on a host that is not loopback.
    #[error("not https")]
    NotHttps,
    /// The prefix or redirect path is not a plain path.
    #[error("not a plain path")]
    NotAPath,
}

impl Site {
    /// Parses `public_url` and `prefix`; `redirect_path` defaults to prefix + `/callback`.
    ///
    /// # Errors
    /// Returns a `BadSite` that names the invalid part.
    pub fn parse(
        public_url: &str,
        prefix: &str,
        redirect_path: Option<&str>,
    ) -> Result<Self, BadSite> {
        let url = url::Url::parse(public_url).map_err(|_| BadSite::NotAnAddress)?;
        let https = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return Err(BadSite::NotAnAddress),
        };
        let host = url.host_str().ok_or(BadSite::NotAnAddress)?.trim_end_matches('.').to_owned();
        let bare =
            matches!(url.path(), "/" | "") && url.query().is_none() && url.fragment().is_none();
        if !bare || !url.username().is_empty() || url.password().is_some() {
            return Err(BadSite::MoreThanOrigin);
        }
        if !https && !is_loopback(&host) {
            return Err(BadSite::NotHttps);
        }
        let redirect_path =
            redirect_path.map_or_else(|| format!("{prefix}/callback"), str::to_owned);
        for path in [prefix, &redirect_path] {
            let plain = super::target::Target::parse(
                &http::Method::GET,
                path,
                super::target::PathStrictness::Strict,
            );
            if path.len() < 2 || path.ends_with('/') || path.contains('?') || plain.is_err() {
                return Err(BadSite::NotAPath);
            }
        }
        let (prefix, port) = (prefix.to_owned(), url.port());
        let authority = port.map_or_else(|| host.clone(), |port| format!("{host}:{port}"));
        Ok(Self {
            https,
            host,
            port,
            authority,
            prefix,
            redirect_path,
            return_hosts: Vec::new(),
            hosts: Vec::new(),
        })
    }

    /// Adds the hosts of `[server] hosts` and `return_hosts`.
    #[must_use]
    pub fn with_hosts(mut self, hosts: Vec<String>, return_hosts: Vec<String>) -> Self {
        self.hosts = hosts.into_iter().map(|it| it.to_ascii_lowercase()).collect();
        self.return_hosts = return_hosts.into_iter().map(|it| it.to_ascii_lowercase()).collect();
        self
    }

    /// Whether the site uses https, so that cookies can be `Secure` and `__Host-`.
    pub fn is_https(&self) -> bool {
        self.https
    }

    /// The host name in lower case, without the port.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The host, with the port unless it is the scheme's default.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The port, which is the scheme's default unless the address has one.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(self.own_port())
    }

    /// Scheme, host and port without a trailing slash; the issuer of the assertion.
    pub fn origin(&self) -> String {
        let scheme = if self.https { "https" } else { "http" };
        format!("{scheme}://{}", self.authority())
    }

    /// The prefix of Entrada's own pages, such as `/oauth2`.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The path that Entra redirects people to after sign-in.
    pub fn redirect_path(&self) -> &str {
        &self.redirect_path
    }

    /// The redirect URI to register in Entra.
    pub fn redirect_uri(&self) -> String {
        format!("{}{}", self.origin(), self.redirect_path)
    }

    /// The path of the organizations' set-up page; its other pages are below it.
    pub fn setup_path(&self) -> String {
        format!("{}{}", self.prefix, own_path::SET_UP)
    }

    /// The URL of an invitation to set up an organization.
    pub fn invitation_url(&self, token: &str) -> String {
        format!("{}{}/invitation?token={token}", self.origin(), self.setup_path())
    }

    /// Whether a sign-in may return to this path among Entrada's own: only to the set-up pages that
    /// change nothing when they are opened.
    pub fn may_return_to_ours(&self, path: &str) -> bool {
        let below = path.strip_prefix(&self.setup_path());
        below.is_some_and(|it| it.is_empty() || it.starts_with('/') && it != "/invitation")
    }

    /// Whether the path belongs to Entrada, not to the app.
    pub fn is_ours(&self, path: &str) -> bool {
        let below = path.strip_prefix(&self.prefix);
        below.is_some_and(|it| it.is_empty() || it.starts_with('/')) || path == self.redirect_path
    }

    /// Whether a `Host` is the public address, the only host on which sign-ins complete and cookies
    /// are valid.
    pub fn is_public_host(&self, text: &str) -> bool {
        let Some((name, port)) = split_authority(text) else { return false };
        port.unwrap_or(self.own_port()) == self.port()
            && name.trim_end_matches('.').eq_ignore_ascii_case(&self.host)
    }

    fn own_port(&self) -> u16 {
        if self.https { 443 } else { 80 }
    }

    /// Whether a `Host` (or `:authority`) names this site; case, a trailing dot and the scheme's
    /// default port do not matter.
    pub fn is_host(&self, text: &str) -> bool {
        // The usual spelling.
        if text.eq_ignore_ascii_case(&self.authority) || self.is_public_host(text) {
            return true;
        }
        let Some((name, port)) = split_authority(text) else { return false };
        let (name, own) = (name.trim_end_matches('.'), self.own_port());
        self.hosts.iter().any(|it| match split_authority(it) {
            Some((host, Some(theirs))) => {
                host.eq_ignore_ascii_case(name) && port.unwrap_or(own) == theirs
            }
            Some((host, None)) => host.eq_ignore_ascii_case(name),
            None => false,
        })
    }

    /// Whether `rd` may name this host: one of `return_hosts`, in which `.example.com` covers all
    /// hosts below it, label by label.
    pub fn may_return_to(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        self.return_hosts.iter().any(|it| match it.strip_prefix('.') {
            Some(domain) => host.strip_suffix(domain).is_some_and(|it| it.ends_with('.')),
            None => *it == host,
        })
    }

    /// Whether an `Origin` header names this site.
    pub fn is_origin(&self, value: &HeaderValue) -> bool {
        let origin = value.to_str().unwrap_or_default();
        match origin.split_once("://") {
            Some((scheme, authority)) => {
                scheme == if self.https { "https" } else { "http" } && self.is_host(authority)
            }
            None => false,
        }
    }
}

/// Splits an authority into host and port; an IPv6 address is in brackets.
pub fn split_authority(text: &str) -> Option<(&str, Option<u16>)> {
    let split = if text.starts_with('[') {
        text.find(']').map(|it| it + 1)?
    } else {
        text.find(':').unwrap_or(text.len())
    };
    let (host, rest) = text.split_at_checked(split)?;
    let plain = !host.is_empty()
        && host.bytes().all(|it| {
            it.is_ascii_alphanumeric() || matches!(it, b'-' | b'.' | b'_' | b'[' | b']' | b':')
        });
    if !plain {
        return None;
    }
    match rest.strip_prefix(':') {
        None if rest.is_empty() => Some((host, None)),
        None => None,
        Some(port) if port.bytes().all(|it| it.is_ascii_digit()) => {
            Some((host, Some(port.parse().ok()?)))
        }
        Some(_) => None,
    }
}

/// Whether a host name means only this machine.
pub fn is_loopback(host: &str) -> bool {
    let host = host.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|it| it.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site() -> Site {
        let site = Site::parse("https://app.example.com", "/oauth2", None).unwrap();
        site.with_hosts(
            vec!["alt.example.org".into()],
            vec![".example.com".into(), "one.example.org".into()],
        )
    }

    #[test]
    fn knows_its_own_names() {
        for host in [
            "app.example.com",
            "APP.example.com",
            "app.example.com.",
            "app.example.com:443",
            "alt.example.org",
        ] {
            assert!(site().is_host(host), "{host}");
        }
        assert!(
            site().is_public_host("APP.example.com.:443")
                && !site().is_public_host("alt.example.org")
                && !site().is_public_host("")
        );
        for host in [
            "",
            "app.example.com:80",
            "example.com",
            "app.example.com@evil",
            "app.example.com:443:1",
            "evil.com/app.example.com",
            "xapp.example.com",
        ] {
            assert!(!site().is_host(host), "{host}");
        }
    }

    #[test]
    fn return_hosts_end_at_a_label() {
        assert!(site().may_return_to("a.example.com"));
        assert!(site().may_return_to("one.example.org"));
        for host in ["badexample.com", "example.com", "a.one.example.org", "example.com.evil"] {
            assert!(!site().may_return_to(host), "{host}");
        }
    }

    #[test]
    fn what_is_ours_ends_at_a_segment() {
        assert!(site().is_ours("/oauth2"));
        assert!(site().is_ours("/oauth2/x"));
        assert!(!site().is_ours("/oauth22"));
        let v1 = Site::parse("https://a.example", "/oauth2", Some("/v1/callback")).unwrap();
        assert!(v1.is_ours("/v1/callback"));
        assert!(!v1.is_ours("/v1/callback/x"));
        assert_eq!(v1.redirect_uri(), "https://a.example/v1/callback");
    }

    #[test]
    fn this_machine_has_few_names() {
        for host in ["localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "::1", "[::1]"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "",
            "localhost.example",
            "localhost.",
            "0.0.0.0",
            "[::2]",
            "[[::1]]",
            "128.0.0.1",
            "[::1",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn http_is_for_loopback_only() {
        assert!(Site::parse("http://localhost:4180", "/oauth2", None).is_ok());
        assert!(Site::parse("http://[::1]:4180", "/oauth2", None).is_ok());
        assert_eq!(Site::parse("http://app.example.com", "/oauth2", None), Err(BadSite::NotHttps));
        assert_eq!(
            Site::parse("https://a.example/x", "/oauth2", None),
            Err(BadSite::MoreThanOrigin)
        );
    }
}
