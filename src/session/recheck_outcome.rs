//! The result of a question to Entra about a session.

/// What a recheck means for its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecheckOutcome {
    /// The person still has access.
    Fresh,
    /// The person has lost access.
    Ended,
    /// The person must sign in again.
    SignInNeeded,
    /// Nothing is known: another attempt follows.
    Later,
}

impl RecheckOutcome {
    /// Reasons in the row of a sign-in on a native client.
    pub(in crate::session) const ENDED_BY_ENTRA: &'static str = "Entra ended the person's access";
    pub(in crate::session) const SIGN_IN_REQUIRED: &'static str = "Entra requires a new sign-in";

    /// Returns the name in the metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fresh => "live",
            Self::Ended => "ended",
            Self::SignInNeeded => "sign_in_required",
            Self::Later => "unavailable",
        }
    }
}
