//! haproxy and Envoy as further contestants, where they are installed.

use crate::http::BenchSite;
use crate::process::{ChildProcess, free_port};
use crate::terminal::BenchOutcome;
use crate::tools::cores;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// The name of the cookie with the token that Envoy verifies.
const TOKEN_COOKIE: &str = "token";
/// When that token expires, in seconds since 1970: in the year 2100.
const TOKEN_EXPIRY: u64 = 4_102_444_800;

/// A proxy in front of the app, over plain HTTP.
#[derive(Debug)]
pub struct OtherProxy {
    /// The process.
    pub process: ChildProcess,
    /// The site over plain HTTP.
    pub site: BenchSite,
    /// The cookie that it verifies, `name=value`, if it verifies one.
    pub session: Option<String>,
}

impl OtherProxy {
    /// Starts haproxy, with connections to the app that are kept open and shared.
    pub fn haproxy(haproxy: &Path, dir: &Path, app: u16) -> BenchOutcome<Self> {
        let port = free_port()?;
        let config = format!(
            "global
    nbthread {cores}
    maxconn 8192
defaults
    mode http
    timeout connect 5s
    timeout client 300s
    timeout server 300s
    http-reuse always
frontend clients
    bind 127.0.0.1:{port} backlog 4096
    default_backend app
backend app
    server app 127.0.0.1:{app}
",
            cores = cores()
        );
        let file = dir.join("haproxy.cfg");
        fs::write(&file, config)?;
        let mut command = Command::new(haproxy);
        command.arg("-db").arg("-f").arg(file);
        Self::start("haproxy", command, port, None)
    }

    /// Starts Envoy, which only forwards.
    pub fn envoy(envoy: &Path, dir: &Path, app: u16) -> BenchOutcome<Self> {
        Self::start_envoy(envoy, dir, app, "envoy.json", "", None)
    }

    /// Starts Envoy, which verifies a signed token in a cookie (`jwt_authn`) and passes it on.
    pub fn envoy_jwt(envoy: &Path, dir: &Path, app: u16) -> BenchOutcome<Self> {
        let (keys, token) = signed_token()?;
        let filter = serde_json::json!({
            "name": "envoy.filters.http.jwt_authn",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
                "providers": { "bench": {
                    "issuer": "https://issuer.example",
                    "local_jwks": { "inline_string": keys },
                    "from_cookies": [TOKEN_COOKIE],
                    "forward_payload_header": "x-token-payload",
                    "jwt_cache_config": { "jwt_cache_size": 1000 }
                } },
                "rules": [{ "match": { "prefix": "/" }, "requires": { "provider_name": "bench" } }]
            }
        });
        let session = Some(format!("{TOKEN_COOKIE}={token}"));
        Self::start_envoy(envoy, dir, app, "envoy-jwt.json", &format!("{filter},"), session)
    }

    fn start_envoy(
        envoy: &Path,
        dir: &Path,
        app: u16,
        file: &str,
        filters: &str,
        session: Option<String>,
    ) -> BenchOutcome<Self> {
        let port = free_port()?;
        let file = dir.join(file);
        fs::write(&file, envoy_config(port, app, filters))?;
        let mut command = Command::new(envoy);
        command
            .args(["--log-level", "error", "--disable-hot-restart", "--concurrency"])
            .arg(cores().to_string())
            .arg("-c")
            .arg(file);
        Self::start("envoy", command, port, session)
    }

    fn start(
        name: &str,
        mut command: Command,
        port: u16,
        session: Option<String>,
    ) -> BenchOutcome<Self> {
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut process = ChildProcess::start(name, &mut command)?;
        process.wait_for(port)?;
        Ok(Self { process, site: BenchSite::local(port, None), session })
    }
}

fn envoy_config(port: u16, app: u16, filters: &str) -> String {
    format!(
        r#"{{ "static_resources": {{
  "listeners": [{{ "address": {{ "socket_address": {{ "address": "127.0.0.1", "port_value": {port} }} }},
    "filter_chains": [{{ "filters": [{{ "name": "envoy.filters.network.http_connection_manager", "typed_config": {{
      "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
      "stat_prefix": "clients",
      "route_config": {{ "virtual_hosts": [{{ "name": "app", "domains": ["*"],
        "routes": [{{ "match": {{ "prefix": "/" }}, "route": {{ "cluster": "app" }} }}] }}] }},
      "http_filters": [{filters} {{ "name": "envoy.filters.http.router", "typed_config": {{
        "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" }} }}] }} }}] }}] }}],
  "clusters": [{{ "name": "app", "connect_timeout": "5s",
    "circuit_breakers": {{ "thresholds": [{{ "max_connections": 8192, "max_pending_requests": 8192, "max_requests": 8192 }}] }},
    "load_assignment": {{ "cluster_name": "app", "endpoints": [{{ "lb_endpoints": [{{ "endpoint": {{
      "address": {{ "socket_address": {{ "address": "127.0.0.1", "port_value": {app} }} }} }} }}] }}] }} }}] }} }}"#
    )
}

/// Returns a key set and a token (ES256) that it verifies.
fn signed_token() -> BenchOutcome<(String, String)> {
    let random = SystemRandom::new();
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random)?;
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref())?;
    // An uncompressed point: one byte, then both coordinates.
    let point = key.public_key().as_ref().get(1..65).ok_or("the key is no point of P-256")?;
    let (x, y) = point.split_at(32);
    let keys = serde_json::json!({ "keys": [{
        "kty": "EC", "crv": "P-256", "alg": "ES256", "kid": "bench",
        "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y)
    }] });
    let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!(
        "{}.{}",
        part(serde_json::json!({ "alg": "ES256", "typ": "JWT", "kid": "bench" })),
        part(serde_json::json!({
            "iss": "https://issuer.example", "sub": "maya", "exp": TOKEN_EXPIRY,
            "preferred_username": "maya@contoso.example", "roles": ["Admin"]
        }))
    );
    let signature = key.sign(&random, signed.as_bytes())?;
    Ok((keys.to_string(), format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))))
}
