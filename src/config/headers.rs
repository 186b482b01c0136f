//! `[headers]`: what the app receives.

use http::HeaderName;
use std::time::Duration;

/// `[headers]`, as meant.
#[derive(Clone, Debug)]
pub struct Headers {
    /// Which sets go to the app in the path. Forward-auth answers always carry `x-auth-request`.
    pub send: Vec<Set>,
    /// Header name and the claim it carries.
    pub custom: Vec<(HeaderName, String)>,
    /// The signed assertion.
    pub assertion: Assertion,
}

/// A set of plain headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Set {
    /// `X-Forwarded-User` and its companions.
    XForwarded,
    /// `X-Auth-Request-User` and its companions.
    XAuthRequest,
}

/// `[headers.assertion]`. ES256 only, for now.
#[derive(Clone, Debug)]
pub struct Assertion {
    /// `X-Entrada-Assertion`.
    pub name: HeaderName,
    /// Whom it is for.
    pub audience: String,
    /// From `iat` to `exp`.
    pub lifetime: Duration,
}
