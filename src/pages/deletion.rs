//! The page that asks before a whole organization is deleted.

use super::admin::{AdminPage, AdminTab};
use super::domains::DomainSummary;
use super::link::link;
use minijinja::context;
use minijinja::value::Value;

/// What goes with an organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletionPage {
    /// The shared content.
    pub admin: AdminPage,
    /// The company code, which must be typed.
    pub code: String,
    /// The number of people.
    pub people: u64,
    /// The e-mail domains.
    pub domains: DomainSummary,
    /// Why the reader may not delete it: `in_file`, `by_link`, `not_highest` or `stale`.
    pub locked: Option<&'static str>,
    /// The address at which to sign in again first.
    pub again: String,
    /// The text in the field; empty at first.
    pub typed: String,
    /// Why nothing was deleted: `code` or `changed`.
    pub problem: Option<&'static str>,
}

impl DeletionPage {
    pub(super) fn context(&self) -> Value {
        context! {
            admin => self.admin.context(AdminTab::Setup),
            code => self.code.as_str(),
            people => self.people,
            domains => self.domains.context(),
            locked => self.locked,
            again => link(&self.again),
            typed => self.typed.as_str(),
            problem => self.problem,
            action => link(&self.admin.path("/deletion")),
            back => link(&self.admin.base),
        }
    }

    /// Replaces every text with another one, for tests of templates.
    pub(super) fn with_hostile_text(
        &self,
        word: impl Fn() -> String,
        link: impl Fn() -> String,
    ) -> Self {
        Self {
            admin: AdminPage { organization: word(), base: link() },
            code: word(),
            domains: self.domains.with_hostile_text(&word),
            again: link(),
            typed: word(),
            ..self.clone()
        }
    }
}
