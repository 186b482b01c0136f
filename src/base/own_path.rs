//! The paths under Entrada's prefix. The router serves them and the configuration keeps them free;
//! both use this table.

/// Forward authentication for nginx; the nginx dialect is also at `/auth/nginx`.
pub const FORWARD_AUTH: &str = "/auth";
/// Forward authentication, with the name of the dialect in the path.
pub const FORWARD_AUTH_NGINX: &str = "/auth/nginx";
/// Starts a sign-in.
pub const START: &str = "/start";
/// The sign-in page.
pub const SIGN_IN: &str = "/sign_in";
/// Signs out.
pub const SIGN_OUT: &str = "/sign_out";
/// Entra's front-channel logout (OpenID Connect Front-Channel Logout 1.0).
pub const FRONT_CHANNEL: &str = "/front_channel_logout";
/// Returns the signed-in person as JSON.
pub const USER_INFO: &str = "/userinfo";
/// Returns the session's times as JSON.
pub const SESSION: &str = "/session";
/// Checks the session with Entra now.
pub const SESSION_REFRESH: &str = "/session/refresh";
/// Public keys of the assertion.
pub const KEYS: &str = "/jwks.json";
/// The operator's logo on pages.
pub const LOGO: &str = "/logo";
/// Set-up page of an organization; its other pages are below it.
pub const SET_UP: &str = "/setup";
/// Authorization endpoint for native apps: starts their sign-in.
pub const NATIVE_AUTHORIZE: &str = "/native/authorize";
/// Token endpoint for native apps.
pub const NATIVE_TOKEN: &str = "/native/token";
/// Revocation endpoint for native apps (RFC 7009).
pub const NATIVE_REVOKE: &str = "/native/revoke";
/// Public keys of access tokens.
pub const NATIVE_KEYS: &str = "/native/jwks.json";

/// Paths that a redirect URI must not use, including everything below them.
pub const RESERVED: [&str; 11] = [
    FORWARD_AUTH,
    START,
    SIGN_IN,
    SIGN_OUT,
    FRONT_CHANNEL,
    USER_INFO,
    SESSION,
    KEYS,
    LOGO,
    SET_UP,
    "/native",
];

/// Whether `path` is `place` or below it.
pub fn is_at_or_below(path: &str, place: &str) -> bool {
    path.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
