//! Apps that are registered besides the first one.

/// An app registration in one tenant, with the one client secret it has. All of it is pretend.
#[derive(Clone, Debug)]
pub struct EmulatedRegistration {
    /// Directory (tenant) ID, a GUID.
    pub tenant: String,
    /// Application (client) ID, a GUID.
    pub client_id: String,
    /// The Value of the client secret.
    pub client_secret: String,
    /// The Secret ID, which stands beside the Value in the admin center and opens nothing.
    pub secret_id: String,
}
