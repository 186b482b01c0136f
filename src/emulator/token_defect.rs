//! What a token can get wrong.

/// What the next ID token gets wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenDefect {
    /// Another nonce than the one asked for.
    Nonce,
    /// Another issuer.
    Issuer,
    /// Another audience.
    Audience,
    /// A signature that does not fit.
    Signature,
    /// Expired ten minutes ago.
    Expired,
    /// Valid from ten minutes ahead.
    NotYet,
    /// `alg` none and no signature.
    AlgNone,
    /// A `tid` that the issuer does not name.
    Tid,
    /// The `oid` and `sub` of somebody else of the same tenant.
    Person,
    /// `tid` and issuer of a tenant that nobody knows, which fit each other.
    Stranger,
    /// Signed with the key of personal accounts, which /common publishes.
    PersonalKey,
    /// Signed with a key of the US Government cloud, which /common publishes.
    GovernmentKey,
    /// HS256, with the published key as the secret.
    Hs256,
    /// A key id that is not published.
    UnknownKid,
    /// `tid` said twice.
    Twice,
    /// The person proved an hour ago who they are (`auth_time`), and the session at Entra has gone on since.
    ProvedLongAgo,
    /// Nothing: the person proved just now who they are, and the token says so (`auth_time`).
    ProvedJustNow,
    /// No `acrs`, although an authentication context was asked for.
    NoContext,
}

impl TokenDefect {
    /// All of them, with the names that the control API has for them.
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
        ("twice", Self::Twice),
        ("no-acrs", Self::NoContext),
        ("old-auth-time", Self::ProvedLongAgo),
        ("new-auth-time", Self::ProvedJustNow),
    ];

    /// Whether another family's key is needed.
    pub(super) fn is_of_another_family(self) -> bool {
        matches!(self, Self::PersonalKey | Self::GovernmentKey)
    }
}
