//! What of a request nobody has registered: in a file of its own, since a refusal tells it.

/// What is not registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::flow) enum Unregistered {
    /// The client.
    #[error("the client_id is missing, said twice or not registered")]
    Client,
    /// Where it would hear its answer.
    #[error("the redirect_uri is missing, said twice or not registered for this client")]
    Place,
}
