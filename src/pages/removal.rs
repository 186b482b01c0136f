//! The page that asks before a person is deleted or merged with another one.

use super::admin::{AdminPage, AdminTab, minute};
use super::link::link;
use minijinja::context;
use minijinja::value::Value;

/// What happens to a person, and what goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemovalPage {
    /// The shared content.
    pub admin: AdminPage,
    /// The person: who goes, or who stays in a merge.
    pub person: RemovalPerson,
    /// What is to be confirmed.
    pub step: RemovalStep,
    /// Why the reader may not decide: `by_link` or `stale`.
    pub locked: Option<&'static str>,
    /// The address at which to sign in again first.
    pub again: String,
    /// Why nothing was changed: `unknown`, `same`, `both_linked`, `above` or `changed`.
    pub problem: Option<&'static str>,
}

/// What is to be confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RemovalStep {
    /// The person is deleted.
    Delete,
    /// Asks for the person to merge with; contains what was typed.
    Choose(String),
    /// This person goes, and the account moves to the other one.
    Merge(RemovalPerson),
}

/// What is known of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemovalPerson {
    /// The ID that the form uses for the person.
    pub id: String,
    /// The username.
    pub username: String,
    /// The display name.
    pub name: Option<String>,
    /// The email address.
    pub email: Option<String>,
    /// The role.
    pub role: String,
    /// The last sign-in, in seconds since 1970.
    pub last: Option<i64>,
    /// The object ID of the account that is linked.
    pub account: Option<String>,
    /// Whether the person may sign in.
    pub on: bool,
}

impl RemovalPage {
    pub(super) fn context(&self) -> Value {
        let people = self.admin.path("/people");
        let back = format!("{people}?person={}", self.person.id);
        let (step, other, typed) = match &self.step {
            RemovalStep::Delete => ("delete", None, ""),
            RemovalStep::Choose(typed) => ("choose", None, typed.as_str()),
            RemovalStep::Merge(other) => ("merge", Some(other.context()), ""),
        };
        context! {
            admin => self.admin.context(AdminTab::People),
            person => self.person.context(),
            step,
            other,
            typed,
            locked => self.locked,
            again => link(&self.again),
            problem => self.problem,
            action => link(&people),
            back => link(&back),
        }
    }

    /// Replaces every text with another one, for tests of templates.
    pub(super) fn with_hostile_text(
        &self,
        word: impl Fn() -> String,
        link: impl Fn() -> String,
    ) -> Self {
        let hostile = |it: &RemovalPerson| RemovalPerson {
            id: word(),
            username: word(),
            name: Some(word()),
            email: Some(word()),
            role: word(),
            account: Some(word()),
            ..it.clone()
        };
        Self {
            admin: AdminPage { organization: word(), base: link() },
            person: hostile(&self.person),
            step: match &self.step {
                RemovalStep::Delete => RemovalStep::Delete,
                RemovalStep::Choose(_) => RemovalStep::Choose(word()),
                RemovalStep::Merge(other) => RemovalStep::Merge(hostile(other)),
            },
            again: link(),
            ..self.clone()
        }
    }
}

impl RemovalPerson {
    fn context(&self) -> Value {
        context! {
            id => self.id.as_str(),
            username => self.username.as_str(),
            name => self.name.as_deref(),
            email => self.email.as_deref(),
            role => self.role.as_str(),
            last => self.last.map(minute),
            account => self.account.as_deref(),
            on => self.on,
        }
    }
}
