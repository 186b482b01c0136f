//! The first thing on the set-up page of an organization that is on.

use minijinja::context;
use minijinja::value::Value;

/// The state of an organization that is on, and what its admin can do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusCard {
    /// The time since which it is on, in UTC.
    pub since: String,
    /// The last sign-in: the person, and the time in UTC.
    pub last: Option<(String, String)>,
    /// The number of accounts and people that wait for a decision.
    pub decisions: usize,
    /// What there is to do about the expiry of the credential.
    pub expiry: CredentialExpiry,
}

/// What there is to do about the expiry of a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialExpiry {
    /// Nothing.
    Fine,
    /// A client secret expires, and no one said when.
    Unknown,
    /// It expires on this date, in so many days.
    Soon(String, i64),
    /// It expired on this date.
    Over(String),
}

impl StatusCard {
    pub(super) fn context(&self) -> Value {
        let (expiry, date, days) = match &self.expiry {
            CredentialExpiry::Fine => ("fine", None, 0),
            CredentialExpiry::Unknown => ("unknown", None, 0),
            CredentialExpiry::Soon(date, days) => ("soon", Some(date.as_str()), *days),
            CredentialExpiry::Over(date) => ("over", Some(date.as_str()), 0),
        };
        let last = self
            .last
            .as_ref()
            .map(|(name, at)| context! { name => name.as_str(), at => at.as_str() });
        context! {
            since => self.since.as_str(),
            last,
            decisions => self.decisions,
            expiry => context! { state => expiry, date, days },
        }
    }
}
