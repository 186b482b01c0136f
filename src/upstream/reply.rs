//! What an app responds, over either protocol.

use super::share::HeldShare;
use super::tunnel::AppTunnel;
use http::Response;

/// The response of an app. Hop-by-hop headers are removed.
pub(super) enum Reply<B> {
    Response(Response<B>),
    /// 101, with its `Upgrade`.
    Switched(Response<()>, AppTunnel, HeldShare),
}

impl<B> Reply<B> {
    /// Turns the body into another type.
    pub(super) fn map<T>(self, convert: impl FnOnce(B) -> T) -> Reply<T> {
        match self {
            Self::Response(response) => Reply::Response(response.map(convert)),
            Self::Switched(head, app, share) => Reply::Switched(head, app, share),
        }
    }
}
