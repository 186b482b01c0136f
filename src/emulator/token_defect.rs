//! Defects of a token.

/// The defect of the next ID token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenDefect {
    /// A nonce that differs from the requested one.
    Nonce,
    /// The wrong issuer.
    Issuer,
    /// The wrong audience.
    Audience,
    /// A signature that does not match.
    Signature,
    /// Expired ten minutes ago.
    Expired,
    /// Not valid until ten minutes from now.
    NotYet,
    /// `alg` is `none`, without a signature.
    AlgNone,
    /// A `tid` that does not match the issuer.
    Tid,
    /// The `oid` and `sub` of another person in the same tenant.
    Person,
    /// The `tid` and issuer of an unknown tenant, which match each other.
    Stranger,
    /// Signed with the personal accounts' key, which /common publishes.
    PersonalKey,
    /// Signed with a key from the US Government cloud, which /common publishes.
    GovernmentKey,
    /// HS256, with the published key as the secret.
    Hs256,
    /// A key ID that is not published.
    UnknownKid,
    /// A duplicate `tid`.
    DuplicateClaim,
    /// The person authenticated an hour ago (`auth_time`), and the session at Entra has continued
    /// since then.
    ProvedLongAgo,
    /// No defect: the person authenticated just now, and the token says so (`auth_time`).
    ProvedJustNow,
    /// No `acrs`, although an authentication context was requested.
    NoContext,
}

impl TokenDefect {
    /// All defects, with their names in the control API.
    pub(super) const ALL: [(&'static str, Self); 18] = [
        ("nonce", Self::Nonce),
        ("issuer", Self::Issuer),
        ("audience", Self::Audience),
        ("signature", Self::Signature),
        ("expired", Self::Expired),
        ("not-yet", Self::NotYet),
        ("alg-none", Self::AlgNone),
        ("tid", Self::Tid),
        ("person", Self::Person),
        ("stranger", Self::Stranger),
        ("personal-key", Self::PersonalKey),
        ("government-key", Self::GovernmentKey),
        ("hs256", Self::Hs256),
        ("unknown-kid", Self::UnknownKid),
        ("twice", Self::DuplicateClaim),
        ("no-acrs", Self::NoContext),
        ("old-auth-time", Self::ProvedLongAgo),
        ("new-auth-time", Self::ProvedJustNow),
    ];

    /// Returns whether it needs a key from another family.
    pub(super) fn is_of_another_family(self) -> bool {
        matches!(self, Self::PersonalKey | Self::GovernmentKey)
    }
}
