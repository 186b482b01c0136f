//! The page about an organization's client secret.

use super::admin::{AdminPage, AdminTab, minute};
use super::link::link;
use crate::base::calendar;
use minijinja::context;
use minijinja::value::Value;

/// The client secret, which is never shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialPage {
    /// The shared content.
    pub admin: AdminPage,
    /// Whether it is defined in the configuration, so that it can be changed only there.
    pub in_file: bool,
    /// The kind of credential: `client-secret`, `certificate` or `federated`; `None` if unknown.
    pub kind: Option<&'static str>,
    /// The expiry time in seconds since 1970, and the number of days until then.
    pub ends: Option<(i64, i64)>,
    /// A new credential that no sign-in has used successfully yet.
    pub waiting: Option<NewCredentialView>,
    /// The address at which to sign in again first.
    pub again: Option<String>,
    /// Whether the secret of a form that was refused is kept for this visit.
    pub is_secret_kept: bool,
    /// The error in the submitted values: `id`, `empty`, `date` or `past`.
    pub problem: Option<&'static str>,
    /// The action that has just been taken: `waits`, `set` or `taken_back`.
    pub done: Option<&'static str>,
}

/// A new credential that is pending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCredentialView {
    /// The kind of credential.
    pub kind: Option<&'static str>,
    /// The time since which it is pending, in seconds since 1970.
    pub since: i64,
    /// The actor who added it.
    pub by: String,
    /// Entra's error for it.
    pub refused: Option<String>,
}

impl CredentialPage {
    pub(super) fn context(&self) -> Value {
        let waiting =
            self.waiting.as_ref().map(|it| context! { kind => it.kind, since => minute(it.since), by => it.by.as_str(), refused => it.refused.as_deref() });
        let path = self.admin.path("/credential");
        context! {
            admin => self.admin.context(AdminTab::Credential),
            in_file => self.in_file,
            kind => self.kind,
            ends => self.ends.map(|it| day(it.0)),
            days => self.ends.map(|it| it.1),
            waiting,
            again => self.again.as_deref().and_then(link),
            secret_kept => self.is_secret_kept,
            problem => self.problem,
            done => self.done,
            action => link(&path),
        }
    }

    /// Replaces every text with another one, for tests of templates.
    pub(super) fn with_hostile_text(
        &self,
        word: impl Fn() -> String,
        link: impl Fn() -> String,
    ) -> Self {
        let mut it = self.clone();
        it.admin = AdminPage { organization: word(), base: link() };
        it.again = it.again.as_ref().map(|_| link());
        it.waiting = it.waiting.as_ref().map(|it| NewCredentialView {
            kind: it.kind,
            since: it.since,
            by: word(),
            refused: Some(word()),
        });
        it
    }
}

/// Formats a date as `2026-01-09`, in UTC.
fn day(seconds: i64) -> String {
    calendar::utc_day(u64::try_from(seconds).unwrap_or_default())
}
