//! The person on the page of a refusal. It has its own file because a refusal contains it.

/// A person whom the access rules refuse, and what they can do.
#[derive(Debug)]
pub(in crate::flow) struct RefusedPerson {
    /// The name that the person knows the account by.
    pub(in crate::flow) name: String,
    /// The URL that starts a sign-in with another account, for the same page.
    pub(in crate::flow) other_account: String,
    /// The URL that signs out.
    pub(in crate::flow) sign_out: String,
}
