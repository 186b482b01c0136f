//! One app with its own public address.

use crate::access::policy::Policy;
use crate::base::clock::Clock;
use crate::base::domains::TenantDomains;
use crate::base::random::RandomSource;
use crate::base::site::Site;
use crate::config::Config;
use crate::headers::audience::RouteAudiences;
use crate::headers::identity::IdentityHeaderWriter;
use crate::seal::jwk::SigningKeys;
use crate::telemetry::metrics::Metrics;
use crate::upstream::{BadUpstream, Upstream};
use crate::wire::cookies::CookieNames;
use http::HeaderValue;
use std::sync::Arc;

/// An app behind the proxy. A request finds its app in `flow::Exchange`.
#[derive(Debug)]
pub struct App {
    /// The public address.
    pub site: Site,
    /// The name that pages show: `[pages] name`, or the host name.
    pub display_name: String,
    /// Names of the cookies.
    pub names: CookieNames,
    /// The access rules.
    pub policy: Arc<Policy>,
    /// Origins in addition to our own whose pages may open WebSockets.
    pub web_socket_origins: Vec<HeaderValue>,
    /// `[session] keep_fragment`.
    pub keeps_fragment: bool,
    /// `[session] persistent`.
    pub persistent_cookie: bool,
    /// Writes the identity headers.
    pub headers: IdentityHeaderWriter,
    /// The connections to the app.
    pub upstream: Upstream,
}

impl App {
    /// Builds the app from its sections; opens no connection. `domains` lists the domains that
    /// stand for tenants in the rules; `keys` sign the assertions.
    ///
    /// # Errors
    /// Why `[upstream]` cannot be used.
    pub fn new(
        config: &Config,
        domains: Arc<TenantDomains>,
        keys: SigningKeys,
        clock: Clock,
        random: RandomSource,
        metrics: Arc<Metrics>,
    ) -> Result<Self, BadUpstream> {
        let site = config.server.site.clone();
        let policy = Policy::compile(&config.access, domains);
        let audiences = RouteAudiences::new(
            config.upstream.routes(),
            config.upstream.routes.iter().map(|it| it.audience.as_deref()),
            &config.headers.assertion.audience,
        );
        let headers = IdentityHeaderWriter::new(
            &config.headers,
            site.origin(),
            policy.named().map(str::to_owned).collect(),
            audiences,
            keys,
            clock,
            random,
        );
        Ok(Self {
            display_name: match &config.pages.name {
                Some(name) => name.clone(),
                None => site.authority().to_owned(),
            },
            names: CookieNames::new(site.is_https(), site.port()),
            policy: Arc::new(policy),
            keeps_fragment: config.session.keep_fragment,
            persistent_cookie: config.session.persistent,
            web_socket_origins: config.access.origins.clone(),
            headers,
            upstream: Upstream::new(&config.upstream, &config.server.limits, metrics)?,
            site,
        })
    }
}
