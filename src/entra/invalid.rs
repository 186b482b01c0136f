//! Reasons for which a token is rejected.

use crate::base::guid::Guid;

/// Why a token is rejected. No variant contains text from the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidToken {
    /// Longer than 64 KiB.
    #[error("the token is too large")]
    TooLarge,
    /// Not three base64url parts that contain JSON objects.
    #[error("the token is malformed")]
    Malformed,
    /// A header member or a claim occurs twice (RFC 7515 section 4, RFC 7519 section 4), or a claim
    /// that is read has another one that differs by case only.
    #[error("the token contains a duplicate member")]
    DuplicateClaim,
    /// `alg` is not RS256.
    #[error("the token is not signed with RS256")]
    Algorithm,
    /// `crit` requires an extension (RFC 7515 section 4.1.11).
    #[error("the token requires an unknown extension")]
    Critical,
    /// `typ` or `cty` names a type other than JWT.
    #[error("the token has another type")]
    Type,
    /// No usable `kid`.
    #[error("the token does not name its key")]
    NoKeyId,
    /// The signature does not match.
    #[error("the signature does not match")]
    Signature,
    /// The key belongs to another issuer or cloud.
    #[error("the token is signed with a key of another issuer")]
    KeyIssuer,
    /// `ver` is not 2.0.
    #[error("the token does not have version 2.0")]
    Version,
    /// `iss` is not the tenant's issuer.
    #[error("the token is from another issuer")]
    Issuer,
    /// `tid` is not the tenant.
    #[error("the token is from another tenant")]
    Tenant,
    /// The tenant with this ID is not in the list of allowed tenants.
    #[error("people of the tenant {0} may not sign in here (entra.allowed_tenants)")]
    Stranger(Guid),
    /// A personal account; these are admitted only if their tenant is listed explicitly.
    #[error("personal accounts may not sign in here (entra.allowed_tenants)")]
    Personal,
    /// `aud` is not exactly this app.
    #[error("the token is for another app")]
    Audience,
    /// `azp` is another app.
    #[error("the token was issued to another app")]
    Party,
    /// `nonce` is not the one from the sign-in.
    #[error("the token belongs to another sign-in")]
    Nonce,
    /// `exp` has passed.
    #[error("the token has expired; check this machine's clock")]
    Expired,
    /// `nbf` or `iat` is in the future.
    #[error("the token is not valid yet; check this machine's clock")]
    NotYet,
    /// `exp` is further in the future than Entra ever sets it, or is not a time.
    #[error("the token's times are inconsistent")]
    Times,
    /// `oid` is not a GUID; it requires the scope `profile`.
    #[error("the token does not identify a person (oid)")]
    NoOid,
    /// `sub` is missing, empty or too long.
    #[error("the token does not name its subject (sub)")]
    NoSubject,
    /// `roles` or `groups` is not a list of strings.
    #[error("the token's roles or groups cannot be read")]
    Lists,
    /// A guest, and `guests = false`.
    #[error("guests may not sign in here")]
    Guest,
}
