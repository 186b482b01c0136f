//! Why a token is refused.

use crate::base::guid::Guid;

/// Why a token is refused. No variant holds text from the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidToken {
    /// Longer than 64 KiB.
    #[error("the token is too large")]
    TooLarge,
    /// Not three parts of base64url around JSON objects.
    #[error("the token is malformed")]
    Malformed,
    /// A member of the header or a claim stands twice (RFC 7515 section 4, RFC 7519 section 4).
    #[error("the token repeats a member")]
    Twice,
    /// `alg` is not RS256.
    #[error("the token is not signed with RS256")]
    Algorithm,
    /// `crit` asks for an extension (RFC 7515 section 4.1.11).
    #[error("the token requires an unknown extension")]
    Critical,
    /// `typ` or `cty` says that this is something else than a JWT.
    #[error("the token is of another type")]
    Type,
    /// No usable `kid`.
    #[error("the token does not name its key")]
    NoKeyId,
    /// The signature does not fit.
    #[error("the signature does not match")]
    Signature,
    /// The key belongs to another issuer or cloud.
    #[error("the token is signed with a key of another issuer")]
    KeyIssuer,
    /// `ver` is not 2.0.
    #[error("the token is not of version 2.0")]
    Version,
    /// `iss` is not the tenant's issuer.
    #[error("the token is from another issuer")]
    Issuer,
    /// `tid` is not the tenant.
    #[error("the token is from another tenant")]
    Tenant,
    /// A tenant that is not among those allowed; its id.
    #[error("people of the tenant {0} may not sign in here (entra.allowed_tenants)")]
    Stranger(Guid),
    /// A personal account, which is let in only where it is named.
    #[error("personal accounts may not sign in here (entra.allowed_tenants)")]
    Personal,
    /// `aud` is not exactly this app.
    #[error("the token is for another app")]
    Audience,
    /// `azp` is another app.
    #[error("the token was issued to another app")]
    Party,
    /// `nonce` is not that of the sign-in.
    #[error("the token belongs to another sign-in")]
    Nonce,
    /// `exp` has passed.
    #[error("the token has expired; check this machine's clock")]
    Expired,
    /// `nbf` or `iat` lies ahead.
    #[error("the token is not valid yet; check this machine's clock")]
    NotYet,
    /// `exp` is further away than Entra ever sets it, or no time at all.
    #[error("the token's times are inconsistent")]
    Times,
    /// `oid` is no GUID; scope `profile` brings it.
    #[error("the token does not identify a person (oid)")]
    NoOid,
    /// `roles` or `groups` is no list of texts.
    #[error("the token's roles or groups cannot be read")]
    Lists,
    /// A guest, and `guests = false`.
    #[error("guests may not sign in here")]
    Guest,
}
