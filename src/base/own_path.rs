//! The paths under our prefix. The router answers them and the configuration keeps them free, both
//! from this one table.

/// nginx asks here; its dialect is also at `/auth/nginx`.
pub const FORWARD_AUTH: &str = "/auth";
/// The same with the name of the dialect.
pub const FORWARD_AUTH_NGINX: &str = "/auth/nginx";
/// Starts a sign-in.
pub const START: &str = "/start";
/// The sign-in page.
pub const SIGN_IN: &str = "/sign_in";
/// Signs out.
pub const SIGN_OUT: &str = "/sign_out";
/// Entra's front-channel logout (OpenID Connect Front-Channel Logout 1.0).
pub const FRONT_CHANNEL: &str = "/front_channel_logout";
/// The signed-in person as JSON.
pub const USER_INFO: &str = "/userinfo";
/// The times of the session as JSON.
pub const SESSION: &str = "/session";
/// Asks Entra about the session now.
pub const SESSION_REFRESH: &str = "/session/refresh";
/// The public keys of the assertion.
pub const KEYS: &str = "/jwks.json";
/// The set-up page of an organization; its other pages are below.
pub const SET_UP: &str = "/setup";
/// Native apps start a sign-in here.
pub const NATIVE_AUTHORIZE: &str = "/native/authorize";
/// The token endpoint of native apps.
pub const NATIVE_TOKEN: &str = "/native/token";
/// Native apps revoke a token here (RFC 7009).
pub const NATIVE_REVOKE: &str = "/native/revoke";
/// The public keys of access tokens.
pub const NATIVE_KEYS: &str = "/native/jwks.json";

/// Paths that no redirect URI may take, nor any path below them.
pub const RESERVED: [&str; 10] = [FORWARD_AUTH, START, SIGN_IN, SIGN_OUT, FRONT_CHANNEL, USER_INFO, SESSION, KEYS, SET_UP, "/native"];

/// Whether `path` is `place` or below it.
pub fn is_at_or_below(path: &str, place: &str) -> bool {
    path.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
