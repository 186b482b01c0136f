//! Unregistered values of a request. They have their own file because a refusal reports them.

/// The value that is not registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::flow) enum Unregistered {
    /// The client.
    #[error("the client_id is missing, repeated or not registered")]
    Client,
    /// The redirect URI that would receive the answer.
    #[error("the redirect_uri is missing, repeated or not registered for this client")]
    RedirectUri,
}
