//! Maps paths to Entrada's endpoints and the app.

use super::native::metadata;
use crate::base::own_path;
use crate::base::site::Site;
use crate::base::target::Target;

/// The destination of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// The app.
    App,
    /// A front proxy asks whether it may forward a request (`auth` in nginx's dialect).
    ForwardAuth,
    /// Redirects to Entra to sign in.
    Start,
    /// The sign-in page with the button.
    SignIn,
    /// The callback from Entra.
    Callback,
    /// Signs out.
    SignOut,
    /// Entra's notification of a sign-out (front-channel logout).
    FrontChannel,
    /// The signed-in person, in JSON.
    UserInfo,
    /// The session's lifetime, in JSON.
    Session,
    /// Asks Entra now whether the session may continue.
    Refresh,
    /// The set-up page of an organization, with all paths below it.
    SetUp,
    /// The public keys of the assertion.
    Keys,
    /// The operator's logo.
    Logo,
    /// The authorization server metadata for native clients.
    NativeMetadata,
    /// A native client sends a browser to sign in.
    NativeAuthorize,
    /// A native client requests tokens.
    NativeToken,
    /// A native client revokes a token.
    NativeRevoke,
    /// The public keys of access tokens.
    NativeKeys,
    /// A path under Entrada's prefix without an endpoint.
    Nothing,
}

impl Route {
    /// Returns the route of a target. Only the path matters.
    pub(super) fn of(target: &Target, site: &Site, has_native: bool) -> Self {
        Self::of_path(target.path(), site, has_native)
    }

    /// Whether a sign-in begins or ends here.
    pub(super) fn is_of_sign_in(self) -> bool {
        matches!(self, Self::Start | Self::SignIn | Self::Callback | Self::NativeAuthorize)
    }

    /// Returns the route of a path that was not validated yet.
    pub(super) fn of_path(path: &str, site: &Site, has_native: bool) -> Self {
        if path == site.redirect_path() {
            return Self::Callback;
        }
        if !site.is_ours(path) {
            return if has_native && path == metadata::METADATA_PATH {
                Self::NativeMetadata
            } else {
                Self::App
            };
        }
        match path.strip_prefix(site.prefix()).unwrap_or_default() {
            own_path::FORWARD_AUTH | own_path::FORWARD_AUTH_NGINX => Self::ForwardAuth,
            own_path::START => Self::Start,
            own_path::SIGN_IN => Self::SignIn,
            own_path::SIGN_OUT => Self::SignOut,
            own_path::FRONT_CHANNEL => Self::FrontChannel,
            own_path::USER_INFO => Self::UserInfo,
            own_path::SESSION => Self::Session,
            own_path::SESSION_REFRESH => Self::Refresh,
            own_path::KEYS => Self::Keys,
            own_path::LOGO => Self::Logo,
            path if own_path::is_at_or_below(path, own_path::SET_UP) => Self::SetUp,
            own_path::NATIVE_AUTHORIZE if has_native => Self::NativeAuthorize,
            own_path::NATIVE_TOKEN if has_native => Self::NativeToken,
            own_path::NATIVE_REVOKE if has_native => Self::NativeRevoke,
            own_path::NATIVE_KEYS if has_native => Self::NativeKeys,
            _ => Self::Nothing,
        }
    }

    /// Whether a request on this route is processed to its end even if its client disconnects: it
    /// can end someone's access, or redeems a code that can be redeemed only once.
    pub(super) fn runs_to_its_end(self) -> bool {
        matches!(
            self,
            Self::FrontChannel | Self::SignOut | Self::NativeRevoke | Self::SetUp | Self::Callback
        )
    }

    /// Whether a request on this route ends someone's access only after it has waited for the
    /// database.
    pub(super) fn waits_for_database(self) -> bool {
        matches!(self, Self::NativeRevoke | Self::SetUp)
    }

    /// Whether the route accepts any host: a front proxy uses its own host name, the app fetches
    /// public keys from an internal address, and the page about a wrong host shows the logo.
    pub(super) fn is_for_any_host(self) -> bool {
        matches!(self, Self::ForwardAuth | Self::Keys | Self::NativeKeys | Self::Logo)
    }

    /// The name in the log and in the metrics.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::App => "app",
            Self::ForwardAuth => "forward_auth",
            Self::Start => "start",
            Self::SignIn => "sign_in",
            Self::Callback => "callback",
            Self::SignOut => "sign_out",
            Self::FrontChannel => "front_channel",
            Self::UserInfo => "userinfo",
            Self::Session => "session",
            Self::Refresh => "session_refresh",
            Self::SetUp => "setup",
            Self::Keys => "jwks",
            Self::Logo => "logo",
            Self::NativeMetadata => "native_metadata",
            Self::NativeAuthorize => "native_authorize",
            Self::NativeToken => "native_token",
            Self::NativeRevoke => "native_revoke",
            Self::NativeKeys => "native_jwks",
            Self::Nothing => "nothing",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::target::PathStrictness;
    use http::Method;

