//! Sign-in for the app's own clients, such as mobile apps and CLIs: OAuth 2.1 in front of Entra
//! (RFC 6749, RFC 7636, RFC 8252, RFC 9207).

pub(super) mod app_return;
pub(super) mod authorize;
pub(super) mod finish;
mod form;
pub(super) mod metadata;
pub(super) mod request;
pub(super) mod revoke;
pub(super) mod token;
