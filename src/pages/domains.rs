//! The page on which an organization's admin proves its e-mail domains, and the summary of them on
//! the set-up page.

use super::admin::{AdminPage, AdminTab};
use super::link::link;
use crate::base::calendar;
use minijinja::context;
use minijinja::value::Value;

/// Maximum number of domains that a sentence names.
const MAX_NAMED_DOMAINS: usize = 3;

/// The e-mail domains of an organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainsPage {
    /// The shared content.
    pub admin: AdminPage,
    /// The domains, sorted: those that are known first.
    pub domains: Vec<DomainRow>,
    /// The text that a TXT record must have, if a domain was claimed.
    pub record: Option<String>,
    /// Why the reader may change nothing: `in_file` or `not_highest`.
    pub locked: Option<&'static str>,
    /// The text in the field; empty at first.
    pub typed: String,
    /// The key of the reason that an action was rejected or a domain is not proven yet, and the
    /// domain, if it is listed.
    pub problem: Option<DomainProblem>,
    /// The action that has just succeeded.
    pub done: Option<&'static str>,
}

/// One domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainRow {
    /// The domain.
    pub domain: String,
    /// The name of its TXT record.
    pub record_name: String,
    /// The key of how it is known: `operator`, `tenant`, `dns` or `pending`.
    pub standing: &'static str,
    /// When it was proven or claimed, in seconds since 1970.
    pub since: Option<i64>,
    /// Until when it can be proven, in seconds since 1970.
    pub ends: Option<i64>,
}

/// Why an action was rejected, or a domain is not proven yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainProblem {
    /// The key of the reason.
    pub why: &'static str,
    /// The domain, if the problem is about a listed one.
    pub domain: Option<String>,
}

/// The e-mail domains as other pages of the set-up show them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DomainSummary {
    /// Each domain, and the key of how it is known.
    pub rows: Vec<(String, &'static str)>,
}

impl DomainSummary {
    /// Returns the domains that lead to the organization, as they end an address; empty if there
    /// is none.
    pub(super) fn known(&self) -> String {
        let known = self.rows.iter().filter(|it| it.1 != "pending");
        let mut all: Vec<_> = known.map(|it| format!("@{}", it.0)).collect();
        if all.len() > MAX_NAMED_DOMAINS {
            all.truncate(MAX_NAMED_DOMAINS);
            all.push("…".to_owned());
        }
        all.join(", ")
    }

    pub(super) fn context(&self) -> Value {
        let row =
            |it: &(String, &'static str)| context! { domain => it.0.as_str(), standing => it.1 };
        let rows: Vec<_> = self.rows.iter().map(row).collect();
        context! { rows, known => self.known() }
    }

    /// Replaces every text with another one, for tests of templates.
    pub(super) fn with_hostile_text(&self, word: impl Fn() -> String) -> Self {
        Self { rows: self.rows.iter().map(|it| (word(), it.1)).collect() }
    }
}

impl DomainsPage {
    pub(super) fn context(&self) -> Value {
        let path = format!("{}/domains", self.admin.base);
        let domains: Vec<_> = self.domains.iter().map(DomainRow::context).collect();
        let is_listed = |it: &DomainProblem| {
            it.domain.as_ref().is_some_and(|it| self.domains.iter().any(|row| row.domain == *it))
        };
        // A problem is shown beside its domain, or at the top.
        let (there, above) = match &self.problem {
            Some(it) if is_listed(it) => (Some(it), None),
            other => (None, other.as_ref()),
        };
        context! {
            admin => self.admin.context(AdminTab::Setup),
            domains,
            record => self.record.as_deref(),
            locked => self.locked,
            typed => self.typed.as_str(),
            problem => above.map(|it| it.why),
            problem_at => there.and_then(|it| it.domain.as_deref()),
            problem_there => there.map(|it| it.why),
            done => self.done,
            action => link(&path),
            back => link(&self.admin.base),
        }
    }

    /// Replaces every text with another one, for tests of templates.
    pub(super) fn with_hostile_text(
        &self,
        word: impl Fn() -> String,
        link: impl Fn() -> String,
    ) -> Self {
        let mut page = self.clone();
        page.admin = AdminPage { organization: word(), base: link() };
        page.typed = word();
        page.record = page.record.map(|_| word());
        for it in &mut page.domains {
            (it.domain, it.record_name) = (word(), word());
        }
        if let Some(it) = &mut page.problem {
            it.domain = it.domain.as_ref().map(|_| word());
        }
        page
    }
}

impl DomainRow {
    fn context(&self) -> Value {
        let day = |it: i64| calendar::utc_day(u64::try_from(it).unwrap_or_default());
        context! {
            domain => self.domain.as_str(),
            record_name => self.record_name.as_str(),
            standing => self.standing,
            since => self.since.map(day),
            ends => self.ends.map(day),
        }
    }
}
