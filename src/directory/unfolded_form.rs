//! Usernames and e-mail addresses that stay in the form in which an earlier version stored them.

use std::fmt;

/// A username or an e-mail address that stays in an earlier form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnfoldedForm {
    /// The company code of the person's organization.
    pub organization: String,
    /// The stored form.
    pub stored: String,
    /// The form that lookups use.
    pub folded: String,
    /// Why it stays.
    pub why: UnfoldedReason,
}

/// Why a stored form stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnfoldedReason {
    /// Another person has the new form, or would have it too.
    Taken,
    /// The new form is a company code.
    Code,
    /// The new form is at a domain of another organization.
    DomainElsewhere,
}

impl fmt::Display for UnfoldedForm {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { organization, stored, folded, why } = self;
        let why = match why {
            UnfoldedReason::Taken => "belongs to another person too",
            UnfoldedReason::Code => "is a company code",
            UnfoldedReason::DomainElsewhere => "is at a domain of another organization",
        };
        write!(
            out,
            "{stored:?} of {organization} is no longer found when it is typed, and stays as it is, because {folded:?} {why}; \
             change one of them with entrada person set"
        )
    }
}
