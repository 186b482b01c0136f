//! Apps registered in addition to the first one.

/// An emulated app registration in one tenant, with a single client secret.
#[derive(Clone, Debug)]
pub struct EmulatedRegistration {
    /// Directory (tenant) ID, a GUID.
    pub tenant: String,
    /// Application (client) ID, a GUID.
    pub client_id: String,
    /// The Value of the client secret.
    pub client_secret: String,
    /// The Secret ID, shown beside the Value in the admin center; it does not authenticate.
    pub secret_id: String,
}
