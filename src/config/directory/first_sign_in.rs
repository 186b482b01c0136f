//! `first_sign_in`: the action on the first sign-in of an unknown person.

/// The action on the first sign-in of an unknown person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FirstSignInRule {
    /// Creates the person.
    #[default]
    Create,
    /// Refuses the sign-in.
    Refuse,
}

pub(super) const FIRST_SIGN_IN_VALUES: [(&str, FirstSignInRule); 2] =
    [("create", FirstSignInRule::Create), ("refuse", FirstSignInRule::Refuse)];
