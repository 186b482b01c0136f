//! The pages for an organization's admin once it is on: people, recent sign-ins, change history.

use super::link::link;
use crate::base::calendar;
use minijinja::context;
use minijinja::value::Value;

/// The content that all these pages share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminPage {
    /// The organization's name.
    pub organization: String,
    /// The path prefix of these pages.
    pub base: String,
}

/// The tabs of these pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdminTab {
    /// The set-up pages.
    Setup,
    /// The people.
    People,
    /// Recent sign-ins.
    SignIns,
    /// The change history.
    History,
    /// The client secret.
    Credential,
}

/// The people of an organization, filtered by prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeoplePage {
    /// The shared content.
    pub admin: AdminPage,
    /// The filter; empty without one.
    pub asked: String,
    /// The people that match.
    pub people: Vec<PersonRow>,
    /// The address of the next page, if there are more.
    pub next: Option<String>,
    /// The number of decisions that wait for the admin.
    pub decisions: usize,
    /// The action that has just been taken: `deleted`.
    pub done: Option<&'static str>,
}

/// One person in the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonRow {
    /// The display name, or the username if there is none.
    pub name: String,
    /// The username to type at sign-in.
    pub username: String,
    /// The role.
    pub role: String,
    /// Whether the person may sign in.
    pub on: bool,
    /// The last sign-in, in seconds since 1970.
    pub last: Option<i64>,
    /// The address of the person's page.
    pub href: String,
}

/// One person, and the available actions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonPage {
    /// The shared content.
    pub admin: AdminPage,
    /// The ID that the form uses for the person.
    pub id: String,
    /// The person as listed.
    pub listed: PersonRow,
    /// The email address.
    pub email: Option<String>,
    /// The source of the role: `default`, `hand` or `entra`.
    pub role_source: &'static str,
    /// The creation time, in seconds since 1970.
    pub created: i64,
    /// The roles that the reader may assign.
    pub roles: Vec<String>,
    /// The actions that the reader may take.
    pub may: PersonPermissions,
    /// People who may be the same person, and may sign in.
    pub twins: Vec<PersonRow>,
    /// The action that has just been taken: `role`, `on`, `off`, `sign_out` or `merged`.
    pub done: Option<&'static str>,
}

/// The actions that an admin may take on a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PersonPermissions {
    /// All actions.
    Everything,
    /// No action: the person has a higher role.
    Above,
    /// Signing out only: the person is the reader.
    Yourself,
}

/// Sign-ins and rejected sign-ins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignInsPage {
    /// The shared content.
    pub admin: AdminPage,
    /// Whether only rejected sign-ins are shown.
    pub refused_only: bool,
    /// The sign-ins, newest first.
    pub rows: Vec<SignInRow>,
    /// The address of the next page, if there are more.
    pub next: Option<String>,
}

/// One sign-in or rejected sign-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignInRow {
    /// The time, in seconds since 1970.
    pub at: i64,
    /// The person, as far as known.
    pub name: String,
    /// The address of the person's page, if the directory has the person.
    pub href: Option<String>,
    /// The reason, if it was rejected.
    pub refused: Option<RefusalReason>,
    /// The reference that finds the line in the log.
    pub reference: String,
}

/// The reason that a sign-in was rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefusalReason {
    /// A key of Entrada's own, for which the catalog has a sentence.
    Word(&'static str),
    /// The error from Entra.
    Entra(EntraErrorDetail),
}

/// Entra's error for a sign-in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EntraErrorDetail {
    /// Entra's code, or its OAuth error if there is no code.
    pub code: String,
    /// The meaning of the code, in English.
    pub about: Option<String>,
    /// The fix that an admin makes and its place, in English.
    pub remedy: Option<String>,
    /// The address of Microsoft's page about the code.
    pub more: Option<String>,
}

/// The change history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryPage {
    /// The shared content.
    pub admin: AdminPage,
    /// The changes, newest first.
    pub rows: Vec<HistoryRow>,
    /// The address of the next page, if there are more.
    pub next: Option<String>,
}

/// One change in the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryRow {
    /// The time, in seconds since 1970.
    pub at: i64,
    /// The actor who made the change.
    pub by: String,
    /// The username of the person that was changed.
    pub username: Option<String>,
    /// The change, in English.
    pub what: String,
}

impl AdminPage {
    /// Returns the values that the layout can use.
    pub(super) fn context(&self, here: AdminTab) -> Value {
        let all = [
            (AdminTab::Setup, "setup", ""),
            (AdminTab::People, "people", "/people"),
            (AdminTab::SignIns, "sign_ins", "/sign_ins"),
            (AdminTab::History, "history", "/history"),
            (AdminTab::Credential, "credential", "/credential"),
        ];
        let tab = |(tab, name, path): (AdminTab, &'static str, &'static str)| {
            let href = format!("{}{path}", self.base);
            context! { name, href => link(&href), here => tab == here }
        };
        context! { organization => self.organization.as_str(), tabs => all.map(tab).to_vec() }
    }