    fn site() -> Site {
        Site::parse("https://app.example.com", "/oauth2", Some("/v1/callback")).unwrap()
    }

    #[test]
    fn each_path_has_one_route() {
        let table = [
            ("/v1/callback", Route::Callback),
            ("/v1/callback/", Route::App),
            ("/oauth2/callback", Route::Nothing),
            ("/oauth2/auth", Route::ForwardAuth),
            ("/oauth2/auth/nginx", Route::ForwardAuth),
            ("/oauth2/auth/traefik", Route::Nothing),
            ("/oauth2/start", Route::Start),
            ("/oauth2/START", Route::Nothing),
            ("/oauth2/start/", Route::Nothing),
            ("/oauth2/sign_in", Route::SignIn),
            ("/oauth2/sign_out", Route::SignOut),
            ("/oauth2/front_channel_logout", Route::FrontChannel),
            ("/oauth2/userinfo", Route::UserInfo),
            ("/oauth2/session", Route::Session),
            ("/oauth2/session/refresh", Route::Refresh),
            ("/oauth2/jwks.json", Route::Keys),
            ("/oauth2/logo", Route::Logo),
            ("/oauth2/logo/x", Route::Nothing),
            ("/oauth2/setup", Route::SetUp),
            ("/oauth2/setup/people", Route::SetUp),
            ("/oauth2/setup/", Route::SetUp),
            ("/oauth2/setups", Route::Nothing),
            ("/oauth2/native", Route::Nothing),
            ("/oauth2/native/authorize", Route::NativeAuthorize),
            ("/oauth2/native/token", Route::NativeToken),
            ("/oauth2/native/revoke", Route::NativeRevoke),
            ("/oauth2/native/jwks.json", Route::NativeKeys),
            ("/.well-known/oauth-authorization-server", Route::NativeMetadata),
            ("/oauth2", Route::Nothing),
            ("/oauth2/", Route::Nothing),
            ("/oauth2x", Route::App),
            ("/", Route::App),
        ];
        for (path, route) in table {
            assert_eq!(Route::of_path(path, &site(), true), route, "{path}");
        }
    }

    #[test]
    fn the_callback_is_at_the_configured_path_only_and_a_query_changes_no_route() {
        let site = Site::parse("https://app.example.com", "/oauth2", None).unwrap();
        let table = [
            ("/oauth2/callback?code=x&state=y", Route::Callback),
            ("/oauth2/callback/x", Route::Nothing),
            ("/v1/callback", Route::App),
            ("/?rd=/oauth2/start", Route::App),
            ("/oauth2/start?rd=/oauth2/callback", Route::Start),
            ("/oauth2/session?/refresh", Route::Session),
        ];
        for (text, route) in table {
            let target = Target::parse(&Method::GET, text, PathStrictness::Strict).unwrap();
            assert_eq!(Route::of(&target, &site, true), route, "{text}");
        }
    }

    #[test]
    fn without_native_apps_their_paths_are_not_answered() {
        for path in [
            own_path::NATIVE_AUTHORIZE,
            own_path::NATIVE_TOKEN,
            own_path::NATIVE_REVOKE,
            own_path::NATIVE_KEYS,
        ] {
            assert_eq!(
                Route::of_path(&format!("/oauth2{path}"), &site(), false),
                Route::Nothing,
                "{path}"
            );
        }
        assert_eq!(Route::of_path(metadata::METADATA_PATH, &site(), false), Route::App);
    }

    #[test]
    fn whatever_is_routed_is_reserved() {
        let reserved = |path: &str| {
            own_path::RESERVED.iter().any(|place| own_path::is_at_or_below(path, place))
        };
        let routed = [
            own_path::FORWARD_AUTH,
            own_path::FORWARD_AUTH_NGINX,
            own_path::START,
            own_path::SIGN_IN,
            own_path::SIGN_OUT,
            own_path::FRONT_CHANNEL,
            own_path::USER_INFO,
            own_path::SESSION,
            own_path::SESSION_REFRESH,
            own_path::KEYS,
            own_path::LOGO,
            own_path::SET_UP,
            own_path::NATIVE_AUTHORIZE,
            own_path::NATIVE_TOKEN,
            own_path::NATIVE_REVOKE,
            own_path::NATIVE_KEYS,
        ];
        for path in routed {
            assert_ne!(
                Route::of_path(&format!("/oauth2{path}"), &site(), true),
                Route::Nothing,
                "{path}"
            );
            assert!(reserved(path), "{path}");
        }
    }
}
