//! Which of our ways a request goes.

use super::native::metadata;
use crate::base::site::Site;
use crate::base::target::Target;

/// The ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// To the app.
    App,
    /// A front proxy asks; `auth` is nginx's dialect.
    ForwardAuth,
    /// Off to Entra.
    Start,
    /// The page with the button.
    SignIn,
    /// Back from Entra.
    Callback,
    /// Out.
    SignOut,
    /// Entra tells of a sign-out there.
    FrontChannel,
    /// Who am I, in JSON.
    UserInfo,
    /// How long may I stay, in JSON.
    Session,
    /// May I still: Entra is asked.
    Refresh,
    /// The set-up page of an organization, and what is below it.
    SetUp,
    /// The public keys of the assertion.
    Keys,
    /// What an app of a phone or a command line may ask of us.
    NativeMetadata,
    /// Such an app sends somebody to sign in.
    NativeAuthorize,
    /// Such an app asks for tokens.
    NativeToken,
    /// Such an app gives a token back.
    NativeRevoke,
    /// The public keys of access tokens.
    NativeKeys,
    /// Under our prefix, but nothing of ours.
    Nothing,
}

impl Route {
    /// By path alone.
    pub(super) fn of(target: &Target, site: &Site, has_native: bool) -> Self {
        Self::of_path(target.path(), site, has_native)
    }

    /// The same for a path that was not judged yet.
    pub(super) fn of_path(path: &str, site: &Site, has_native: bool) -> Self {
        if path == site.redirect_path() {
            return Self::Callback;
        }
        if !site.is_ours(path) {
            return if has_native && path == metadata::METADATA_PATH { Self::NativeMetadata } else { Self::App };
        }
        match path.strip_prefix(site.prefix()).unwrap_or_default() {
            "/auth" | "/auth/nginx" => Self::ForwardAuth,
            "/start" => Self::Start,
            "/sign_in" => Self::SignIn,
            "/sign_out" => Self::SignOut,
            "/front_channel_logout" => Self::FrontChannel,
            "/userinfo" => Self::UserInfo,
            "/session" => Self::Session,
            "/session/refresh" => Self::Refresh,
            "/jwks.json" => Self::Keys,
            path if path.strip_prefix("/setup").is_some_and(|it| it.is_empty() || it.starts_with('/')) => Self::SetUp,
            "/native/authorize" if has_native => Self::NativeAuthorize,
            "/native/token" if has_native => Self::NativeToken,
            "/native/revoke" if has_native => Self::NativeRevoke,
            "/native/jwks.json" if has_native => Self::NativeKeys,
            _ => Self::Nothing,
        }
    }

    /// Whether a request there can end somebody's access: it is handled to its end although its client disconnects.
    pub(super) fn can_end_access(self) -> bool {
        matches!(self, Self::FrontChannel | Self::SignOut | Self::NativeRevoke | Self::SetUp)
    }

    /// Whether it does so only after it has waited for the database.
    pub(super) fn waits_for_database(self) -> bool {
        matches!(self, Self::NativeRevoke | Self::SetUp)
    }

    /// A front proxy asks under a name of its own, and the app fetches public keys by an inner address.
    pub(super) fn is_for_any_host(self) -> bool {
        matches!(self, Self::ForwardAuth | Self::Keys | Self::NativeKeys)
    }

    /// For log and figures.
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
            Self::NativeMetadata => "native_metadata",
            Self::NativeAuthorize => "native_authorize",
            Self::NativeToken => "native_token",
            Self::NativeRevoke => "native_revoke",
            Self::NativeKeys => "native_jwks",
            Self::Nothing => "nothing",
        }
    }
}