    pub(super) fn path(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
}

impl PersonRow {
    fn context(&self) -> Value {
        context! {
            name => self.name.as_str(),
            username => self.username.as_str(),
            role => self.role.as_str(),
            on => self.on,
            last => self.last.map(minute),
            href => link(&self.href),
        }
    }
}

impl PeoplePage {
    pub(super) fn context(&self) -> Value {
        let people: Vec<_> = self.people.iter().map(PersonRow::context).collect();
        let find = self.admin.path("/people");
        context! { admin => self.admin.context(AdminTab::People), asked => self.asked.as_str(), people, next => self.next.as_deref().and_then(link), find => link(&find), decisions => self.decisions, done => self.done, requests => link(&self.admin.path("/requests")) }
    }
}

impl PersonPage {
    pub(super) fn context(&self) -> Value {
        let path = self.admin.path("/people");
        let may = match self.may {
            PersonPermissions::Everything => "everything",
            PersonPermissions::Above => "above",
            PersonPermissions::Yourself => "yourself",
        };
        context! {
            admin => self.admin.context(AdminTab::People),
            id => self.id.as_str(),
            email => self.email.as_deref(),
            role_source => self.role_source,
            created => minute(self.created),
            roles => self.roles.clone(),
            may,
            twins => self.twins.iter().map(PersonRow::context).collect::<Vec<_>>(),
            done => self.done,
            confirm => link(&format!("{path}?person={}&confirm=", self.id)),
            back => link(&path),
            action => link(&path),
            ..self.listed.context()
        }
    }
}

impl SignInsPage {
    pub(super) fn context(&self) -> Value {
        let rows: Vec<_> = self.rows.iter().map(SignInRow::context).collect();
        let other =
            self.admin.path(if self.refused_only { "/sign_ins" } else { "/sign_ins?refused=1" });
        let next = self.next.as_deref().and_then(link);
        context! { admin => self.admin.context(AdminTab::SignIns), refused_only => self.refused_only, rows, next, other => link(&other) }
    }
}

impl SignInRow {
    fn context(&self) -> Value {
        let (word, said) = match &self.refused {
            Some(RefusalReason::Word(word)) => (Some(*word), None),
            Some(RefusalReason::Entra(said)) => (None, Some(said)),
            None => (None, None),
        };
        context! {
            at => minute(self.at),
            name => self.name.as_str(),
            href => self.href.as_deref().and_then(link),
            refused => word.or(said.map(|it| it.code.as_str())),
            word,
            about => said.and_then(|it| it.about.as_deref()),
            remedy => said.and_then(|it| it.remedy.as_deref()),
            more => said.and_then(|it| link(it.more.as_deref()?)),
            reference => self.reference.as_str(),
        }
    }
}

impl HistoryPage {
    pub(super) fn context(&self) -> Value {
        let row = |it: &HistoryRow| context! { at => minute(it.at), by => it.by.as_str(), username => it.username.as_deref(), what => it.what.as_str() };
        let rows: Vec<_> = self.rows.iter().map(row).collect();
        context! { admin => self.admin.context(AdminTab::History), rows, next => self.next.as_deref().and_then(link) }
    }
}

/// Formats a time as `2026-01-09 02:02`, in UTC.
pub(super) fn minute(seconds: i64) -> String {
    calendar::utc_minute(u64::try_from(seconds).unwrap_or_default())
}

/// Replaces every text with another one, for tests of templates.
macro_rules! with_hostile_text {
    ($($page:ident: |$it:ident, $word:ident, $link:ident| $change:block)*) => {$(
        impl $page {
            pub(super) fn with_hostile_text(&self, $word: impl Fn() -> String, $link: impl Fn() -> String) -> Self {
                let mut $it = self.clone();
                $it.admin = AdminPage { organization: $word(), base: $link() };
                $change
                $it
            }
        }
    )*};
}

with_hostile_text! {
    PeoplePage: |it, word, link| {
        (it.asked, it.next) = (word(), Some(link()));
        it.people.iter_mut().for_each(|it| it.make_hostile(&word, &link));
    }
    PersonPage: |it, word, link| {
        (it.id, it.email, it.roles) = (word(), Some(word()), vec![word()]);
        it.twins.iter_mut().for_each(|it| it.make_hostile(&word, &link));
        it.listed.make_hostile(&word, &link);
    }
    SignInsPage: |it, word, link| {
        it.next = Some(link());
        for row in &mut it.rows {
            (row.name, row.reference, row.href) = (word(), word(), Some(link()));
            if let Some(RefusalReason::Entra(said)) = &mut row.refused {
                *said = EntraErrorDetail { code: word(), about: Some(word()), remedy: Some(word()), more: Some(link()) };
            }
        }
    }
    HistoryPage: |it, word, link| {
        it.next = Some(link());
        it.rows.iter_mut().for_each(|it| *it = HistoryRow { at: it.at, by: word(), username: Some(word()), what: word() });
    }
}

impl PersonRow {
    fn make_hostile(&mut self, word: &impl Fn() -> String, link: &impl Fn() -> String) {
        (self.name, self.username, self.role, self.href) = (word(), word(), word(), link());
    }
}
